"""From evidence and a horizon to a plan: the peak, the schedule, the warm-up, and the reasons for each."""

import math
import re
import statistics

from lrfinder.choice import Choice, case_of, choose
from lrfinder.evidence import Evidence, Status
from lrfinder.loop import Facts
from lrfinder.optimizers import own_pace, usual_lr
from lrfinder.plan import QUOTED_STEPS, Grade, Plan, Reason, Wish
from lrfinder.schedules import Schedule, Warmup, describe, to_plain
from lrfinder.schedules.compose import plateau_in
from lrfinder.schedules.prior import peak_factor

__all__ = ["QUOTED_STEPS", "Grade", "Plan", "Reason", "Wish", "check", "chosen", "peak", "plan", "ramp"]

REFERENCE_DENSITY = 12.5
"""Rungs per decade of the sweep at which level rules are compared: 100 steps over eight decades."""

SPREAD = 0.42
"""Standard deviation, in decades, of the best peak about the weighed suggestion: measured on eight small real tasks."""

EDGE_TO_PEAK = 0.32
FEW, PLENTY = 100, 1_000
SAMPLES_EXPONENT, EPOCHS_EXPONENT, STEPS_EXPONENT = 0.7, 0.4, 0.2
SPREAD_OF_RACE = 0.41
"""Chosen on the tasks of benchmarks/tasks.py by what benchmarks/constants.py shows, rounded."""

PULL, FAR = 0.4, 2.0
"""Of the way to what is usual for the optimizer where that is near; half of it these decades away, further ever less."""

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

    Where miniature runs have an edge it decides: times a constant, the mean share of its final speed that momentum has
    reached within such a run, (N / 1000)**0.7 for N samples from 100 to 1,000, E**-0.4 for E epochs where they are
    more than one, (T / 1000)**-0.2, and the schedule's factor against the line's. What is not known of the data counts
    for nothing; `benchmarks/constants.py` tells what fits. Unless for fine-tuning it is then drawn up to two
    fifths of the way to `usual_lr`, the less the further that is. Otherwise the rules decide.

    The rules that read a level of the curve (`steepest`, `valley`, `minimum`) move with the speed of the sweep, as
    1 / density of the ladder; they are brought to one speed first. The peak is the geometric mean of all that have an
    answer, at most half of where the sweep began to diverge, times the schedule's factor against the line's, and again
    at most that half. For fine-tuning it is a third, and the interval reaches down by as much more.

    Args:
        evidence: Must hold a suggestion or an edge.
        schedule: What the peak is for.
        total_steps: Horizon in optimizer steps.
        finetune: Whether the model is pretrained and should keep what it knows.
        steps_per_epoch: Optimizer steps of an epoch; None takes the measured loader's.

    Returns:
        The peak and the 80 % interval about it, LRs of the reference group.
    """
    factor, factor_spread = _factor(evidence, schedule, total_steps)
    if evidence.edge is not None:
        shares = _shares(evidence, total_steps, steps_per_epoch, finetune=finetune)
        center, spread = math.log10(evidence.edge * factor * math.prod(shares.values())), SPREAD_OF_RACE
    else:
        center, spread = _weighed(evidence)
        center = _held(evidence, _held(evidence, center) + math.log10(factor))
    reach = EIGHTY_PERCENT * math.hypot(spread, factor_spread)
    lr, low, high = 10**center, 10 ** (center - reach), 10 ** (center + reach)
    return (lr * FINE_TUNED, low * FINE_TUNED, high) if finetune else (lr, low, high)


def _shares(
    evidence: Evidence, total_steps: int, steps_per_epoch: int | None, *, finetune: bool = False
) -> dict[str, float]:
    """What the edge is multiplied by, and what for; what is not known of the data counts for nothing."""
    facts = evidence.facts
    per_epoch = steps_per_epoch or facts.steps_per_epoch or 0
    epochs = max(1.0, total_steps / per_epoch) if per_epoch else 1.0
    samples = max(FEW, per_epoch * (facts.batch_size or 0) * facts.ranks or PLENTY)
    shares = {
        "as fitted on real trainings": EDGE_TO_PEAK,
        "for momentum, which a short run hardly builds up": ramp(facts, evidence.races[0].steps),
        f"for {samples:,} samples": min(1.0, samples / PLENTY) ** SAMPLES_EXPONENT,
        f"for {epochs:.3g} epochs": epochs**-EPOCHS_EXPONENT,
        f"for {total_steps:,} steps": (total_steps / QUOTED_STEPS) ** -STEPS_EXPONENT,
    }
    lr = (evidence.edge or 0.0) * math.prod(shares.values())
    return shares if finetune else {**shares, f"towards what is usual for {facts.optimizer}": _pull(evidence, lr)}


def _pull(evidence: Evidence, lr: float) -> float:
    """What a rate is multiplied by to bring it towards the usual one."""
    usual = usual_lr(evidence.facts, statistics.fmean(arms.start for arms in evidence.races))
    if usual is None or not lr:
        return 1.0
    away = math.log10(usual / lr)
    return float(10 ** (PULL * away / (1 + (away / FAR) ** 2)))


def _in_words(evidence: Evidence, wish: Wish) -> str:
    """How the edge of the miniature runs became the peak."""
    horizon = wish.horizon(evidence.facts) or QUOTED_STEPS
    shares = _shares(evidence, horizon, wish.steps_per_epoch, finetune=wish.finetune)
    said = ", ".join(f"{share:.2g} {why}" for why, share in shares.items() if f"{share:.2g}" != "1")
    edge = evidence.edge or 0.0
    return (
        f"The peak for a line to zero, {edge * math.prod(shares.values()):.1e}, "
        f"is the edge of the miniature runs, {edge:.1e}, times {said}."
    )


def ramp(facts: Facts, steps: int) -> float:
    """The mean share of its final speed that plain momentum has reached in a run; Adam corrects for it.

    Args:
        facts: Of the training.
        steps: Optimizer steps of the run.

    Returns:
        1 without momentum; else the mean over the steps t of 1 - beta**t.
    """
    beta, second = facts.betas
    return 1.0 if second or not beta else 1 - (1 - beta**steps) / (steps * (1 - beta))


def _weighed(evidence: Evidence) -> tuple[float, float]:
    """Log10 of the geometric mean of all rules that have an answer, and its spread."""
    speed = (evidence.rungs_per_decade or REFERENCE_DENSITY) / REFERENCE_DENSITY
    logs = [
        math.log10(lr * (1.0 if name == "edge" else speed))
        for name, lr in evidence.suggestions.items()
        if lr is not None and name in ("steepest", "valley", "minimum", "edge")
    ]
    disagreement = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else SPREAD
    return statistics.fmean(logs), math.hypot(SPREAD, disagreement)


def _held(evidence: Evidence, center: float) -> float:
    """A rate's log10, held to half of where the sweep diverged."""
    return center if evidence.diverged_at is None else min(center, math.log10(evidence.diverged_at / 2))


