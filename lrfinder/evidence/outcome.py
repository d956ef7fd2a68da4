"""Did a trial improve the loss? Comparisons of the losses of the same batches before and after it."""

import math
import statistics
from collections.abc import Sequence

from lrfinder.evidence.curve import is_number

__all__ = [
    "ALIVE",
    "blind",
    "dead",
    "divergence_limit",
    "gain",
    "gains_of_live",
    "improved",
    "losses_after",
    "min_gain_off_plateau",
    "unchanged",
    "worsened",
]

DIVERGED_TIMES = 10.0
"""A trial is ended when its loss has risen by this many times the scale of the loss."""

RISEN = 0.02
"""A trial has worsened when its loss rose beyond chance by more than this share of the scale."""

HARDLY_FALLEN = 0.04
"""A trial that fell, not beyond chance, by at most this share of the scale has left the loss unchanged. On the plateaus
of benchmarks/tasks.py such trials fell by up to 0.022, elsewhere by 0.06 and more."""

OFF_PLATEAU = 0.01
"""A trial that gains at most this share of the scale has not left a plateau. A network that learns no more than how
frequent its classes are gains half of it."""

ALIVE, DEAD = 0.1, 0.1
"""Share of the loss from which a trial has learned from its inputs, and part of the most that any has learned below
which another of the same series is dead."""

SIGNIFICANCE = 0.05
"""Largest p-value of the signed-rank test at which a fall is taken as no chance."""


def dead(gains: Sequence[float], learned: Sequence[float | None]) -> list[bool]:
    """Return which trials, by ascending peak, ended with a model that does not look at its inputs.

    They are known by a lower peak that gained and has learned from them. Of each trial `learned` is by how much its
    loss is lower than that of the same inputs with the targets of others, over the larger of both; None where that is
    not known.
    """
    most, at = _most_learned(gains, learned)
    return [most >= ALIVE and i > at and share is not None and share < DEAD * most for i, share in enumerate(learned)]


def gains_of_live(falls: Sequence[float], learned: Sequence[float | None]) -> list[float]:
    """Return how far trials lowered the loss, by ascending peak; a dead one has lost all of its gain."""
    return [min(fall, 0.0) if is_dead else fall for fall, is_dead in zip(falls, dead(falls, learned), strict=True)]


def blind(gains: Sequence[float], learned: Sequence[float | None]) -> bool:
    """Whether no trial that gained has learned anything from its inputs, as far as that is known."""
    return any(share is not None for share in learned) and _most_learned(gains, learned)[0] < ALIVE


def _most_learned(gains: Sequence[float], learned: Sequence[float | None]) -> tuple[float, int]:
    """The most that a trial has learned which gained, and its place."""
    pairs = enumerate(zip(gains, learned, strict=True))
    return max(((share, i) for i, (each, share) in pairs if each > 0 and share is not None), default=(0.0, 0))


def losses_after(before: Sequence[float], losses: Sequence[float | None]) -> list[float] | None:
    """Return the losses after a trial of the batches that had a finite one before; None where the trial diverged.

    The last of `losses` belong to these batches; one that is None is of a skipped step, which leaves the loss before.
    """
    last = zip(before, losses[-len(before) :], strict=False)
    after = [first if loss is None else loss for first, loss in last if is_number(first)]
    return after if losses and all(map(is_number, after)) else None


def divergence_limit(before: Sequence[float], loss_scale: float) -> float:
    """Return the loss beyond which a trial is ended: the largest before it plus ten times the scale of the loss."""
    return max(before) + DIVERGED_TIMES * _scale(before, loss_scale)


def gain(before: Sequence[float], after: Sequence[float] | None) -> float:
    """Return how far the mean loss fell; minus infinity where the trial diverged."""
    return statistics.fmean(before) - statistics.fmean(after) if after else -math.inf


def improved(before: Sequence[float], after: Sequence[float], min_gain: float = 0.0) -> bool:
    """Whether the losses fell by more than `min_gain`, and not by chance.

    It is no chance where every loss fell, or where Wilcoxon's signed-rank test says so.
    """
    from scipy.stats import wilcoxon

    falls = [first - last for first, last in zip(before[-len(after) :], after, strict=True)]
    if statistics.fmean(falls) <= min_gain:
        return False
    return min(falls) > 0 or (any(falls) and bool(wilcoxon(falls, alternative="greater").pvalue <= SIGNIFICANCE))


def min_gain_off_plateau(before: float, loss_scale: float) -> float:
    """Return the gain beyond which a trial has left a plateau: a hundredth of the scale of the loss."""
    return OFF_PLATEAU * _scale([before], loss_scale)


def worsened(before: Sequence[float], after: Sequence[float] | None, loss_scale: float) -> bool:
    """Whether a trial diverged, or raised the loss by more than a fiftieth of its scale and not by chance."""
    return after is None or improved(after, before, RISEN * _scale(before, loss_scale))


def unchanged(before: Sequence[float], after: Sequence[float] | None, min_gain: float, loss_scale: float) -> bool:
    """Whether a trial left the loss about where it was: no improvement, and a small change beside its scale."""
    if after is None or improved(before, after, min_gain):
        return False
    scale = _scale(before, loss_scale)
    return scale > 0 and -RISEN * scale <= gain(before, after) <= HARDLY_FALLEN * scale


def _scale(before: Sequence[float], loss_scale: float) -> float:
    """The scale of a loss: its size before the trial, or how far the sweep fell where that is more."""
    return max(loss_scale, *map(abs, before))
