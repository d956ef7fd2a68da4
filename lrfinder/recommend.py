"""From evidence and a horizon to a plan: the peak, the schedule, the warm-up, and the reasons for each."""

import math
import re
import statistics
from dataclasses import dataclass
from typing import Literal

from lrfinder.errors import InputError
from lrfinder.evidence import Evidence
from lrfinder.schedules import CATALOGUE, Custom, Schedule, Shape, Warmup, describe, to_plain

__all__ = ["Grade", "Plan", "Reason", "Wish", "chosen", "peak", "plan"]

Grade = Literal["strong", "moderate", "weak"]

REFERENCE_DENSITY = 12.5
"""Rungs per decade of the sweep at which level rules are compared: 100 steps over eight decades."""

SPREAD = 0.42
"""Standard deviation, in decades, of the best peak about the weighed suggestion: measured on eight small real tasks."""

EIGHTY_PERCENT = 1.28
QUOTED_STEPS = 1_000
WARMUP_SHARE = 0.05
LONGEST_CODE = 92


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a part of the plan is as it is.

    Args:
        text: One sentence.
        grade: How good the evidence for it is.
    """

    text: str
    grade: Grade

    def __str__(self) -> str:
        return f"{self.text} [{self.grade} evidence]"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train with.

    Args:
        lr: Peak LR of the reference group, for `schedule`.
        interval: The range that holds the best peak with a probability of 80 %.
        schedule: Factor of the peak for each optimizer step; None where `total_steps` is not known.
        total_steps: Optimizer steps of the whole training, or None.
        warmup: Optimizer steps of the climb, inside `total_steps`.
        rule: The rule whose own rate `lr` is, or None where everything measured was weighed.
        reasons: Why, each with the grade of its evidence.
        runner_up: The next best schedule and what it is expected to cost.
        warnings: What a person should know before trusting this.
        code: Lines of torch code that use the plan.
    """

    lr: float
    interval: tuple[float, float]
    schedule: Schedule | None
    total_steps: int | None
    warmup: int
    rule: str | None = None
    reasons: tuple[Reason, ...] = ()
    runner_up: str | None = None
    warnings: tuple[str, ...] = ()
    code: str = ""

    @property
    def shape(self) -> Schedule:
        """The schedule, or the shape that is recommended for 1,000 steps where the horizon is not known."""
        return self.schedule or _recommended(QUOTED_STEPS)[0]

    @property
    def schedule_text(self) -> str:
        """The shape as one readable line."""
        return describe(self.shape)

    def lr_at(self, share: float) -> float:
        """LR of the reference group after a share (0 to 1) of the training; at 1, that of the last step."""
        last = (self.total_steps or QUOTED_STEPS) - 1
        return self.lr * self.shape(round(share * last))


