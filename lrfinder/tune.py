"""Tuning: trials, then pilots of the whole training in small; `tune_lr` for plain torch, `tune_loop` for any `Loop`."""

import logging
import math
from collections.abc import Sequence
from typing import Literal, Unpack, cast

from torch import nn

from lrfinder.advice.notes import Cost, add_notes
from lrfinder.advice.peak import pilot_start
from lrfinder.advice.recommend import check_request, schedule_for, starts_low
from lrfinder.advice.request import Horizon, PlanOptions, Request
from lrfinder.checks import check_flag
from lrfinder.display.progress import Bar, bar
from lrfinder.errors import InputError, NoSignalError
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import drop_of
from lrfinder.evidence.evidence import Evidence, add_groups, add_pilots, note_mode
from lrfinder.evidence.groups import GroupSet, GroupTuning
from lrfinder.evidence.status import Status
from lrfinder.keywords import accepts_old_names, shows_options_of, split_options
from lrfinder.loop import Loop, Snapshot
from lrfinder.result import LRResult, conclude
from lrfinder.search.budget import (
    FEWEST_TO_TRY,
    SEARCH,
    Spending,
    budget_for,
    least_for_a_pilot,
    pilot_steps_on_plateau,
    spend,
)
from lrfinder.search.explore import TrialBatches
from lrfinder.search.groups import GroupBudget, budget_for_groups, sets_of, tune_groups
from lrfinder.search.measure import EvaluateOn, SearchOptions, blame_data, held_out_of, search
from lrfinder.search.pilot import draw_pilots, run_pilots, small_shape
from lrfinder.search.sweep import exponential_range
from lrfinder.snapshot.exclusive import exclusive
from lrfinder.training import distributed
from lrfinder.training.feed import Loader
from lrfinder.training.torch_loop import TorchLoop

__all__ = ["tune_loop", "tune_lr"]

LOG = logging.getLogger(__name__)


@shows_options_of(Request, hidden=("rule", "open_ended"), after=TorchLoop)
@accepts_old_names
@distributed.fail_together()
def tune_lr(
    model: nn.Module,
    loader: Loader,
    *,
    budget: float | None = None,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    evaluate_on: EvaluateOn | None = None,
    groups: Literal["each"] | Sequence[str] | None = None,
    group_budget: float | None = None,
    progress: bool = True,
    strict: bool = False,
    **options: Unpack[SearchOptions],
) -> LRResult:
    """Find the peak for a training of known length by running it in small; the training is left as it was.

    A search as that of `find_lr` comes first. Then pilots are run from the same start at one peak after another: whole
    trainings in small, of some dozens of steps, with the schedule of the real one and some of its epochs, each
    evaluated on batches that it was not trained on. Two calls with the same random state give the same answer.

    Args:
        model: The module to train, on its device.
        loader: Its batches, as in `find_lr`.
        budget: What all of it may cost: an int is optimizer steps (a forward alone counts a third), a float below 1 a
            share of the training. None is 5 % of the training or 300 steps, whichever is more, and no more than a third
            of it. Below 240 steps there are no pilots, and the answer is that of `find_lr` with at most 100; what
            is left is spent on a plateau alone.
        lr_min: First rate of the sweep, as in `find_lr`.
        lr_max: Last rate of the sweep, as in `find_lr`; a pilot may rise above it.
        evaluate_on: `training` evaluates on batches of the loader that a trial was not trained on, `validation` on a
            few fixed ones of `val_loader`; None on `val_loader` where there is one.
        groups: Tune the ratios between parameter groups too, by pilots that scale the rate of some of them by three up
            and down: `each` group by itself (those with one `name` together), or a list of names of groups or of
            optimizers, each for one set. None keeps the ratios.
        group_budget: What that may cost besides `budget`, in steps or as a share; None is 5 % of the training, or the
            least that shows anything (368 steps for two sets), and no more than a third of it.
        progress: As in `find_lr`.
        strict: As in `find_lr`.
        **options: What to plan for, of which `total_steps` (or `epochs`) must be given: `help(lrfinder.find_lr)`. And
            how to make an optimizer step (`optimizer`, `loss_fn`, ...): `help(lrfinder.TorchLoop)`.

    Returns:
        The result, as of `find_lr`; its `trials` hold every run.

    Raises:
        InputError: An argument that cannot be used, or a batch without a usable loss; nothing was changed.
        NoSignalError: With `strict`, no reliable rate.
        StateLeak: A frozen parameter was changed by the training itself and could not be put back.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(256, 4)
        >>> batches = [(rows, rows @ torch.ones(4, 1)) for rows in x.split(16)]
        >>> tuned = tune_lr(torch.nn.Linear(4, 1), batches, total_steps=900)
        >>> tuned.cost_steps <= 300, len(tuned.trials) > 1, tuned.interval[0] < tuned.lr < tuned.interval[1]
        (True, True, True)
    """
    planning, training = split_options(options, tune_lr)
    loop = TorchLoop(model, loader, **training)
    return tune_loop(
        loop,
        budget=budget,
        lr_min=lr_min,
        lr_max=lr_max,
        evaluate_on=evaluate_on,
        groups=groups,
        group_budget=group_budget,
        progress=progress,
        strict=strict,
        **planning,
    )


