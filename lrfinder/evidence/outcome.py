"""What the judges of a run say of it: whether it won, lost, exploded, or left the loss where it was."""

import math
import statistics
from collections.abc import Sequence

from lrfinder.evidence.curve import is_number

__all__ = ["fell", "has_risen", "hopeless", "is_still", "judged", "least_off_a_plateau", "win"]

HOPELESS = 10.0
"""An arm whose loss rises by this many times the loss at the start, or what the sweep won of it, is ended."""

RISEN, HARDLY_FALLEN = 0.02, 0.04
"""Shares of the loss at the start, or of what the sweep won of it: an arm has clearly lost whose loss rose by more than
the first, and leaves no plateau where it did not and fell by no more than the second. On plateaus of
benchmarks/tasks.py unsure arms fell by up to 0.022, elsewhere by 0.06 and more."""

LEFT = 0.01
"""Of the same: a run that wins no more has not left a plateau. A network that learns no more than how frequent its
classes are wins half of that."""

DOUBT = 0.05
"""The largest probability, by a signed-rank test, that what judges an arm fell by chance."""


def judged(before: Sequence[float], losses: Sequence[float | None]) -> list[float] | None:
    """The losses of the judges that had one before (the same where the step was skipped), None where one exploded."""
    last = zip(before, losses[-len(before) :], strict=False)
    after = [first if loss is None else loss for first, loss in last if is_number(first)]
    return after if losses and all(map(is_number, after)) else None


def hopeless(start: Sequence[float], fall: float) -> float:
    """The loss beyond which an arm will not come back, for a sweep that won `fall`."""
    return max(start) + HOPELESS * _scale(start, fall)


def win(start: Sequence[float], losses: Sequence[float] | None) -> float:
    """How far the judges fell; minus infinity where the arm exploded."""
    return statistics.fmean(start) - statistics.fmean(losses) if losses else -math.inf


def fell(start: Sequence[float], losses: Sequence[float], small: float = 0.0) -> bool:
    """Whether the losses fell beyond doubt: by the signed-rank test of Wilcoxon, or all of them where they are few."""
    from scipy.stats import wilcoxon

    drops = [before - after for before, after in zip(start[-len(losses) :], losses, strict=True)]
    if statistics.fmean(drops) <= small:
        return False
    return min(drops) > 0 or (any(drops) and bool(wilcoxon(drops, alternative="greater").pvalue <= DOUBT))


def least_off_a_plateau(start: float, fall: float) -> float:
    """The win beyond which a run has left a plateau, for a loss at the start and what the sweep won."""
    return LEFT * _scale([start], fall)


def has_risen(start: Sequence[float], losses: Sequence[float] | None, fall: float) -> bool:
    """Whether an arm has exploded, or beyond doubt lost more than a share of its loss or of what a sweep won."""
    return losses is None or fell(losses, start, RISEN * _scale(start, fall))


def is_still(start: Sequence[float], losses: Sequence[float] | None, small: float, fall: float) -> bool:
    """Whether an arm has left the loss about where it was: not lower beyond doubt, and hardly changed."""
    if losses is None or fell(start, losses, small):
        return False
    scale = _scale(start, fall)
    return scale > 0 and -RISEN * scale <= win(start, losses) <= HARDLY_FALLEN * scale


def _scale(start: Sequence[float], fall: float) -> float:
    return max(fall, *map(abs, start))
