"""Equal amounts taken off: at every step, or in stairs."""

import math
from dataclasses import dataclass, field

from lrfinder.checks import check_number, check_whole
from lrfinder.schedules.base import Shape, checked_by, format_factor, format_steps, within
from lrfinder.schedules.entry import Entry

__all__ = ["ENTRIES", "Ramp", "Staircase"]

_FLOOR = "pass the fraction of the peak to stop at, such as 0 or 0.1"
_SLACK = 1e-12


@dataclass(frozen=True, slots=True)
class Ramp(Shape):
    """A line given by its slope: max(floor, 1 - rate t).

    Some texts print it as a "discrete staircase" a0 - d t, which is no staircase and goes negative after a0 / d
    steps; here `rate` is d / a0, and the floor stops it. `Linear` is the same line, given by its end.

    Args:
        rate: the fraction of the peak taken off at every step.
        floor: the fraction of the peak to stop at.

    Example:
        >>> schedule = Ramp(0.25)
        >>> [schedule(t) for t in range(6)]
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    rate: float = field(
        metadata=checked_by(check_number, "[0, 1]", "pass the fraction of the peak to take off per step, such as 0.001")
    )
    floor: float = within("[0, 1]", _FLOOR, 0.0)

    def __call__(self, step: int) -> float:
        return max(self.floor, 1 - self.rate * int(step))

    def _words(self, start: int) -> str:
        return _stops(f"linear decay by {format_factor(self.rate)} per step", self.rate, 1, self.floor, start)


@dataclass(frozen=True, slots=True)
class Staircase(Shape):
    """Equal stairs down: max(floor, 1 - drop floor(t / every)).

    Args:
        drop: the fraction of the peak taken off at every stair.
        every: the steps of a stair.
        floor: the fraction of the peak to stop at.

    Example:
        >>> schedule = Staircase(0.5, every=10)
        >>> [schedule(t) for t in (0, 9, 10, 19, 20, 10**9)]
        [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]
    """

    drop: float = field(
        metadata=checked_by(check_number, "[0, 1]", "pass the fraction of the peak to take off per stair, such as 0.1")
    )
    every: int = field(metadata=checked_by(check_whole, "pass the steps of a stair"))
    floor: float = within("[0, 1]", _FLOOR, 0.0)

    def __call__(self, step: int) -> float:
        return max(self.floor, 1 - self.drop * (int(step) // self.every))

    def _words(self, start: int) -> str:
        stairs = f"stairs that lose {format_factor(self.drop)} every {format_steps(self.every)}"
        return _stops(stairs, self.drop, self.every, self.floor, start)


def _stops(words: str, amount: float, every: int, floor: float, start: int) -> str:
    """Return words with where a descent by amounts stops."""
    amounts = (1 - floor) / amount if amount else math.inf
    if math.isinf(amounts):
        return words
    return f"{words}, down to {format_factor(floor)} at step {start + every * math.ceil(amounts * (1 - _SLACK)):,}"


ENTRIES = (
    Entry(
        name="ramp",
        family=Ramp,
        quantity="by an amount",
        tip="A rate of 1 / steps is linear decay; a larger one leaves the rest of the training at the floor.",
        when="To reproduce a recipe that names the slope; otherwise take linear decay.",
        peak_factor=1.0,
        spread=0.05,
        body=lambda steps: Ramp(1 / steps),
    ),
    Entry(
        name="staircase",
        family=Staircase,
        frequency="every interval",
        quantity="by an amount",
        tip="Many small stairs are as good as linear decay; few large ones are worse.",
        when="When the rate may only change between epochs.",
        peak_factor=0.86,
        spread=0.15,
        body=lambda steps: Staircase(0.1, every=math.ceil(steps / 10)),
    ),
)
