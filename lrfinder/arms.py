"""Annealed miniature runs from one start: how high a peak may be before a whole schedule in small stops paying."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lrfinder.loop import Batch, Loop, Snapshot

__all__ = ["STEPS", "Arms", "race"]

STEPS = 16
"""Optimizer steps of an arm: with 12 its edge moves more between seeds, with 24 a hundred steps pay too few arms."""

JUDGING = 4
"""Last steps of an arm whose losses judge it: their batches are new to it, their rates have nearly fallen to zero."""

STRIDE = 10**0.5
"""Ratio of neighbouring arms, before the bracket about the edge is narrowed."""

NARROW = 10**0.15
"""Ratio of the arms on both sides of the edge at which it is known well enough."""

NEARLY_LINEAR = 0.8
"""Share of proportional growth of the win at which a peak still counts as far too low."""

HOPELESS = 10.0
"""An arm whose loss rises by this many times the loss at the start is ended."""

WITNESSES = 8
"""Last steps of an arm whose losses say whether anything was won at all."""

SURE = 2.0
"""A drop of more standard deviations over the losses that judge it than this is one, if every one of them fell."""

Tell = Callable[[float, float], None]


@dataclass(frozen=True, slots=True)
class Arms:
    """Miniature runs at several peaks, ascending: the same start, the same batches, the same annealed shape.

    Args:
        lrs: Peaks of the reference group.
        losses: What each run came to, None where it exploded.
        steps: Optimizer steps of each run.
        start: The same loss before any.
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
    budget: float,
    held_out: Batch | None = None,
    tell: Tell | None = None,
) -> Arms:
    """Run arms at one peak after another, beginning at `first`, until the edge is known or the budget spent.

    Each arm climbs over a twentieth of its steps and falls in a line to zero. It is judged by the losses of its last
    quarter of steps, each taken before the step on a batch that is new to the arm, so it costs nothing beyond its steps.
    Further peaks are tried upwards while the best is not yet half lost, towards the better end while nothing is won
    (downwards first), once below the best, then in the middle of the bracket.

    Args:
        loop: What trains; it can measure.
        snapshot: The start, to which the training is put back before every arm and at the end.
        first: Peak of the first arm.
        bounds: Lowest and highest peak to try.
        budget: Step-equivalents to spend; a forward alone counts a third.
        held_out: What to judge on instead, after the last step.
        tell: Called with the rate and the loss of every step.

    Returns:
        What was run.
    """
    snapshot.restore()
    batches = [loop.draw() for _ in range(STEPS)]
    judges = [held_out] if held_out is not None else batches[-WITNESSES:]
    look = sum(len(judge) for judge in judges) / len(batches[0]) / 3
    start = [loop.loss(judge, train=held_out is None) for judge in judges]
    spent, runs = look, dict[float, list[float] | None]()
    peak: float | None = min(max(first, bounds[0]), bounds[1])
    dearest = STEPS + (look if held_out is not None else 0.0)
    while peak is not None and spent + dearest <= budget:
        losses, made = _trace(loop, snapshot, peak, batches, _hopeless(start), tell)
        if losses is not None:
            losses = losses[-WITNESSES:] if held_out is None else [loop.loss(held_out)]
            spent += 0.0 if held_out is None else look
        spent += made
        runs[peak] = losses
        peak = _next({lr: _won(start, judged) for lr, judged in runs.items()}, bounds)
    snapshot.restore()
    return _record(runs, start, spent)


def _hopeless(start: Sequence[float]) -> float:
    """The loss from which on an arm will not come back."""
    return max(start) + HOPELESS * max(map(abs, start))


def _trace(
    loop: Loop, snapshot: Snapshot, peak: float, batches: Sequence[Batch], hopeless: float, tell: Tell | None
) -> tuple[list[float] | None, int]:
    """The loss before every step of one arm, None where it was ended, and how many steps were made."""
    snapshot.restore()
    losses: list[float] = []
    for i, batch in enumerate(batches):
        lr = peak * _factor((i + 0.5) / len(batches))
        loop.lr = lr
        loss = loop.step(batch)
        if loss is None:
            continue
        if not loss < hopeless:
            return None, i + 1
        losses.append(loss)
        if tell is not None:
            tell(lr, loss)
    return losses or None, len(batches)


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
    if best == lowest and below is not None:
        return below
    if beyond is not None:
        inside = max(lr for lr in won if lr < beyond)
        if beyond / inside > NARROW:
            return math.sqrt(inside * beyond)
    return None


def _stride(won: dict[float, float]) -> float:
    """How far to climb: ever farther while the win grows nearly as the peak does, far below where it matters."""
    *_, before, last = [1.0, *sorted(won)]
    grows = len(won) > 1 and won[last] > NEARLY_LINEAR * won[before] * last / before
    return min((last / before) ** 2, 100.0) if grows else STRIDE


def _won(start: Sequence[float], losses: Sequence[float] | None) -> float:
    if losses is None: return -math.inf
    start=start[-JUDGING:]; losses=losses[-JUDGING:]
    return sum(start) / len(start) - sum(losses) / len(losses)


def _record(runs: dict[float, list[float] | None], start: Sequence[float], spent: float) -> Arms:
    lrs = sorted(runs)
    finite = [losses for losses in runs.values() if losses is not None]
    best = min(finite, key=lambda losses: sum(losses[-JUDGING:]) / len(losses)) if finite else list(start)
    drops = [before - after for before, after in zip(start, best, strict=False)]
    mean = sum(drops) / len(drops)
    deviation = math.sqrt(sum((drop - mean) ** 2 for drop in drops) / max(1, len(drops) - 1))
    return Arms(
        lrs=tuple(lrs),
        losses=tuple(None if (losses := runs[lr]) is None else sum(losses[-JUDGING:]) / JUDGING for lr in lrs),
        steps=STEPS,
        start=sum(start[-JUDGING:]) / JUDGING,
        is_sure=(sum(d>0 for d in drops),mean/deviation if deviation else 99),
        cost=spent,
    )
