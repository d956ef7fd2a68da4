"""Pilots: a whole training in small, its schedule and its epochs included, at one peak after another."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lrfinder.evidence.curve import is_number
from lrfinder.evidence.outcome import divergence_limit, eval_losses, gain, improved, worsened
from lrfinder.evidence.trials import Trials, record, run
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.search.edge import FARTHEST, peak_at, stride
from lrfinder.search.sweep import Progress
from lrfinder.training.batch import tensors, unshared

__all__ = ["FEWEST_STEPS", "PilotBatches", "draw_pilot", "draw_pilots", "pilot_steps", "run_pilot"]

FEWEST_STEPS = 36
"""With fewer steps a trial says no more than a race of trials: 24 were no better on benchmarks/tasks.py."""

TRIALS = 3.5
"""Trials that a pilot's share of the budget is planned for: some end early, and leave room for others."""

EVAL_BATCHES_PER_STEP, FEWEST_EVAL_BATCHES = 1 / 3, 2
"""Windows that a trial of so many steps is judged on: their forwards cost a ninth of it."""

MOST_OF_AN_EPOCH = 3 / 4
"""Of an epoch's windows, at most so many are trained on: the others judge."""

APART, REFINED = 4, 2
"""Places between neighbouring trials: at first half a decade, beside the best a quarter."""

KEPT_BYTES = 2**30
"""What the windows of a pilot may hold in memory; beyond it fewer are used again and again."""


@dataclass(frozen=True, slots=True)
class PilotBatches:
    """The batches of a pilot.

    Args:
        steps: Optimizer steps of a trial.
        windows: What it is trained on, from the first again where they end.
        judges: What it is judged on afterwards; nothing that it was trained on, where an epoch has more than that.
        forward: Step-equivalents of judging.
    """

    steps: int
    windows: Sequence[Batch]
    judges: Sequence[Batch]
    forward: float


def pilot_steps(budget: float, pilots: int = 1, trials: float = TRIALS) -> int:
    """Optimizer steps of a trial for a budget in step-equivalents; the forwards of its judges are a ninth more."""
    return math.floor(9 * budget / (pilots * trials * 10))


def draw_pilots(
    loop: Loop,
    count: int,
    steps: int,
    total_steps: int,
    held_out: Batch | None = None,
    steps_per_epoch: int | None = None,
) -> list[PilotBatches]:
    """Draw what several pilots need, one after another.

    Where the rest of an epoch has no room for another stage that is judged on windows of it, that one begins with the
    next epoch: else it might be judged on samples that it was trained on.

    Args:
        loop: What trains, at the start of an epoch.
        count: How many pilots.
        steps: Optimizer steps of a trial.
        total_steps: Those of the training.
        held_out: Validation batches to judge on.
        steps_per_epoch: Optimizer steps of an epoch; None takes the loop's.

    Returns:
        A stage for each.
    """
    made: list[PilotBatches] = []
    used = needed = 0
    for _ in range(count):
        per_epoch = steps_per_epoch or loop.facts.steps_per_epoch
        if per_epoch and needed and used + needed > per_epoch:
            for _ in range(per_epoch - used):
                loop.draw()
            used = 0
        made.append(draw_pilot(loop, steps, total_steps, held_out, steps_per_epoch))
        needed = len(made[-1].windows) + len(made[-1].judges) if held_out is None else 0
        used += needed
    return made


