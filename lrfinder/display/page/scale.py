"""Where numbers lie on a chart: a log axis of rates and an axis of losses, with their ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lrfinder.display.page.markup import tag

__all__ = ["LEFT", "MOST_POINTS", "RIGHT", "Across", "Up", "thinned"]

LEFT, RIGHT = 64.0, 752.0
"""Ends of the axis of rates, in units of the chart."""

MOST_TICKS = 9

MOST_POINTS = 500
"""Points of a line that are drawn; of more, so many spread over them."""


def thinned(pairs: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points of a line, so many at most, spread over all."""
    points = list(pairs)
    every = len(points) / MOST_POINTS
    return points if every <= 1 else [points[int(i * every)] for i in range(MOST_POINTS)]


@dataclass(frozen=True, slots=True)
class Across:
    """A log axis from left to right.

    Args:
        low: The first rate.
        high: The last rate.
    """

    low: float
    high: float

    @classmethod
    def over(cls, rates: Iterable[float]) -> "Across":
        """Return the axis that holds all of these rates, with room beside them."""
        all_of = list(rates)
        wider = max(1.5, math.sqrt(10 * min(all_of) / max(all_of)))
        return cls(min(all_of) / wider, max(all_of) * wider)

    def __call__(self, lr: float) -> float:
        """Return the place of a rate."""
        part = math.log(lr / self.low) / math.log(self.high / self.low)
        return round(LEFT + part * (RIGHT - LEFT), 1)

    def ticks(self) -> list[float]:
        """Powers of ten, not too many; on a short axis 2 and 5 times them too."""
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        powers = range(first, last + 1, max(1, -(-(last - first + 1) // MOST_TICKS)))
        if len(powers) > 2:
            return [10.0**power for power in powers]
        fine = [digit * 10.0**power for power in range(first - 1, last + 1) for digit in (1, 2, 5)]
        return [lr for lr in fine if self.low <= lr <= self.high]

    def draw(self, top: float, bottom: float, *, labelled: bool = True) -> str:
        """Return the grid between two heights, and below it the rates."""
        grid = "".join(
            tag("line", x1=self(lr), x2=self(lr), y1=top, y2=bottom, class_="grid")
            + (
                tag(
                    "text",
                    f"{lr:.0e}".replace("e-0", "e-").replace("e+0", "e"),
                    x=self(lr),
                    y=bottom + 20,
                    class_="tick across",
                )
                if labelled
                else ""
            )
            for lr in self.ticks()
        )
        return grid + tag("line", x1=LEFT, x2=RIGHT, y1=bottom, y2=bottom, class_="axis")


@dataclass(frozen=True, slots=True)
class Up:
    """An axis of losses from the bottom to the top.

    Args:
        low: The loss at the bottom.
        high: The loss at the top.
        bottom: Its place in units of the chart.
        top: Its place.
    """

    low: float
    high: float
    bottom: float
    top: float

    def __call__(self, loss: float) -> float:
        """Return the place of a loss."""
        part = (loss - self.low) / ((self.high - self.low) or 1.0)
        return round(self.bottom - part * (self.bottom - self.top), 1)

    def holds(self, loss: float) -> bool:
        """Whether a loss lies inside."""
        return self.low <= loss <= self.high

    def draw(self, name: str) -> str:
        """Return the name of the axis and its ticks."""
        size = 10 ** math.floor(math.log10((self.high - self.low) or 1.0))
        step = next(n * size for n in (0.1, 0.2, 0.5, 1, 2, 5) if (self.high - self.low) / (n * size) <= 6)
        first = math.ceil(self.low / step)
        marks = [step * i for i in range(first, math.floor(self.high / step) + 1)]
        ticks = "".join(
            tag("line", x1=LEFT, x2=RIGHT, y1=self(loss), y2=self(loss), class_="grid")
            + tag("text", _shown(loss, step), x=LEFT - 8, y=self(loss) + 4, class_="tick up")
            for loss in marks
        )
        return ticks + tag("text", name, x=4, y=self.top - 10, class_="name")


def _shown(loss: float, step: float) -> str:
    """A tick with as many digits as tell it from the next."""
    digits = max(3, math.ceil(math.log10(max(abs(loss) / step, 1.0))) + 1)
    return f"{0.0 if abs(loss) < step / 2 else loss:.{digits}g}"
