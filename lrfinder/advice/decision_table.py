"""Which schedule: a decision table, read from the top until a row applies."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from lrfinder.advice.plan import Reason
from lrfinder.advice.request import QUOTED_STEPS
from lrfinder.advice.schedule_factor import peak_factor
from lrfinder.advice.table_input import TableInput
from lrfinder.advice.warmup import warmup_for
from lrfinder.errors import InputError
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
from lrfinder.schedules.bound import predict, sample
from lrfinder.schedules.compose import plateau_in

__all__ = ["Decision", "decide"]

FACTORS = (0.1, 10.0)
"""What the highest factor of a function may be: beyond it somebody has passed rates instead of factors."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A row's answer: what to train along, its steps of warm-up, why, the next best and its expected cost."""

    schedule: Schedule
    warmup: int
    reasons: tuple[Reason, ...]
    runner_up: str | None = None
    warnings: tuple[str, ...] = ()


Applies: TypeAlias = Callable[[TableInput], bool]
Body: TypeAlias = Callable[[int], Shape]


def decide(given: TableInput) -> Decision:
    """Return the answer of the first row that applies; InputError where the schedule that was asked for is none."""
    return next(answer(given) for applies, answer in _TABLE if applies(given))


def _asked(given: TableInput) -> Decision:
    schedule, notes = _as_asked(given), []
    warmup = schedule.steps if isinstance(schedule, Warmup) else 0
    if given.pace is not None:
        notes.append(f"The optimizer sets its own pace. {given.pace}")
    if given.request.early_stopping:
        notes.append(_CUT_SHORT)
    ends, known = span_of(schedule), given.horizon.is_known
    if known and ends is not None and ends != given.steps:
        notes.append(f"The schedule ends at step {ends:,}, the training at {given.steps:,}.")
    factor, _ = peak_factor(schedule, given.steps)
    owner = schedule.owner if isinstance(schedule, Custom) else None
    whose = "The best peak of this schedule" if owner is None else f"The {owner} attaches this schedule; its best peak"
    reason = Reason(f"{whose} is {_as_times(factor)}.", "moderate")
    return Decision(schedule, warmup, (reason,), _beside_the_default(schedule, given), tuple(notes))


def _own_pace(given: TableInput) -> Decision:
    return Decision(
        Constant(), 0, (Reason(f"The optimizer sets its own pace, so no decay is attached. {given.pace}", "moderate"),)
    )


def _open_ended(given: TableInput) -> Decision:
    warmup, why = warmup_for(given)
    text = (
        "Nobody knows the end: the rate stays at its peak until a cooldown is begun. Give it a fifth of the steps "
        "made by then; the weights from before the cooldown can be trained on."
    )
    steps = 10 * max(QUOTED_STEPS, warmup)
    ended, anytime = StableDecay(steps, shape="sqrt"), InverseSqrt.shifted(max(QUOTED_STEPS, warmup))
    runner_up = _cost_beside(anytime, "an inverse square root, where no cooldown can be begun", ended, steps)
    return Decision(Warmup(StableDecay(None, shape="sqrt"), warmup), warmup, (Reason(text, "moderate"), why), runner_up)


def _constant(given: TableInput) -> Decision:
    reason = Reason(f"With {format_steps(given.steps)} there is nothing to shape.", "weak")
    return Decision(Constant(), 0, (reason,))


def _short(given: TableInput) -> Decision:
    text = "So few steps leave no room for a shape: a flat rate below a linear decay's peak, then down to zero."
    return _decay(given, _cooled(given.calibration.cooldown), Reason(text, "weak"), "a linear decay to zero", Linear)


def _cut_short(given: TableInput) -> Decision:
    end = given.calibration.stopped_early_end
    text = (
        f"Wherever early stopping ends it, an exponential decay to {100 * end:.0f} % of the peak has decayed most of "
        "the way; a linear decay has not."
    )
    reason, other = Reason(text, "moderate"), "a linear decay, if it is not ended early"
    decision = _decay(given, lambda steps: Exponential.to(end, steps), reason, other, Linear)
    return replace(decision, warnings=(_CUT_SHORT,))


def _extendable(given: TableInput) -> Decision:
    cooldown = given.calibration.cooldown
    text = (
        f"The training may go on: a flat rate with a linear cooldown over the last {100 * cooldown:.0f} % is as good "
        "as a linear decay, and the weights from before the cooldown can be trained on."
    )
    return _decay(given, _cooled(cooldown), Reason(text, "strong"), "a linear decay", Linear)


def _muon(given: TableInput) -> Decision:
    text = "Muon's users keep the rate flat and cool down over the last 50 to 65 % (speed runs of language models)."
    return _decay(given, _cooled(given.calibration.muon_cooldown), Reason(text, "moderate"), "a linear decay", Linear)


