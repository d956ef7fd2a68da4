"""The record of short trainings to several peaks, and what it shows: the best peak and the edge above it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrfinder.errors import InputError
from lrfinder.evidence.outcome import improved

__all__ = ["Trials", "record_trials"]

LOST = (0.2, 0.4, 0.6, 0.8)
"""Parts of the best gain; the edge is the geometric mean of the peaks above the best one at which these are lost."""

POINTS = 40
"""Pieces of the drawn parabola."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Short trainings to several peaks, ascending: the same start, the same batches, the same shape of the LR.

    Args:
        lrs: Peak LRs of the reference group.
        losses: Mean loss of the evaluation batches after each trial; None where it diverged or made no step.
        steps: Optimizer steps of each trial.
        start: Mean loss of the same batches before any trial; 0 where none could be run.
        is_sure: Whether the best trial lowered the loss, and not by chance.
        cost: Step-equivalents spent on all of them.
        min_gain: A smaller gain says nothing.
        factor: Best peak of the shape that was run over the best peak of a linear decay to zero.
        steps_per_epoch: Optimizer steps of one pass over the batches of a trial; None where that is not known.

    Raises:
        InputError: Peaks that are not positive or do not ascend, lists of unequal length, or a number of steps or a
            factor that is not positive.
    """

    lrs: tuple[float, ...]
    losses: tuple[float | None, ...]
    steps: int
    start: float
    is_sure: bool
    cost: float
    min_gain: float = 0.0
    factor: float = 1.0
    steps_per_epoch: int | None = None

    def __post_init__(self) -> None:
        if len(self.lrs) != len(self.losses):
            raise InputError(f"`losses` must be as many as `lrs`, {len(self.lrs)}, got {len(self.losses)}")
        if any(a >= b for a, b in zip((0.0, *self.lrs), self.lrs, strict=False)):
            raise InputError(f"`lrs` must be at rates that are positive and ascend, got {list(self.lrs)}")
        for name in ("steps", "factor", "steps_per_epoch"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"`{name}` must be positive, got {value}")

    @property
    def best(self) -> float | None:
        """The best peak: the lowest point of a parabola in log LR through the best trial and its neighbours.

        It is at most half of the way to them, and the trial itself where that is the lowest or the highest; None where
        no trial gained more than `min_gain`.
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
        """How often each trial passed over its batches, at least once; None where that is not known."""
        return max(1.0, self.steps / self.steps_per_epoch) if self.steps_per_epoch else None

    @property
    def fit(self) -> tuple[tuple[float, float], ...]:
        """The parabola that `best` is read off, as points of a peak and its loss from one neighbour to the other.

        Empty where the best trial has no neighbour on either side.
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
        """How far away the neighbours of the best trial are, in log LR, and what they lose against it.

        No neighbour counts as losing more than twice the best gain, so that one that diverged has a place on the
        parabola.
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
        """Whether the highest trial is the best, so that the edge lies anywhere above it."""
        finite = [loss for loss in self.losses if loss is not None]
        return bool(finite) and self.losses[-1] == min(finite)

    @property
    def is_enclosed(self) -> bool:
        """Whether there are trials both below and above the best one."""
        gains = self._gains
        return bool(gains) and 0 < gains.index(max(gains)) < len(gains) - 1

    @property
    def is_blank(self) -> bool:
        """Whether no trial has a loss, as where a batch holds a NaN: that shows nothing of the training."""
        return all(loss is None for loss in self.losses)

    @property
    def edge(self) -> float | None:
        """The peak above the best one at which half of the best gain is lost.

        It is the geometric mean of where 20, 40, 60 and 80 % are lost, each on a line in log LR between two trials.
        Where no trial lost so much it is the highest peak that was tried; None where none gained more than `min_gain`.
        """
        gains = self._gains
        if not max(gains, default=-math.inf) > self.min_gain:
            return None
        return statistics.geometric_mean(self._where(gains, (1 - lost) * max(gains)) for lost in LOST)

    def _where(self, gains: Sequence[float], level: float) -> float:
        """The peak above the best one at which the gain has fallen to a level."""
        most = max(gains)
        best = gains.index(most)
        beyond = next((i for i in range(best + 1, len(gains)) if gains[i] < level), None)
        if beyond is None:
            return self.lrs[-1]
        inside, outside = gains[beyond - 1], max(gains[beyond], -most)
        way = (inside - level) / (inside - outside)
        return float(self.lrs[beyond - 1] * (self.lrs[beyond] / self.lrs[beyond - 1]) ** way)


def record_trials(
    losses: Mapping[float, Sequence[float] | None],
    before: Sequence[float],
    steps: int,
    *,
    cost: float,
    min_gain: float = 0.0,
    factor: float = 1.0,
    steps_per_epoch: int | None = None,
) -> Trials:
    """Record what was tried, ascending; the options are fields of `Trials`.

    By peak, `losses` holds the loss of every evaluation batch after the trial, None where it diverged or made no step;
    `before` holds those of the same batches before.
    """
    lrs = sorted(losses)
    best = min((after for after in losses.values() if after), key=statistics.fmean, default=None)
    return Trials(
        lrs=tuple(lrs),
        losses=tuple(statistics.fmean(after) if (after := losses[lr]) else None for lr in lrs),
        steps=steps,
        start=statistics.fmean(before) if before else 0.0,
        is_sure=best is not None and improved(before, best, min_gain),
        cost=cost,
        min_gain=min_gain,
        factor=factor,
        steps_per_epoch=steps_per_epoch,
    )
