"""Pilots: trials of the whole training in small, its schedule and some of its epochs included."""

import math
import statistics
from collections.abc import Callable, Sequence

from lrfinder.advice.calibration import FITTED
from lrfinder.advice.peak import factor_of, pilot_start
from lrfinder.advice.recommend import schedule_for
from lrfinder.advice.request import Horizon, Request
from lrfinder.evidence.divergence import drop_of
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.outcome import improved, min_gain_off_plateau, worsened
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Batch, Facts, Loop, Snapshot
from lrfinder.schedules import Schedule
from lrfinder.schedules.compose import plateau_in
from lrfinder.search.explore import FARTHEST, Explored, TrialBatches, explore, stride
from lrfinder.search.sweep import OnStep
from lrfinder.search.trial import Shape, warmup_and_linear
from lrfinder.training.batch import held_bytes

__all__ = [
    "EVAL_BATCHES_PER_STEP",
    "draw_pilot",
    "draw_pilots",
    "in_small",
    "next_about_best",
    "run_pilots",
    "small_shape",
]

EVAL_BATCHES_PER_STEP, FEWEST_EVAL_BATCHES = 1 / 3, 2
"""Batches that a pilot of so many steps is evaluated on: their forwards cost a ninth of it."""

MOST_OF_AN_EPOCH = 3 / 4
"""Part of an epoch's batches that may be trained on: the others evaluate."""

APART, REFINED = 4, 2
"""Grid indices between neighbouring peaks: half a decade at first, a quarter beside the best."""

KEPT_BYTES = 2**30
"""What the batches of a pilot may hold in memory; beyond it fewer are used again and again."""

POINTS = 16
"""Points of a schedule whose mean is the factor of one step of a pilot."""


def draw_pilots(
    loop: Loop, lengths: Sequence[int], horizon: Horizon, held_out: Batch | None = None
) -> list[TrialBatches]:
    """Draw the batches of pilots of so many steps each, one after another, on a loop at the start of an epoch.

    Where the rest of an epoch has no room for another pilot that is evaluated on batches of it, that one begins with
    the next epoch: else it might be evaluated on samples that it was trained on.
    """
    made: list[TrialBatches] = []
    used = needed = 0
    for steps in lengths:
        per_epoch = horizon.steps_per_epoch
        if per_epoch and needed and used + needed > per_epoch:
            for _ in range(per_epoch - used):
                loop.draw()
            used = 0
        made.append(draw_pilot(loop, steps, horizon, held_out))
        needed = (made[-1].steps_per_epoch or 0) + len(made[-1].evaluation) if held_out is None else 0
        used += needed
    return made


