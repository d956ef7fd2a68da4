"""Powers of what is left of the horizon: the constant, the line, the polynomial."""

import math
from dataclasses import dataclass

from lrfinder.checks import check_number, check_whole
from lrfinder.schedules.base import Shape, format_factor, keep

__all__ = ["Constant", "Linear", "Polynomial"]

_HORIZON = "pass the optimizer steps over which to decay"
_FLOOR = "pass the fraction of the peak to end at, such as 0 or 0.1"


@dataclass(frozen=True, slots=True)
class Constant(Shape):
    """The peak for ever: factor 1 at every step.

    Example:
        >>> schedule = Constant()
        >>> schedule(0), schedule(10**9)
        (1.0, 1.0)
    """

    def __call__(self, step: int) -> float:
        """Return 1."""
        return 1.0

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        return "a constant rate"


@dataclass(frozen=True, slots=True)
class Linear(Shape):
    """A straight line from the peak to `floor`: floor + (1 - floor) (1 - t / steps), then held.

    The last of `steps` training steps still runs at 1 / steps of the way; the floor itself is reached by the step
    after it. Over the whole known budget, this is the shape that the last-iterate bound of Defazio et al. (2023)
    ranks first, and large-scale logs agree (Bergsma et al., 2025).

    Args:
        steps: the optimizer steps of the descent.
        floor: the fraction of the peak at the end.

    Example:
        >>> schedule = Linear(4)
        >>> [schedule(t) for t in range(6)]
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
        >>> Linear(4, floor=0.5)(10**9)
        0.5
    """

    steps: int
    floor: float = 0.0

    def __post_init__(self) -> None:
        keep(
            self,
            steps=check_whole("steps", self.steps, _HORIZON),
            floor=check_number("floor", self.floor, "[0, 1]", _FLOOR),
        )

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        return power_decay(step, self.steps, 1.0, self.floor)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        return f"a line to {format_factor(self.floor)} at step {start + self.steps:,}"


@dataclass(frozen=True, slots=True)
class Polynomial(Shape):
    """A power of the line: floor + (1 - floor) (1 - t / steps) ** power, then held.

    A power below 1 stays high for long and falls late, one above 1 falls early. The parameter that stretches the
    decay is `steps`; torch's `last_epoch`, sometimes recommended for that, only says where to resume.

    Args:
        steps: the optimizer steps of the descent.
        power: the exponent; 1 is the line.
        floor: the fraction of the peak at the end.

    Example:
        >>> schedule = Polynomial(4, power=2)
        >>> [schedule(t) for t in range(6)]
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    steps: int
    power: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        keep(
            self,
            steps=check_whole("steps", self.steps, _HORIZON),
            power=check_number(
                "power", self.power, "(0, inf)", "pass 1 for a line, 2 for a parabola, 0.5 to fall late"
            ),
            floor=check_number("floor", self.floor, "[0, 1]", _FLOOR),
        )

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        return power_decay(step, self.steps, self.power, self.floor)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        return f"a decay of power {self.power:g} to {format_factor(self.floor)} at step {start + self.steps:,}"


def power_decay(step: int, steps: int, power: float, floor: float) -> float:
    """Return floor + (1 - floor) (1 - t / steps) ** power, held from `steps` on."""
    left = (steps - min(int(step), steps)) / steps
    return floor + (1 - floor) * math.pow(left, power)
