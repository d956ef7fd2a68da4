"""Flat first, down at the end: the schedule for budgets that may change."""

import math
from dataclasses import dataclass, field
from typing import Literal

from lrfinder.checks import check_choice, check_whole
from lrfinder.schedules.base import Shape, checked_by, format_factor, format_steps, within
from lrfinder.schedules.cosine import half_wave
from lrfinder.schedules.entry import Entry

__all__ = ["ENTRIES", "StableDecay"]


@dataclass(frozen=True, slots=True)
class StableDecay(Shape):
    """The peak, then a cooldown over the last part (WSD, trapezoid): factor 1 until steps - C, then down over C steps.

    With x the progress through the cooldown, its shape is 1 - x ("linear"), 1 - sqrt(x) ("sqrt"; better for short
    cooldowns) or half a wave ("cosine"). Half of the training is as good as linear decay over all of it, a fifth nearly
    (Hägele et al., 2024). With `steps=None` the end is open: flat, until a cooldown is begun.

    Args:
        steps: the optimizer steps of the training, or None while they are unknown.
        cooldown: the fraction of them that cools down, at least one step.
        shape: the shape of the cooldown.
        floor: the fraction of the peak at the end.

    Example:
        >>> schedule = StableDecay(10, cooldown=0.4)
        >>> [schedule(t) for t in (0, 6, 7, 8, 9, 10, 11)]
        [1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
        >>> StableDecay(None)(10**9)
        1.0
    """

    steps: int | None = field(
        metadata=checked_by(check_whole, "pass the steps of the training, None while they are unknown", or_none=True)
    )
    cooldown: float = within("(0, 1]", "pass the fraction of the training that cools down, such as 0.2", 0.2)
    shape: Literal["linear", "sqrt", "cosine"] = field(
        default="linear", metadata=checked_by(check_choice, ("linear", "sqrt", "cosine"))
    )
    floor: float = within("[0, 1]", "pass the fraction of the peak to end at, such as 0", 0.0)

    @property
    def cooldown_steps(self) -> int:
        """The steps of the cooldown; 0 while the end is open."""
        return 0 if self.steps is None else max(1, math.floor(self.cooldown * self.steps + 0.5))

    def __call__(self, step: int) -> float:
        if self.steps is None:
            return 1.0
        length = self.cooldown_steps
        left = min(max(self.steps - int(step), 0), length)
        return self.floor + (1 - self.floor) * _height(self.shape, left, length)

    def _words(self, start: int) -> str:
        if self.steps is None:
            return "a constant rate until a cooldown is begun"
        end, length = start + self.steps, self.cooldown_steps
        kind = {"linear": "linear", "sqrt": "square-root", "cosine": "cosine"}[self.shape]
        flat = f"a constant rate until step {end - length:,}, then " if length < self.steps else ""
        return f"{flat}a {kind} cooldown over {format_steps(length)} to {format_factor(self.floor)} at step {end:,}"


def _height(shape: str, left: int, length: int) -> float:
    """Return the height of a cooldown that has so many of its steps left."""
    if shape == "linear":
        return left / length
    progress = (length - left) / length
    return 1 - math.sqrt(progress) if shape == "sqrt" else half_wave(progress)


ENTRIES = (
    Entry(
        name="stable_decay",
        family=StableDecay,
        quantity="by a function",
        tip="A cooldown over half of the training costs nothing beside linear decay, one over a fifth little.",
        when="When the training may be extended or branched, or its length is not known.",
        peak_factor=0.53,
        spread=0.2,
        body=StableDecay,
    ),
)
