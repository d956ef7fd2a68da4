"""One search: the sweep with its races, and what is concluded of all that was measured."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import Literal, cast, get_args

from lrfinder.advice import recommend
from lrfinder.advice.plan import PlanOptions, Request
from lrfinder.errors import InputError
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import batch_resolution, drop_of
from lrfinder.evidence.evidence import Evidence, Status, add_edge_trials, read_curve, rule_name
from lrfinder.evidence.rules import RULES, Rule
from lrfinder.evidence.trials import Trials
from lrfinder.keywords import hint
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.result import LRResult
from lrfinder.search import edge
from lrfinder.search.sweep import Progress, ladder, sweep
from lrfinder.training.batch import unshared
from lrfinder.training.torch_loop import TrainingOptions

__all__ = ["EvaluateOn", "SearchOptions", "check_rule", "conclude", "held_out_of", "search", "split_options"]

EvaluateOn = Literal["training", "validation"]

MIN_RUNGS = 10

FEWEST_TO_RACE, STEPS_OF_RACE, MOST_RACES = 75, 100, 4
"""Steps below which all are swept; one race of trials for each whole hundred, one at least, four at most."""

SHARE_OF_RACES = 0.72
"""Of the steps, as far as there are races: the sweep draws the picture, the races set the number."""


class SearchOptions(TrainingOptions, PlanOptions, total=False):
    """How to make an optimizer step, and what to plan for."""


def search(
    loop: Loop,
    snapshot: Snapshot,
    lrs: list[float],
    *,
    rule: str | Rule | None = None,
    held_out: Batch | None = None,
    ends_on_plateau: bool = False,
    on_step: Progress | None = None,
) -> tuple[Evidence, list[float]]:
    """Sweep a ladder, of which races take their share where the loop can measure and no rule is named.

    Args:
        loop: What trains.
        snapshot: The start.
        lrs: The ladder for as many steps as the search may cost.
        rule: Whose rate will be taken.
        held_out: What to measure on, or None to read the training loss.
        ends_on_plateau: Whether a race ends, the rest of its steps unspent, with the first run that leaves the loss
            where it was, where the sweep could not be read and runs before it have only lost.
        on_step: Called with the rate and the loss of every step.

    Returns:
        What was measured, and the ladder that was swept.
    """
    steps = len(lrs)
    races = _races(steps) if loop.can_measure and rule is None else 0
    windows = [[unshared(loop.draw()) for _ in range(edge.STEPS)] for _ in range(races)]
    cost_of_rung = 1.0 if held_out is None else 1 + len(held_out) / 3
    swept = steps - SHARE_OF_RACES * min(steps, STEPS_OF_RACE * races)
    if swept < cost_of_rung * steps:
        lrs = ladder(lrs[0], lrs[-1], max(MIN_RUNGS, int(swept / cost_of_rung)))
    curve = sweep(loop, lrs, on_step, held_out)
    evidence = read_curve(curve, loop.facts, rule if callable(rule) else None, cost_of_rung)
    ends_on_plateau = ends_on_plateau and evidence.status is not Status.OK
    race = partial(edge.race, loop, snapshot, held_out=held_out, ends_on_plateau=ends_on_plateau, on_step=on_step)
    return _raced(evidence, windows, steps, race, is_held_out=held_out is not None), lrs


def _races(steps: int) -> int:
    return 0 if steps < FEWEST_TO_RACE else min(MOST_RACES, max(1, steps // STEPS_OF_RACE))


def _raced(
    evidence: Evidence, windows: list[list[Batch]], steps: int, race: Callable[..., Trials], *, is_held_out: bool
) -> Evidence:
    """Add a race on each of the windows, with what the sweep left of the steps."""
    curve = evidence.curve
    if curve is None or not len(curve):
        return evidence
    min_gain = batch_resolution(curve.losses) if is_held_out else 0.0
    run = partial(race, first_peak=edge.guess(curve), min_gain=min_gain, loss_scale=drop_of(curve.levels))
    left, made = float(steps - evidence.cost_steps), list[Trials]()
    for i, batches in enumerate(windows):
        made.append(run(batches, budget=left / (len(windows) - i)))
        left -= made[-1].cost
    return add_edge_trials(evidence, made)


def held_out_of(loop: Loop, evaluate_on: EvaluateOn | None) -> Batch | None:
    """The validation batches to measure on, or None to read the training loss."""
    if evaluate_on not in (None, *get_args(EvaluateOn)):
        raise InputError(
            f"`evaluate_on` must be one of {', '.join(get_args(EvaluateOn))}, or None, got {evaluate_on!r}"
        )
    held_out = None if evaluate_on == "training" else loop.held_out()
    if evaluate_on == "validation" and held_out is None:
        raise InputError(
            "validation batches must be given to measure on them, got none; pass `val_loader` (a Trainer takes its "
            'own, unless `limit_val_batches` is 0), or evaluate_on="training"'
        )
    return held_out


def conclude(evidence: Evidence, lrs: list[float], request: Request) -> LRResult:
    """Evidence with its plan, if it holds one; a peak beyond the ladder is none."""
    if evidence.status is not Status.OK:
        return LRResult(evidence, None)
    plan = recommend.plan(evidence, request)
    if plan is None or not lrs[0] <= plan.lr <= lrs[-1]:
        return LRResult(replace(evidence, status=Status.OUT_OF_RANGE), None)
    return LRResult(evidence, plan)


def check_rule(rule: str | Callable[[Curve], float | None] | None) -> str | None:
    """The name under which the wanted rule's suggestion is found."""
    if rule is None:
        return None
    if callable(rule):
        return rule_name(rule)
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(f"`rule` must be one of {', '.join(RULES)}, a function of the curve, or None, got {rule!r}")
    return rule


def split_options(options: SearchOptions, verb: Callable[..., LRResult]) -> tuple[PlanOptions, TrainingOptions]:
    """What to plan for, and how to make an optimizer step, of the options of a verb."""
    known = {**PlanOptions.__annotations__, **TrainingOptions.__annotations__}
    for name in options:
        if name not in known:
            meant = hint(name, signature(verb).parameters)
            raise InputError(f"`{verb.__name__}` got an unexpected keyword argument {name!r}; {meant}")
    planning = {name: value for name, value in options.items() if name in PlanOptions.__annotations__}
    training = {name: value for name, value in options.items() if name not in planning}
    return cast(PlanOptions, planning), cast(TrainingOptions, training)
