"""Which schedule and how long a warm-up: a decision table, read from the top until a row applies."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from lrfinder.advice.optimizers import Kind, kind_of, own_pace
from lrfinder.advice.plan import QUOTED_STEPS, Grade, Reason, Request
from lrfinder.advice.schedule_factor import peak_factor
from lrfinder.errors import InputError
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import UNDER_MINIMUM
from lrfinder.schedules import (
    CATALOGUE,
    Constant,
    Cosine,
    Custom,
    Exponential,
    InverseSqrt,
    Linear,
    OneCycle,
    Schedule,
    Shape,
    StableDecay,
    Warmup,
    describe,
)
from lrfinder.schedules.base import format_steps, span_of
from lrfinder.schedules.bound import predicted, sampled
from lrfinder.schedules.compose import plateau_in

__all__ = ["Decision", "TableInput", "decide", "table_input"]

FEWEST_FOR_A_DECAY = 5
FEWEST_FOR_A_SHAPE = 50
NEAR_DIVERGENCE = 0.3
FACTORS = (0.1, 10.0)
"""What the highest factor of a function may be: beyond it somebody has passed rates instead of factors."""


@dataclass(frozen=True, slots=True)
class TableInput:
    """What the table looks at.

    Args:
        steps: Optimizer steps of the training, or those of a quoted one.
        request: What the user asks for.
        kind: What kind of optimizer it is.
        beta2: Decay of Adam's second average, 0 without one.
        near: LR of the lowest loss over that of the divergence; None where either is unknown.
        pace: What the optimizer does instead of following a schedule, or None.
    """

    steps: int
    request: Request
    kind: Kind = "other"
    beta2: float = 0.0
    near: float | None = None
    pace: str | None = None

    @property
    def is_near_divergence(self) -> bool:
        """Whether plain or momentum SGD does best close to where it diverges."""
        return self.kind == "sgd" and self.near is not None and self.near > NEAR_DIVERGENCE


@dataclass(frozen=True, slots=True)
class Decision:
    """A row's answer.

    Args:
        schedule: What to train along.
        warmup: Optimizer steps of its climb.
        reasons: Why.
        runner_up: The next best and what it is expected to cost, or None.
        warnings: What a person should know.
    """

    schedule: Schedule
    warmup: int
    reasons: tuple[Reason, ...]
    runner_up: str | None = None
    warnings: tuple[str, ...] = ()


Applies: TypeAlias = Callable[[TableInput], bool]
Body: TypeAlias = Callable[[int], Shape]


def table_input(evidence: Evidence, request: Request) -> TableInput:
    """Return what the table needs to know of a measurement and a request."""
    facts, lowest, diverged_at = evidence.facts, evidence.suggestions.get("minimum"), evidence.diverged_at
    return TableInput(
        steps=request.horizon(facts) or QUOTED_STEPS,
        request=request,
        kind=kind_of(facts),
        beta2=facts.betas[1],
        near=None if lowest is None or diverged_at is None else lowest * UNDER_MINIMUM / diverged_at,
        pace=own_pace(facts),
    )


def decide(case: TableInput) -> Decision:
    """Return the answer of the first row that applies.

    Raises:
        InputError: The schedule that was asked for is none.
    """
    return next(answer(case) for applies, answer in _TABLE if applies(case))


def _asked(case: TableInput) -> Decision:
    schedule, notes = _as_asked(case), []
    warmup = schedule.steps if isinstance(schedule, Warmup) else 0
    if case.pace is not None:
        notes.append(f"The optimizer sets its own pace. {case.pace}")
    if case.request.early_stopping:
        notes.append(_CUT_SHORT)
    ends, known = span_of(schedule), case.request.total_steps or case.request.epochs
    if known and ends is not None and ends != case.steps:
        notes.append(f"The schedule ends at step {ends:,}, the training at {case.steps:,}.")
    factor, _ = peak_factor(schedule, case.steps)
    reason = Reason(f"You asked for this one; its best peak is about {factor:.2g} times the line's.", "moderate")
    return Decision(schedule, warmup, (reason,), _beside_the_default(schedule, case), tuple(notes))


def _own_pace(case: TableInput) -> Decision:
    return Decision(
        Constant(), 0, (Reason(f"The optimizer sets its own pace, so no decay is attached. {case.pace}", "moderate"),)
    )


def _open_ended(case: TableInput) -> Decision:
    warmup, why = _climb(case)
    text = (
        "Nobody knows the end: the rate stays at its peak until a cooldown is begun. Give it a fifth of the steps "
        "made by then; the weights from before the cooldown can be trained on."
    )
    steps = 10 * max(QUOTED_STEPS, warmup)
    ended, anytime = StableDecay(steps, shape="sqrt"), InverseSqrt.shifted(max(QUOTED_STEPS, warmup))
    runner_up = _beside(anytime, "an inverse square root, where no cooldown can be begun", ended, steps)
    return Decision(Warmup(StableDecay(None, shape="sqrt"), warmup), warmup, (Reason(text, "moderate"), why), runner_up)


def _constant(case: TableInput) -> Decision:
    reason = Reason(f"With {format_steps(case.steps)} there is nothing to shape.", "weak")
    return Decision(Constant(), 0, (reason,))


def _short(case: TableInput) -> Decision:
    text = "So few steps are no place for shape games: a peak below the line's for half of them, then down to zero."
    return _decay(case, lambda steps: StableDecay(steps, cooldown=0.5), Reason(text, "weak"), "a line to zero", Linear)


def _cut_short(case: TableInput) -> Decision:
    text = (
        "Wherever early stopping cuts it, an exponential decay to a fiftieth has decayed most of the way; a line "
        "that is cut has not."
    )
    choice = _decay(
        case, lambda steps: Exponential.to(1 / 50, steps), Reason(text, "moderate"), "a line, if it is not cut", Linear
    )
    return replace(choice, warnings=(_CUT_SHORT,))


def _extendable(case: TableInput) -> Decision:
    text = (
        "The training may go on: a flat rate with a linear cooldown over the last half is as good as the line, and "
        "the weights from before the cooldown can be trained on."
    )
    return _decay(case, lambda steps: StableDecay(steps, cooldown=0.5), Reason(text, "strong"), "a line", Linear)


def _muon(case: TableInput) -> Decision:
    text = "Muon's users keep the rate flat and cool down over the last 50 to 65 % (speed runs of language models)."
    return _decay(case, lambda steps: StableDecay(steps, cooldown=0.6), Reason(text, "moderate"), "a line", Linear)


def _line(case: TableInput) -> Decision:
    text = "A decay that ends at zero is worth more than its family, and the straight line has no knob."
    reason = Reason(text, "strong")
    if case.is_near_divergence:
        return _decay(case, Linear, reason, "one cycle, which climbs for longer", lambda steps: OneCycle(case.steps))
    return _decay(case, Linear, reason, "cosine to zero", Cosine)


_TABLE: tuple[tuple[Applies, Callable[[TableInput], Decision]], ...] = (
    (lambda case: case.request.is_particular and not case.request.open_ended, _asked),
    (lambda case: case.pace is not None, _own_pace),
    (lambda case: case.request.open_ended, _open_ended),
    (lambda case: case.steps < FEWEST_FOR_A_DECAY, _constant),
    (lambda case: case.steps < FEWEST_FOR_A_SHAPE, _short),
    (lambda case: case.request.early_stopping, _cut_short),
    (lambda case: case.request.may_extend, _extendable),
    (lambda case: case.kind == "muon", _muon),
    (lambda case: True, _line),
)

_CUT_SHORT = (
    "Early stopping may end the training before the decay has done its work; where the length is certain, switch it "
    "off and take the line."
)


def _decay(case: TableInput, body: Body, reason: Reason, other: str, runner_up: Body) -> Decision:
    """A decay over what the warm-up leaves of the training, and the one that would come next."""
    warmup, why = _climb(case)
    schedule, second = (_behind(warmup, made(case.steps - warmup)) for made in (body, runner_up))
    return Decision(schedule, warmup, (reason, why), _beside(second, other, schedule, case.steps))


def _behind(warmup: int, body: Shape) -> Shape:
    return Warmup(body, warmup) if warmup and not isinstance(body, OneCycle) else body


def _climb(case: TableInput) -> tuple[int, Reason]:
    """The steps of the warm-up, from the first row that applies, and why."""
    steps, text, grade = next(answer(case) for applies, answer in _CLIMBS if applies(case))
    return steps, Reason(text, grade)


def _share(share: float, text: str) -> Callable[[TableInput], tuple[int, str, Grade]]:
    return lambda case: (round(share * case.steps), text, "moderate")


def _few(case: TableInput) -> tuple[int, str, Grade]:
    if case.kind != "adam":
        return 0, "A warm-up would take steps that are needed.", "weak"
    return min(5, case.steps // 5), "A few steps of warm-up let Adam's averages settle.", "weak"


def _settling(case: TableInput) -> tuple[int, str, Grade]:
    settled = round(2 / (1 - case.beta2))
    text = f"Adam's averages settle in about {settled:,} steps, 2 / (1 - beta2)"
    if case.request.open_ended:
        return settled, f"{text}.", "moderate"
    if settled > 0.05 * case.steps:
        text += "; the warm-up takes 5 % of the training, which served best in trials, not the 10 % often allowed"
    return round(min(max(settled, 0.01 * case.steps), 0.05 * case.steps)), f"{text}.", "moderate"


_CLIMBS: tuple[tuple[Applies, Callable[[TableInput], tuple[int, str, Grade]]], ...] = (
    (lambda case: case.steps < FEWEST_FOR_A_SHAPE, _few),
    (
        lambda case: case.request.finetune,
        _share(0.06, "Fine-tuning is warmed up for 6 to 10 % by custom; 6 % is enough."),
    ),
    (lambda case: case.kind == "muon", _share(0.01, "Muon needs hardly any warm-up.")),
    (
        lambda case: case.is_near_divergence,
        _share(0.10, "The loss is lowest close to where it diverges, so the climb is longer: 10 % of the training."),
    ),
    (lambda case: case.kind == "adam" and 0 < case.beta2 < 1, _settling),
    (
        lambda case: True,
        _share(
            0.05, "5 % of warm-up, inside the horizon, lets the peak be higher: 1.8 times, in the median of trials."
        ),
    ),
)


def _as_asked(case: TableInput) -> Schedule:
    """The schedule that a name or an object means."""
    schedule, steps = case.request.schedule, case.steps
    if isinstance(schedule, str):
        if schedule not in CATALOGUE:
            known = ", ".join(sorted(CATALOGUE))
            raise InputError(f'`schedule` must be "recommended", one of {known}, or a schedule, got {schedule!r}')
        return CATALOGUE[schedule].build(steps, _climb(case)[0])
    if not callable(schedule) or isinstance(schedule, type):
        got = f"the class {schedule.__name__}" if isinstance(schedule, type) else type(schedule).__name__
        raise InputError(
            f'`schedule` must be a name or a function of the step, got {got}; pass "recommended" for the default'
        )
    if isinstance(schedule, Custom) or not isinstance(schedule, Shape):
        function = Custom(schedule)
        top = max(*sampled(function, steps), function(steps - 1))
        if not FACTORS[0] <= top <= FACTORS[1]:
            raise InputError(
                f"`schedule` must give factors of the peak, about 1 at the highest, got {top:.3g} at the highest; "
                "divide a function that gives rates by its highest rate"
            )
    return schedule


def _beside_the_default(schedule: Schedule, case: TableInput) -> str | None:
    default = decide(replace(case, pace=None, request=replace(case.request, schedule="recommended"))).schedule
    called = f"the recommended {describe(default)}"
    if plateau_in(schedule) is not None:
        return f"{called}; what a schedule with feedback costs beside it nobody can compute"
    return None if default == schedule else _beside(default, called, schedule, case.steps)


def _beside(other: Schedule, called: str, chosen: Schedule, steps: int) -> str:
    """What another schedule is expected to cost beside the chosen one, each at its best peak."""
    percent = 100 * (predicted(other, steps).loss / predicted(chosen, steps).loss - 1)
    cost = f"{abs(percent):.0f} % {'more' if percent > 0 else 'less'}" if abs(percent) >= 1 else "the same"
    ratio = peak_factor(other, steps)[0] / peak_factor(chosen, steps)[0]
    peak = "the same peak" if abs(ratio - 1) < 0.05 else f"{ratio:.2g} times this peak"
    return f"{called}: {cost} excess loss by the last-iterate bound, at {peak}"