def draw_pilot(loop: Loop, steps: int, horizon: Horizon, held_out: Batch | None = None) -> TrialBatches:
    """Draw the batches of one pilot of T' steps, on a loop at the start of an epoch.

    A training of E epochs has a pilot of sqrt(E) epochs: T' steps run over T' / sqrt(E) batches again and again, so
    that something is seen of what many epochs do to the best rate; as many epochs over so few batches would over-fit
    far more than the training does. Within one epoch, and where nobody knows its steps, every step has a batch of its
    own.
    Held-out batches evaluate, or else batches that follow in the same epoch.
    """
    first, per_epoch = loop.draw(), horizon.steps_per_epoch
    evaluated = max(FEWEST_EVAL_BATCHES, round(steps * EVAL_BATCHES_PER_STEP)) if held_out is None else 0
    trained = max(1, round(steps / math.sqrt(horizon.epochs)))
    if per_epoch:
        trained = min(trained, max(1, int(per_epoch * MOST_OF_AN_EPOCH)))
        evaluated = min(evaluated, per_epoch - trained)
    room = _room(loop, first, 4 * (trained + evaluated))
    trained, evaluated = min(trained, max(1, int(room * MOST_OF_AN_EPOCH))), min(evaluated, max(1, room // 4))
    epoch = [first, *(loop.draw() for _ in range(trained - 1))]
    train = [epoch[i % trained] for i in range(steps)]
    if held_out is not None:
        evaluation: list[Batch] = [[micro] for micro in held_out]
        return TrialBatches(
            train, evaluation, len(evaluation) / max(1, len(first)) / loop.losses_per_step, steps_per_epoch=trained
        )
    evaluation = [loop.draw() for _ in range(evaluated)] or epoch
    return TrialBatches(train, evaluation, len(evaluation) / loop.losses_per_step, steps_per_epoch=trained)


def _room(loop: Loop, first: Batch, most: int) -> int:
    """How many batches, up to so many, every rank has the memory for: a batch is a collective to all of them."""
    own, least = max(2, KEPT_BYTES // max(1, held_bytes(first))), 2
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (least, middle - 1) if loop.agree(own < middle) else (middle, most)
    return least


def in_small(schedule: Schedule, total_steps: int, steps: int) -> Shape:
    """Return a schedule of `total_steps` by the part of the way, for a pilot of `steps`.

    Each step of the pilot has the mean over the steps that it stands for, so that a cyclic schedule is not seen at one
    phase alone.
    """

    def factor(part: float) -> float:
        parts = (part + ((i + 0.5) / POINTS - 0.5) / steps for i in range(POINTS))
        return statistics.fmean(schedule(max(0, min(total_steps - 1, int(at * total_steps)))) for at in parts)

    return factor


def next_about_best(explored: Explored) -> int | None:
    """Return the grid index of the next peak about the best, None where that is known as well as it can be.

    Neighbours are half a decade apart, and more where the gain grows as the peak does. Where the best is the highest or
    the lowest another follows beyond it; else the gaps beside it are halved, the one to the better neighbour first.
    While none has improved the loss higher peaks are tried, and lower ones once one has worsened it. While none has
    learned from its inputs, and the lowest is as good as others, lower ones are tried, a decade apart.
    """
    gains, best = explored.gains, explored.best
    lowest, highest = min(gains), max(gains)
    below = lowest - APART if lowest > -FARTHEST else None
    above = highest + stride(gains) if highest < FARTHEST else None
    after = explored.after[best]
    if after is None or not improved(explored.before, after, explored.min_gain):
        # A plateau that only a high peak leaves looks like this from below; one far too high diverges, or forgets.
        return below if worsened(explored.before, explored.after[highest], explored.loss_scale) else above
    if explored.is_blind and gains[lowest] > gains[best] / 2:
        return lowest - 2 * APART if lowest - APART > -FARTHEST else None
    if best == highest:
        return above
    if best == lowest:
        return below
    tried = sorted(gains)
    i = tried.index(best)
    beside = sorted((tried[i - 1], tried[i + 1]), key=gains.__getitem__, reverse=True)
    return next(((index + best) // 2 for index in beside if abs(index - best) > REFINED), None)


def run_pilots(
    loop: Loop,
    snapshot: Snapshot,
    batches: list[TrialBatches],
    evidence: Evidence,
    request: Request,
    budget: float,
    on_step: OnStep | None = None,
    on_trial: Callable[[int, float], None] | None = None,
) -> list[Trials]:
    """Run pilots on these batches, with what the search left of a budget in step-equivalents."""
    curve = evidence.curve
    if curve is None or not len(curve):
        return []
    schedule, horizon = schedule_for(evidence, request), request.horizon(loop.facts)
    shape_of, factor = small_shape(loop.facts, schedule, horizon)
    loss_scale = drop_of(curve.levels)
    min_gain = min_gain_off_plateau(evidence.edge_trials[0].start, loss_scale) if evidence.is_plateau else 0.0
    diverged = [
        lr for one in evidence.edge_trials for lr, loss in zip(one.lrs, one.losses, strict=True) if loss is None
    ]
    made: list[Trials] = []
    left = float(budget - evidence.cost_steps)
    for i, pilot in enumerate(batches):
        steps = len(pilot.train)
        start = pilot_start(evidence, curve, made, steps, horizon, finetune=request.finetune)
        start = min([start, *diverged]) * (1.0 if left >= 2 * steps else FITTED.lone_pilot)
        made.append(
            explore(
                loop,
                snapshot,
                pilot,
                shape=shape_of(steps),
                first_peak=start * factor,
                next_peak=next_about_best,
                budget=left / (len(batches) - i),
                factor=factor,
                min_gain=min_gain,
                loss_scale=loss_scale,
                on_step=on_step,
                on_trial=on_trial,
            )
        )
        left -= made[-1].cost
    return made


def small_shape(facts: Facts, schedule: Schedule, horizon: Horizon) -> tuple[Callable[[int], Shape], float]:
    """Return a schedule in small by a pilot's steps, and its factor; one with feedback stands for a linear decay."""
    if plateau_in(schedule) is not None:
        return lambda steps: warmup_and_linear, 1.0
    factor, _ = factor_of(facts, schedule, horizon)
    return lambda steps: in_small(schedule, horizon.steps, steps), factor
