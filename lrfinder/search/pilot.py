"""Rehearsals: a whole training in small, its schedule and its epochs included, at one peak after another."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lrfinder.evidence.curve import is_number
from lrfinder.evidence.outcome import fell, has_risen, hopeless, judged, win
from lrfinder.evidence.trials import Arms, record, run
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.search.edge import FARTHEST, peak_at, stride
from lrfinder.search.sweep import Progress
from lrfinder.training.batch import private, tensors

__all__ = ["FEWEST_STEPS", "Stage", "rehearse", "stage", "stages", "steps_of"]

FEWEST_STEPS = 36
"""With fewer steps an arm says no more than a race of miniature runs: 24 were no better on benchmarks/tasks.py."""

ARMS = 3.5
"""Arms that a rehearsal's share of the budget is planned for: some end early, and leave room for others."""

JUDGES_PER_STEP, FEWEST_JUDGES = 1 / 3, 2
"""Windows that an arm of so many steps is judged on: their forwards cost a ninth of it."""

MOST_OF_AN_EPOCH = 3 / 4
"""Of an epoch's windows, at most so many are trained on: the others judge."""

APART, REFINED = 4, 2
"""Places between neighbouring arms: at first half a decade, beside the best a quarter."""

KEPT_BYTES = 2**30
"""What the windows of a rehearsal may hold in memory; beyond it fewer are used again and again."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The batches of a rehearsal.

    Args:
        steps: Optimizer steps of an arm.
        windows: What it is trained on, from the first again where they end.
        judges: What it is judged on afterwards; nothing that it was trained on, where an epoch has more than that.
        forward: Step-equivalents of judging.
    """

    steps: int
    windows: Sequence[Batch]
    judges: Sequence[Batch]
    forward: float


def steps_of(budget: float, rehearsals: int = 1, arms: float = ARMS) -> int:
    """Optimizer steps of an arm for a budget in step-equivalents; the forwards of its judges are a ninth more."""
    return math.floor(9 * budget / (rehearsals * arms * 10))


def stages(
    loop: Loop,
    count: int,
    steps: int,
    total_steps: int,
    held_out: Batch | None = None,
    steps_per_epoch: int | None = None,
) -> list[Stage]:
    """Draw what several rehearsals need, one after another.

    Where the rest of an epoch has no room for another stage that is judged on windows of it, that one begins with the
    next epoch: else it might be judged on samples that it was trained on.

    Args:
        loop: What trains, at the start of an epoch.
        count: How many rehearsals.
        steps: Optimizer steps of an arm.
        total_steps: Those of the training.
        held_out: Validation batches to judge on.
        steps_per_epoch: Optimizer steps of an epoch; None takes the loop's.

    Returns:
        A stage for each.
    """
    made: list[Stage] = []
    used = needed = 0
    for _ in range(count):
        per_epoch = steps_per_epoch or loop.facts.steps_per_epoch
        if per_epoch and needed and used + needed > per_epoch:
            for _ in range(per_epoch - used):
                loop.draw()
            used = 0
        made.append(stage(loop, steps, total_steps, held_out, steps_per_epoch))
        needed = len(made[-1].windows) + len(made[-1].judges) if held_out is None else 0
        used += needed
    return made


