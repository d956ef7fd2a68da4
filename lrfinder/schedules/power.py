"""Powers of what is left of the horizon: constant, linear and polynomial decay."""

import math
from dataclasses import dataclass, field

from lrfinder.checks import check_number
from lrfinder.schedules.base import HORIZON, Shape, checked_by, format_factor, within
from lrfinder.schedules.entry import Entry

__all__ = ["ENTRIES", "Constant", "Linear", "Polynomial"]

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
        return 1.0

    def _words(self, start: int) -> str:
        return "a constant rate"


@dataclass(frozen=True, slots=True)
class Linear(Shape):
    """A straight line from the peak to `floor`: floor + (1 - floor) (1 - t / steps), then held.

    The last of `steps` training steps runs at 1 / steps of the way; the floor itself is reached by the step
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

    steps: int = field(metadata=HORIZON)
    floor: float = within("[0, 1]", _FLOOR, 0.0)

    def __call__(self, step: int) -> float:
        return power_decay(step, self.steps, 1.0, self.floor)

    def _words(self, start: int) -> str:
        return f"linear decay to {format_factor(self.floor)} at step {start + self.steps:,}"


@dataclass(frozen=True, slots=True)
class Polynomial(Shape):
    """A power of linear decay: floor + (1 - floor) (1 - t / steps) ** power, then held.

    A power below 1 stays high for long and falls late, one above 1 falls early. The parameter that stretches the
    decay is `steps`; torch's `last_epoch`, sometimes recommended for that, is where to resume.

    Args:
        steps: the optimizer steps of the descent.
        power: the exponent; 1 is linear decay.
        floor: the fraction of the peak at the end.

    Example:
        >>> schedule = Polynomial(4, power=2)
        >>> [schedule(t) for t in range(6)]
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    steps: int = field(metadata=HORIZON)
    power: float = field(
        metadata=checked_by(check_number, "(0, inf)", "pass 1 for a straight line, 2 for a parabola, 0.5 to fall late")
    )
    floor: float = within("[0, 1]", _FLOOR, 0.0)

    def __call__(self, step: int) -> float:
        return power_decay(step, self.steps, self.power, self.floor)

    def _words(self, start: int) -> str:
        return f"a decay of power {self.power:g} to {format_factor(self.floor)} at step {start + self.steps:,}"


def power_decay(step: int, steps: int, power: float, floor: float) -> float:
    """Return floor + (1 - floor) (1 - t / steps) ** power, held from `steps` on."""
    left = (steps - min(int(step), steps)) / steps
    return floor + (1 - floor) * math.pow(left, power)


ENTRIES = (
    Entry(
        name="constant",
        family=Constant,
        quantity="by a factor",
        direction="constant",
        tip="Nothing to set; the loss stays well above what a decay reaches.",
        when="Very short trainings, and optimizers that schedule themselves or average their weights.",
        peak_factor=0.28,
        spread=0.4,
        body=lambda steps: Constant(),
    ),
    Entry(
        name="linear",
        family=Linear,
        quantity="by an amount",
        tip="Decay over the whole training and end at zero; a floor only helps a run that goes on later.",
        when="The default whenever the number of steps is known.",
        peak_factor=1.0,
        spread=0.0,
        body=Linear,
    ),
    Entry(
        name="polynomial",
        family=Polynomial,
        quantity="by a function",
        tip="A power above 1 falls early and wants a higher peak, one below 1 falls late and wants a lower one.",
        when="To reproduce a recipe, in segmentation above all.",
        peak_factor=1.42,
        spread=0.2,
        body=lambda steps: Polynomial(steps, power=2),
    ),
)
