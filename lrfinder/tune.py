"""Tuning: trials, then pilots of the whole training in small; `tune_lr` for plain torch, `tune_loop` for any `Loop`."""

import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import Unpack, cast

from torch import nn

from lrfinder.advice import recommend
from lrfinder.advice.notes import add_notes
from lrfinder.advice.optimizers import usual_lr
from lrfinder.advice.peak import length_factors, linear_peak
from lrfinder.advice.plan import PlanOptions, Request
from lrfinder.checks import check_flag
from lrfinder.display.progress import Bar, bar
from lrfinder.errors import InputError, NoSignalError
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import drop_of
from lrfinder.evidence.evidence import Evidence, add_pilots
from lrfinder.evidence.outcome import min_gain_off_plateau
from lrfinder.evidence.trials import Trials, climb_and_line
from lrfinder.keywords import accepts_old_names, shows_options_of
from lrfinder.loop import Loop, Snapshot
from lrfinder.result import LRResult
from lrfinder.schedules import Schedule
from lrfinder.schedules.compose import plateau_in
from lrfinder.search.budget import budget_for, lengthened, spend
from lrfinder.search.edge import guess
from lrfinder.search.measure import EvaluateOn, SearchOptions, conclude, held_out_of, search, split_options
from lrfinder.search.pilot import PilotBatches, draw_pilots, run_pilot
from lrfinder.search.sweep import ladder
from lrfinder.snapshot.snapshot import exclusive
from lrfinder.training import distributed as ranks
from lrfinder.training.feed import Loader
from lrfinder.training.torch_loop import TorchLoop

__all__ = ["tune_loop", "tune_lr"]

GUESS_TO_PEAK = 0.2
"""The best peak over the edge as a sweep tells it, where nothing else is known."""

ALONE = 0.5
"""Of where the best peak may be, for a trial that the budget pays for alone: too low a peak leaves a plateau more
surely than too high a one."""

POINTS = 16
"""Of a schedule that become one step of a pilot."""


