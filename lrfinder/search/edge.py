"""Short trials that find the edge: how high a peak may be before most of the gain is lost."""

from collections.abc import Sequence

from lrfinder.evidence.outcome import unchanged, worsened
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.search.budget import FORWARDS_PER_STEP
from lrfinder.search.explore import FARTHEST, STRIDE, Explored, TrialBatches, explore, stride
from lrfinder.search.sweep import OnStep

__all__ = ["STEPS", "edge_batches", "find_edge", "next_about_edge"]

STEPS = 14
"""Optimizer steps of a short trial: fewer move its edge more between seeds, more leave room for too few trials."""

EVALUATED_STEPS = 6
"""Last steps of a trial whose losses evaluate it: their batches are new to it, their rates have fallen far."""

BELOW = 10**0.25
"""How far below the expected edge the first trial lies."""


def edge_batches(train: Sequence[Batch], held_out: Batch | None = None) -> TrialBatches:
    """Return what short trials train and are evaluated on.

    Args:
        train: One batch for each step.
        held_out: Validation batches to evaluate on after the last step; None reads the losses of the last steps.
    """
    if held_out is None:
        last = train[-EVALUATED_STEPS:]
        return TrialBatches(train, last, len(last) / FORWARDS_PER_STEP, reads_steps=True)
    evaluation: list[Batch] = [[micro] for micro in held_out]
    return TrialBatches(train, evaluation, len(evaluation) / max(map(len, train)) / FORWARDS_PER_STEP)


def find_edge(
    loop: Loop,
    snapshot: Snapshot,
    batches: TrialBatches,
    *,
    edge: float,
    budget: float,
    min_gain: float = 0.0,
    loss_scale: float = 0.0,
    ends_on_plateau: bool = False,
    on_step: OnStep | None = None,
) -> Trials:
    """Run short trials at one peak after another until the edge is known or the budget spent.

    Each warms up over a twentieth of its steps and decays linearly to zero. Higher peaks are tried while the best trial
    has not lost half of its gain above, then one below the best, then the middle of the bracket about the edge; while
    nothing is gained, lower ones first.

    Args:
        loop: What trains; its loss can be had without a step.
        snapshot: The start.
        batches: What to train and to evaluate on.
        edge: Where the edge is expected, LR of the reference group.
        budget: Step-equivalents to spend.
        min_gain: A smaller gain says nothing.
        loss_scale: How far the sweep fell.
        ends_on_plateau: Whether to end with the first trial that leaves the loss where it was, if all before it have
            raised it.
        on_step: Called with the rate and the loss of every step.

    Returns:
        The record of the trials.
    """
    return explore(
        loop,
        snapshot,
        batches,
        first_peak=edge / BELOW,
        next_peak=_next_or_plateau if ends_on_plateau else next_about_edge,
        budget=budget,
        min_gain=min_gain,
        loss_scale=loss_scale,
        on_step=on_step,
    )


def _next_or_plateau(explored: Explored) -> int | None:
    """The next peak about the edge; None after a trial that changed nothing where all before it raised the loss."""
    *earlier, last = explored.after.values()
    before, scale = explored.before, explored.loss_scale
    if unchanged(before, last, explored.min_gain, scale) and all(worsened(before, one, scale) for one in earlier):
        return None
    return next_about_edge(explored)


def next_about_edge(explored: Explored) -> int | None:
    """Return the grid index of the next peak about the edge, None where the edge is known as well as it can be."""
    gains, best = explored.gains, explored.best
    lowest, highest = min(gains), max(gains)
    below = lowest - STRIDE if lowest > -FARTHEST else None
    above = highest + stride(gains) if highest < FARTHEST else None
    if gains[best] <= 0:
        return above if below is None or (best == highest and lowest < highest) else below
    lost = min((index for index in gains if index > best and gains[index] < gains[best] / 2), default=None)
    if lost is None and above is not None:
        return above
    if best == lowest and below is not None:
        return below
    if lost is None:
        return None
    inside = max(index for index in gains if index < lost)
    return (inside + lost) // 2 if lost - inside > 1 else None
