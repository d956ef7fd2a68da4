"""Schedules that rise by themselves: the cycle of triangles, and the single cycle."""

import math
from dataclasses import dataclass, field
from typing import Literal

from lrfinder.checks import check_choice, check_number, check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import Shape, checked_by, format_factor, format_steps, within
from lrfinder.schedules.cosine import half_wave
from lrfinder.schedules.entry import Entry

__all__ = ["ENTRIES", "OneCycle", "Triangular"]


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

    half_cycle: int = field(metadata=checked_by(check_whole, "pass the steps from the bottom to the top"))
    base: float = field(
        metadata=checked_by(check_number, "(0, 1]", "pass the fraction of the peak at the bottom, such as 0.1")
    )
    mode: Literal["triangular", "triangular2", "exp_range"] = field(
        default="triangular", metadata=checked_by(check_choice, ("triangular", "triangular2", "exp_range"))
    )
    gamma: float = within("(0, 1]", "pass the factor of the height per step, such as 0.9999", 1.0)

    def _check(self) -> None:
        if self.gamma != 1 and self.mode != "exp_range":
            raise InputError(f"`gamma` must be 1 for mode {self.mode!r}, got {self.gamma}; pass mode='exp_range'")

    def __call__(self, step: int) -> float:
        t = int(step)
        height = 1 - abs(t % (2 * self.half_cycle) / self.half_cycle - 1)
        if self.mode == "triangular2":
            height *= math.pow(0.5, t // (2 * self.half_cycle))
        return self.base + (1 - self.base) * height * math.pow(self.gamma, t)

    def _words(self, start: int) -> str:
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
        rise: the fraction of them that rises.
        start: the fraction of the peak at the first step.
        end: the fraction of the peak at the last step.

    Example:
        >>> schedule = OneCycle(10)
        >>> [round(schedule(t), 3) for t in (0, 1, 2, 5, 9, 10)]
        [0.04, 0.52, 1.0, 0.611, 0.0, 0.0]
    """

    steps: int = field(metadata=checked_by(check_whole, "pass the optimizer steps of the training"))
    rise: float = within("(0, 1)", "pass the fraction of the training that rises, such as 0.3", 0.3)
    start: float = within("(0, 1]", "pass the fraction of the peak to start at, such as 0.04", 1 / 25)
    end: float = within("[0, 1]", "pass the fraction of the peak to end at, such as 4e-6", 4e-6)

    @property
    def top(self) -> int:
        """The step that runs at the peak."""
        return max(0, min(math.floor(self.rise * self.steps + 0.5) - 1, self.steps - 2))

    def __call__(self, step: int) -> float:
        t, top = min(int(step), self.steps - 1), self.top
        if t < top:
            return 1 - (1 - self.start) * half_wave(t / top)
        return self.end + (1 - self.end) * half_wave((t - top) / max(1, self.steps - 1 - top))

    def _words(self, start: int) -> str:
        top, last = start + self.top, start + self.steps - 1
        low, end = format_factor(self.start), format_factor(self.end)
        return f"one cycle: from {low} up to step {top:,}, down to {end} at step {last:,}"


ENTRIES = (
    Entry(
        name="triangular",
        family=Triangular,
        quantity="by an amount",
        direction="up and down",
        tip="Let a whole number of cycles fill the training, so that it ends at the bottom.",
        when="To explore, or to collect snapshots.",
        peak_factor=0.7,
        spread=0.25,
        body=lambda steps: Triangular(max(1, steps // 8), base=0.1),
        rises=True,
    ),
    Entry(
        name="one_cycle",
        family=OneCycle,
        quantity="by a function",
        direction="up and down",
        tip="The long rise allows a high peak; momentum is left as the range test had it.",
        when="Plain SGD or momentum SGD on a short budget, when the best rate lies close to divergence.",
        peak_factor=0.91,
        spread=0.2,
        body=OneCycle,
        rises=True,
    ),
)
