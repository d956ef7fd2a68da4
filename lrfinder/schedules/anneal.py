"""Decays over the horizon without any other parameter."""

import math
from dataclasses import dataclass

from lrfinder.checks import check_whole
from lrfinder.schedules.base import Shape, keep

__all__ = ["REX", "LogAnneal"]

_HORIZON = "pass the optimizer steps over which to decay"


@dataclass(frozen=True, slots=True)
class REX(Shape):
    """High for long, then ever steeper: (1 - x) / (1 - x / 2) with x = t / steps, then 0.

    Chen et al. (2022).

    Args:
        steps: the optimizer steps of the descent.

    Example:
        >>> schedule = REX(4)
        >>> [round(schedule(t), 3) for t in range(6)]
        [1.0, 0.857, 0.667, 0.4, 0.0, 0.0]
    """

    steps: int

    def __post_init__(self) -> None:
        keep(self, steps=check_whole("steps", self.steps, _HORIZON))

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        t = min(int(step), self.steps)
        return (self.steps - t) / (self.steps - t / 2)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        return f"a late-falling curve (REX) to zero at step {start + self.steps:,}"


@dataclass(frozen=True, slots=True)
class LogAnneal(Shape):
    """The logarithm of one over the progress, made usable: log((steps + 1) / (t + 1)) / log(steps + 1), then 0.

    The bare log(1 / x) is infinite at the start; this form is 1 there and 0 at the end. It falls fast at first.

    Args:
        steps: the optimizer steps of the descent.

    Example:
        >>> schedule = LogAnneal(7)
        >>> [round(schedule(t), 3) for t in (0, 1, 3, 7, 8)]
        [1.0, 0.667, 0.333, 0.0, 0.0]
    """

    steps: int

    def __post_init__(self) -> None:
        keep(self, steps=check_whole("steps", self.steps, _HORIZON))

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        t = min(int(step), self.steps)
        return math.log((self.steps + 1) / (t + 1)) / math.log(self.steps + 1)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        return f"a logarithmic decay to zero at step {start + self.steps:,}"
