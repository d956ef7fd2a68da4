"""Sentences that the report, the whole explanation and the page share: sources, factors, costs."""

from collections.abc import Sequence

from lrfinder.advice.plan import Estimate, Factor, FactorName, Grade, Plan, Reason
from lrfinder.display.layout import one_line, wrap
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.trials import Trials

__all__ = ["FACTORS", "best_trial", "cost_in_words", "factor_in_words", "not_finite", "percent", "reasons_of_peak"]

FACTORS: dict[FactorName, str] = {
    "fitted": "as fitted on other trainings",
    "momentum": "for momentum, which a short trial hardly builds up",
    "steps": "for {wanted} steps",
    "own_decay": "for the steps that {optimizer} shrinks itself",
    "divergence": "to stay below where the sweep diverged",
    "caution": "since too high a peak costs more than too low",
    "schedule": "for the schedule",
    "finetune": "for fine-tuning",
    "groups": "for the ratio between groups",
    "batch": "for another batch",
    "samples": "for another length",
    "parameters": "for another size of the model",
}
"""What each factor is for."""


def reasons_of_peak(evidence: Evidence, plan: Plan) -> list[Reason]:
    """Return how the peak was computed: a sentence for each estimate, and for what corrects the middle of all."""
    reasons = [Reason(*_estimate_in_words(evidence, plan, estimate)) for estimate in plan.estimates]
    corrections = {factor.name: factor.value for factor in plan.factors_of("peak")}
    if len(plan.estimates) > 1 and f"{corrections.get('caution', 1):.2g}" != "1":
        caution = corrections["caution"]
        words = f"The suggestion is {caution:.2g} of the middle of these, since too high costs more than too low"
        shape = corrections.get("schedule", 1.0)
        words += "." if f"{shape:.2g}" == "1" else f", times {shape:.2g} for the schedule."
        reasons.append(Reason(words, "moderate"))
    if "finetune" in corrections:
        lower = corrections["finetune"]
        words = f"For fine-tuning the peak is {lower:.2g} of what was measured, which does not see what is forgotten."
        reasons.append(Reason(words, "weak"))
    return reasons


def _estimate_in_words(evidence: Evidence, plan: Plan, estimate: Estimate) -> tuple[str, Grade]:
    """What one source says of the peak for linear decay, and how good that is as evidence."""
    lr, optimizer = plan.peak_of(estimate), one_line(evidence.facts.optimizer)
    about = f"{lr:.1e}, give or take a factor of {10**estimate.deviation:.2g}"
    if estimate.source == "usual":
        return f"Usual for {optimizer} with weights of this size: {about}.", "weak"
    shown = [factor for factor in plan.factors_of(estimate.source) if f"{factor.value:.2g}" != "1"]
    product = ", ".join(factor_in_words(factor, optimizer) for factor in shown) or "1"
    if estimate.source == "rules":
        words = "the geometric mean of what they read, brought to one speed of the sweep"
        return f"The rules say {about}: {words}, times {product}.", "weak"
    if estimate.source == "edge":
        return f"The trials say {about}: their edge, {estimate.measured:.1e}, times {product}.", "moderate"
    best = "their best" if all(one.factor == 1 for one in evidence.pilots) else "their best, as for linear decay"
    return f"The pilots say {about}: {best}, {estimate.measured:.1e}, times {product}.", "moderate"


def factor_in_words(factor: Factor, optimizer: str) -> str:
    """Return the value of a factor and what it is for; `optimizer` is what the training's is called."""
    wanted = "" if factor.wanted_at is None else _count(factor.wanted_at)
    words = FACTORS[factor.name].format(wanted=wanted, optimizer=optimizer)
    if factor.measured_at is not None:
        words += f" instead of {_count(factor.measured_at)}"
    return f"{factor.value:.2g} {words}"


def _count(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 or quantity == int(quantity) else f"{quantity:.3g}"


def cost_in_words(evidence: Evidence, plan: Plan | None) -> str:
    """Return what all of the search cost, validation batches and trials included; empty where nothing was spent."""
    if not evidence.cost_steps:
        return ""
    total = None if plan is None else plan.total_steps
    part = "" if total is None else f", {percent(evidence.cost_steps / total)} of the training"
    return f"cost {evidence.cost_steps:,} steps{part}"


def percent(part: float) -> str:
    """Return a part of something in percent.

    >>> percent(0.159), percent(0.0421)
    ('16 %', '4.2 %')
    """
    return f"{100 * part:.0f} %" if part >= 0.1 else f"{100 * part:.2g} %"


def best_trial(records: Sequence[Trials]) -> tuple[float, float, Trials] | None:
    """Return the lowest loss that trials ended with, its peak and its record; None where all of them exploded."""
    ended = [
        (loss, lr, one) for one in records for lr, loss in zip(one.lrs, one.losses, strict=True) if loss is not None
    ]
    return min(ended, key=lambda end: end[:2], default=None)


def not_finite(evidence: Evidence) -> list[str]:
    """Return which batches had no finite loss before any step, in lines; none where all had one."""
    if not evidence.not_finite:
        return []
    places = ", ".join(map(str, evidence.not_finite[:8])) + (", ..." if len(evidence.not_finite) > 8 else "")
    words = f"the loss of {len(evidence.not_finite)} of {evidence.looked_at} batches before any step"
    return wrap("not finite", f"{words}, in the order of the search: {places}")
