"""The edge: the peak above which most of the best trial's gain is lost, as the trials and as a sweep show it."""

import math
import statistics
from collections.abc import Sequence

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import onset
from lrfinder.evidence.trials import Trials

__all__ = ["edge_of_curve", "edge_of_trials"]

ABOVE_ONSET, ABOVE_LOWEST, BELOW_LAST = 10**0.15, 10**0.2, 10**-0.65
"""The edge over the rate where a sweep began to diverge, was lowest, and ended: medians over the trainings of
benchmarks/tasks.py, each off by 0.3 decades in the median."""


def edge_of_trials(trials: Sequence[Trials]) -> float | None:
    """Return the geometric mean of the edges of several trials; None where none has an edge below its highest peak."""
    edges = [edge for one in trials if (edge := one.edge) is not None and not one.is_open]
    return statistics.geometric_mean(edges) if edges else None


def edge_of_curve(curve: Curve) -> float:
    """Return the edge as far as a sweep shows it: the median of three estimates.

    They are read off the rate of the lowest loss, the last rate, and the rate where the loss began to diverge.
    """
    levels = curve.levels
    lowest = curve.lrs[min(levels.index(min(levels)), len(curve) - 1)]
    diverged = onset(curve)
    estimates = [lowest * ABOVE_LOWEST, curve.lrs[-1] * BELOW_LAST, *([diverged * ABOVE_ONSET] if diverged else [])]
    return math.exp(statistics.median(map(math.log, estimates)))
