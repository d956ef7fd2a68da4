"""The record of short trainings to several peaks, and what it shows: the best peak and the edge above it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrfinder.errors import InputError
from lrfinder.evidence.outcome import ALIVE, blind, gains_of_live, improved

__all__ = ["Trials", "record_trials"]

LOST = (0.2, 0.4, 0.6, 0.8)
"""Parts of the best gain; the edge is the geometric mean of the peaks above the best one at which these are lost."""

ALIKE = 0.001
"""Part of the best gain by which results must differ, so that the rate makes a difference."""

RISEN, AS_MUCH = 1.25, 0.9
"""A trial over-fits where its loss exceeds the best by such a factor though it learned such a part of the most."""

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
        is_sure: Whether the best of several trials lowered the loss beyond chance and did better than another; where it
            is the highest, it must have learned from its inputs, or the next best must have fallen too.
        cost: Step-equivalents spent on all of them.
        min_gain: A smaller gain says nothing.
        factor: Best peak of the shape that was run over the best peak of a linear decay to zero.
        steps_per_epoch: Optimizer steps of one pass over the batches of a trial; None where that is not known.
        learned: By how much its loss is lower than that of the same inputs with the targets of others, over the larger
            of both, for each trial; None where that is not known, empty where it is of none.
        learned_before: The same before any trial; None where that is not known.

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
    learned: tuple[float | None, ...] = ()
    learned_before: float | None = None

    def __post_init__(self) -> None:
        if len(self.lrs) != len(self.losses):
            raise InputError(f"`losses` must be as many as `lrs`, {len(self.lrs)}, got {len(self.losses)}")
        if self.learned and len(self.learned) != len(self.lrs):
            raise InputError(f"`learned` must be as many as `lrs`, {len(self.lrs)}, or none, got {len(self.learned)}")
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
        """How far each trial lowered the loss; minus infinity where it diverged, at most 0 where it is dead."""
        return gains_of_live(self._falls, self._shares)

    @property
    def _falls(self) -> list[float]:
        return [-math.inf if loss is None else self.start - loss for loss in self.losses]

    @property
    def _shares(self) -> Sequence[float | None]:
        return self.learned or [None] * len(self.lrs)

    @property
    def is_open(self) -> bool:
        """Whether the highest trial keeps half of the best gain, so that the edge lies anywhere above it."""
        gains = self._gains
        return max(gains, default=-math.inf) > 0 and gains[-1] >= max(gains) / 2

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
    def over_fits(self) -> bool:
        """Whether a higher peak than the best learned as much from its inputs, and yet has a much higher loss.

        So a model does that learns its training batches by heart: it is sure of itself, and wrong on others.
        """
        best = self.best
        every = zip(self.lrs, self.losses, self._shares, strict=True)
        known = [(lr, loss, share) for lr, loss, share in every if loss is not None and share is not None]
        if best is None or self.is_blind or not known:
            return False
        least, most = min(loss for _, loss, _ in known), max(share for *_, share in known)
        return any(lr > best and loss > RISEN * least > 0 and share > AS_MUCH * most for lr, loss, share in known)

    @property
    def is_blind(self) -> bool:
        """Whether no trial has learned from its inputs, but at most what a constant prediction attains."""
        return blind(self._falls, self._shares)

    @property
    def has_learned(self) -> bool:
        """Whether it is known that a trial has learned from its inputs."""
        return not self.is_blind and any(share is not None for share in self.learned)

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
    learned: Mapping[float, float] | None = None,
    learned_before: float | None = None,
) -> Trials:
    """Record what was tried, ascending; the options are fields of `Trials`.

    By peak, `losses` holds the loss of every evaluation batch after the trial, None where it diverged or made no step;
    `before` holds those of the same batches before.
    """
    lrs = sorted(losses)
    return Trials(
        lrs=tuple(lrs),
        losses=tuple(statistics.fmean(after) if (after := losses[lr]) else None for lr in lrs),
        steps=steps,
        start=statistics.fmean(before) if before else 0.0,
        is_sure=_is_sure(losses, before, min_gain, learned or {}),
        cost=cost,
        min_gain=min_gain,
        factor=factor,
        steps_per_epoch=steps_per_epoch,
        learned=tuple((learned or {}).get(lr) for lr in lrs),
        learned_before=learned_before,
    )


def _is_sure(
    losses: Mapping[float, Sequence[float] | None],
    before: Sequence[float],
    min_gain: float,
    learned: Mapping[float, float],
) -> bool:
    """Whether the best of several trials lowered the loss beyond chance, and did better than another.

    Where the best is the highest, it must have learned from its inputs, or the next best must have lowered the loss as
    well. Results that are all alike say nothing.
    """
    means = {lr: statistics.fmean(after) for lr, after in losses.items() if after}
    ended = sorted(means, key=means.__getitem__)
    if not ended or len(losses) < 2:
        return False
    needed = 2 if ended[0] == max(losses) and learned.get(ended[0], 0.0) < ALIVE else 1
    if len(ended) < needed or not all(improved(before, losses[lr] or (), min_gain) for lr in ended[:needed]):
        return False
    gained = statistics.fmean(before) - means[ended[0]]
    return len(losses) > len(means) or means[ended[-1]] - means[ended[0]] > ALIKE * gained