def _factor(evidence: Evidence, schedule: Schedule, total_steps: int) -> tuple[float, float]:
    """The schedule's best peak over the line's and its spread; averaging in the optimizer stands for the line."""
    return (1.0, SPREAD) if own_pace(evidence.facts) else peak_factor(schedule, total_steps)


def plan(evidence: Evidence, wish: Wish, called: str = "found.plan") -> Plan | None:
    """Turn evidence into what to train with.

    Args:
        evidence: With status `ok`.
        wish: What the user asks for.
        called: The name under which the lines of code find the plan.

    Returns:
        The plan; None where the rule that was asked for has no answer, or none has.

    Raises:
        InputError: A schedule or a length that cannot be used.
    """
    rule = wish.rule
    own = None if rule is None else evidence.suggestions[rule]
    if own is None and (rule is not None or not (any(evidence.suggestions.values()) or evidence.edge)):
        return None
    case = case_of(evidence, wish)
    choice = choose(case)
    lr, low, high = peak(
        evidence, choice.schedule, case.steps, finetune=wish.finetune, steps_per_epoch=wish.steps_per_epoch
    )
    if own is not None:
        lr, low, high = own, min(own, low), max(own, high)
    total_steps = wish.horizon(evidence.facts)
    known = total_steps is not None or wish.open_ended or not isinstance(wish.schedule, str)
    schedule = choice.schedule if known else None
    return Plan(
        lr=lr,
        interval=(low, high),
        schedule=schedule,
        total_steps=total_steps,
        warmup=choice.warmup,
        rule=rule,
        reasons=(*choice.reasons, *(() if rule else _reasons_of_peak(evidence, wish, lr))),
        runner_up=choice.runner_up,
        warnings=(*_warnings(evidence), *choice.warnings),
        code=_code(
            lr, schedule, called, evidence.facts.optimizers, paced=case.pace is not None and not wish.is_particular
        ),
        outline=None if known else choice.schedule,
        steps_per_epoch=wish.steps_per_epoch or evidence.facts.steps_per_epoch,
    )


def check(wish: Wish, facts: Facts) -> None:
    """Refuse a wish that no plan can be made of, before anything is measured.

    Args:
        wish: What the user asks for.
        facts: What is known of the training before its first step.

    Raises:
        InputError: A schedule or a length that cannot be used.
    """
    choose(case_of(Evidence(None, {}, Status.OK, facts=facts), wish))


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
    choice: Choice = choose(case_of(Evidence(None, {}, Status.OK), Wish(total_steps, schedule)))
    return choice.schedule, choice.warmup, choice.reasons


def _reasons_of_peak(evidence: Evidence, wish: Wish, lr: float) -> tuple[Reason, ...]:
    reasons = []
    scratch = lr / FINE_TUNED if wish.finetune else lr
    if evidence.edge is not None:
        reasons.append(Reason(_in_words(evidence, wish), "moderate"))
    elif evidence.diverged_at is not None and math.isclose(scratch, evidence.diverged_at / 2):
        reasons.append(Reason("The peak is held at half of where the sweep diverged.", "moderate"))
    if wish.finetune:
        text = "For fine-tuning the peak is a third of what was measured, which does not see what is forgotten."
        reasons.append(Reason(text, "weak"))
    return tuple(reasons)


def _warnings(evidence: Evidence) -> tuple[str, ...]:
    rates = [lr for lr in evidence.suggestions.values() if lr is not None]
    apart = math.log10(max(rates) / min(rates)) if rates and evidence.edge is None else 0.0
    warnings = []
    if apart > 1.5:
        warnings.append(f"The rules lie {apart:.1f} decades apart: look at the picture before a long run.")
    if evidence.noise is not None and evidence.noise > 1 / 3:
        warnings.append("The curve is noisy; a larger batch or more steps would make the peak surer.")
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
