"""Annealed miniature runs from one start: how high a peak may be before a whole schedule in small stops paying."""

import math
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

from lrfinder.curve import Curve, is_number
from lrfinder.divergence import onset
from lrfinder.errors import LRFinderWarning
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.memory import OUT_OF_MEMORY
from lrfinder.sweep import MAX_SKIPS, Progress

__all__ = ["STEPS", "Arms", "guess", "race"]

STEPS = 14
"""Optimizer steps of an arm: with fewer its edge moves more between seeds, with more there are too few arms."""

JUDGING = 6
"""Last steps of an arm whose losses judge it: their batches are new to it, their rates have fallen far."""

LOST = (0.2, 0.4, 0.6, 0.8)
"""Shares of the best win; the edge is the mean, in decades, of where these are lost."""

PER_DECADE = 8
"""Peaks that may be tried to the decade."""

STRIDE = 4
"""Peaks between neighbouring arms, before the bracket about the edge is halved."""

NEARLY_LINEAR, LONGEST_STRIDE = 0.8, 16
"""A win that grows by more than this share of what the peak does is far below the edge: the stride is doubled."""

HOPELESS = 10.0
"""An arm whose loss rises by this many times the loss at the start, or what the sweep won of it, is ended."""

DOUBT = 0.05
"""The largest probability, by a signed-rank test, that what judges an arm fell by chance."""

BELOW = 10**0.25
"""How far below where the edge may be a race begins."""

FARTHEST = 40
"""Peaks that it may be away from there."""

FROM_ONSET, FROM_LOWEST, FROM_LAST = 10**0.15, 10**0.2, 10**-0.65
"""The edge over where a sweep began to diverge, was lowest and ended: medians, each off by 0.3 decades (median)."""


