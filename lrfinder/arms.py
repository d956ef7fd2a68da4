"""Annealed miniature runs from one start: how high a peak may be before a whole schedule in small stops paying."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrfinder.loop import Batch, Loop, Snapshot

__all__ = ["Arms", "race"]

PROBES = 3
"""Windows, drawn after those that are trained on, whose loss judges an arm."""

STRIDE = 10**0.5
"""Ratio of neighbouring arms, before the bracket about the edge is halved."""

NEARLY_LINEAR = 0.8
"""Share of proportional growth of the win at which a peak still counts as far too low."""

SURE = 2.0
"""A drop of more standard deviations over the probes than this is one, if every probe fell."""


@dataclass(frozen=True, slots=True)
class Arms:
    """Miniature runs at several peaks, ascending: the same start, the same batches, the same annealed shape.

    Args:
        lrs: Peaks of the reference group.
        losses: Mean loss of the probes after each run, None where it was not finite.
        steps: Optimizer steps of each run.
        start: Mean loss of the probes before any.
        is_sure: Whether the best run lowered the loss beyond doubt.
        cost: Step-equivalents spent on all of them.
    """

    lrs: tuple[float, ...]
    losses: tuple[float | None, ...]
    steps: int
    start: float
    is_sure: bool
    cost: float

    @property
    def edge(self) -> float | None:
        """The peak above the best one at which half of what the best one wins is lost, on a line in log LR.

        Where no run was tried that high it is the highest peak that was tried; None where no run lowered the loss.
        """
        won = [-math.inf if loss is None else self.start - loss for loss in self.losses]
        most = max(won)
        if not most > 0:
            return None
        best = won.index(most)
        beyond = next((i for i in range(best + 1, len(won)) if won[i] < most / 2), None)
        if beyond is None:
            return self.lrs[-1]
        inside, outside = won[beyond - 1], max(won[beyond], -most)
        share = (inside - most / 2) / (inside - outside)
        return float(self.lrs[beyond - 1] * (self.lrs[beyond] / self.lrs[beyond - 1]) ** share)


def race(
    loop: Loop,
    snapshot: Snapshot,
    *,
    first: float,
    bounds: tuple[float, float],
    steps: int,
    budget: float,
    held_out: Batch | None = None,
) -> Arms:
    """Run arms at one peak after another, beginning at `first`, until the edge is bracketed or the budget spent.

    Each arm climbs over a twentieth of its steps and falls in a line to zero. Further peaks are tried upwards while the
    best is not yet half lost, towards the better end while nothing is won (downwards first), then in the middle of the
    bracket, then once below the best.

    Args:
        loop: What trains; it can measure.
        snapshot: The start, to which the training is put back before every arm and at the end.
        first: Peak of the first arm.
        bounds: Lowest and highest peak to try.
        steps: Optimizer steps of an arm.
        budget: Step-equivalents to spend; a forward alone counts a third.
        held_out: What to judge on instead of fresh batches of the training.

    Returns:
        What was run.
    """
    snapshot.restore()
    batches = [loop.draw() for _ in range(steps)]
    probes = [held_out] if held_out is not None else [loop.draw() for _ in range(PROBES)]
    look = sum(len(probe) for probe in probes) / len(batches[0]) / 3
    start = [loop.loss(probe) for probe in probes]
    spent = look
    runs: dict[float, list[float] | None] = {}
    peak: float | None = min(max(first, bounds[0]), bounds[1])
    while peak is not None and spent + steps + look <= budget:
        runs[peak] = _run(loop, snapshot, peak, batches, probes)
        spent += steps + look
        peak = _next({lr: _won(start, losses) for lr, losses in runs.items()}, bounds)
    snapshot.restore()
    return _record(runs, start, steps, spent)


def _run(
    loop: Loop, snapshot: Snapshot, peak: float, batches: Sequence[Batch], probes: Sequence[Batch]
) -> list[float] | None:
    """The losses of the probes after one arm, or None where one was not finite."""
    snapshot.restore()
    for i, batch in enumerate(batches):
        loop.lr = peak * _factor((i + 0.5) / len(batches))
        loss = loop.step(batch)
        if loss is not None and not math.isfinite(loss):
            return None
    losses = [loop.loss(probe) for probe in probes]
    return losses if all(map(math.isfinite, losses)) else None


def _factor(share: float) -> float:
    """A climb over a twentieth of the way, then a line to zero."""
    return min(share / 0.05, (1 - share) / 0.95)


def _next(won: dict[float, float], bounds: tuple[float, float]) -> float | None:
    """The peak to try next, or None where the edge is known well enough."""
    best = max(won, key=won.__getitem__)
    lowest, highest = min(won), max(won)
    below = lowest / STRIDE if lowest / STRIDE >= bounds[0] else None
    above = highest * STRIDE if highest * STRIDE <= bounds[1] else None
    if won[best] <= 0:
        return (above if best == highest and len(won) > 1 else below) or above
    beyond = min((lr for lr in won if lr > best and won[lr] < won[best] / 2), default=None)
    if beyond is None and above is not None:
        return min(highest * _stride(won), bounds[1])
    if beyond is not None:
        inside = max(lr for lr in won if lr < beyond)
        if beyond / inside > 2:
            return math.sqrt(inside * beyond)
    return below if best == lowest else None


def _stride(won: dict[float, float]) -> float:
    """How far to climb: ever farther while the win grows nearly as the peak does, far below where it matters."""
    *_, before, last = [1.0, *sorted(won)]
    grows = len(won) > 1 and won[last] > NEARLY_LINEAR * won[before] * last / before
    return min((last / before) ** 2, 100.0) if grows else STRIDE


def _won(start: Sequence[float], losses: Sequence[float] | None) -> float:
    return -math.inf if losses is None else (sum(start) - sum(losses)) / len(start)


def _record(runs: dict[float, list[float] | None], start: Sequence[float], steps: int, spent: float) -> Arms:
    lrs = sorted(runs)
    losses = [runs[lr] for lr in lrs]
    finite = [row for row in losses if row is not None]
    best = min(finite, key=sum) if finite else list(start)
    drops = [before - after for before, after in zip(start, best, strict=True)]
    mean = sum(drops) / len(drops)
    deviation = math.sqrt(sum((drop - mean) ** 2 for drop in drops) / max(1, len(drops) - 1))
    return Arms(
        lrs=tuple(lrs),
        losses=tuple(None if row is None else sum(row) / len(row) for row in losses),
        steps=steps,
        start=sum(start) / len(start),
        is_sure=min(drops) > 0 and mean > SURE * deviation,
        cost=spent,
    )
