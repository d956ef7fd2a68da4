"""One search: the sweep, then short trials, as evidence."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Literal, get_args

from lrfinder.advice.peak import swept_edge
from lrfinder.advice.request import PlanOptions
from lrfinder.errors import InputError
from lrfinder.evidence.divergence import batch_resolution, drop_of
from lrfinder.evidence.evidence import Evidence, add_edge_trials, add_not_finite, note_mode, read_curve
from lrfinder.evidence.rules import RuleFunction
from lrfinder.evidence.status import Status
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.search import edge
from lrfinder.search.budget import FEWEST_TO_TRY
from lrfinder.search.explore import explore
from lrfinder.search.finite import not_finite
from lrfinder.search.noise import GradientNoise
from lrfinder.search.passes import sweep_in_passes, wants_passes
from lrfinder.search.sweep import OnStep, exponential_range, sweep
from lrfinder.training.options import TrainingOptions

__all__ = ["EvaluateOn", "SearchOptions", "blame_data", "held_out_of", "search"]

EvaluateOn = Literal["training", "validation"]

FEWEST_POINTS = 10
"""Rates that are swept at least."""

STEPS_OF_EDGE, MOST_EDGES = 100, 4
"""One series of short trials for each whole hundred steps of a search; one at least, four at most."""

PART_OF_TRIALS = 0.74
"""Part of those hundreds that goes into the trials: the sweep draws the picture, the trials decide the peak."""


class SearchOptions(TrainingOptions, PlanOptions, total=False):
    """How to make an optimizer step, and what to plan for: the options of `find_lr` and `tune_lr`."""


def search(
    loop: Loop,
    snapshot: Snapshot,
    lrs: list[float],
    *,
    rule: str | RuleFunction | None = None,
    held_out: Batch | None = None,
    ends_on_plateau: bool = False,
    centers: bool = False,
    on_step: OnStep | None = None,
) -> Evidence:
    """Sweep an exponential range, in two passes where its rates are few, then run short trials with the other steps.

    There are no trials where a rule is named, or below 75 steps. `lrs` has as many rates as the search may cost steps.
    With `ends_on_plateau` the trials end, the rest of their steps unspent, with the first that leaves the loss where it
    was, where the sweep could not be read and all before it raised the loss. With `centers` a mean of the targets that
    is far from zero is taken away, as if it was learned.
    """
    steps = len(lrs)
    series = _series(steps) if rule is None else 0
    # Drawn before the sweep, so that its length does not decide which batches the trials see.
    batches = [[loop.draw() for _ in range(edge.STEPS)] for _ in range(series)]
    offset = _center(loop, list(chain.from_iterable(batches))) if centers else 0.0
    cost_of_point = 1.0 if held_out is None else 1 + len(held_out) / loop.losses_per_step
    swept = steps - PART_OF_TRIALS * min(steps, STEPS_OF_EDGE * series)
    if swept < cost_of_point * steps:
        lrs = exponential_range(lrs[0], lrs[-1], max(FEWEST_POINTS, int(swept / cost_of_point)))
    noise = GradientNoise(loop)
    watch = noise.watching(on_step) if loop.losses_per_step > 1 else on_step
    # A fine pass that goes on may double the cost of the sweep: then there are fewer trials.
    if series and held_out is None and 2 * len(lrs) <= steps and wants_passes(lrs):
        curve, coarse = sweep_in_passes(loop, snapshot, lrs, watch)
    else:
        curve, coarse = sweep(loop, lrs, watch, held_out), None
    facts = loop.facts
    if offset:
        facts = replace(facts, offset=offset, loss=f"{facts.loss}, the targets without their mean")
    evidence = read_curve(curve, facts, rule if callable(rule) else None, cost_of_point, coarse)
    evidence = replace(evidence, lr_range=(lrs[0], lrs[-1]))
    if not len(curve):
        return blame_data(loop, snapshot, evidence, chain.from_iterable(batches))
    evidence = replace(evidence, gradient_noise=noise.ratio(swept_edge(curve)))
    unreadable = ends_on_plateau and evidence.status is not Status.OK
    explore_edge = partial(
        explore,
        loop,
        snapshot,
        first_peak=swept_edge(curve) / edge.BELOW,
        next_peak=edge.next_unless_plateau if unreadable else edge.next_about_edge,
        # Validation losses are smooth, but no change of theirs below this says anything.
        min_gain=0.0 if curve.after is None else batch_resolution(curve.losses),
        loss_scale=drop_of(curve.levels),
        on_step=on_step,
    )
    left, trials = float(steps - evidence.cost_steps), list[Trials]()
    for i, train in enumerate(batches):
        trials.append(
            explore_edge(
                edge.edge_batches(train, held_out, losses_per_step=loop.losses_per_step), budget=left / (series - i)
            )
        )
        left -= trials[-1].cost
    evidence = add_edge_trials(evidence, trials)
    return note_mode(blame_data(loop, snapshot, evidence, chain.from_iterable(batches)), loop.facts)


def blame_data(loop: Loop, snapshot: Snapshot, evidence: Evidence, batches: Iterable[Batch]) -> Evidence:
    """Return evidence with the batches that have no finite loss before any step, where a loss that was none was met.

    That is where the sweep met one and there is no answer, or where all trials of a series ended with one.
    """
    passes = [one for one in (evidence.curve, evidence.coarse) if one is not None]
    is_met = any(one.stopped == "non_finite" for one in passes) and evidence.status is not Status.OK
    is_met |= any(trials.is_blank for trials in (*evidence.edge_trials, *evidence.pilots))
    # On several ranks each has other batches, and losses are means over all: no place could be named.
    if not is_met or evidence.not_finite or loop.facts.ranks > 1:
        return evidence
    # Where an answer is missing anyway, what the look at more of them costs matters less than the reason.
    places, looked_at = not_finite(loop, snapshot, batches, draws=evidence.status is not Status.OK)
    return add_not_finite(evidence, places, looked_at, cost=looked_at / loop.losses_per_step)


def _center(loop: Loop, batches: list[Batch]) -> float:
    """Take a mean of the targets that is far from zero away, unless the outputs are there; return how far, or 0."""
    center = getattr(loop, "center_targets", None)
    far = center(batches) if center is not None and batches else 0.0
    if not far or center is None:
        return 0.0
    centered = loop.loss(batches[0])
    center([])
    return float(center(batches)) if centered < loop.loss(batches[0]) else 0.0


def _series(steps: int) -> int:
    return 0 if steps < FEWEST_TO_TRY else min(MOST_EDGES, max(1, steps // STEPS_OF_EDGE))


def held_out_of(loop: Loop, evaluate_on: EvaluateOn | None) -> Batch | None:
    """Return the validation batches to evaluate on, None to read the training loss; InputError where there are none."""
    if evaluate_on not in (None, *get_args(EvaluateOn)):
        known = ", ".join(get_args(EvaluateOn))
        raise InputError(f"`evaluate_on` must be one of {known}, or None, got {evaluate_on!r}")
    held_out = None if evaluate_on == "training" else loop.held_out()
    if evaluate_on == "validation" and held_out is None:
        raise InputError(
            "validation batches must be given to evaluate on them, got none; pass `val_loader` (a Trainer takes its "
            'own, unless `limit_val_batches` is 0), or evaluate_on="training"'
        )
    return held_out
