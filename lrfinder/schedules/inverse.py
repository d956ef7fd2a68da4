"""Inverses of the step: slow decays that need no horizon and never reach zero."""

import math
from dataclasses import dataclass, field
from typing import Self

from lrfinder.checks import check_flag, check_number, check_whole
from lrfinder.schedules.base import Shape, checked_by, format_factor, format_steps, within
from lrfinder.schedules.entry import Entry

__all__ = ["ENTRIES", "InverseSqrt", "InverseTime"]

_EVERY = checked_by(check_whole, "pass the steps of an interval, 1 to change at every step")


@dataclass(frozen=True, slots=True)
class InverseTime(Shape):
    """One over a line: 1 / (1 + rate t / every), which many texts call linear decay although it is no line.

    It never ends and never reaches 0. A rate that is right per epoch is far too fast per step: give `every` the
    steps of an epoch, or use `to`, which asks for the final ratio instead. The same formula as Keras'
    InverseTimeDecay(decay_steps=every, decay_rate=rate, staircase).

    Args:
        rate: how much the denominator grows per interval.
        every: the steps of an interval.
        staircase: whether the factor changes only when an interval is full.

    Example:
        >>> schedule = InverseTime(0.5)
        >>> [schedule(t) for t in (0, 2, 6, 18)]
        [1.0, 0.5, 0.25, 0.1]
        >>> InverseTime.to(0.1, 1000)(1000)
        0.1
    """

    rate: float = field(
        metadata=checked_by(check_number, "[0, inf)", "pass the growth of the denominator per interval, such as 0.01")
    )
    every: int = field(default=1, metadata=_EVERY)
    staircase: bool = field(default=False, metadata=checked_by(check_flag))

    @classmethod
    def to(cls, final_ratio: float, steps: int) -> Self:
        """Return the decay that is at `final_ratio` after so many steps.

        Args:
            final_ratio: the factor at step `steps`.
            steps: the steps it takes to get there; the decay goes on beyond.
        """
        ratio = check_number("final_ratio", final_ratio, "(0, 1]", "pass the factor to arrive at, such as 0.1")
        return cls(1 / ratio - 1, every=steps)

    def __call__(self, step: int) -> float:
        return 1 / (1 + self.rate * intervals(step, self.every, self.staircase))

    def _words(self, start: int) -> str:
        how = "in stairs of" if self.staircase else "after"
        return f"an inverse-time decay to {format_factor(1 / (1 + self.rate))} {how} {format_steps(self.every)}"


@dataclass(frozen=True, slots=True)
class InverseSqrt(Shape):
    """One over a square root: min(1, k / sqrt(1 + floor(t / every))).

    With k = 1 it falls from the first step on and has lost half the rate by the fourth. A larger k stays at the peak
    for the first k ** 2 intervals, see `shifted`. The formula often printed, k / sqrt(t), divides by zero at the
    first step and runs above the peak for k ** 2 steps; by epoch instead of by mini-batch is `every` set to the
    steps of an epoch. The decay of Vaswani et al. (2017) and of the horizon-free vision transformers.

    Args:
        k: the square root of the number of intervals at the peak.
        every: the steps of an interval.

    Example:
        >>> schedule = InverseSqrt()
        >>> [schedule(t) for t in (0, 3, 99)]
        [1.0, 0.5, 0.1]
        >>> schedule = InverseSqrt.shifted(100)
        >>> [schedule(t) for t in (0, 99, 399)]
        [1.0, 1.0, 0.5]
    """

    k: float = within("[1, inf)", "below 1 the peak is never reached: lower the learning rate instead", 1.0)
    every: int = field(default=1, metadata=_EVERY)

    @classmethod
    def shifted(cls, timescale: float) -> Self:
        """Return the decay that is flat for `timescale` steps and then goes like sqrt(timescale / n) at the n-th.

        Args:
            timescale: the steps at the peak, of the order of a thousand or of a hundredth of the training.
        """
        steps = check_number("timescale", timescale, "[1, inf)", "pass the steps to stay at the peak")
        return cls(math.sqrt(steps))

    def __call__(self, step: int) -> float:
        return min(1.0, self.k / math.sqrt(1 + int(step) // self.every))

    def _words(self, start: int) -> str:
        flat = round(self.k**2)
        if math.sqrt(flat) > self.k:
            flat -= 1
        return f"an inverse square root that falls from step {start + self.every * flat:,} on"


def intervals(step: int, every: int, whole_only: bool) -> float:
    """Return how many intervals have passed at a step, fractions included or not."""
    return int(step) // every if whole_only else int(step) / every


ENTRIES = (
    Entry(
        name="inverse_time",
        family=InverseTime,
        quantity="by a function",
        tip="Set the final ratio and the steps instead of a rate, whose meaning changes with the interval.",
        when="When the training may end at any time; for a known horizon linear decay is far better.",
        peak_factor=1.66,
        spread=0.3,
        body=lambda steps: InverseTime.to(0.1, steps),
    ),
    Entry(
        name="inverse_sqrt",
        family=InverseSqrt,
        quantity="by a function",
        tip="Stay at the peak for about a hundredth of the training before it falls.",
        when="Open-ended trainings that cannot begin a cooldown.",
        peak_factor=2.1,
        spread=0.35,
        body=lambda steps: InverseSqrt.shifted(max(1, steps / 100)),
    ),
)
