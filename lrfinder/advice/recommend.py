"""From evidence and a horizon to a plan: the peak, the schedule, the warm-up, and the reasons for each."""

import math
import re
import statistics

from lrfinder.advice.decision_table import Decision, decide, table_input
from lrfinder.advice.optimizers import own_pace
from lrfinder.advice.peak import TRUST, in_words, linear_peak
from lrfinder.advice.plan import QUOTED_STEPS, Grade, Plan, Reason, Request
from lrfinder.advice.schedule_factor import peak_factor
from lrfinder.evidence.evidence import Evidence, Status
from lrfinder.loop import Facts
from lrfinder.schedules import Schedule, Warmup, describe, to_plain
from lrfinder.schedules.compose import plateau_in

__all__ = [
    "EIGHTY_PERCENT",
    "QUOTED_STEPS",
    "Grade",
    "Plan",
    "Reason",
    "Request",
    "check",
    "chosen",
    "factor_of",
    "peak",
    "plan",
    "schedule_for",
]

REFERENCE_DENSITY = 12.5
"""Rungs per decade of the sweep at which level rules are compared: 100 steps over eight decades."""

SPREAD = 0.42
"""Standard deviation, in decades, of the best peak about the weighed suggestion: measured on eight small real tasks."""

EIGHTY_PERCENT = 1.28
FINE_TUNED = 1 / 3
LONGEST_CODE = 92


def peak(
    evidence: Evidence,
    schedule: Schedule,
    total_steps: int,
    *,
    finetune: bool = False,
    steps_per_epoch: int | None = None,
) -> tuple[float, float, float]:
    """Weigh what was measured into the peak for a schedule.

    Where trials have an edge it decides: times a constant, the mean share of its final speed that momentum has
    reached within such a run, (N / 1000)**0.7 for N samples from 100 to 1,000, E**-0.4 for E epochs where they are
    more than one, (T / 1000)**-0.2, and the schedule's factor against the line's; for Adagrad, which shrinks its own
    steps, 3 (T / 1000)**0.3. What is not known of the data counts for nothing; `benchmarks/constants.py` and
    `benchmarks/further.py` tell what fits. Unless for fine-tuning it is then drawn up to two
    fifths of the way to `usual_lr`, the less the further that is. Otherwise the rules decide.

    The rules that read a level of the curve (`steepest`, `valley`, `minimum`) move with the speed of the sweep, as
    1 / density of the ladder; they are brought to one speed first. The peak is the geometric mean of all that have an
    answer, at most half of where the sweep began to diverge, times the schedule's factor against the line's, and again
    at most that half. For fine-tuning it is a third, and the interval reaches down by as much more; but not where
    pilots, which are judged on batches that they were not trained on, have a say.

    Args:
        evidence: Must hold a suggestion or an edge.
        schedule: What the peak is for.
        total_steps: Horizon in optimizer steps.
        finetune: Whether the model is pretrained and should keep what it knows.
        steps_per_epoch: Optimizer steps of an epoch; None takes the measured loader's.

    Returns:
        The peak and the 80 % interval about it, LRs of the reference group.
    """
    factor, factor_spread = factor_of(evidence.facts, schedule, total_steps)
    line = linear_peak(evidence, total_steps, steps_per_epoch=steps_per_epoch, finetune=finetune)
    if line is not None:
        center, spread = line[0] + math.log10(factor), line[1]
    else:
        center, spread = _weighed(evidence)
        center = _held(evidence, _held(evidence, center) + math.log10(factor))
    if any(math.isclose(trials.factor, factor) for trials in evidence.pilots):
        factor_spread *= 1 - TRUST
    reach = EIGHTY_PERCENT * math.hypot(spread, factor_spread)
    lr, low, high = 10**center, 10 ** (center - reach), 10 ** (center + reach)
    third = finetune and not evidence.has_pilot_peak
    return (lr * FINE_TUNED, low * FINE_TUNED, high) if third else (lr, low, high)


