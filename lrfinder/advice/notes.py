"""What a tuning leaves open: what its pilots did not settle, and what a budget did not pay for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lrfinder.advice.plan import Plan, Reason
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.trials import Trials

__all__ = ["Cost", "add_notes"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a tuning could spend, in step-equivalents.

    Args:
        budget: All of it.
        search: The search before the pilots, where the budget allows one in full.
        least_for_pilots: The smallest budget that pays for a pilot.
        least_for_trials: The smallest search that pays for short trials.
    """

    budget: int
    search: int
    least_for_pilots: int
    least_for_trials: int


def add_notes(plan: Plan, evidence: Evidence, cost: Cost) -> Plan:
    """Return the plan of a tuning with what it leaves open among its warnings and reasons."""
    reasons, warnings, pilots = list(plan.reasons), list(plan.warnings), evidence.pilots
    if evidence.has_pilot_peak:
        warnings += _at_an_end(pilots)
        if evidence.is_plateau:
            text = "The sweep cannot be read and a trial left the loss where it was: so the pilots are few and long."
            reasons.append(Reason(text, "moderate"))
    elif pilots:
        warnings.append(_lost(pilots))
    else:
        warnings.append(_too_small(cost))
    return replace(plan, reasons=tuple(reasons), warnings=tuple(warnings))


def _at_an_end(pilots: Sequence[Trials]) -> list[str]:
    """A warning where no pilot has its best trial between others: the best peak may lie beyond."""
    with_best = [trials for trials in pilots if trials.best is not None]
    if any(trials.is_enclosed for trials in with_best):
        return []
    end = " or ".join(sorted({"highest" if trials.best == trials.lrs[-1] else "lowest" for trials in with_best}))
    return [f"The best pilot is the {end} that the budget paid for; a larger one would look beyond."]


def _lost(pilots: Sequence[Trials]) -> str:
    """What pilots show that only raised the loss, or learned nothing."""
    if any(trials.best is not None for trials in pilots):
        return "The pilots only learned what a constant prediction attains, so they count for little."
    text = "No pilot lowered the loss of its evaluation batches, so that the peak is that of `find_lr`"
    finite = [loss for loss in pilots[0].losses if loss is not None]
    if len(finite) > 1 and finite == sorted(finite):
        return (
            f"{text}; the lower the peak the less the loss rose, so it may be too high. Where the loss rises at every "
            "peak the training may have too many epochs for its data."
        )
    return f"{text}."


def _too_small(cost: Cost) -> str:
    """What a budget without pilots came to, and what one with them takes."""
    text = f"The budget of {cost.budget} steps is too small for pilots; they take {cost.least_for_pilots}."
    if cost.budget >= cost.least_for_trials:
        return f"{text} The answer is that of `find_lr`."
    return (
        f"{text} Nor does it pay for short trials, which take {cost.least_for_trials}: the peak is read off the sweep, "
        f"whatever the length of the training. `find_lr` costs {cost.search} and is surer."
    )
