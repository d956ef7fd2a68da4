"""What a tuning leaves open: what its pilots did not settle, and what a larger budget would buy."""

from dataclasses import replace
from functools import partial
from typing import cast

from lrfinder.advice.peak import spread_of
from lrfinder.advice.plan import Plan, Reason
from lrfinder.advice.recommend import EIGHTY_PERCENT
from lrfinder.evidence.trials import Trials
from lrfinder.result import LRResult
from lrfinder.search.budget import SEARCH, Spending, least_for_a_pilot
from lrfinder.search.measure import FEWEST_TO_RACE

__all__ = ["add_notes"]


def add_notes(result: LRResult, spending: Spending) -> LRResult:
    """Return a tuning with what it leaves open among its warnings and reasons.

    Args:
        result: What was found; without a plan it stays as it is.
        spending: What the budget was meant for.
    """
    plan, pilots = result.plan, result.evidence.pilots
    if plan is None:
        return result
    reasons, warnings = list(plan.reasons), list(plan.warnings)
    if any(trials.best is not None for trials in pilots):
        warnings += _at_an_end(pilots)
        if result.evidence.is_plateau:
            text = "The sweep cannot be read and a trial left the loss where it was: so the runs are few and long."
            reasons.append(Reason(text, "moderate"))
        reasons += _twice(result, spending)
    elif pilots:
        warnings.append(_lost(pilots))
    else:
        warnings.append(_too_small(spending))
    return replace(result, plan=replace(plan, reasons=tuple(reasons), warnings=tuple(warnings)))


def _at_an_end(pilots: tuple[Trials, ...]) -> list[str]:
    """Where no pilot has its best run between others: the best may lie beyond."""
    gains = [trials for trials in pilots if trials.best is not None]
    if any(trials.is_enclosed for trials in gains):
        return []
    end = " or ".join(sorted({"highest" if trials.is_open else "lowest" for trials in gains}))
    return [f"The best pilot is the {end} that the budget paid for; a larger one would look beyond."]


def _twice(result: LRResult, spending: Spending) -> list[Reason]:
    """What twice the budget would make of the interval, as long as that is not the whole training."""
    plan, pilots = cast(Plan, result.plan), result.evidence.pilots
    total_steps = cast(int, plan.total_steps)
    if 2 * spending.steps >= total_steps:
        return []
    searched = result.cost_steps - sum(trials.cost for trials in pilots)
    times = (2 * spending.steps - searched) / (spending.steps - searched)
    now = plan.interval[1] / plan.lr
    spread = partial(spread_of, pilots, total_steps)
    then = now * 10 ** (EIGHTY_PERCENT * (spread(times) - spread()))
    text = (
        f"The interval is the peak times or over {now:.2g}; twice the budget, {2 * spending.steps:,} steps, would "
        f"make it about {then:.2g}."
    )
    return [Reason(text, "weak")]


def _lost(pilots: tuple[Trials, ...]) -> str:
    """What pilots say that only lost."""
    text = "No pilot lowered the loss of what judges it, so that the peak is that of `find_lr`"
    finite = [loss for loss in pilots[0].losses if loss is not None]
    if len(finite) > 1 and finite == sorted(finite):
        return (
            f"{text}; the lower theirs the less they lost, so it may be too high. Where runs lose whatever their rate "
            "the training may have too many epochs for its data."
        )
    return f"{text}."


def _too_small(spending: Spending) -> str:
    """What a budget without pilots came to, and what one takes."""
    least, steps = least_for_a_pilot(), spending.steps
    text = f"The budget of {steps} steps is too small to rehearse the training; that takes {least}."
    if steps >= FEWEST_TO_RACE:
        return f"{text} The answer is that of `find_lr`."
    return (
        f"{text} Nor does it pay for trials, which take {FEWEST_TO_RACE}: the peak is read off the sweep, "
        f"whatever the length of the training. `find_lr` costs {SEARCH} and is surer."
    )
