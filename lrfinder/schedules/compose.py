"""Schedules made of schedules."""

from dataclasses import dataclass

from lrfinder.checks import check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import Schedule, Shape, describe, format_steps, keep
from lrfinder.schedules.custom import Custom
from lrfinder.schedules.plateau import ReduceOnPlateau
from lrfinder.schedules.stable import StableDecay

__all__ = ["Epochwise", "Then", "Warmup", "cool_down", "span"]


@dataclass(frozen=True, slots=True)
class Warmup(Shape):
    """A straight climb to the peak, then another schedule from its own step 0: (t + 1) / steps, then body(t - steps).

    The first step runs at 1 / steps of the peak, never at 0, which would waste it. The horizon counts the climb:
    for T steps in all write `Warmup(Linear(T - W), W)`.

    Args:
        body: the schedule that follows; a plain function is wrapped in `Custom`.
        steps: the optimizer steps of the climb; 0 leaves the body alone.

    Example:
        >>> from lrfinder.schedules import Linear
        >>> schedule = Warmup(Linear(4), 2)
        >>> [schedule(t) for t in range(7)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    body: Schedule
    steps: int

    def __post_init__(self) -> None:
        remedy = "pass the optimizer steps of the climb, 0 for none"
        keep(self, body=as_shape("body", self.body), steps=check_whole("steps", self.steps, remedy, least=0))

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        t = int(step)
        return (t + 1) / self.steps if t < self.steps else self.body(t - self.steps)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        body = describe(self.body, start + self.steps)
        return f"warm-up over {format_steps(self.steps)}, then {body}" if self.steps else body


@dataclass(frozen=True, slots=True)
class Then(Shape):
    """One schedule until step `at`, then another from its own step 0: first(t), then second(t - at).

    Args:
        first: the schedule before; a plain function is wrapped in `Custom`.
        second: the schedule after.
        at: the step that the second one's step 0 falls on.

    Example:
        >>> from lrfinder.schedules import Constant, Linear
        >>> schedule = Then(Constant(), Linear(4), at=2)
        >>> [schedule(t) for t in range(7)]
        [1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    first: Schedule
    second: Schedule
    at: int

    def __post_init__(self) -> None:
        at = check_whole("at", self.at, "pass the step at which the second schedule takes over", least=0)
        if isinstance(self.first, Then) and self.first.at >= at:
            raise InputError(
                f"`at` must exceed the first schedule's own `at`={self.first.at}, got {at}; leave a part out"
            )
        keep(self, first=_blind("first", self.first), second=_blind("second", self.second), at=at)

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        t = int(step)
        return self.first(t) if t < self.at else self.second(t - self.at)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        second = describe(self.second, start + self.at)
        return f"{describe(self.first, start)} until step {start + self.at:,}, then {second}" if self.at else second


@dataclass(frozen=True, slots=True)
class Epochwise(Shape):
    """A schedule that counts epochs: body(floor(t / steps_per_epoch)).

    It changes once per epoch while the optimizer steps go on, as recipes written in epochs mean it.

    Args:
        body: the schedule, called with the 0-based number of the epoch; a plain function is wrapped in `Custom`.
        steps_per_epoch: the optimizer steps of an epoch.

    Example:
        >>> from lrfinder.schedules import StepDecay
        >>> schedule = Epochwise(StepDecay(0.5, every=30), steps_per_epoch=100)
        >>> [schedule(t) for t in (0, 2999, 3000, 6000)]
        [1.0, 1.0, 0.5, 0.25]
    """

    body: Schedule
    steps_per_epoch: int

    def __post_init__(self) -> None:
        steps = check_whole("steps_per_epoch", self.steps_per_epoch, "pass the optimizer steps of an epoch")
        keep(self, body=_blind("body", self.body), steps_per_epoch=steps)

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        return self.body(int(step) // self.steps_per_epoch)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        return f"{describe(self.body)}, each step an epoch of {format_steps(self.steps_per_epoch)}"


def cool_down(schedule: Schedule, steps: int, *, at: int) -> Then:
    """Return an open-ended schedule with its cooldown begun.

    Args:
        schedule: a `StableDecay(None)`, or one in a `Warmup` or at the end of a `Then`.
        steps: the optimizer steps of the cooldown; its shape and floor are the `StableDecay`'s.
        at: the step at which it begins.

    Returns:
        The schedule until `at`, then a cooldown over all of its steps.

    Example:
        >>> schedule = cool_down(StableDecay(None), 4, at=100)
        >>> [schedule(t) for t in (99, 100, 101, 104, 105)]
        [1.0, 1.0, 0.75, 0.0, 0.0]
    """
    found = _open_end(schedule, 0)
    if found is None:
        raise InputError(f"`schedule` must be open-ended to cool down, got {schedule!r}; use StableDecay(steps=None)")
    flat, start = found
    if at < start:
        raise InputError(f"`at` must be at least {start}, where the flat part begins, got {at}; cool down later")
    length = check_whole("steps", steps, "pass the optimizer steps of the cooldown")
    return Then(schedule, StableDecay(length, cooldown=1.0, shape=flat.shape, floor=flat.floor), at=at)


def as_shape(name: str, schedule: object) -> Shape:
    """Return a schedule as a shape, or raise InputError."""
    if isinstance(schedule, Shape):
        return schedule
    if callable(schedule) and not isinstance(schedule, type):
        return Custom(schedule)
    raise InputError(f"`{name}` must be a schedule or a function of the step, got {schedule!r}; pass Linear(1000), say")


def plateau_in(schedule: Schedule) -> tuple[ReduceOnPlateau, int] | None:
    """Return the plateau that a schedule is and the steps of warm-up before it, or None."""
    climb = 0
    while isinstance(schedule, Warmup):
        climb, schedule = climb + schedule.steps, schedule.body
    return (schedule, climb) if isinstance(schedule, ReduceOnPlateau) else None


def span(schedule: Schedule) -> int | None:
    """Return the steps after which a schedule holds its last value, or None where it has no such end.

    Args:
        schedule: any schedule; a function has no end that can be known.

    Example:
        >>> from lrfinder.schedules import Linear
        >>> span(Warmup(Linear(900), 100)), span(Then(Linear(500), StableDecay(None), at=100))
        (1000, None)
    """
    match schedule:
        case Warmup(body=body, steps=steps):
            end = span(body)
            return None if end is None else steps + end
        case Then(second=second, at=at):
            end = span(second)
            return None if end is None else at + end
        case Epochwise(body=body, steps_per_epoch=steps_per_epoch):
            end = span(body)
            return None if end is None else end * steps_per_epoch
    return getattr(schedule, "steps", None) if isinstance(schedule, Shape) else None


def _blind(name: str, schedule: object) -> Shape:
    """Return a schedule as a shape that needs no feedback, or raise InputError."""
    shape = as_shape(name, schedule)
    if plateau_in(shape) is not None:
        raise InputError(f"`{name}` must follow the step alone, got {shape!r}; only a Warmup can hold a plateau")
    return shape


def _open_end(schedule: Schedule, start: int) -> tuple[StableDecay, int] | None:
    """Return the open-ended part of a schedule with the step at which it begins, or None."""
    if isinstance(schedule, StableDecay) and schedule.steps is None:
        return schedule, start
    if isinstance(schedule, Warmup):
        return _open_end(schedule.body, start + schedule.steps)
    return _open_end(schedule.second, start + schedule.at) if isinstance(schedule, Then) else None