@shows_options_of(Request, hidden=("rule", "open_ended"))
@accepts_old_names
@distributed.fail_together()
def tune_loop(
    loop: Loop,
    *,
    budget: float | None = None,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    evaluate_on: EvaluateOn | None = None,
    groups: Literal["each"] | Sequence[str] | None = None,
    group_budget: float | None = None,
    progress: bool = True,
    strict: bool = False,
    **planning: Unpack[PlanOptions],
) -> LRResult:
    """Do what `tune_lr`, which explains the rest, does over any `Loop`, alike on all ranks."""
    request = _check(loop, planning, progress=progress, strict=strict)
    horizon = request.horizon(loop.facts)
    spending = spend(budget_for(horizon.steps, budget), horizon.steps)
    lrs = exponential_range(lr_min, lr_max, spending.search)
    sets, ratios = _group_sets(loop, horizon, groups, group_budget)
    with (
        exclusive(),
        loop.preserved() as snapshot,
        bar(loop, spending.steps + ratios.steps, wanted=progress) as on_step,
    ):
        held_out = held_out_of(loop, evaluate_on)
        # Drawn first, at the start of an epoch: what evaluates a pilot must not have been trained on.
        lengths = [spending.length] * spending.pilots
        batches = draw_pilots(loop, lengths + [ratios.length] * (2 if sets else 0), horizon, held_out)
        batches, of_groups = batches[: len(lengths)], batches[len(lengths) :]
        # A sweep that diverges at once costs half of what it may: is there enough left for a pilot on a plateau?
        is_paid = _plateau_steps(spending, horizon, spending.search / 2) > 0
        evidence = search(
            loop,
            snapshot,
            lrs,
            held_out=held_out,
            ends_on_plateau=is_paid,
            centers=starts_low(loop.facts, request),
            on_step=on_step,
        )
        steps = _plateau_steps(spending, horizon, evidence.cost_steps)
        if steps and evidence.is_plateau:
            # The epoch may end among these batches: then a few samples that evaluate may have been trained on.
            batches = draw_pilots(loop, [steps], horizon, held_out)
        show_best = None if on_step is None else on_step.show_best
        pilots = run_pilots(loop, snapshot, batches, evidence, request, spending.steps, on_step, show_best)
        evidence = add_pilots(evidence, pilots)
        evidence = blame_data(loop, snapshot, evidence, (batch for pilot in batches for batch in pilot.train))
        if sets and evidence.status is Status.OK:
            tuning = _tune_groups(loop, snapshot, of_groups, sets, evidence, request, ratios, on_step)
            evidence = add_groups(evidence, tuning)
        evidence = note_mode(evidence, loop.facts)
    result = conclude(evidence, request)
    if result.plan is not None:
        cost = Cost(spending.steps, SEARCH, least_for_a_pilot(), FEWEST_TO_TRY)
        result = LRResult(result.evidence, add_notes(result.plan, result.evidence, cost))
    if strict and result.plan is None:
        raise NoSignalError(result.status.sentence)
    return result


def _check(loop: Loop, planning: PlanOptions, *, progress: bool, strict: bool) -> Request:
    """The request of a tuning, or InputError where it cannot be made."""
    if "rule" in planning:
        raise InputError("`tune_loop` takes no `rule`, since pilots decide, got one; name it to range_test or find_lr")
    check_flag("progress", progress)
    check_flag("strict", strict)
    request = Request(**planning)
    if not request.horizon(loop.facts).is_known:
        raise InputError(
            "`total_steps` must be given to run pilots of the training, got None; pass it, or `epochs`, or use find_lr"
        )
    check_request(request, loop.facts)
    return request


def _group_sets(
    loop: Loop, horizon: Horizon, groups: str | Sequence[str] | None, group_budget: float | None
) -> tuple[tuple[GroupSet, ...], GroupBudget]:
    """The sets of groups whose ratios are to be tuned, and what that may cost, which is logged before it is spent."""
    if groups is None:
        if group_budget is not None:
            raise InputError(f"`group_budget` must be left out where no `groups` are named, got {group_budget}")
        return (), GroupBudget(0, 0)
    sets = sets_of(loop.facts, groups)
    ratios = budget_for_groups(horizon.steps, len(sets), group_budget, losses_per_step=loop.losses_per_step)
    names = ", ".join(one.name for one in sets)
    LOG.info("tuning the ratios of %s may cost %d steps besides, in pilots of %d", names, ratios.steps, ratios.length)
    return sets, ratios


def _tune_groups(
    loop: Loop,
    snapshot: Snapshot,
    batches: list[TrialBatches],
    sets: tuple[GroupSet, ...],
    evidence: Evidence,
    request: Request,
    ratios: GroupBudget,
    on_step: Bar | None,
) -> GroupTuning:
    """The ratios between groups, about the best peak of the pilots."""
    curve = cast("Curve", evidence.curve)
    horizon = request.horizon(loop.facts)
    shape_of, factor = small_shape(loop.facts, schedule_for(evidence, request), horizon)
    peak = pilot_start(evidence, curve, evidence.pilots, ratios.length, horizon, finetune=request.finetune)
    return tune_groups(
        loop,
        snapshot,
        (batches[0], batches[1]),
        sets,
        peak=peak * factor,
        highest=evidence.lr_range[1] if evidence.lr_range else math.inf,
        shape=shape_of(ratios.length),
        budget=ratios.steps,
        loss_scale=drop_of(curve.levels),
        on_step=on_step,
    )


def _plateau_steps(spending: Spending, horizon: Horizon, cost: float) -> int:
    """The steps of a pilot's trials on a plateau, once the search has cost so much."""
    return pilot_steps_on_plateau(spending.steps - cost, horizon.steps, spending.length)
