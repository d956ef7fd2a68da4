"""Learning-rate schedules as pure shapes: `schedule(step) -> factor of the peak`."""

from lrfinder.schedules.base import Schedule, Shape, describe
from lrfinder.schedules.catalogue import CATALOGUE, Entry
from lrfinder.schedules.compose import Warmup
from lrfinder.schedules.custom import Custom
from lrfinder.schedules.plain import from_plain, to_plain
from lrfinder.schedules.power import Constant, Linear, Polynomial

__all__ = [
    "CATALOGUE",
    "Constant",
    "Custom",
    "Entry",
    "Linear",
    "Polynomial",
    "Schedule",
    "Shape",
    "Warmup",
    "describe",
    "from_plain",
    "to_plain",
]
