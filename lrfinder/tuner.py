"""Tuning: rehearsals of the whole training in small, for a few percent of it; `tune_lr` for plain torch, `race`."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from typing import Unpack

from torch import nn

from lrfinder import ranks, recommend
from lrfinder.arms import Arms, climb_and_line
from lrfinder.divergence import fall_of
from lrfinder.edge import guess
from lrfinder.errors import InputError, NoSignalError
from lrfinder.evidence import Evidence, rehearsed
from lrfinder.feed import Loader
from lrfinder.loop import Loop, Snapshot
from lrfinder.plan import PlanOptions, Reason, Wish
from lrfinder.progress import Bar, bar
from lrfinder.rehearsal import FEWEST_STEPS, Stage, rehearse, stages, steps_of
from lrfinder.result import LRResult
from lrfinder.schedules import Schedule
from lrfinder.schedules.base import whole
from lrfinder.schedules.compose import plateau_in
from lrfinder.schedules.prior import peak_factor
from lrfinder.search import Measure, SearchOptions, concluded, held_out_of, parted, search
from lrfinder.signature import shows_options_of
from lrfinder.state import sole_search
from lrfinder.sweep import ladder
from lrfinder.torch_loop import TorchLoop
from lrfinder.transfer import BEST_TO_PEAK, HORIZON_EXPONENT, line_peak, spread_of

__all__ = ["budget_for", "race", "tune_lr"]

SHARE, LEAST, MOST_SHARE = 0.05, 300, 1 / 3
"""Of the training, what a tuning may cost unless told otherwise: 300 steps at least, a third of it at most."""

SEARCH = 100
"""Steps of the search that comes before the rehearsals."""

LONG, MOST_REHEARSALS = 160, 4
"""Arms longer than this are made fewer: the budget goes into a second rehearsal on other batches, up to four."""

EIGHTY_PERCENT = 1.28


@shows_options_of(Wish, hidden=("rule",), after=TorchLoop)
@ranks.together()
def tune_lr(
    model: nn.Module,
    loader: Loader,
    *,
    budget: float | None = None,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    measure: Measure | None = None,
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
            of it. Below 180 steps there are no rehearsals, and the answer is that of `find_lr`.
        lr_min: First rate of the reference group, the first with a trainable parameter; the others keep their ratio.
        lr_max: Last rate of the sweep, which nothing suggested exceeds.
        measure: `training` judges on batches of the loader that an arm was not trained on, `validation` on a few fixed
            ones of `val_loader`; None on `val_loader` where there is one.
        progress: Show a bar on stderr while it is a terminal.
        strict: Raise where there is no reliable rate, instead of returning a result that says so.
        **options: As in `find_lr`: what to plan for, of which `total_steps` (or `epochs`) must be given, and how to
            make an optimizer step.

    Returns:
        The result: `print` it, `plot` it, `apply` it; `arms` holds every run.

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
        >>> tuned.cost_steps <= 300, len(tuned.arms) > 1, tuned.interval[0] < tuned.lr < tuned.interval[1]
        (True, True, True)
    """
    planning, training = parted(options, "tune_lr")
    loop = TorchLoop(model, loader, **training)
    return race(
        loop,
        budget=budget,
        lr_min=lr_min,
        lr_max=lr_max,
        measure=measure,
        progress=progress,
        strict=strict,
        **planning,
    )


@shows_options_of(Wish, hidden=("rule",))
@ranks.together()
def race(
    loop: Loop,
    *,
    budget: float | None = None,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    measure: Measure | None = None,
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
        measure: What to judge on.
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
            "`race` must be able to judge a run by its loss, got a loop whose steps are the training's own "
            "(`train_step`, manual optimization); use find_lr, whose sweep needs no more than that"
        )
    wish = Wish(**planning)
    total_steps = wish.horizon(loop.facts)
    if total_steps is None:
        raise InputError(
            "`total_steps` must be given to rehearse the training, got None; pass it, or `epochs`, or use find_lr"
        )
    schedule = recommend.check(wish, loop.facts)
    steps = budget_for(total_steps, budget)
    lrs = ladder(lr_min, lr_max, min(SEARCH, steps) if _rehearsals(steps) else steps)
    with sole_search(), loop.preserved() as snapshot, bar(loop, steps, wanted=progress) as tell:
        held_out = held_out_of(loop, measure)
        set_up = stages(loop, _rehearsals(steps), _length(steps, total_steps), total_steps, held_out)
        evidence, lrs = search(loop, snapshot, lrs, held_out=held_out, tell=tell)
        arms = _rehearsed(loop, snapshot, set_up, evidence, (schedule, total_steps, steps), tell)
        evidence = rehearsed(evidence, arms)
    result = _told(concluded(evidence, lrs, wish), steps)
    if strict and result.plan is None:
        raise NoSignalError(result.status.sentence)
    return result


