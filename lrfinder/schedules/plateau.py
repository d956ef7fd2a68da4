"""The one schedule with feedback: cut when the metric stops improving."""

import math
from dataclasses import dataclass, field
from typing import Literal

from lrfinder.checks import check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import Shape, checked_by, within
from lrfinder.schedules.entry import Entry

__all__ = ["ENTRIES", "PlateauState", "ReduceOnPlateau"]


@dataclass(frozen=True, slots=True)
class PlateauState:
    """What a plateau schedule remembers between two metrics.

    Args:
        best: the best metric so far, None before the first.
        bad: the metrics in a row that were no better.
        cooling: how many of the next metrics are ignored, after the last cut.
        cuts: how often the rate was cut.
    """

    best: float | None = None
    bad: int = 0
    cooling: int = 0
    cuts: int = 0


def _check_mode(name: str, value: object) -> object:
    if value not in ("min", "max"):
        raise InputError(f"`{name}` must be 'min' or 'max', got {value!r}; 'min' is for a loss")
    return value


@dataclass(frozen=True, slots=True)
class ReduceOnPlateau(Shape):
    """Cut by a factor when the metric has not improved for more than `patience` checks: max(floor, factor ** cuts).

    With patience 2, two bad checks are ignored and the third cuts, as in torch; Keras cuts one check earlier. The
    first metric always counts as an improvement. The threshold is a fraction of the best metric's size, so that it
    asks for something also where metrics are negative, where torch's relative threshold asks for less than nothing.

    The settings are frozen and hold no memory: `update` takes a state and returns the next. Called with a step, it
    gives the factor before any metric, 1.

    Args:
        factor: what a cut multiplies the rate by.
        patience: the bad checks in a row that are ignored.
        threshold: the fraction of the best metric by which a better one must beat it.
        mode: whether a better metric is smaller ("min") or larger ("max").
        cooldown: the checks after a cut that cannot count as bad.
        floor: the fraction of the peak to stop at.

    Example:
        >>> plateau, state = ReduceOnPlateau(0.5, patience=2), PlateauState()
        >>> factors = []
        >>> for loss in (1.0, 1.0, 1.0, 1.0, 0.5):
        ...     factor, state = plateau.update(state, loss)
        ...     factors.append(factor)
        >>> factors
        [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    factor: float = within("(0, 1)", "pass what a cut multiplies the rate by, such as 0.1", 0.1)
    patience: int = field(default=10, metadata=checked_by(check_whole, "pass the bad checks that are ignored", least=0))
    threshold: float = within("[0, 1)", "pass the fraction a better metric gains", 1e-4)
    mode: Literal["min", "max"] = field(default="min", metadata=checked_by(_check_mode))
    cooldown: int = field(default=0, metadata=checked_by(check_whole, "pass the checks to ignore after a cut", least=0))
    floor: float = within("[0, 1]", "pass the fraction of the peak to stop at", 0.0)

    def __call__(self, step: int) -> float:
        """Return the factor before any metric, 1."""
        return 1.0

    def update(self, state: PlateauState, metric: float) -> tuple[float, PlateauState]:
        """Return the factor after one more metric, and what to remember.

        Args:
            state: what the last update returned, or `PlateauState()` at first.
            metric: the metric of this check; one that is not a finite number counts as bad.

        Returns:
            The factor of the peak, and the next state.
        """
        value = float(metric)
        better = self._improves(value, state.best)
        best = value if better else state.best
        bad = 0 if better or state.cooling else state.bad + 1
        cooling, cuts = max(0, state.cooling - 1), state.cuts
        if bad > self.patience:
            bad, cooling, cuts = 0, self.cooldown, cuts + 1
        return self.factor_after(cuts), PlateauState(best, bad, cooling, cuts)

    def factor_after(self, cuts: int) -> float:
        """Return the factor of the peak after so many cuts."""
        return max(self.floor, math.pow(self.factor, cuts))

    def _words(self, start: int) -> str:
        checks = "1 check" if self.patience == 1 else f"{self.patience} checks"
        return f"the rate times {self.factor:g} whenever the metric has not improved for more than {checks}"

    def _improves(self, value: float, best: float | None) -> bool:
        """Return whether a metric beats the best by the threshold."""
        if best is None or not math.isfinite(value):
            return math.isfinite(value)
        gain = best - value if self.mode == "min" else value - best
        return gain > self.threshold * abs(best)


def _sample(points: int) -> list[float]:
    """Return the factors of a training of so many steps whose metric stops improving twice."""
    plateau, state, factors = ReduceOnPlateau(factor=0.4, patience=0), PlateauState(), []
    for step in range(points):
        improves = step not in {points * 4 // 10, points * 7 // 10}
        factor, state = plateau.update(state, -float(step) if improves else 1.0)
        factors.append(factor)
    return factors


ENTRIES = (
    Entry(
        name="reduce_on_plateau",
        family=ReduceOnPlateau,
        frequency="on plateau",
        quantity="by a factor",
        tip="Raise the patience with the number of checks; watch a loss or any other metric.",
        when="When nobody can say how long the training takes and a validation metric is at hand.",
        peak_factor=0.5,
        spread=0.4,
        body=lambda steps: ReduceOnPlateau(),
        sample=_sample,
    ),
)
