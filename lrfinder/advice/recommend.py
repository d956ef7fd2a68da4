"""From evidence and a request to a plan: the peak, the schedule, the warm-up, and the reasons for each."""

import math

from lrfinder.advice.decision_table import decide
from lrfinder.advice.peak import Peak, peak
from lrfinder.advice.plan import Plan, Reason
from lrfinder.advice.request import Request
from lrfinder.advice.snippet import code_for
from lrfinder.advice.table_input import table_input
from lrfinder.evidence.evidence import Evidence
from lrfinder.loop import Facts
from lrfinder.schedules import Schedule

__all__ = ["OF_DECAY", "check_request", "make_plan", "schedule_for", "starts_low", "warnings_of"]

FAR_APART = 1.5
"""Decades between the rules' rates from which the plan warns of it."""

OF_DECAY = "Weights shrink by rate times weight decay at each step."
"""What the reason begins with that speaks of weight decay."""

FAR_FROM_OWN = 3.0
"""How many times the optimizer's own rate, or a part of it, the peak is before the plan speaks of weight decay."""

MANY_EPOCHS = 20
"""Epochs from which the plan says what to do about over-fitting."""

NOISY = 1 / 3
"""Noise of the curve over its drop from which the plan warns of it."""


def make_plan(evidence: Evidence, request: Request) -> Plan | None:
    """Turn evidence with status `ok` into a plan; None where the rule that was asked for, or anything, has no answer.

    Nothing suggested lies outside the rates that were asked for; where the best peak probably does, there is no plan.

    Raises:
        InputError: A schedule or a length that cannot be used.
    """
    rule = request.rule
    own = None if rule is None else evidence.suggestions[rule]
    if own is None and (rule is not None or not (any(evidence.suggestions.values()) or evidence.has_trial_peak)):
        return None
    given = table_input(evidence.facts, request, evidence)
    decision, horizon = decide(given), given.horizon
    bounds = evidence.lr_range if own is None else None
    found = peak(evidence, decision.schedule, horizon, finetune=request.finetune, within=bounds)
    if found is None:
        return None
    if own is not None:
        found = Peak(own, (min(own, found.interval[0]), max(own, found.interval[1])))
    found = found.scaled(evidence.reference_factor)
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
        reasons=(*decision.reasons, *_over_fitting(evidence, horizon.epochs), *_decay(evidence.facts, found.lr)),
        runner_up=decision.runner_up,
        warnings=(*warnings_of(evidence, horizon.known_steps), *decision.warnings),
        code=code_for(
            found.lr, schedule, evidence.facts.optimizers, keeps_pace=keeps_pace, is_tuned=evidence.has_tuned_ratios
        ),
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


def _over_fitting(evidence: Evidence, epochs: float) -> tuple[Reason, ...]:
    """What to do where the validation loss turns up, for a training of many epochs."""
    advice = "where the validation loss turns up take the lower end of the interval, fewer epochs, or stop early."
    if any(pilot.over_fits for pilot in evidence.pilots):
        words = "The pilots over-fit, which nothing else sees, so all other sources are less sure than they would be"
        return (Reason(f"{words}: {advice}", "moderate"),)
    return (Reason(f"Short trials see nothing of over-fitting: {advice}", "weak"),) if epochs >= MANY_EPOCHS else ()


def _decay(facts: Facts, lr: float) -> tuple[Reason, ...]:
    """The weight decay that keeps its product with the rate, where the peak is far from the optimizer's own rate."""
    base, decay = facts.bases[facts.reference], facts.weight_decay
    if not decay or 1 / FAR_FROM_OWN <= lr / base <= FAR_FROM_OWN:
        return ()
    text = (
        f"{OF_DECAY} With {decay * base / lr:.2g} instead of {decay:.2g} "
        f"they shrink as at the optimizer's own rate of {base:.1e} (`apply(..., keep_decay=True)` sets it). The search "
        "did not try that; in a short training either hardly matters."
    )
    return (Reason(text, "moderate"),)


def starts_low(facts: Facts, request: Request) -> bool:
    """Whether the schedule begins at no more than half of its peak, so that an offset is learned before that."""
    return decide(table_input(facts, request)).schedule(0) <= 1 / 2


def warnings_of(evidence: Evidence, total_steps: int | None) -> tuple[str, ...]:
    """Return what a person should know of what was measured before trusting a plan of so many steps."""
    rates = [lr for lr in evidence.suggestions.values() if lr is not None]
    apart = math.log10(max(rates) / min(rates)) if rates and evidence.edge is None else 0.0
    warnings = []
    if apart > FAR_APART:
        warnings.append(f"The rules lie {apart:.1f} decades apart: look at the picture before a long run.")
    trials = (*evidence.edge_trials, *evidence.pilots)
    if trials and all(one.is_blind for one in trials):
        warnings.append(
            "No trial learned anything from its inputs, only what a constant prediction attains. So they say little of "
            "the peak: where the training stays there, try the lower end of the interval."
        )
    if evidence.not_finite:
        warnings.append(
            f"{len(evidence.not_finite)} of {evidence.looked_at} batches have a loss that is not finite before any "
            "step: look for NaN or infinity in them. Trials that met one ended with it, whatever their peak."
        )
    if evidence.facts.offset:
        warnings.append(
            f"The targets lie far from zero: their mean is {evidence.facts.offset:.0f} times their deviation. The "
            "losses and the peak are for targets without it. With the targets as they are, an optimizer like Adam, "
            "whose steps have one size, may need a far higher peak to get there. Better subtract the mean from the "
            "targets, divide them by their deviation, and search anew."
        )
    if evidence.noise is not None and evidence.noise > NOISY:
        warnings.append("The curve is noisy; a larger batch or more steps would make the peak surer.")
    if total_steps is not None and evidence.cost_steps > total_steps:
        warnings.append(
            f"The search cost {evidence.cost_steps:,} steps, more than the {total_steps:,} of the training itself."
        )
    return tuple(warnings)