def stage(
    loop: Loop, steps: int, total_steps: int, held_out: Batch | None = None, steps_per_epoch: int | None = None
) -> Stage:
    """Draw what a rehearsal needs.

    A training of E epochs is rehearsed in E epochs: T' steps run over T' / E windows again and again, so that what
    many epochs do to the best rate is seen. Within one epoch every step has a window of its own.

    Args:
        loop: What trains, at the start of an epoch.
        steps: T', the optimizer steps of an arm.
        total_steps: T, those of the training.
        held_out: Validation batches to judge on, instead of windows of the same epoch.
        steps_per_epoch: Optimizer steps of an epoch; None takes the loop's. Where nobody knows it every step has a
            window of its own, and the judges are the windows that follow.

    Returns:
        The batches.
    """
    first = private(loop.draw())
    per_epoch = steps_per_epoch or loop.facts.steps_per_epoch
    wanted = max(FEWEST_JUDGES, round(steps * JUDGES_PER_STEP)) if held_out is None else 0
    windows = max(1, round(steps / loop.facts.epochs(total_steps, steps_per_epoch)))
    if per_epoch:
        windows = min(windows, max(1, int(per_epoch * MOST_OF_AN_EPOCH)))
        wanted = min(wanted, per_epoch - windows)
    room = _room(loop, first, 4 * (windows + wanted))
    windows, wanted = min(windows, max(1, int(room * MOST_OF_AN_EPOCH))), min(wanted, max(1, room // 4))
    trained = [first, *(private(loop.draw()) for _ in range(windows - 1))]
    if held_out is not None:
        judges: list[Batch] = [[micro] for micro in held_out]
        return Stage(steps, trained, judges, len(judges) / max(1, len(first)) / 3)
    judges = [private(loop.draw()) for _ in range(wanted)] or list(trained)
    return Stage(steps, trained, judges, len(judges) / 3)


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


def rehearse(
    loop: Loop,
    snapshot: Snapshot,
    set_up: Stage,
    *,
    shape: Callable[[float], float],
    near: float,
    budget: float,
    factor: float = 1.0,
    small: float = 0.0,
    fall: float = 0.0,
    tell: Progress | None = None,
    said: Callable[[int, float], None] | None = None,
) -> Arms:
    """Run arms about a peak until the best is enclosed and its neighbours are close, or the budget is spent.

    Neighbours are half a decade apart, and more where the win grows as the peak does. Where the best is the highest or
    the lowest another follows beyond it; else the gaps beside it are halved, the one to the better neighbour first.
    While none has won beyond doubt higher peaks are tried, and lower ones once one has exploded or clearly lost.

    Args:
        loop: What trains; it can measure.
        snapshot: The start, to which the training is put back before every arm and at the end.
        set_up: Its batches.
        shape: The factor of the peak at each share of the way.
        near: Where the best peak may be.
        budget: Step-equivalents to spend; a forward alone counts a third.
        factor: The best peak of this shape over that of a line to zero.
        small: A win that says nothing.
        fall: What a sweep has won of the loss, its scale where it starts about zero.
        tell: Called with the rate and the loss of every step.
        said: Called after every arm with their number and the best peak so far.

    Returns:
        What was run.
    """
    snapshot.restore()
    before = [loop.loss(judge) for judge in set_up.judges]
    start = [loss for loss in before if is_number(loss)]
    batches = [set_up.windows[i % len(set_up.windows)] for i in range(set_up.steps)]
    spent, longest = set_up.forward, set_up.steps
    runs, lost = dict[int, list[float] | None](), set[int]()
    arm = partial(run, loop, snapshot, shape=shape, judges=set_up.judges, tell=tell)
    at: int | None = 0 if start else None
    while at is not None and spent + longest + set_up.forward <= budget:
        ran = arm(peak_at(near, at), batches, limit=hopeless(start, fall))
        losses, made = ran or ([], set_up.steps)
        spent, longest = spent + made + (set_up.forward if losses else 0.0), max(longest, made)
        if ran is None:
            lost.add(at)
        runs[at] = judged(before, losses)
        won = {place: win(start, gave) for place, gave in runs.items()}
        if said is not None:
            said(len(runs), peak_at(near, max(won, key=won.__getitem__)))
        best, highest = runs[max(won, key=won.__getitem__)], runs[max(runs)]
        is_sure = best is not None and fell(start, best, small)
        at = _next(won, is_sure=is_sure, is_high=has_risen(start, highest, fall))
    snapshot.restore()
    made_at = {peak_at(near, place): gave for place, gave in runs.items() if place not in lost}
    return record(made_at, start, set_up.steps, spent=spent, small=small, factor=factor, windows=len(set_up.windows))


def _next(won: dict[int, float], *, is_sure: bool, is_high: bool) -> int | None:
    """The place of the peak to try next, or None where the best is known as well as it can be."""
    best = max(won, key=won.__getitem__)
    lowest, highest = min(won), max(won)
    below = lowest - APART if lowest > -FARTHEST else None
    above = highest + stride(won) if highest < FARTHEST else None
    if not is_sure:
        # A plateau that only a high peak leaves looks like this from below; one far too high explodes, or forgets.
        return below if is_high else above
    if best == highest:
        return above
    if best == lowest:
        return below
    places = sorted(won)
    i = places.index(best)
    beside = sorted((places[i - 1], places[i + 1]), key=won.__getitem__, reverse=True)
    return next(((place + best) // 2 for place in beside if abs(place - best) > REFINED), None)