def peak(evidence: Evidence, schedule: Schedule, total_steps: int) -> tuple[float, float, float]:
    """Weigh the suggestions into the peak for a schedule.

    The rules that read a level of the curve (`steepest`, `valley`, `minimum`) move with the speed of the sweep, as
    1 / density of the ladder; they are brought to one speed first. The peak is the geometric mean of all that have an
    answer, at most half of where the sweep began to diverge, times the schedule's factor against the line's.

    Args:
        evidence: Must hold a suggestion.
        schedule: What the peak is for.
        total_steps: Horizon in optimizer steps.

    Returns:
        The peak and the 80 % interval about it, LRs of the reference group.
    """
    speed = (evidence.rungs_per_decade or REFERENCE_DENSITY) / REFERENCE_DENSITY
    logs = [
        math.log10(lr * (1.0 if name == "edge" else speed))
        for name, lr in evidence.suggestions.items()
        if lr is not None and name in ("steepest", "valley", "minimum", "edge")
    ]
    center = statistics.fmean(logs)
    if evidence.diverged_at is not None:
        center = min(center, math.log10(evidence.diverged_at / 2))
    factor, factor_spread = _peak_factor(schedule)
    center += math.log10(factor)
    disagreement = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else SPREAD
    reach = EIGHTY_PERCENT * math.hypot(SPREAD, disagreement, factor_spread)
    return 10**center, 10 ** (center - reach), 10 ** (center + reach)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks of a plan.

    Args:
        total_steps: Optimizer steps of the whole training; None leaves the schedule open and speaks in fractions.
        schedule: `recommended`, a name of the catalogue, or a schedule of your own.
        rule: The name of the suggestion that is to be the peak, unscaled; None weighs all.
    """

    total_steps: int | None = None
    schedule: str | Schedule = "recommended"
    rule: str | None = None


def plan(evidence: Evidence, wish: Wish) -> Plan | None:
    """Turn evidence into what to train with.

    Args:
        evidence: With status `ok`.
        wish: What the user asks for.

    Returns:
        The plan; None where the rule that was asked for has no answer, or none has.
    """
    total_steps, rule = wish.total_steps, wish.rule
    own = None if rule is None else evidence.suggestions[rule]
    if own is None and (rule is not None or not any(evidence.suggestions.values())):
        return None
    horizon = total_steps or QUOTED_STEPS
    shape, warmup, reasons = chosen(wish.schedule, horizon)
    lr, low, high = peak(evidence, shape, horizon)
    if own is not None:
        lr, low, high = own, min(own, low), max(own, high)
    known = total_steps is not None or not isinstance(wish.schedule, str)
    return Plan(
        lr=lr,
        interval=(low, high),
        schedule=shape if known else None,
        total_steps=total_steps,
        warmup=warmup,
        rule=rule,
        reasons=reasons,
        runner_up="cosine to zero: the same within a few percent, with the same peak",
        warnings=_warnings(evidence),
        code=_code(lr, shape if known else None),
    )


def chosen(schedule: str | Schedule, total_steps: int) -> tuple[Schedule, int, tuple[Reason, ...]]:
    """The schedule that is meant, its warm-up steps, and why.

    Args:
        schedule: `recommended`, a name of the catalogue, or any function of the step.
        total_steps: Horizon in optimizer steps.

    Returns:
        The schedule, the steps of its warm-up, the reasons.

    Raises:
        InputError: A name that the catalogue does not have, something that is no schedule, or a function of your own
            that gives a factor below zero or none that is finite.
    """
    if schedule == "recommended":
        return _recommended(total_steps)
    if isinstance(schedule, str):
        if schedule not in CATALOGUE:
            known = ", ".join(sorted(CATALOGUE))
            raise InputError(f'`schedule` must be "recommended", one of {known}, or a schedule, got {schedule!r}')
        schedule = CATALOGUE[schedule].build(total_steps, _warmup(total_steps))
    if not callable(schedule):
        raise InputError(
            f"`schedule` must be a name or a function of the step, got {type(schedule).__name__}; "
            'pass "recommended" for the default'
        )
    if not isinstance(schedule, Shape):
        for eighth in range(9):
            Custom(schedule)(eighth * (total_steps - 1) // 8)
    warmup = schedule.steps if isinstance(schedule, Warmup) else 0
    return schedule, warmup, (Reason("You asked for this one.", "strong"),)


def _recommended(total_steps: int) -> tuple[Schedule, int, tuple[Reason, ...]]:
    warmup = _warmup(total_steps)
    reasons = (
        Reason("A decay that ends at zero is worth more than its family, and the straight line has no knob.", "strong"),
        Reason("A short warm-up, inside the horizon, lets the peak be higher.", "moderate"),
    )
    return CATALOGUE["linear"].build(total_steps, warmup), warmup, reasons


def _warmup(total_steps: int) -> int:
    return round(WARMUP_SHARE * total_steps)


def _peak_factor(schedule: Schedule) -> tuple[float, float]:
    """The best peak of this kind of schedule over the line's, and its spread in decades."""
    body = schedule.body if isinstance(schedule, Warmup) else schedule
    return next(((e.peak_factor, e.spread) for e in CATALOGUE.values() if type(body) is e.family), (1.0, SPREAD))


def _warnings(evidence: Evidence) -> tuple[str, ...]:
    rates = [lr for lr in evidence.suggestions.values() if lr is not None]
    apart = math.log10(max(rates) / min(rates))
    warnings = []
    if apart > 1.5:
        warnings.append(f"The rules lie {apart:.1f} decades apart: look at the picture before a long run.")
    if evidence.noise is not None and evidence.noise > 1 / 3:
        warnings.append("The curve is noisy; a larger batch or more steps would make the peak surer.")
    return tuple(warnings)


def _code(lr: float, shape: Schedule | None) -> str:
    """Lines of torch code that use the plan."""
    if shape is None:
        return "found.apply(optimizer)  # scales every group; pass total_steps= to get the schedule too"
    written = f"schedule = {shape!r}"
    if "custom" in str(to_plain(shape)) or len(written) > LONGEST_CODE:
        lines = ["schedule = found.plan.schedule"]
    else:
        names = sorted(set(re.findall(r"\b([A-Z]\w*)\(", written)))
        lines = [f"from lrfinder.schedules import {', '.join(names)}", written]
    return "\n".join(
        [
            "import lrfinder",
            *lines,
            f"scheduler = lrfinder.attach(optimizer, schedule, lr={lr:.3g})",
            "# in the loop: optimizer.step(), then scheduler.step()",
        ]
    )
