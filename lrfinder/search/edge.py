"""Short trials that find the edge: their batches, and which peak to try next."""

from collections.abc import Sequence

from lrfinder.evidence.outcome import ALIVE, unchanged, worsened
from lrfinder.loop import Batch
from lrfinder.search.explore import FARTHEST, STRIDE, Explored, TrialBatches, stride

__all__ = ["BELOW", "STEPS", "edge_batches", "next_about_edge", "next_unless_plateau"]

STEPS = 14
"""Optimizer steps of a short trial: fewer move its edge more between seeds, more leave room for too few trials."""

EVALUATED_STEPS = 6
"""Last steps of a trial whose losses evaluate it: their batches are new to it, their rates have fallen far."""

RESTING = 2
"""Trials that leave the loss where it was, from which the others would too."""

BELOW = 10**0.25
"""How far below the expected edge the first trial lies."""


def edge_batches(train: Sequence[Batch], held_out: Batch | None = None, *, losses_per_step: float) -> TrialBatches:
    """Return what short trials train on, one batch for each step, and what they are evaluated on.

    Held-out batches evaluate after the last step; without them the losses of the last steps do. Measuring so many
    losses costs as much as one step.
    """
    if held_out is None:
        last = train[-EVALUATED_STEPS:]
        return TrialBatches(train, last, len(last) / losses_per_step, reads_steps=True)
    evaluation: list[Batch] = [[micro] for micro in held_out]
    return TrialBatches(train, evaluation, len(evaluation) / max(map(len, train)) / losses_per_step)


def next_unless_plateau(explored: Explored) -> int | None:
    """Return the next peak about the edge; None where two trials changed and learned nothing, and others worsened."""
    before, scale = explored.before, explored.loss_scale
    resting = [
        index
        for index, one in explored.after.items()
        if unchanged(before, one, explored.min_gain, scale) and explored.learned.get(index, 0.0) < ALIVE
    ]
    others = [one for index, one in explored.after.items() if index not in resting]
    if len(resting) >= RESTING and all(worsened(before, one, scale) for one in others):
        return None
    return next_about_edge(explored)


def next_about_edge(explored: Explored) -> int | None:
    """Return the grid index of the next peak about the edge, None where the edge is known as well as it can be.

    Where the best is the lowest, one below it comes first, so that it has neighbours on both sides; then higher ones
    while none above has lost half of its gain, then the middle of the bracket about the edge. While nothing is gained,
    lower ones first.
    """
    gains, best = explored.gains, explored.best
    lowest, highest = min(gains), max(gains)
    below = lowest - STRIDE if lowest > -FARTHEST else None
    above = highest + stride(gains) if highest < FARTHEST else None
    if gains[best] <= 0:
        return above if below is None or (best == highest and lowest < highest) else below
    if best == lowest and (lowest < highest or above is None) and below is not None:
        return below
    lost = min((index for index in gains if index > best and gains[index] < gains[best] / 2), default=None)
    if lost is None:
        return above
    inside = max(index for index in gains if index < lost)
    return (inside + lost) // 2 if lost - inside > 1 else None
