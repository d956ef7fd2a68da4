"""From evidence and a request to a plan: the peak, the schedule, the warm-up, and the reasons for each."""

import math

from lrfinder.advice.decision_table import decide
from lrfinder.advice.peak import Peak, peak
from lrfinder.advice.plan import Plan
from lrfinder.advice.request import Request
from lrfinder.advice.snippet import code_for
from lrfinder.advice.table_input import table_input
from lrfinder.evidence.evidence import Evidence
from lrfinder.loop import Facts
from lrfinder.schedules import Schedule

__all__ = ["check_request", "make_plan", "schedule_for"]

FAR_APART = 1.5
"""Decades between the rules' rates from which the plan warns of it."""

NOISY = 1 / 3
"""Noise of the curve over its drop from which the plan warns of it."""


def make_plan(evidence: Evidence, request: Request) -> Plan | None:
    """Turn evidence with status `ok` into a plan; None where the rule that was asked for, or anything, has no answer.

    A schedule or a length that cannot be used raises InputError.
    """
    rule = request.rule
    own = None if rule is None else evidence.suggestions[rule]
    if own is None and (rule is not None or not (any(evidence.suggestions.values()) or evidence.has_trial_peak)):
        return None
    given = table_input(evidence.facts, request, evidence)
    decision, horizon = decide(given), given.horizon
    found = peak(evidence, decision.schedule, horizon, finetune=request.finetune)
    if own is not None:
        found = Peak(own, (min(own, found.interval[0]), max(own, found.interval[1])))
    is_built = horizon.is_known or request.open_ended or not isinstance(request.schedule, str)
    schedule = decision.schedule if is_built else None
    keeps_pace = given.pace is not None and not request.is_particular
    return Plan(
        lr=found.lr,
        interval=found.interval,
        schedule=schedule,
        total_steps=horizon.known_steps,
        warmup=decision.warmup,
        rule=rule,
        reasons=decision.reasons,
        runner_up=decision.runner_up,
        warnings=(*_warnings(evidence, horizon.known_steps), *decision.warnings),
        code=code_for(found.lr, schedule, evidence.facts.optimizers, keeps_pace=keeps_pace),
        outline=None if is_built else decision.schedule,
        steps_per_epoch=horizon.steps_per_epoch,
        estimates=found.estimates,
        factors=found.factors,
    )


def check_request(request: Request, facts: Facts) -> None:
    """Raise InputError for a schedule or a length that no plan can be made for, before anything is measured."""
    decide(table_input(facts, request))


def schedule_for(evidence: Evidence, request: Request) -> Schedule:
    """Return the schedule that a plan for the request will have."""
    return decide(table_input(evidence.facts, request, evidence)).schedule


def _warnings(evidence: Evidence, total_steps: int | None) -> tuple[str, ...]:
    rates = [lr for lr in evidence.suggestions.values() if lr is not None]
    apart = math.log10(max(rates) / min(rates)) if rates and evidence.edge is None else 0.0
    warnings = []
    if apart > FAR_APART:
        warnings.append(f"The rules lie {apart:.1f} decades apart: look at the picture before a long run.")
    if evidence.noise is not None and evidence.noise > NOISY:
        warnings.append("The curve is noisy; a larger batch or more steps would make the peak surer.")
    if total_steps is not None and evidence.cost_steps > total_steps:
        warnings.append(
            f"The search cost {evidence.cost_steps:,} steps, more than the {total_steps:,} of the training itself."
        )
    return tuple(warnings)