def _weighed(evidence: Evidence) -> tuple[float, float]:
    """Log10 of the geometric mean of all rules that have an answer, and its spread."""
    speed = (evidence.rungs_per_decade or REFERENCE_DENSITY) / REFERENCE_DENSITY
    logs = [
        math.log10(lr * (1.0 if name == "divergence" else speed))
        for name, lr in evidence.suggestions.items()
        if lr is not None and name in ("steepest", "valley", "minimum", "divergence")
    ]
    disagreement = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else SPREAD
    return statistics.fmean(logs), math.hypot(SPREAD, disagreement)


def _held(evidence: Evidence, center: float) -> float:
    """A rate's log10, held to half of where the sweep diverged."""
    return center if evidence.diverged_at is None else min(center, math.log10(evidence.diverged_at / 2))


def factor_of(facts: Facts, schedule: Schedule, total_steps: int) -> tuple[float, float]:
    """The schedule's best peak over the line's and its spread; averaging in the optimizer stands for the line."""
    return (1.0, SPREAD) if own_pace(facts) else peak_factor(schedule, total_steps)


def plan(evidence: Evidence, request: Request, called: str = "found.plan") -> Plan | None:
    """Turn evidence into what to train with.

    Args:
        evidence: With status `ok`.
        request: What the user asks for.
        called: The name under which the lines of code find the plan.

    Returns:
        The plan; None where the rule that was asked for has no answer, or none has.

    Raises:
        InputError: A schedule or a length that cannot be used.
    """
    rule = request.rule
    own = None if rule is None else evidence.suggestions[rule]
    if own is None and (rule is not None or not (any(evidence.suggestions.values()) or evidence.has_trial_peak)):
        return None
    case = table_input(evidence, request)
    choice = decide(case)
    lr, low, high = peak(
        evidence, choice.schedule, case.steps, finetune=request.finetune, steps_per_epoch=request.steps_per_epoch
    )
    if own is not None:
        lr, low, high = own, min(own, low), max(own, high)
    total_steps = request.horizon(evidence.facts)
    known = total_steps is not None or request.open_ended or not isinstance(request.schedule, str)
    schedule = choice.schedule if known else None
    return Plan(
        lr=lr,
        interval=(low, high),
        schedule=schedule,
        total_steps=total_steps,
        warmup=choice.warmup,
        rule=rule,
        reasons=(*choice.reasons, *(() if rule else _reasons_of_peak(evidence, request, lr))),
        runner_up=choice.runner_up,
        warnings=(*_warnings(evidence, total_steps), *choice.warnings),
        code=_code(
            lr, schedule, called, evidence.facts.optimizers, paced=case.pace is not None and not request.is_particular
        ),
        outline=None if known else choice.schedule,
        steps_per_epoch=request.steps_per_epoch or evidence.facts.steps_per_epoch,
    )


def check(request: Request, facts: Facts) -> None:
    """Refuse a request that no plan can be made of, before anything is measured.

    Args:
        request: What the user asks for.
        facts: What is known of the training before its first step.

    Raises:
        InputError: A schedule or a length that cannot be used.
    """
    schedule_for(Evidence(None, {}, Status.OK, facts=facts), request)


def schedule_for(evidence: Evidence, request: Request) -> Schedule:
    """Return the schedule that a plan for the request will have."""
    return decide(table_input(evidence, request)).schedule


def chosen(schedule: str | Schedule, total_steps: int) -> tuple[Schedule, int, tuple[Reason, ...]]:
    """The schedule that is meant where nothing is known of the optimizer, its warm-up steps, and why.

    Args:
        schedule: `recommended`, a name of the catalogue, or any function of the step.
        total_steps: Horizon in optimizer steps.

    Returns:
        The schedule, the steps of its warm-up, the reasons.

    Raises:
        InputError: A name that the catalogue does not have, something that is no schedule, or a function of your own
            that gives a factor below zero or none that is finite.
    """
    choice: Decision = decide(table_input(Evidence(None, {}, Status.OK), Request(total_steps, schedule)))
    return choice.schedule, choice.warmup, choice.reasons


