"""Decays over the horizon without any other parameter."""

import math
from dataclasses import dataclass, field

from lrfinder.schedules.base import HORIZON, Shape
from lrfinder.schedules.entry import Entry

__all__ = ["ENTRIES", "REX", "LogAnneal"]


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

    steps: int = field(metadata=HORIZON)

    def __call__(self, step: int) -> float:
        t = min(int(step), self.steps)
        return (self.steps - t) / (self.steps - t / 2)

    def _words(self, start: int) -> str:
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

    steps: int = field(metadata=HORIZON)

    def __call__(self, step: int) -> float:
        t = min(int(step), self.steps)
        return math.log((self.steps + 1) / (t + 1)) / math.log(self.steps + 1)

    def _words(self, start: int) -> str:
        return f"a logarithmic decay to zero at step {start + self.steps:,}"


ENTRIES = (
    Entry(
        name="rex",
        family=REX,
        quantity="by a function",
        tip="Nothing to set but the horizon.",
        when="Instead of linear decay, where a lower peak is safer.",
        peak_factor=0.81,
        spread=0.15,
        body=REX,
    ),
    Entry(
        name="log_anneal",
        family=LogAnneal,
        quantity="by a function",
        tip="It falls fast at first, so that it bears a much higher peak, which warm-up must make safe.",
        when="As an example of a decay of one's own; there is no evidence for it.",
        peak_factor=3.3,
        spread=0.4,
        body=LogAnneal,
    ),
)