def _linear(given: TableInput) -> Decision:
    text = "Ending at zero matters more than the shape, and a linear decay has nothing to tune."
    reason = Reason(text, "strong")
    if given.is_near_divergence:
        other = "one cycle, which warms up for longer"
        return _decay(given, Linear, reason, other, lambda steps: OneCycle(given.steps))
    return _decay(given, Linear, reason, "cosine to zero", Cosine)


_TABLE: tuple[tuple[Applies, Callable[[TableInput], Decision]], ...] = (
    # What was asked for comes before all advice, then what allows no decay, then the length, then the purpose.
    (lambda given: given.request.is_particular and not given.request.open_ended, _asked),
    (lambda given: given.pace is not None, _own_pace),
    (lambda given: given.request.open_ended, _open_ended),
    (lambda given: given.steps < given.calibration.shortest_decay, _constant),
    (lambda given: given.steps < given.calibration.shortest_shape, _short),
    (lambda given: given.request.early_stopping, _cut_short),
    (lambda given: given.request.may_extend, _extendable),
    (lambda given: given.kind == "muon", _muon),
    (lambda given: True, _linear),
)

_CUT_SHORT = (
    "Early stopping may end the training before the decay has done its work; where the length is certain, switch it "
    "off and take the linear decay."
)


def _decay(given: TableInput, body: Body, reason: Reason, other: str, runner_up: Body) -> Decision:
    """A decay over what the warm-up leaves of the training, and the one that would come next."""
    warmup, why = warmup_for(given)
    schedule, second = (_after_warmup(warmup, made(given.steps - warmup)) for made in (body, runner_up))
    return Decision(schedule, warmup, (reason, why), _cost_beside(second, other, schedule, given.steps))


def _after_warmup(warmup: int, body: Shape) -> Shape:
    return Warmup(body, warmup) if warmup and not isinstance(body, OneCycle) else body


def _cooled(cooldown: float) -> Body:
    return lambda steps: StableDecay(steps, cooldown=cooldown)


def _as_asked(given: TableInput) -> Schedule:
    """The schedule that a name or an object means."""
    schedule, steps = given.request.schedule, given.steps
    if isinstance(schedule, str):
        if schedule not in CATALOGUE:
            known = ", ".join(sorted(CATALOGUE))
            raise InputError(f'`schedule` must be "recommended", one of {known}, or a schedule, got {schedule!r}')
        return CATALOGUE[schedule].build(steps, warmup_for(given)[0])
    if not callable(schedule) or isinstance(schedule, type):
        got = f"the class {schedule.__name__}" if isinstance(schedule, type) else type(schedule).__name__
        raise InputError(
            f'`schedule` must be a name or a function of the step, got {got}; pass "recommended" for the default, or a '
            'name such as "cosine", and scale a scheduler of yours by found.apply(optimizer, scheduler)'
        )
    if isinstance(schedule, Custom) or not isinstance(schedule, Shape):
        function = Custom(schedule)
        top = max(*sample(function, steps), function(steps - 1))
        if not FACTORS[0] <= top <= FACTORS[1]:
            raise InputError(
                f"`schedule` must give factors of the peak, about 1 at the highest, got {top:.3g} at the highest; "
                "divide a function that gives rates by its highest rate"
            )
    return schedule


def _beside_the_default(schedule: Schedule, given: TableInput) -> str | None:
    default = decide(replace(given, pace=None, request=replace(given.request, schedule="recommended"))).schedule
    called = f"the recommended {describe(default)}"
    if plateau_in(schedule) is not None:
        return f"{called}; what a schedule with feedback costs beside it nobody can compute"
    return None if default == schedule else _cost_beside(default, called, schedule, given.steps)


def _cost_beside(other: Schedule, called: str, decided: Schedule, steps: int) -> str:
    """What another schedule is expected to cost beside the one decided on, each at its best peak."""
    percent = 100 * (predict(other, steps).loss / predict(decided, steps).loss - 1)
    cost = f"{abs(percent):.0f} % {'more' if percent > 0 else 'less'}" if abs(percent) >= 1 else "the same"
    ratio = peak_factor(other, steps)[0] / peak_factor(decided, steps)[0]
    peak = "the same peak" if abs(ratio - 1) < 0.05 else f"{ratio:.2g} times this peak"
    return f"{called}: {cost} excess loss by the last-iterate bound, at {peak}"


def _as_times(factor: float) -> str:
    """A factor beside linear decay in words."""
    about = f"{factor:.2g}"
    return "about that of a linear decay" if about == "1" else f"about {about} times a linear decay's"
