"""Schedules that climb by themselves: the cycle of triangles, and the single cycle."""

import math
from dataclasses import dataclass
from typing import Literal

from lrfinder.checks import check_number, check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import Shape, format_factor, format_steps, keep
from lrfinder.schedules.cosine import half_wave

__all__ = ["OneCycle", "Triangular"]

_MODES = ("triangular", "triangular2", "exp_range")


@dataclass(frozen=True, slots=True)
class Triangular(Shape):
    """Triangles between `base` and the peak (CLR): up in `half_cycle` steps, down in as many, for ever.

    base + (1 - base) height scale, where the scale is 1 ("triangular"), halves with every cycle ("triangular2") or is
    gamma ** t ("exp_range"). It ends wherever the training does: seldom at the bottom. Momentum is left alone.
    Smith (2017).

    Args:
        half_cycle: the steps from the bottom to the top.
        base: the fraction of the peak at the bottom.
        mode: how the height changes.
        gamma: the factor of the height per step, for "exp_range" only.

    Example:
        >>> schedule = Triangular(2, base=0.2)
        >>> [round(schedule(t), 3) for t in range(6)]
        [0.2, 0.6, 1.0, 0.6, 0.2, 0.6]
        >>> round(Triangular(2, base=0.2, mode="triangular2")(6), 3)
        0.6
    """

    half_cycle: int
    base: float
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise InputError(f"`mode` must be one of {', '.join(_MODES)}, got {self.mode!r}; check the spelling")
        keep(
            self,
            half_cycle=check_whole("half_cycle", self.half_cycle, "pass the steps from the bottom to the top"),
            base=check_number("base", self.base, "(0, 1]", "pass the fraction of the peak at the bottom, such as 0.1"),
            gamma=check_number("gamma", self.gamma, "(0, 1]", "pass the factor of the height per step, such as 0.9999"),
        )
        if self.gamma != 1 and self.mode != "exp_range":
            raise InputError(f"`gamma` must be 1 for mode {self.mode!r}, got {self.gamma}; pass mode='exp_range'")

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        t = int(step)
        height = 1 - abs(t % (2 * self.half_cycle) / self.half_cycle - 1)
        if self.mode == "triangular2":
            height *= math.pow(0.5, t // (2 * self.half_cycle))
        return self.base + (1 - self.base) * height * math.pow(self.gamma, t)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        lower = {"triangular": "", "triangular2": ", half as high each time", "exp_range": ", ever lower"}
        return (
            f"triangles up from {format_factor(self.base)} over {format_steps(2 * self.half_cycle)}{lower[self.mode]}"
        )


@dataclass(frozen=True, slots=True)
class OneCycle(Shape):
    """Half a cosine up, half a cosine far down, then held (1cycle).

    The peak is the last step of the rise, step round(rise * steps) - 1; the last step of the training runs at `end`.
    Torch's agrees where rise * steps is whole; elsewhere its peak falls between two steps and is never reached, and
    after the end it rises again or goes negative. Momentum is left alone. Smith & Topin (2018).

    Args:
        steps: the optimizer steps of the training.
        rise: the fraction of them that climbs.
        start: the fraction of the peak at the first step.
        end: the fraction of the peak at the last step.

    Example:
        >>> schedule = OneCycle(10)
        >>> [round(schedule(t), 3) for t in (0, 1, 2, 5, 9, 10)]
        [0.04, 0.52, 1.0, 0.611, 0.0, 0.0]
    """

    steps: int
    rise: float = 0.3
    start: float = 1 / 25
    end: float = 4e-6

    def __post_init__(self) -> None:
        keep(
            self,
            steps=check_whole("steps", self.steps, "pass the optimizer steps of the training"),
            rise=check_number(
                "rise", self.rise, "(0, 1)", "pass the fraction of the training that climbs, such as 0.3"
            ),
            start=check_number(
                "start", self.start, "(0, 1]", "pass the fraction of the peak to start at, such as 0.04"
            ),
            end=check_number("end", self.end, "[0, 1]", "pass the fraction of the peak to end at, such as 4e-6"),
        )

    @property
    def top(self) -> int:
        """The step that runs at the peak."""
        return max(0, min(math.floor(self.rise * self.steps + 0.5) - 1, self.steps - 2))

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        t, top = min(int(step), self.steps - 1), self.top
        if t < top:
            return 1 - (1 - self.start) * half_wave(t / top)
        return self.end + (1 - self.end) * half_wave((t - top) / max(1, self.steps - 1 - top))

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        top, last = start + self.top, start + self.steps - 1
        low, end = format_factor(self.start), format_factor(self.end)
        return f"one cycle: from {low} up to step {top:,}, down to {end} at step {last:,}"
