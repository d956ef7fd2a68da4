"""A plan for a training that has changed: another batch, another length, another size."""

import itertools
import math
from dataclasses import replace
from typing import TypedDict

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.advice.change import Change, change_factors
from lrfinder.advice.decision_table import Decision, decide
from lrfinder.advice.new_training import NewTraining, check_change
from lrfinder.advice.optimizers import kind_of, own_pace
from lrfinder.advice.peak import factor_of
from lrfinder.advice.plan import Factor, Plan, Setting
from lrfinder.advice.recommend import OF_DECAY, warnings_of
from lrfinder.advice.request import Horizon, Request
from lrfinder.advice.rescale_words import reason_of_decay, reasons_of, warnings_of_change
from lrfinder.advice.respan import respan
from lrfinder.advice.snippet import code_for
from lrfinder.advice.table_input import table_input
from lrfinder.evidence.evidence import Evidence

__all__ = ["rescale_plan"]

MOST_SHRUNK = 0.1
"""Part of the weights that a step may take off, rate times decay: no decay is suggested that takes more."""


class Purposes(TypedDict):
    """What a recommended schedule may have been asked for besides a length."""

    finetune: bool
    may_extend: bool
    early_stopping: bool


def rescale_plan(evidence: Evidence, plan: Plan, new: NewTraining, calibration: Calibration = FITTED) -> Plan:
    """Return the plan of a training that has changed.

    The peak is that of `plan` times the factors of `change_factors`, and times the ratio of the schedules' factors; the
    variance of the factors is added to that of the interval. Where the batch changes and no length is given, the
    samples stay: the steps are fewer by as much as the batch is larger. A recommended schedule is recommended anew,
    another one keeps its family.

    Args:
        evidence: What was measured.
        plan: What is rescaled.
        new: What is new.
        calibration: The constants.

    Raises:
        InputError: Nothing changes, something that has to be known is not, or so much changes that nothing supports an
            answer.
    """
    facts = evidence.facts
    before = plan.setting or Setting(facts.batch_size, facts.ranks, facts.parameters, facts.weight_decay)
    after = new.setting(before)
    batch = _ratio(after.batch_size, before.batch_size) * after.ranks / before.ranks
    horizon = new.horizon(plan, batch)
    steps = _ratio(None if horizon is None else horizon.steps, plan.total_steps)
    change = Change(batch, steps * batch if new.has_length else 1.0, _ratio(after.parameters, before.parameters))
    check_change(change, kind_of(facts))
    so_far = _ratio(before.batch_size, facts.batch_size) * before.ranks / facts.ranks
    noise = None if evidence.gradient_noise is None else evidence.gradient_noise / so_far
    moved, deviation = change_factors(kind_of(facts), change, noise, calibration)
    if own_pace(facts) is not None:
        moved = tuple(replace(factor, value=1.0) for factor in moved)
    reasons = reasons_of(facts, before, after, change, noise, moved)
    rescaled = replace(_move(plan, moved, calibration.interval_deviations * deviation), setting=after)
    if horizon is not None:
        rescaled = _lengthen(rescaled, evidence, horizon, calibration)
    if before.weight_decay:
        decay = before.weight_decay / (steps * rescaled.lr / plan.lr)
        if decay * rescaled.lr <= MOST_SHRUNK:
            rescaled = replace(rescaled, setting=replace(after, weight_decay=decay))
            reasons += (reason_of_decay(before.weight_decay, decay),)
    return replace(
        rescaled,
        # What was said of the old rate is not true of the new one.
        reasons=(*reasons, *(reason for reason in rescaled.reasons if not reason.text.startswith(OF_DECAY))),
        warnings=(*rescaled.warnings, *warnings_of_change(change)),
        code=code_for(
            rescaled.lr,
            rescaled.schedule,
            facts.optimizers,
            keeps_pace=own_pace(facts) is not None,
            is_tuned=evidence.has_tuned_ratios,
        ),
    )


def _ratio(new: float | None, old: float | None) -> float:
    return new / old if new and old else 1.0


def _move(plan: Plan, factors: tuple[Factor, ...], spread: float = 0.0) -> Plan:
    """The plan with its peak times these factors, and so much more to either side of it, in decades."""
    ratio = math.prod(factor.value for factor in factors)
    lr, (low, high) = plan.lr * ratio, (end / plan.lr for end in plan.interval)
    below, above = (10 ** math.hypot(math.log10(end), spread) for end in (low, high))
    return replace(plan, lr=lr, interval=(lr / below, lr * above), factors=(*plan.factors, *factors))


def _lengthen(plan: Plan, evidence: Evidence, horizon: Horizon, calibration: Calibration) -> Plan:
    """The plan with its schedule over another length, and the peak that this schedule wants."""
    decision = _decide(evidence, plan, horizon)
    if plan.schedule is not None and decision is not None and plan.total_steps is not None:
        facts, old = evidence.facts, Horizon(plan.total_steps, plan.steps_per_epoch)
        wanted, _ = factor_of(facts, decision.schedule, horizon, calibration)
        had, _ = factor_of(facts, plan.schedule, old, calibration)
        plan = _move(plan, (Factor("peak", "schedule", wanted / had),) if wanted != had else ())
        plan = replace(plan, schedule=decision.schedule, warmup=decision.warmup, reasons=decision.reasons)
        plan = replace(plan, runner_up=decision.runner_up)
    warnings = (*warnings_of(evidence, horizon.steps), *(decision.warnings if decision else ()))
    return replace(plan, total_steps=horizon.steps, steps_per_epoch=horizon.steps_per_epoch, warnings=warnings)


def _decide(evidence: Evidence, plan: Plan, horizon: Horizon) -> Decision | None:
    """What to train along for another length: what was recommended anew, or what was asked for in its family.

    None where the schedule was a function that a file could not hold.
    """
    if plan.schedule is None or plan.total_steps is None:
        return None
    old = Request(plan.total_steps, steps_per_epoch=plan.steps_per_epoch)
    new = Request(horizon.steps, steps_per_epoch=horizon.steps_per_epoch)
    for finetune, may_extend, early_stopping in itertools.product((False, True), repeat=3):
        purposes: Purposes = {"finetune": finetune, "may_extend": may_extend, "early_stopping": early_stopping}
        if decide(table_input(evidence.facts, replace(old, **purposes), evidence)).schedule == plan.schedule:
            return decide(table_input(evidence.facts, replace(new, **purposes), evidence))
    schedule = respan(plan.schedule, plan.total_steps, horizon.steps)
    return decide(table_input(evidence.facts, replace(new, schedule=schedule), evidence))