def _reasons_of_peak(evidence: Evidence, request: Request, lr: float) -> tuple[Reason, ...]:
    reasons = []
    third = request.finetune and not evidence.has_pilot_peak
    scratch = lr / FINE_TUNED if third else lr
    if evidence.has_trial_peak:
        reasons += [Reason(words, "moderate") for words in in_words(evidence, request)]
    elif evidence.diverged_at is not None and math.isclose(scratch, evidence.diverged_at / 2):
        reasons.append(Reason("The peak is held at half of where the sweep diverged.", "moderate"))
    else:
        text = (
            "Without trials the peak for a line to zero is the geometric mean of what the rules say, brought "
            "to one speed of the sweep."
        )
        reasons.append(Reason(text, "weak"))
    if third:
        text = "For fine-tuning the peak is a third of what was measured, which does not see what is forgotten."
        reasons.append(Reason(text, "weak"))
    return tuple(reasons)


def _warnings(evidence: Evidence, total_steps: int | None) -> tuple[str, ...]:
    rates = [lr for lr in evidence.suggestions.values() if lr is not None]
    apart = math.log10(max(rates) / min(rates)) if rates and evidence.edge is None else 0.0
    warnings = []
    if apart > 1.5:
        warnings.append(f"The rules lie {apart:.1f} decades apart: look at the picture before a long run.")
    if evidence.noise is not None and evidence.noise > 1 / 3:
        warnings.append("The curve is noisy; a larger batch or more steps would make the peak surer.")
    if total_steps is not None and evidence.cost_steps > total_steps:
        warnings.append(
            f"The search cost {evidence.cost_steps:,} steps, more than the training itself, of {total_steps:,}."
        )
    return tuple(warnings)


def _code(lr: float, schedule: Schedule | None, called: str, optimizers: int, *, paced: bool) -> str:
    """Lines of torch code that use the plan."""
    if optimizers > 1:
        lines = ["found.apply(optimizers)  # the list that was swept: all groups of all, by one ratio"]
        if schedule is not None and not paced:
            lines = ["import lrfinder", *_schedule_lines(schedule, called), *lines]
            lines += [
                "schedulers = [lrfinder.attach(o, schedule) for o in optimizers]  # step each after its optimizer"
            ]
        return "\n".join(lines)
    if schedule is None or paced:
        note = "no scheduler: it sets its own pace" if paced else "pass total_steps= to get the schedule too"
        if called == "found.plan":
            return f"found.apply(optimizer)  # scales every group; {note}"
        imports = "import lrfinder\nfrom lrfinder.schedules import Constant"
        return f"{imports}\nlrfinder.attach(optimizer, Constant(), lr={lr:.3g})  # {note}"
    lines = ["import lrfinder", *_schedule_lines(schedule, called)]
    lines += [
        f"scheduler = lrfinder.attach(optimizer, schedule, lr={lr:.3g})",
        "# in the loop: optimizer.step(), then scheduler.step()",
    ]
    if plateau_in(schedule) is not None:
        lines.append("# after each validation: scheduler.step(metric)")
    if "begun" in describe(schedule):
        lines.append("# once, when the end is near: scheduler.begin_cooldown(steps), a fifth of those made by then")
    return "\n".join(lines)


def _schedule_lines(schedule: Schedule, called: str) -> list[str]:
    """The schedule as code, or where that is impossible or long, where to find it."""
    lines = [f"schedule = {schedule!r}"]
    if isinstance(schedule, Warmup) and len(lines[0]) > LONGEST_CODE:
        lines = ["schedule = Warmup(", f"    body={schedule.body!r},", f"    steps={schedule.steps},", ")"]
    if "custom" in str(to_plain(schedule)) or max(map(len, lines)) > LONGEST_CODE:
        return [f"schedule = {called}.schedule"]
    names = sorted(set(re.findall(r"\b([A-Z]\w*)\(", "".join(lines))))
    return [f"from lrfinder.schedules import {', '.join(names)}", *lines]
