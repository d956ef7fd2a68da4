"""Powers of a factor: smooth, in stairs, or at milestones."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

from lrfinder.checks import check_flag, check_number, check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import Shape, checked_by, format_factor, format_steps
from lrfinder.schedules.entry import Entry
from lrfinder.schedules.inverse import intervals

__all__ = ["ENTRIES", "Exponential", "StepDecay"]

_GAMMA = checked_by(check_number, "(0, 1]", "pass the factor of one interval, such as 0.5")
_EVERY = "pass the steps of an interval"


def _check_milestones(name: str, milestones: object) -> tuple[int, ...]:
    """Return milestones as a tuple of increasing positive ints, or raise InputError."""
    remedy = "pass the steps of the cuts in order, such as (500, 750)"
    if not isinstance(milestones, list | tuple) or not milestones:
        raise InputError(f"`{name}` must be a list of steps, got {milestones!r}; {remedy}")
    steps = tuple(check_whole(name, milestone, remedy) for milestone in milestones)
    if any(later <= earlier for earlier, later in pairwise(steps)):
        raise InputError(f"`{name}` must increase, got {milestones!r}; {remedy}")
    return steps


@dataclass(frozen=True, slots=True)
class Exponential(Shape):
    """The same factor for every interval: gamma ** (t / every).

    It never ends and never reaches 0. The same gamma means very different trainings per step and per epoch; `to` and
    `half_life` say it in steps. Also TensorFlow's ExponentialDecay(decay_steps=every, decay_rate=gamma, staircase),
    which stays at the peak if the training is shorter than one stair.

    Args:
        gamma: the factor of one interval.
        every: the steps of an interval.
        staircase: whether the factor changes only when an interval is full.

    Example:
        >>> schedule = Exponential(0.5, every=10)
        >>> [schedule(t) for t in (0, 10, 20)]
        [1.0, 0.5, 0.25]
        >>> Exponential(0.5, every=10, staircase=True)(19)
        0.5
        >>> Exponential.half_life(10) == schedule
        True
    """

    gamma: float = field(metadata=_GAMMA)
    every: int = field(default=1, metadata=checked_by(check_whole, _EVERY))
    staircase: bool = field(default=False, metadata=checked_by(check_flag))

    @classmethod
    def to(cls, final_ratio: float, steps: int) -> Self:
        """Return the decay that is at `final_ratio` after so many steps.

        Args:
            final_ratio: the factor at step `steps`.
            steps: the steps it takes to get there; the decay goes on beyond.
        """
        return cls(
            check_number("final_ratio", final_ratio, "(0, 1]", "pass the factor to arrive at, such as 0.01"), steps
        )

    @classmethod
    def half_life(cls, steps: int) -> Self:
        """Return the decay that halves in so many steps."""
        return cls(0.5, steps)

    def __call__(self, step: int) -> float:
        return math.pow(self.gamma, intervals(step, self.every, self.staircase))

    def _words(self, start: int) -> str:
        how = "in stairs of" if self.staircase else "per"
        return f"an exponential decay to {format_factor(self.gamma)} {how} {format_steps(self.every)}"


@dataclass(frozen=True, slots=True)
class StepDecay(Shape):
    """Cuts by a factor: gamma ** (ceil(n / every) - 1) at the n-th step, or gamma ** (milestones passed).

    A cut falls on the step whose 0-based number is the milestone, as in torch; Keras' PiecewiseConstantDecay cuts
    one step later. Sudden cuts can upset an optimizer; the last-iterate bound ranks them below every smooth decay.

    Args:
        gamma: the factor of one cut.
        every: the steps between cuts, or
        milestones: the steps of the cuts, increasing; kept as a tuple.

    Example:
        >>> schedule = StepDecay(0.1, every=30)
        >>> [round(schedule(t), 9) for t in (0, 29, 30, 60)]
        [1.0, 1.0, 0.1, 0.01]
        >>> schedule = StepDecay(0.5, milestones=(50, 75))
        >>> [schedule(t) for t in (49, 50, 75, 10**9)]
        [1.0, 0.5, 0.25, 0.25]
    """

    gamma: float = field(metadata=_GAMMA)
    every: int | None = field(default=None, metadata=checked_by(check_whole, _EVERY, or_none=True))
    milestones: Sequence[int] | None = field(default=None, metadata=checked_by(_check_milestones, or_none=True))

    def __post_init__(self) -> None:
        if (self.every is None) == (self.milestones is None):
            given = f"every={self.every!r}, milestones={self.milestones!r}"
            raise InputError(f"`every` or `milestones` must be given and not both, got {given}; leave one out")
        Shape.__post_init__(self)  # `super()` knows the class from before `slots=True` made it anew

    def __call__(self, step: int) -> float:
        cuts = bisect_right(self.milestones, int(step)) if self.milestones else int(step) // (self.every or 1)
        return math.pow(self.gamma, cuts)

    def _words(self, start: int) -> str:
        if self.milestones is None:
            return f"the rate times {self.gamma:g} every {format_steps(self.every or 1)}"
        where = " and ".join(f"{start + milestone:,}" for milestone in self.milestones)
        return f"the rate times {self.gamma:g} at {'step' if len(self.milestones) == 1 else 'steps'} {where}"


ENTRIES = (
    Entry(
        name="exponential",
        family=Exponential,
        quantity="by a factor",
        tip="Set the final ratio or the half-life: a gamma per step is far from the same gamma per epoch.",
        when="When early stopping may cut the training short.",
        peak_factor=2.05,
        spread=0.3,
        body=lambda steps: Exponential.to(0.01, steps),
    ),
    Entry(
        name="step_decay",
        family=StepDecay,
        frequency="every interval",
        quantity="by a factor",
        tip="A gentler factor or longer intervals decay more slowly; the longer the training, the more gradual.",
        when="To reproduce a paper.",
        peak_factor=0.76,
        spread=0.25,
        body=lambda steps: StepDecay(0.1, milestones=sorted({max(1, steps // 2), max(1, 3 * steps // 4)})),
    ),
)
