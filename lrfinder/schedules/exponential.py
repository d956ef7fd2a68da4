"""Powers of a factor: smooth, in stairs, or at milestones."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from lrfinder.checks import check_flag, check_number, check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import Shape, format_factor, format_steps, keep
from lrfinder.schedules.inverse import intervals

__all__ = ["Exponential", "StepDecay"]

_GAMMA = "pass the factor of one interval, such as 0.5"
_EVERY = "pass the steps of an interval"


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

    gamma: float
    every: int = 1
    staircase: bool = False

    def __post_init__(self) -> None:
        keep(
            self,
            gamma=check_number("gamma", self.gamma, "(0, 1]", _GAMMA),
            every=check_whole("every", self.every, _EVERY),
            staircase=check_flag("staircase", self.staircase),
        )

    @classmethod
    def to(cls, final_ratio: float, steps: int) -> Self:
        """Return the decay that is at `final_ratio` after so many steps.

        Args:
            final_ratio: the factor at step `steps`.
            steps: the steps it takes to get there; the decay goes on beyond.

        Returns:
            A decay with the steps as its interval.
        """
        return cls(
            check_number("final_ratio", final_ratio, "(0, 1]", "pass the factor to arrive at, such as 0.01"), steps
        )

    @classmethod
    def half_life(cls, steps: int) -> Self:
        """Return the decay that halves in so many steps.

        Args:
            steps: the steps of one halving.

        Returns:
            A decay by 0.5 with the steps as its interval.
        """
        return cls(0.5, steps)

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        return math.pow(self.gamma, intervals(step, self.every, self.staircase))

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
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

    gamma: float
    every: int | None = None
    milestones: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if (self.every is None) == (self.milestones is None):
            given = f"every={self.every!r}, milestones={self.milestones!r}"
            raise InputError(f"`every` or `milestones` must be given and not both, got {given}; leave one out")
        keep(self, gamma=check_number("gamma", self.gamma, "(0, 1]", _GAMMA))
        if self.every is not None:
            keep(self, every=check_whole("every", self.every, _EVERY))
        if self.milestones is not None:
            keep(self, milestones=_increasing(self.milestones))

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        cuts = bisect_right(self.milestones, int(step)) if self.milestones else int(step) // (self.every or 1)
        return math.pow(self.gamma, cuts)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        if self.milestones is None:
            return f"the rate times {self.gamma:g} every {format_steps(self.every or 1)}"
        where = " and ".join(f"{start + milestone:,}" for milestone in self.milestones)
        return f"the rate times {self.gamma:g} at {'step' if len(self.milestones) == 1 else 'steps'} {where}"


def _increasing(milestones: object) -> tuple[int, ...]:
    """Return milestones as a tuple of increasing positive ints, or raise InputError."""
    remedy = "pass the steps of the cuts in order, such as (500, 750)"
    if not isinstance(milestones, list | tuple) or not milestones:
        raise InputError(f"`milestones` must be a list of steps, got {milestones!r}; {remedy}")
    steps = tuple(check_whole("milestones", milestone, remedy) for milestone in milestones)
    if any(later <= earlier for earlier, later in pairwise(steps)):
        raise InputError(f"`milestones` must increase, got {milestones!r}; {remedy}")
    return steps
