"""How high the best peak of a schedule is, beside that of linear decay to zero."""

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.schedules.base import Schedule
from lrfinder.schedules.bound import predict
from lrfinder.schedules.catalogue import CATALOGUE
from lrfinder.schedules.entry import Entry
from lrfinder.schedules.plateau import ReduceOnPlateau
from lrfinder.schedules.power import Linear
from lrfinder.schedules.stable import StableDecay
from lrfinder.schedules.warmup import Warmup

__all__ = ["peak_factor"]


def peak_factor(schedule: Schedule, total_steps: int, calibration: Calibration = FITTED) -> tuple[float, float]:
    """Return the best peak of a schedule over that of linear decay, and one standard deviation of its log10.

    A member that the catalogue would build for these steps has the catalogue's prior, with warm-up or without. Any
    other schedule has the ratio of the last-iterate bound.

    Example:
        >>> from lrfinder.schedules import Constant, Polynomial
        >>> peak_factor(Constant(), 1000)
        (0.28, 0.4)
        >>> round(peak_factor(lambda step: 0.5, 1000)[0], 2)
        0.69
    """
    entry = _entry_of(schedule, total_steps, calibration.shortest_catalogued)
    if entry is not None:
        return entry.peak_factor, entry.spread
    line = predict(Linear(total_steps), total_steps)
    family = next((e for e in CATALOGUE.values() if type(_body(schedule)) is e.family), None)
    spread = max(family.spread if family else 0.0, calibration.bound_spread)
    return predict(schedule, total_steps).lr / line.lr, spread


def _entry_of(schedule: Schedule, total_steps: int, shortest: float) -> Entry | None:
    """The row of the catalogue that makes this very schedule for so many steps, or cannot be asked of the bound."""
    body, warmup = _body(schedule), schedule.steps if isinstance(schedule, Warmup) else 0
    for entry in CATALOGUE.values():
        if type(body) is not entry.family:
            continue
        if isinstance(body, ReduceOnPlateau) or (isinstance(body, StableDecay) and body.steps is None):
            return entry
        if total_steps >= shortest and body in (entry.body(total_steps), entry.body(max(1, total_steps - warmup))):
            return entry
    return None


def _body(schedule: Schedule) -> Schedule:
    return schedule.body if isinstance(schedule, Warmup) else schedule