@shows_options_of(Request, hidden=("rule", "open_ended"), after=TorchLoop)
@accepts_old_names
@ranks.together()
def tune_lr(
    model: nn.Module,
    loader: Loader,
    *,
    budget: float | None = None,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    evaluate_on: EvaluateOn | None = None,
    progress: bool = True,
    strict: bool = False,
    **options: Unpack[SearchOptions],
) -> LRResult:
    """Find the peak for a training of known length by rehearsing it in small; the training is left as it was.

    A search as that of `find_lr` comes first. Then whole trainings in small, of some dozens of steps, with the schedule
    and the number of epochs of the real one, are run from the same start at one peak after another, each judged on
    batches that it was not trained on. Two calls with the same random state give the same answer.

    Args:
        model: The module to train, on its device.
        loader: Its batches, as in `find_lr`.
        budget: What all of it may cost: an int is optimizer steps (a forward alone counts a third), a float below 1 a
            share of the training. None is 5 % of the training or 300 steps, whichever is more, and no more than a third
            of it. Below 240 steps there are no pilots, and the answer is that of `find_lr` with at most 100; what
            is left is spent on a plateau alone.
        lr_min: First rate of the reference group, the first with a trainable parameter; the others keep their ratio.
        lr_max: Last rate of the sweep, which the suggested peak does not exceed; a pilot may climb above it.
        evaluate_on: `training` evaluates on batches of the loader that a trial was not trained on, `validation` on a
            few fixed ones of `val_loader`; None on `val_loader` where there is one.
        progress: Show a bar on stderr while it is a terminal.
        strict: Raise where there is no reliable rate, instead of returning a result that says so.
        **options: What to plan for, of which `total_steps` (or `epochs`) must be given, and how to make an optimizer
            step (`loss_fn`, `optimizer` and the others): `help(lrfinder.find_lr)` explains each.

    Returns:
        The result, as of `find_lr`: `print` it, `plot` it, train with its `lr` and `plan.schedule`; `trials` holds
        every run.

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
        progress=progress,
        strict=strict,
        **planning,
    )


@shows_options_of(Request, hidden=("rule", "open_ended"))
@accepts_old_names
@ranks.together()
def tune_loop(
    loop: Loop,
    *,
    budget: float | None = None,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    evaluate_on: EvaluateOn | None = None,
    progress: bool = True,
    strict: bool = False,
    **planning: Unpack[PlanOptions],
) -> LRResult:
    """Do what `tune_lr` does over any `Loop`.

    Args:
        loop: What trains; it can measure.
        budget: What it may cost; see `tune_lr`, as for all that follow.
        lr_min: First rate of the reference group.
        lr_max: Last rate.
        evaluate_on: What to judge on.
        progress: Whether to show a bar.
        strict: Whether to raise where there is no reliable rate.
        **planning: What to plan for: `total_steps` or `epochs`, `schedule`, `finetune` and the others.

    Returns:
        The result, the same on every rank.

    Raises:
        InputError: An argument that cannot be used.
        NoSignalError: With `strict`, no reliable rate.
    """
    if not loop.can_measure:
        raise InputError(
            "a tuning must be able to judge a run by its loss, got a loop whose steps are the training's own "
            "(`train_step`, manual optimization); use find_lr, whose sweep needs no more than that"
        )
    if "rule" in planning:
        raise InputError("`tune_loop` takes no `rule`, since pilots decide, got one; name it to range_test or find_lr")
    check_flag("progress", progress)
    check_flag("strict", strict)
    request = Request(**planning)
    total_steps = request.horizon(loop.facts)
    if total_steps is None:
        raise InputError(
            "`total_steps` must be given to rehearse the training, got None; pass it, or `epochs`, or use find_lr"
        )
    recommend.check(request, loop.facts)
    spending = spend(budget_for(total_steps, budget), total_steps)
    lrs = ladder(lr_min, lr_max, spending.search)
    with exclusive(), loop.preserved() as snapshot, bar(loop, spending.steps, wanted=progress) as on_step:
        held_out = held_out_of(loop, evaluate_on)
        set_up = draw_pilots(loop, spending.pilots, spending.length, total_steps, held_out, request.steps_per_epoch)
        longer = partial(lengthened, total_steps=total_steps, planned=spending.length)
        is_paid = longer(spending.steps - spending.search / 2) > 0
        evidence, lrs = search(loop, snapshot, lrs, held_out=held_out, ends_on_plateau=is_paid, on_step=on_step)
        length = longer(spending.steps - evidence.cost_steps)
        if length and evidence.is_plateau:
            set_up.clear()
            # The epoch may end among these windows: then a few samples of the judges may have been trained on.
            set_up = draw_pilots(loop, 1, length, total_steps, held_out, request.steps_per_epoch)
        schedule = recommend.schedule_for(evidence, request)
        trials = _rehearsed(loop, snapshot, set_up, evidence, (schedule, total_steps, spending.steps), on_step, request)
        evidence = add_pilots(evidence, trials)
    result = add_notes(conclude(evidence, lrs, request), spending)
    if strict and result.plan is None:
        raise NoSignalError(result.status.sentence)
    return result


def _rehearsed(
    loop: Loop,
    snapshot: Snapshot,
    draw_pilots: list[PilotBatches],
    evidence: Evidence,
    training: tuple[Schedule, int, int],
    on_step: Bar | None,
    request: Request,
) -> list[Trials]:
    """The pilots, with what the search left of the budget."""
    schedule, total_steps, steps = training
    curve = evidence.curve
    if curve is None or not len(curve):
        return []
    is_shape = plateau_in(schedule) is None
    factor = recommend.factor_of(loop.facts, schedule, total_steps)[0] if is_shape else 1.0
    loss_scale = drop_of(curve.levels)
    min_gain = min_gain_off_plateau(evidence.edge_trials[0].start, loss_scale) if evidence.is_plateau else 0.0
    exploded = [
        lr for race in evidence.edge_trials for lr, loss in zip(race.lrs, race.losses, strict=True) if loss is None
    ]
    made: list[Trials] = []
    left = float(steps - evidence.cost_steps)
    for i, set_up in enumerate(draw_pilots):
        first_peak = min([_near(evidence, made, set_up, total_steps, request), *exploded])
        first_peak *= 1.0 if left >= 2 * set_up.steps else ALONE
        made.append(
            run_pilot(
                loop,
                snapshot,
                set_up,
                shape=_in_small(schedule, total_steps, set_up.steps) if is_shape else climb_and_line,
                first_peak=first_peak * factor,
                budget=left / (len(draw_pilots) - i),
                factor=factor,
                min_gain=min_gain,
                loss_scale=loss_scale,
                on_step=on_step,
                on_trial=None if on_step is None else on_step.show_best,
            )
        )
        left -= made[-1].cost
    return made


def _in_small(schedule: Schedule, total_steps: int, length: int) -> Callable[[float], float]:
    """A schedule by the share of the way, the mean over each of so many steps: no cycle is seen at one phase alone."""

    def factor(share: float) -> float:
        shares = (share + ((i + 0.5) / POINTS - 0.5) / length for i in range(POINTS))
        return statistics.fmean(schedule(max(0, min(total_steps - 1, int(at * total_steps)))) for at in shares)

    return factor


def _near(evidence: Evidence, made: list[Trials], set_up: PilotBatches, total_steps: int, request: Request) -> float:
    """Where the best peak of a trial with a line to zero may be: as before, as races have it, or as is usual."""
    if made and made[-1].best is not None:
        return made[-1].best / made[-1].factor
    epochs = max(1.0, set_up.steps / len(set_up.windows))
    shares = length_factors(evidence.facts, set_up.steps, epochs, total_steps, request.steps_per_epoch)
    longer = 1 / math.prod(shares.values())
    curve = cast(Curve, evidence.curve)
    sure = [trials for trials in evidence.edge_trials if trials.is_sure]
    told = partial(linear_peak, steps_per_epoch=request.steps_per_epoch, finetune=request.finetune)
    found = told(evidence, total_steps) if sure else None
    if found is not None:
        return 10 ** found[0] * longer
    if sure:  # and still winning at the highest peak
        return max(cast(float, trials.best) for trials in sure) / 2
    usual = None if request.finetune else usual_lr(evidence.facts, curve.levels[0])
    if usual is None:
        return guess(curve) * GUESS_TO_PEAK * longer
    return (usual if evidence.edge_trials else math.sqrt(guess(curve) * GUESS_TO_PEAK * usual)) * longer
