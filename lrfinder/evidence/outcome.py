"""What the judges of a run say of it: whether it won, lost, exploded, or left the loss where it was."""

import math
import statistics
from collections.abc import Sequence

from lrfinder.evidence.curve import is_number

__all__ = ["divergence_limit", "eval_losses", "gain", "improved", "min_gain_off_plateau", "unchanged", "worsened"]

DIVERGED_TIMES = 10.0
"""A trial whose loss rises by this many times the loss at the start, or what the sweep won of it, is ended."""

RISEN, HARDLY_FALLEN = 0.02, 0.04
"""Shares of the loss at the start, or of what the sweep won of it: a trial has clearly lost whose loss rose by more
than the first, and leaves no plateau where it did not and fell by no more than the second. On plateaus of
benchmarks/tasks.py unsure trials fell by up to 0.022, elsewhere by 0.06 and more."""

LEFT = 0.01
"""Of the same: a run that wins no more has not left a plateau. A network that learns no more than how frequent its
classes are wins half of that."""

DOUBT = 0.05
"""The largest probability, by a signed-rank test, that what judges a trial fell by chance."""


def eval_losses(before: Sequence[float], losses: Sequence[float | None]) -> list[float] | None:
    """The losses of the judges that had one before (the same where the step was skipped), None where one exploded."""
    last = zip(before, losses[-len(before) :], strict=False)
    after = [first if loss is None else loss for first, loss in last if is_number(first)]
    return after if losses and all(map(is_number, after)) else None


def divergence_limit(start: Sequence[float], loss_scale: float) -> float:
    """The loss beyond which a trial will not come back, for a sweep that won `loss_scale`."""
    return max(start) + DIVERGED_TIMES * _scale(start, loss_scale)


def gain(start: Sequence[float], losses: Sequence[float] | None) -> float:
    """How far the judges fell; minus infinity where the trial exploded."""
    return statistics.fmean(start) - statistics.fmean(losses) if losses else -math.inf


def improved(start: Sequence[float], losses: Sequence[float], min_gain: float = 0.0) -> bool:
    """Whether the losses fell beyond doubt: by the signed-rank test of Wilcoxon, or all of them where they are few."""
    from scipy.stats import wilcoxon

    drops = [before - after for before, after in zip(start[-len(losses) :], losses, strict=True)]
    if statistics.fmean(drops) <= min_gain:
        return False
    return min(drops) > 0 or (any(drops) and bool(wilcoxon(drops, alternative="greater").pvalue <= DOUBT))


def min_gain_off_plateau(start: float, loss_scale: float) -> float:
    """The win beyond which a run has left a plateau, for a loss at the start and what the sweep won."""
    return LEFT * _scale([start], loss_scale)


def worsened(start: Sequence[float], losses: Sequence[float] | None, loss_scale: float) -> bool:
    """Whether a trial has exploded, or beyond doubt lost more than a share of its loss or of what a sweep won."""
    return losses is None or improved(losses, start, RISEN * _scale(start, loss_scale))


def unchanged(start: Sequence[float], losses: Sequence[float] | None, min_gain: float, loss_scale: float) -> bool:
    """Whether a trial has left the loss about where it was: not lower beyond doubt, and hardly changed."""
    if losses is None or improved(start, losses, min_gain):
        return False
    scale = _scale(start, loss_scale)
    return scale > 0 and -RISEN * scale <= gain(start, losses) <= HARDLY_FALLEN * scale


def _scale(start: Sequence[float], loss_scale: float) -> float:
    return max(loss_scale, *map(abs, start))