def budget_for(total_steps: int, budget: float | None = None) -> int:
    """Return the steps that a tuning may cost.

    Args:
        total_steps: Optimizer steps of the training.
        budget: Steps, a share of the training below 1, or None for the default.

    Returns:
        Step-equivalents.

    Raises:
        InputError: Neither, or fewer than ten steps.

    >>> budget_for(10_000), budget_for(600), budget_for(5_000, 0.1), budget_for(5_000, 400)
    (500, 200, 500, 400)
    """
    if budget is None:
        whole("total_steps", total_steps, "for so short a training pass `budget` in steps", least=30)
        return int(min(max(SHARE * total_steps, LEAST), MOST_SHARE * total_steps))
    given: object = budget
    if isinstance(given, Real) and 0 < float(given) < 1:
        given = int(float(given) * total_steps)
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise InputError(
            f"`budget` must be whole steps, or a share of the training below 1, got {given!r}; 300 is a good choice"
        )
    return whole("budget", given, "300 is a good choice", least=10)


def _rehearsals(steps: int) -> int:
    """How many rehearsals a budget pays for."""
    if steps_of(steps - SEARCH) < FEWEST_STEPS:
        return 0
    return min(MOST_REHEARSALS, max(1, steps_of(steps - SEARCH) // LONG))


def _length(steps: int, total_steps: int) -> int:
    """Optimizer steps of their arms, which are no longer than the training."""
    return min(total_steps, steps_of(steps - SEARCH, max(1, _rehearsals(steps))))


def _rehearsed(
    loop: Loop,
    snapshot: Snapshot,
    stages: list[Stage],
    evidence: Evidence,
    training: tuple[Schedule, int, int],
    tell: Bar | None,
) -> list[Arms]:
    """The rehearsals, with what the search left of the budget."""
    schedule, total_steps, steps = training
    curve = evidence.curve
    if curve is None or not len(curve):
        return []
    is_shape = plateau_in(schedule) is None
    factor = peak_factor(schedule, total_steps)[0] if is_shape else 1.0
    shape = _in_small(schedule, total_steps) if is_shape else climb_and_line
    made: list[Arms] = []
    left = float(steps - evidence.cost_steps)
    for i, set_up in enumerate(stages):
        made.append(
            rehearse(
                loop,
                snapshot,
                set_up,
                shape=shape,
                near=_near(evidence, made, set_up.steps, total_steps) * factor,
                budget=left / (len(stages) - i),
                factor=factor,
                fall=fall_of(curve.levels),
                tell=tell,
                said=None if tell is None else tell.say,
            )
        )
        left -= made[-1].cost
    return made


def _in_small(schedule: Schedule, total_steps: int) -> Callable[[float], float]:
    """A schedule by the share of the way."""
    return lambda share: schedule(min(total_steps - 1, int(share * total_steps)))


def _near(evidence: Evidence, made: list[Arms], steps: int, total_steps: int) -> float:
    """Where the best peak of an arm with a line to zero may be: as before, or as the search has it."""
    if made and made[-1].best is not None:
        return made[-1].best / made[-1].factor
    found = line_peak(evidence, total_steps)
    highest = [edge for arms in evidence.races if (edge := arms.edge) is not None]
    if found is None and highest:
        return statistics.geometric_mean(highest)
    if found is None:
        return guess(evidence.curve) if evidence.curve is not None else 1e-3
    return float(10 ** found[0] * (total_steps / steps) ** HORIZON_EXPONENT / BEST_TO_PEAK)


def _told(result: LRResult, steps: int) -> LRResult:
    """What a larger budget would buy, or that this one is too small to rehearse."""
    plan = result.plan
    if plan is None:
        return result
    rehearsals = result.evidence.rehearsals
    if not _rehearsals(steps):
        needed = next(steps for steps in range(SEARCH, 10 * SEARCH) if _rehearsals(steps))
        text = f"The budget of {steps} steps is too small to rehearse the training; that takes {needed}."
        return replace(result, plan=replace(plan, warnings=(*plan.warnings, text)))
    if all(arms.best is None for arms in rehearsals):
        text = "No rehearsal lowered the loss of what judges it, so that the peak is that of `find_lr`."
        return replace(result, plan=replace(plan, warnings=(*plan.warnings, text)))
    now, then = (10 ** (EIGHTY_PERCENT * spread_of(rehearsals, times)) for times in (1.0, 2 + SEARCH / steps))
    text = (
        f"The interval is the peak times or over {now:.2g}; twice the budget, {2 * steps:,} steps, would make it about "
        f"{then:.2g}."
    )
    return replace(result, plan=replace(plan, reasons=(*plan.reasons, Reason(text, "weak"))))
