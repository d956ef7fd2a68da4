"""Learning-rate schedules as pure shapes: `schedule(step) -> factor of the peak`."""

from lrfinder.schedules.anneal import REX, LogAnneal
from lrfinder.schedules.base import Schedule, Shape, describe
from lrfinder.schedules.catalogue import CATALOGUE
from lrfinder.schedules.compose import Epochwise, Then, cool_down
from lrfinder.schedules.cosine import Cosine, WarmRestarts
from lrfinder.schedules.custom import Custom
from lrfinder.schedules.cyclic import OneCycle, Triangular
from lrfinder.schedules.entry import Entry
from lrfinder.schedules.exponential import Exponential, StepDecay
from lrfinder.schedules.inverse import InverseSqrt, InverseTime
from lrfinder.schedules.plain import from_plain, to_plain
from lrfinder.schedules.plateau import PlateauState, ReduceOnPlateau
from lrfinder.schedules.power import Constant, Linear, Polynomial
from lrfinder.schedules.ramp import Ramp, Staircase
from lrfinder.schedules.stable import StableDecay
from lrfinder.schedules.warmup import Warmup

__all__ = [
    "CATALOGUE",
    "REX",
    "Constant",
    "Cosine",
    "Custom",
    "Entry",
    "Epochwise",
    "Exponential",
    "InverseSqrt",
    "InverseTime",
    "Linear",
    "LogAnneal",
    "OneCycle",
    "PlateauState",
    "Polynomial",
    "Ramp",
    "ReduceOnPlateau",
    "Schedule",
    "Shape",
    "StableDecay",
    "Staircase",
    "StepDecay",
    "Then",
    "Triangular",
    "WarmRestarts",
    "Warmup",
    "cool_down",
    "describe",
    "from_plain",
    "to_plain",
]
