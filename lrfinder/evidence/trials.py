"""Annealed trials from one start at several peaks: how one is run, the record of all."""

import math
import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lrfinder.errors import LRFinderWarning
from lrfinder.evidence.outcome import improved
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.search.sweep import MAX_SKIPS, Progress
from lrfinder.snapshot.contents import OUT_OF_MEMORY

__all__ = ["Runs", "Trials", "climb_and_line", "record", "run"]

Runs = dict[float, list[float] | None]
"""What each judge of a run gave, by its peak; None where the run exploded or made no step."""

LOST = (0.2, 0.4, 0.6, 0.8)
"""Shares of the best win; the edge is the mean, in decades, of where these are lost."""

POINTS = 40
"""Pieces of the drawn parabola."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Trials at several peaks, ascending: the same start, the same batches, the same annealed shape.

    Args:
        lrs: Peaks of the reference group.
        losses: What each run came to, None where it exploded or made no step.
        steps: Optimizer steps of each run.
        start: The same loss before any; 0 where nothing could be run.
        is_sure: Whether the best run lowered the loss beyond doubt.
        cost: Step-equivalents spent on all of them.
        min_gain: A win that says nothing.
        factor: Of the shape that was run: its best peak over that of a line to zero.
        windows: What each run was trained on, again and again, in optimizer steps; None where that is not known.
    """

    lrs: tuple[float, ...]
    losses: tuple[float | None, ...]
    steps: int
    start: float
    is_sure: bool
    cost: float
    min_gain: float = 0.0
    factor: float = 1.0
    windows: int | None = None

    @property
    def best(self) -> float | None:
        """The peak of the best run, at the lowest point of a parabola in log LR through it and its neighbours.

        It is at most half of the way to them, and the run itself where that is the lowest or the highest; None where no
        run won more than `min_gain`.
        """
        gains = self._gains
        most = max(gains, default=-math.inf)
        if not most > self.min_gain:
            return None
        i = gains.index(most)
        if i in (0, len(gains) - 1):
            return self.lrs[i]
        (left, lost_left), (right, lost_right) = self._beside(i)
        bent = lost_right / right - lost_left / left
        at = 0.0 if bent <= 0 else (lost_right * left / right - lost_left * right / left) / (2 * bent)
        return self.lrs[i] * math.exp(at)

    @property
    def epochs(self) -> float | None:
        """How often each run was trained on the same, at least once; None where that is not known."""
        return max(1.0, self.steps / self.windows) if self.windows else None

    @property
    def fit(self) -> tuple[tuple[float, float], ...]:
        """The parabola that `best` is read off, as points of a peak and its loss from one neighbour to the other.

        Empty where the best run has no neighbour on either side.
        """
        gains, best = self._gains, self.best
        i = gains.index(max(gains)) if gains else 0
        if best is None or i in (0, len(gains) - 1):
            return ()
        (left, lost_left), (right, lost_right) = self._beside(i)
        bend = (lost_right / right - lost_left / left) / (right - left)
        lean = lost_right / right - bend * right
        away = [left + (right - left) * j / POINTS for j in range(POINTS + 1)]
        return tuple((self.lrs[i] * math.exp(x), self.start - gains[i] + bend * x**2 + lean * x) for x in away)

    def _beside(self, i: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """How far away the neighbours of the best run are, in log LR, and what is lost there.

        No run is worse than one that loses as much as the best one wins.
        """
        gains = self._gains
        below, above = (
            (math.log(self.lrs[j] / self.lrs[i]), gains[i] - max(gains[j], -gains[i])) for j in (i - 1, i + 1)
        )
        return below, above

    @property
    def _gains(self) -> list[float]:
        return [-math.inf if loss is None else self.start - loss for loss in self.losses]

    @property
    def is_open(self) -> bool:
        """Whether no run above the best one has lost, so that the edge lies anywhere beyond."""
        gains = [loss for loss in self.losses if loss is not None]
        return bool(gains) and self.losses[-1] == min(gains)

    @property
    def is_enclosed(self) -> bool:
        """Whether runs both below and above the best one have lost against it."""
        gains = self._gains
        return bool(gains) and 0 < gains.index(max(gains)) < len(gains) - 1

    @property
    def is_blank(self) -> bool:
        """Whether no run came to anything, as where a batch is not a number: it tells nothing of the training."""
        return all(loss is None for loss in self.losses)

    @property
    def edge(self) -> float | None:
        """The peak above the best one at which half of what the best one wins is lost, give or take.

        It is the geometric mean of where 20, 40, 60 and 80 % are lost, each on a line in log LR between two runs. Where
        no run was tried that high it is the highest peak that was tried; None where no run won more than `min_gain`.
        """
        gains = self._gains
        if not max(gains, default=-math.inf) > self.min_gain:
            return None
        return statistics.geometric_mean(self._where(gains, (1 - lost) * max(gains)) for lost in LOST)

    def _where(self, gains: Sequence[float], level: float) -> float:
        """The peak above the best one at which the win has fallen to a level."""
        most = max(gains)
        best = gains.index(most)
        beyond = next((i for i in range(best + 1, len(gains)) if gains[i] < level), None)
        if beyond is None:
            return self.lrs[-1]
        inside, outside = gains[beyond - 1], max(gains[beyond], -most)
        share = (inside - level) / (inside - outside)
        return float(self.lrs[beyond - 1] * (self.lrs[beyond] / self.lrs[beyond - 1]) ** share)


def run(
    loop: Loop,
    snapshot: Snapshot,
    peak: float,
    batches: Sequence[Batch],
    *,
    shape: Callable[[float], float],
    limit: float,
    judges: Sequence[Batch] | None = None,
    on_step: Progress | None = None,
) -> tuple[Sequence[float | None], int] | None:
    """Run one trial from the start.

    Args:
        loop: What trains.
        snapshot: The start.
        peak: LR of the reference group.
        batches: What to train on, one window to the step.
        shape: The factor of the peak at each share of the way.
        limit: The loss beyond which the trial is ended.
        judges: What it is judged on at the end, instead of the losses of its own steps.
        on_step: Called with the rate and the loss of every step.

    Returns:
        The loss before every step (None where it was skipped) or of every judge, none at all where the trial exploded,
        and the steps made; None, with a warning, where a single process ran out of memory.
    """
    snapshot.restore()
    try:
        losses, made = _trace(loop, peak, batches, shape, limit, on_step)
        return (losses if judges is None or not losses else [loop.loss(judge) for judge in judges]), made
    except OUT_OF_MEMORY:
        if loop.facts.ranks > 1:
            raise
    warnings.warn(
        f"the trial to a peak of {peak:.2g} ran out of memory and is left out; make room, so that none is lost",
        LRFinderWarning,
        stacklevel=3,
    )
    return None


def _trace(
    loop: Loop,
    peak: float,
    batches: Sequence[Batch],
    shape: Callable[[float], float],
    limit: float,
    on_step: Progress | None,
) -> tuple[list[float | None], int]:
    losses: list[float | None] = []
    repeated = 0
    for i, batch in enumerate(batches):
        loop.lr = lr = peak * shape((i + 0.5) / len(batches))
        loss = loop.step(batch)
        # A GradScaler looks for its scale first: the first step is repeated until it is made.
        while loss is None and i == 0 and repeated < MAX_SKIPS:
            loss = loop.step(batch)
            repeated += 1
        losses.append(loss)
        if loss is not None and not loss <= limit:
            return [], repeated + len(losses)
        if loss is not None and on_step is not None:
            on_step(lr, loss)
    stepped = any(loss is not None for loss in losses)
    return losses if stepped else [], repeated + len(losses)


def climb_and_line(share: float) -> float:
    """A climb over a twentieth of the way, then a line to zero."""
    return min(share / 0.05, (1 - share) / 0.95)


def record(
    runs: Runs,
    start: Sequence[float],
    steps: int,
    *,
    spent: float,
    min_gain: float = 0.0,
    factor: float = 1.0,
    windows: int | None = None,
) -> Trials:
    """Everything that was run, ascending."""
    lrs = sorted(runs)
    finite = [losses for losses in runs.values() if losses]
    best = min(finite, key=statistics.fmean, default=None)
    return Trials(
        lrs=tuple(lrs),
        losses=tuple(statistics.fmean(losses) if (losses := runs[lr]) else None for lr in lrs),
        steps=steps,
        start=statistics.fmean(start) if start else 0.0,
        is_sure=best is not None and improved(start, best, min_gain),
        cost=spent,
        min_gain=min_gain,
        factor=factor,
        windows=windows,
    )
