"""Races of short trials: how high a peak may be before a schedule in small stops paying."""

import math
import statistics
from collections.abc import Sequence
from functools import partial
from itertools import count

from lrfinder.evidence.curve import Curve, is_number
from lrfinder.evidence.divergence import onset
from lrfinder.evidence.outcome import divergence_limit, eval_losses, gain, unchanged, worsened
from lrfinder.evidence.trials import Trials, climb_and_line, record, run
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.search.sweep import Progress

__all__ = ["FARTHEST", "STEPS", "guess", "peak_at", "race", "stride"]

STEPS = 14
"""Optimizer steps of a trial: with fewer its edge moves more between seeds, with more there are too few trials."""

JUDGING = 6
"""Last steps of a trial whose losses judge it: their batches are new to it, their rates have fallen far."""

PER_DECADE = 8
"""Peaks that may be tried to the decade."""

STRIDE = 4
"""Peaks between neighbouring trials, before the bracket about the edge is halved."""

NEARLY_LINEAR, LONGEST_STRIDE = 0.8, 16
"""A win that grows by more than this share of what the peak does is far below the edge: the stride is doubled."""

BELOW = 10**0.25
"""How far below where the edge may be a race begins."""

FARTHEST = 40
"""Peaks that it may be away from there."""

FROM_ONSET, FROM_LOWEST, FROM_LAST = 10**0.15, 10**0.2, 10**-0.65
"""The edge over where a sweep began to diverge, was lowest and ended: medians, each off by 0.3 decades (median)."""


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
    first_peak: float,
    budget: float,
    min_gain: float = 0.0,
    loss_scale: float = 0.0,
    held_out: Batch | None = None,
    ends_on_plateau: bool = False,
    on_step: Progress | None = None,
) -> Trials:
    """Run trials at one peak after another, beginning below `first_peak`, until the edge is known or the budget spent.

    Each trial climbs over a twentieth of its steps and falls in a line to zero. It is judged by the losses of its last
    steps, each taken before the step on a batch that is new to the trial (where there are that many), so it costs
    nothing beyond its steps. A batch whose loss is not finite before any of them judges nothing. Further peaks are
    tried up while the best is not yet half lost, towards the better end while nothing is won (downwards first), once
    below the best, then in the middle of the bracket.

    Args:
        loop: What trains; it can measure.
        snapshot: The start, to which the training is put back before every trial and at the end.
        batches: What every trial is trained on, one window to the step.
        first_peak: Where the edge may be.
        budget: Step-equivalents to spend; a forward alone counts a third.
        min_gain: A win that says nothing.
        loss_scale: What a sweep has won of the loss, its scale where it starts about zero.
        held_out: What to judge on instead, each of its batches after the last step.
        ends_on_plateau: Whether to end with the first trial that leaves the loss where it was, if those before it have
            only lost.
        on_step: Called with the rate and the loss of every step.

    Returns:
        What was run.
    """
    snapshot.restore()
    judges = batches[-JUDGING:] if held_out is None else [[micro] for micro in held_out]
    forward = 1 / 3 if held_out is None else 1 / max(map(len, batches)) / 3
    before = [loop.loss(judge, train=held_out is None) for judge in judges]
    start = [loss for loss in before if is_number(loss)]
    at: int | None = 0 if start else None
    peak = partial(peak_at, first_peak / BELOW)
    trial = partial(
        run, loop, snapshot, shape=climb_and_line, judges=None if held_out is None else judges, on_step=on_step
    )
    spent, runs, longest = len(judges) * forward, dict[int, list[float] | None](), len(batches)
    after = len(judges) * forward if held_out is not None else 0.0
    while at is not None and spent + longest + after <= budget:
        ran = trial(peak(at), batches, limit=divergence_limit(start, loss_scale))
        if ran is None:
            spent, at = spent + longest, next(place for place in count(at + 1) if place not in runs)
            continue
        losses, made = ran
        spent, longest = spent + made + (after if losses else 0.0), max(longest, made)
        runs[at] = eval_losses(before, losses)
        if ends_on_plateau and unchanged(start, runs[at], min_gain, loss_scale):
            break
        ends_on_plateau = ends_on_plateau and worsened(start, runs[at], loss_scale)
        at = _next({place: gain(start, gave) for place, gave in runs.items()})
    snapshot.restore()
    made_at = {peak(place): gave for place, gave in runs.items()}
    return record(made_at, start, len(batches), spent=spent, min_gain=min_gain)


def peak_at(first: float, place: int) -> float:
    """The peak so many places above the first, PER_DECADE of them to the decade."""
    return float(first * 10 ** (place / PER_DECADE))


def _next(gains: dict[int, float]) -> int | None:
    """The place of the peak to try next, or None where the edge is known as well as it can be."""
    best = max(gains, key=gains.__getitem__)
    lowest, highest = min(gains), max(gains)
    below = lowest - STRIDE if lowest > -FARTHEST else None
    above = highest + stride(gains) if highest < FARTHEST else None
    if gains[best] <= 0:
        return above if below is None or (best == highest and lowest < highest) else below
    beyond = min((place for place in gains if place > best and gains[place] < gains[best] / 2), default=None)
    if beyond is None and above is not None:
        return above
    if best == lowest and below is not None:
        return below
    if beyond is None:
        return None
    inside = max(place for place in gains if place < beyond)
    return (inside + beyond) // 2 if beyond - inside > 1 else None


def stride(gains: dict[int, float]) -> int:
    """How far to climb: further where the win still grows as the peak does."""
    if len(gains) < 2:
        return STRIDE
    *_, before, last = sorted(gains)
    grown = gains[before] * 10 ** ((last - before) / PER_DECADE)
    return min(2 * (last - before), LONGEST_STRIDE) if gains[last] > NEARLY_LINEAR * grown > 0 else STRIDE
