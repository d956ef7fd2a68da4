"""The edge: the peak above which most of the best trial's gain is lost, as the trials and as a sweep show it."""

import math
import statistics
from collections.abc import Sequence

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import onset
from lrfinder.evidence.trials import Trials

__all__ = ["edge_of_curve", "edge_of_trials"]


def edge_of_trials(trials: Sequence[Trials]) -> float | None:
    """Return the geometric mean of the edges of several trials; None where none has an edge below its highest peak."""
    edges = [edge for one in trials if (edge := one.edge) is not None and not one.is_open]
    return statistics.geometric_mean(edges) if edges else None


def edge_of_curve(curve: Curve, *, over_onset: float, over_lowest: float, over_last: float) -> float:
    """Return the edge as far as a sweep shows it, the median of three estimates.

    Each is a rate of the sweep, times the ratio that the edge has to it: the onset of the divergence, the lowest loss,
    the last rate.
    """
    levels = curve.levels
    lowest = curve.lrs[min(levels.index(min(levels)), len(curve) - 1)]
    diverged = onset(curve)
    estimates = [lowest * over_lowest, curve.lrs[-1] * over_last, *([diverged * over_onset] if diverged else [])]
    return math.exp(statistics.median(map(math.log, estimates)))