@dataclass(frozen=True, slots=True)
class Arms:
    """Miniature runs at several peaks, ascending: the same start, the same batches, the same annealed shape.

    Args:
        lrs: Peaks of the reference group.
        losses: What each run came to, None where it exploded or made no step.
        steps: Optimizer steps of each run.
        start: The same loss before any; 0 where nothing could be run.
        is_sure: Whether the best run lowered the loss beyond doubt.
        cost: Step-equivalents spent on all of them.
        small: A win that says nothing.
    """

    lrs: tuple[float, ...]
    losses: tuple[float | None, ...]
    steps: int
    start: float
    is_sure: bool
    cost: float
    small: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether no run above the best one has lost, so that the edge lies anywhere beyond."""
        won = [loss for loss in self.losses if loss is not None]
        return bool(won) and self.losses[-1] == min(won)

    @property
    def is_blank(self) -> bool:
        """Whether no run came to anything, as where a batch is not a number: it tells nothing of the training."""
        return all(loss is None for loss in self.losses)

    @property
    def edge(self) -> float | None:
        """The peak above the best one at which half of what the best one wins is lost, give or take.

        It is the geometric mean of where 20, 40, 60 and 80 % are lost, each on a line in log LR between two runs. Where
        no run was tried that high it is the highest peak that was tried; None where no run won more than `small`.
        """
        won = [-math.inf if loss is None else self.start - loss for loss in self.losses]
        if not max(won, default=-math.inf) > self.small:
            return None
        return statistics.geometric_mean(self._where(won, (1 - lost) * max(won)) for lost in LOST)

    def _where(self, won: Sequence[float], level: float) -> float:
        """The peak above the best one at which the win has fallen to a level."""
        most = max(won)
        best = won.index(most)
        beyond = next((i for i in range(best + 1, len(won)) if won[i] < level), None)
        if beyond is None:
            return self.lrs[-1]
        inside, outside = won[beyond - 1], max(won[beyond], -most)
        share = (inside - level) / (inside - outside)
        return float(self.lrs[beyond - 1] * (self.lrs[beyond] / self.lrs[beyond - 1]) ** share)


def guess(curve: Curve) -> float:
    """The edge as far as a sweep tells it: the median of three guesses."""
    levels = curve.levels
    lowest = curve.lrs[min(levels.index(min(levels)), len(curve) - 1)]
    diverged = onset(curve)
    guesses = [lowest * FROM_LOWEST, curve.lrs[-1] * FROM_LAST, *([diverged * FROM_ONSET] if diverged else [])]
    return math.exp(statistics.median(map(math.log, guesses)))


def race(
    loop: Loop,
    snapshot: Snapshot,
    batches: Sequence[Batch],
    *,
    near: float,
    budget: float,
    small: float = 0.0,
    fall: float = 0.0,
    held_out: Batch | None = None,
    tell: Progress | None = None,
) -> Arms:
    """Run arms at one peak after another, beginning below `near`, until the edge is known or the budget spent.

    Each arm climbs over a twentieth of its steps and falls in a line to zero. It is judged by the losses of its last
    steps, each taken before the step on a batch that is new to the arm (where there are that many), so it costs nothing
    beyond its steps. A batch whose loss is not finite before any of them judges nothing. Further peaks are tried up
    while the best is not yet half lost, towards the better end while nothing is won (downwards first), once below the
    best, then in the middle of the bracket.

    Args:
        loop: What trains; it can measure.
        snapshot: The start, to which the training is put back before every arm and at the end.
        batches: What every arm is trained on, one window to the step.
        near: Where the edge may be.
        budget: Step-equivalents to spend; a forward alone counts a third.
        small: A win that says nothing.
        fall: What a sweep has won of the loss, its scale where it starts about zero.
        held_out: What to judge on instead, each of its batches after the last step.
        tell: Called with the rate and the loss of every step.

    Returns:
        What was run.
    """
    snapshot.restore()
    judges = batches[-JUDGING:] if held_out is None else [[micro] for micro in held_out]
    forward = 1 / 3 if held_out is None else 1 / max(map(len, batches)) / 3
    before = [loop.loss(judge, train=held_out is None) for judge in judges]
    start = [loss for loss in before if is_number(loss)]
    at: int | None = 0 if start else None
    peak = partial(_peak, near / BELOW)
    spent, runs, longest = len(judges) * forward, dict[int, list[float] | None](), len(batches)
    after = len(judges) * forward if held_out is not None else 0.0
    while at is not None and spent + longest + after <= budget:
        try:
            losses, made = _trace(loop, snapshot, peak(at), batches, _hopeless(start, fall), tell)
            if losses and held_out is not None:
                losses = [loop.loss(judge) for judge in judges]
        except OUT_OF_MEMORY:
            if loop.facts.ranks > 1:
                raise
            _warn_of_lost(peak(at))
            spent, at = spent + longest, next(place for place in count(at + 1) if place not in runs)
            continue
        spent, longest = spent + made + (after if losses else 0.0), max(longest, made)
        runs[at] = _judged(before, losses)
        at = _next({place: _won(start, judged) for place, judged in runs.items()})
    snapshot.restore()
    return _record({peak(place): losses for place, losses in runs.items()}, start, len(batches), small, spent)


def _warn_of_lost(lr: float) -> None:
    warnings.warn(
        f"the miniature run to a peak of {lr:.2g} ran out of memory and is left out; make room, so that none is lost",
        LRFinderWarning,
        stacklevel=3,
    )


def _judged(before: Sequence[float], losses: Sequence[float | None]) -> list[float] | None:
    """The losses of the judges that had one before (the same where the step was skipped), None where one exploded."""
    last = zip(before, losses[-len(before) :], strict=False)
    judged = [first if loss is None else loss for first, loss in last if is_number(first)]
    return judged if losses and all(map(is_number, judged)) else None


def _peak(first: float, place: int) -> float:
    return float(first * 10 ** (place / PER_DECADE))


def _hopeless(start: Sequence[float], fall: float) -> float:
    """The loss beyond which an arm will not come back."""
    return max(start) + HOPELESS * max(fall, *map(abs, start))


def _trace(
    loop: Loop, snapshot: Snapshot, peak: float, batches: Sequence[Batch], hopeless: float, tell: Progress | None
) -> tuple[list[float | None], int]:
    """The loss before every step of one arm (None where it was skipped), none where it exploded; the steps made."""
    snapshot.restore()
    losses: list[float | None] = []
    repeated = 0
    for i, batch in enumerate(batches):
        loop.lr = lr = peak * _factor((i + 0.5) / len(batches))
        loss = loop.step(batch)
        # A GradScaler looks for its scale first: the first step is repeated until it is made.
        while loss is None and i == 0 and repeated < MAX_SKIPS:
            loss = loop.step(batch)
            repeated += 1
        losses.append(loss)
        if loss is not None and not loss <= hopeless:
            return [], repeated + len(losses)
        if loss is not None and tell is not None:
            tell(lr, loss)
    stepped = any(loss is not None for loss in losses)
    return losses if stepped else [], repeated + len(losses)


def _factor(share: float) -> float:
    """A climb over a twentieth of the way, then a line to zero."""
    return min(share / 0.05, (1 - share) / 0.95)


def _next(won: dict[int, float]) -> int | None:
    """The place of the peak to try next, or None where the edge is known as well as it can be."""
    best = max(won, key=won.__getitem__)
    lowest, highest = min(won), max(won)
    below = lowest - STRIDE if lowest > -FARTHEST else None
    above = highest + _stride(won) if highest < FARTHEST else None
    if won[best] <= 0:
        return above if below is None or (best == highest and lowest < highest) else below
    beyond = min((place for place in won if place > best and won[place] < won[best] / 2), default=None)
    if beyond is None and above is not None:
        return above
    if best == lowest and below is not None:
        return below
    if beyond is None:
        return None
    inside = max(place for place in won if place < beyond)
    return (inside + beyond) // 2 if beyond - inside > 1 else None


def _stride(won: dict[int, float]) -> int:
    """How far to climb."""
    if len(won) < 2:
        return STRIDE
    *_, before, last = sorted(won)
    grown = won[before] * 10 ** ((last - before) / PER_DECADE)
    return min(2 * (last - before), LONGEST_STRIDE) if won[last] > NEARLY_LINEAR * grown > 0 else STRIDE


def _won(start: Sequence[float], losses: Sequence[float] | None) -> float:
    return statistics.fmean(start) - statistics.fmean(losses) if losses else -math.inf


def _record(
    runs: dict[float, list[float] | None], start: Sequence[float], steps: int, small: float, spent: float
) -> Arms:
    lrs = sorted(runs)
    finite = [losses for losses in runs.values() if losses]
    best = min(finite, key=statistics.fmean, default=None)
    return Arms(
        lrs=tuple(lrs),
        losses=tuple(statistics.fmean(losses) if (losses := runs[lr]) else None for lr in lrs),
        steps=steps,
        start=statistics.fmean(start) if start else 0.0,
        is_sure=best is not None and _is_sure(start, best, small),
        cost=spent,
        small=small,
    )


def _is_sure(start: Sequence[float], losses: Sequence[float], small: float) -> bool:
    """Whether the losses fell beyond doubt: by the signed-rank test of Wilcoxon, or all of them where they are few."""
    from scipy.stats import wilcoxon

    drops = [before - after for before, after in zip(start[-len(losses) :], losses, strict=True)]
    fell = min(drops) > 0 or (any(drops) and bool(wilcoxon(drops, alternative="greater").pvalue <= DOUBT))
    return fell and statistics.fmean(drops) > small