def draw_pilot(
    loop: Loop, steps: int, total_steps: int, held_out: Batch | None = None, steps_per_epoch: int | None = None
) -> PilotBatches:
    """Draw what a pilot needs.

    A training of E epochs is rehearsed in E epochs: T' steps run over T' / E windows again and again, so that what
    many epochs do to the best rate is seen. Within one epoch every step has a window of its own.

    Args:
        loop: What trains, at the start of an epoch.
        steps: T', the optimizer steps of a trial.
        total_steps: T, those of the training.
        held_out: Validation batches to judge on, instead of windows of the same epoch.
        steps_per_epoch: Optimizer steps of an epoch; None takes the loop's. Where nobody knows it every step has a
            window of its own, and the judges are the windows that follow.

    Returns:
        The batches.
    """
    first = unshared(loop.draw())
    per_epoch = steps_per_epoch or loop.facts.steps_per_epoch
    wanted = max(FEWEST_EVAL_BATCHES, round(steps * EVAL_BATCHES_PER_STEP)) if held_out is None else 0
    windows = max(1, round(steps / loop.facts.epochs(total_steps, steps_per_epoch)))
    if per_epoch:
        windows = min(windows, max(1, int(per_epoch * MOST_OF_AN_EPOCH)))
        wanted = min(wanted, per_epoch - windows)
    room = _room(loop, first, 4 * (windows + wanted))
    windows, wanted = min(windows, max(1, int(room * MOST_OF_AN_EPOCH))), min(wanted, max(1, room // 4))
    trained = [first, *(unshared(loop.draw()) for _ in range(windows - 1))]
    if held_out is not None:
        judges: list[Batch] = [[micro] for micro in held_out]
        return PilotBatches(steps, trained, judges, len(judges) / max(1, len(first)) / 3)
    judges = [unshared(loop.draw()) for _ in range(wanted)] or list(trained)
    return PilotBatches(steps, trained, judges, len(judges) / 3)


def _room(loop: Loop, first: Batch, most: int) -> int:
    """Windows, up to so many, that every rank has the memory for: a window is a collective to all of them."""
    own, least = max(2, KEPT_BYTES // max(1, _bytes(first))), 2
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (least, middle - 1) if loop.agree(own < middle) else (middle, most)
    return least


def _bytes(window: Batch) -> int:
    """What the tensors of a window hold, those of sparse ones as far as they are there."""
    held = [tensor for micro in window for _, tensor in tensors(micro)]
    return sum((t._nnz() if t.is_sparse else t.numel()) * t.element_size() for t in held)


def run_pilot(
    loop: Loop,
    snapshot: Snapshot,
    set_up: PilotBatches,
    *,
    shape: Callable[[float], float],
    first_peak: float,
    budget: float,
    factor: float = 1.0,
    min_gain: float = 0.0,
    loss_scale: float = 0.0,
    on_step: Progress | None = None,
    on_trial: Callable[[int, float], None] | None = None,
) -> Trials:
    """Run trials about a peak until the best is enclosed and its neighbours are close, or the budget is spent.

    Neighbours are half a decade apart, and more where the win grows as the peak does. Where the best is the highest or
    the lowest another follows beyond it; else the gaps beside it are halved, the one to the better neighbour first.
    While none has won beyond doubt higher peaks are tried, and lower ones once one has exploded or clearly lost.

    Args:
        loop: What trains; it can measure.
        snapshot: The start, to which the training is put back before every trial and at the end.
        set_up: Its batches.
        shape: The factor of the peak at each share of the way.
        first_peak: Where the best peak may be.
        budget: Step-equivalents to spend; a forward alone counts a third.
        factor: The best peak of this shape over that of a line to zero.
        min_gain: A win that says nothing.
        loss_scale: What a sweep has won of the loss, its scale where it starts about zero.
        on_step: Called with the rate and the loss of every step.
        on_trial: Called after every trial with their number and the best peak so far.

    Returns:
        What was run.
    """
    snapshot.restore()
    before = [loop.loss(judge) for judge in set_up.judges]
    start = [loss for loss in before if is_number(loss)]
    batches = [set_up.windows[i % len(set_up.windows)] for i in range(set_up.steps)]
    spent, longest = set_up.forward, set_up.steps
    runs, lost = dict[int, list[float] | None](), set[int]()
    trial = partial(run, loop, snapshot, shape=shape, judges=set_up.judges, on_step=on_step)
    at: int | None = 0 if start else None
    while at is not None and spent + longest + set_up.forward <= budget:
        ran = trial(peak_at(first_peak, at), batches, limit=divergence_limit(start, loss_scale))
        losses, made = ran or ([], set_up.steps)
        spent, longest = spent + made + (set_up.forward if losses else 0.0), max(longest, made)
        if ran is None:
            lost.add(at)
        runs[at] = eval_losses(before, losses)
        gains = {place: gain(start, gave) for place, gave in runs.items()}
        if on_trial is not None:
            on_trial(len(runs), peak_at(first_peak, max(gains, key=gains.__getitem__)))
        best, highest = runs[max(gains, key=gains.__getitem__)], runs[max(runs)]
        is_sure = best is not None and improved(start, best, min_gain)
        at = _next(gains, is_sure=is_sure, is_high=worsened(start, highest, loss_scale))
    snapshot.restore()
    made_at = {peak_at(first_peak, place): gave for place, gave in runs.items() if place not in lost}
    return record(
        made_at, start, set_up.steps, spent=spent, min_gain=min_gain, factor=factor, windows=len(set_up.windows)
    )


def _next(gains: dict[int, float], *, is_sure: bool, is_high: bool) -> int | None:
    """The place of the peak to try next, or None where the best is known as well as it can be."""
    best = max(gains, key=gains.__getitem__)
    lowest, highest = min(gains), max(gains)
    below = lowest - APART if lowest > -FARTHEST else None
    above = highest + stride(gains) if highest < FARTHEST else None
    if not is_sure:
        # A plateau that only a high peak leaves looks like this from below; one far too high explodes, or forgets.
        return below if is_high else above
    if best == highest:
        return above
    if best == lowest:
        return below
    places = sorted(gains)
    i = places.index(best)
    beside = sorted((places[i - 1], places[i + 1]), key=gains.__getitem__, reverse=True)
    return next(((place + best) // 2 for place in beside if abs(place - best) > REFINED), None)
