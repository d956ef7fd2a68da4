"""Half a wave of the cosine, once or again and again."""

import math
from dataclasses import dataclass, field
from typing import Self

from lrfinder.checks import check_number, check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import HORIZON, Shape, checked_by, format_factor, format_steps, within
from lrfinder.schedules.entry import Entry

__all__ = ["ENTRIES", "Cosine", "WarmRestarts"]

_FLOOR = "pass the fraction of the peak to fall to, such as 0 or 0.1"
_MULTIPLIER = "pass 1 for equal cycles, 2 to double them"
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Cosine(Shape):
    """Half a period of the cosine: floor + (1 - floor) (1 + cos(pi t / steps)) / 2, then held.

    It runs over [0, pi], shifted and halved, not over [0, pi / 2] as some texts have it. Torch's and Hugging Face's
    rise again after the end; this one stays down. With a floor of 0 it is as good as linear decay. Loshchilov & Hutter
    (2017).

    Args:
        steps: the optimizer steps of the descent.
        floor: the fraction of the peak at the end.

    Example:
        >>> schedule = Cosine(4)
        >>> [round(schedule(t), 3) for t in range(6)]
        [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    steps: int = field(metadata=HORIZON)
    floor: float = within("[0, 1]", _FLOOR, 0.0)

    def __call__(self, step: int) -> float:
        return self.floor + (1 - self.floor) * half_wave(min(int(step), self.steps) / self.steps)

    def _words(self, start: int) -> str:
        return f"a cosine to {format_factor(self.floor)} at step {start + self.steps:,}"


@dataclass(frozen=True, slots=True)
class WarmRestarts(Shape):
    """Cosines that start again at the top (SGDR): cycle i lasts first_cycle * multiplier ** i.

    In a cycle, floor + (1 - floor) decay ** i (1 + cos(pi x)) / 2 with x from 0 to 1. It keeps cycling, and a budget
    that ends just after a restart is spent badly: `fit` makes the last cycle end with the training. For a fixed
    budget one plain cosine does better; restarts are for snapshots. Loshchilov & Hutter (2017); `decay` as in Keras.

    Args:
        first_cycle: the steps of the first cycle, whole or not.
        multiplier: how much longer each cycle is than the one before.
        floor: the fraction of the peak each cycle falls to.
        decay: how high each cycle starts, relative to the one before.

    Example:
        >>> schedule = WarmRestarts(2, multiplier=2)
        >>> [round(schedule(t), 3) for t in range(7)]
        [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
        >>> WarmRestarts.fit(700, cycles=3, multiplier=2).first_cycle
        100.0
    """

    first_cycle: float = field(metadata=checked_by(check_number, "[1, inf)", "pass the steps of the first cycle"))
    multiplier: float = within("[1, inf)", _MULTIPLIER, 1.0)
    floor: float = within("[0, 1]", _FLOOR, 0.0)
    decay: float = within("(0, 1]", "pass 1 to start each cycle at the peak", 1.0)

    @classmethod
    def fit(cls, steps: int, cycles: int, multiplier: float = 1.0, *, floor: float = 0.0, decay: float = 1.0) -> Self:
        """Return the restarts whose last cycle ends with the training.

        Args:
            steps: the optimizer steps of the training.
            cycles: how many cycles fill it.
            multiplier: how much longer each cycle is than the one before.
            floor: the fraction of the peak each cycle falls to.
            decay: how high each cycle starts, relative to the one before.

        Returns:
            Restarts with a first cycle of steps (multiplier - 1) / (multiplier ** cycles - 1), seldom a whole number.
        """
        total = check_whole("steps", steps, "pass the optimizer steps of the training")
        number_of_cycles = check_whole("cycles", cycles, "pass how many cycles fill the training")
        growth = check_number("multiplier", multiplier, "[1, inf)", _MULTIPLIER)
        first = total / math.fsum(growth**i for i in range(number_of_cycles))
        if first < 1:
            raise InputError(
                f"`cycles` must leave a step for the first one, got {cycles} for {total} steps; take fewer"
            )
        return cls(first, growth, floor, decay)

    def __call__(self, step: int) -> float:
        cycle, progress = self._cycle_at(int(step))
        return self.floor + (1 - self.floor) * math.pow(self.decay, cycle) * half_wave(progress)

    def _words(self, start: int) -> str:
        grow = f", each {self.multiplier:g} times as long as the one before" if self.multiplier > 1 else ""
        sink = f", each from {self.decay:g} times as high" if self.decay < 1 else ""
        return f"cosines to {format_factor(self.floor)} over {format_steps(self.first_cycle)}{grow}{sink}"

    def _cycle_at(self, step: int) -> tuple[int, float]:
        """Return the number of the cycle and the progress in it; a cycle that is full but for rounding is over."""
        done, growth = step / self.first_cycle, self.multiplier
        if growth == 1:
            cycle = math.floor(done + _SLACK)
            return cycle, max(0.0, done - cycle)
        cycle = math.floor(math.log1p(done * (growth - 1)) / math.log(growth) + _SLACK)
        length = growth**cycle
        return cycle, max(0.0, (done - (length - 1) / (growth - 1)) / length)


def half_wave(progress: float) -> float:
    """Return the cosine's way from 1 at progress 0 to 0 at progress 1."""
    return (1 + math.cos(math.pi * progress)) / 2


ENTRIES = (
    Entry(
        name="cosine",
        family=Cosine,
        quantity="by a function",
        tip="Let the half wave last as long as the training, and end it at zero rather than at a tenth.",
        when="Where convention asks for it: with a floor of zero it is as good as linear decay.",
        peak_factor=0.98,
        spread=0.1,
        body=Cosine,
    ),
    Entry(
        name="warm_restarts",
        family=WarmRestarts,
        quantity="by a function",
        direction="up and down",
        tip="Fit the cycles to the training so that the last one ends with it.",
        when="To collect a snapshot at the end of every cycle; for one result a single cosine is better.",
        peak_factor=0.89,
        spread=0.2,
        body=lambda steps: WarmRestarts.fit(steps, 3 if steps >= 7 else 1, 2),
    ),
)
