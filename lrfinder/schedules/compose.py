"""Schedules made of other schedules, one after the other or by the epoch."""

from dataclasses import dataclass, field

from lrfinder.checks import check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import Schedule, Shape, checked_by, describe, format_steps, span_of
from lrfinder.schedules.custom import check_schedule
from lrfinder.schedules.plateau import ReduceOnPlateau
from lrfinder.schedules.stable import StableDecay
from lrfinder.schedules.warmup import Warmup

__all__ = ["Epochwise", "Then", "cool_down", "plateau_in"]


def plateau_in(schedule: Schedule) -> tuple[ReduceOnPlateau, int] | None:
    """Return the plateau that a schedule is and the steps of warm-up before it, or None."""
    warmup = 0
    while isinstance(schedule, Warmup):
        warmup, schedule = warmup + schedule.steps, schedule.body
    return (schedule, warmup) if isinstance(schedule, ReduceOnPlateau) else None


def _check_blind(name: str, schedule: object) -> Shape:
    """Return a schedule as a shape that needs no feedback, or raise InputError."""
    shape = check_schedule(name, schedule)
    if plateau_in(shape) is not None:
        raise InputError(f"`{name}` must follow the step alone, got {shape!r}; only a Warmup can hold a plateau")
    return shape


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

    first: Schedule = field(metadata=checked_by(_check_blind))
    second: Schedule = field(metadata=checked_by(_check_blind))
    at: int = field(metadata=checked_by(check_whole, "pass the step at which the second schedule takes over", least=0))

    def _check(self) -> None:
        if isinstance(self.first, Then) and self.first.at >= self.at:
            raise InputError(
                f"`at` must exceed the first schedule's own `at`={self.first.at}, got {self.at}; leave a part out"
            )

    def _span(self) -> int | None:
        end = span_of(self.second)
        return None if end is None else self.at + end

    def __call__(self, step: int) -> float:
        t = int(step)
        return self.first(t) if t < self.at else self.second(t - self.at)

    def _words(self, start: int) -> str:
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

    body: Schedule = field(metadata=checked_by(_check_blind))
    steps_per_epoch: int = field(metadata=checked_by(check_whole, "pass the optimizer steps of an epoch"))

    def _span(self) -> int | None:
        end = span_of(self.body)
        return None if end is None else end * self.steps_per_epoch

    def __call__(self, step: int) -> float:
        return self.body(int(step) // self.steps_per_epoch)

    def _words(self, start: int) -> str:
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


def _open_end(schedule: Schedule, start: int) -> tuple[StableDecay, int] | None:
    """Return the open-ended part of a schedule with the step at which it begins, or None."""
    if isinstance(schedule, StableDecay) and schedule.steps is None:
        return schedule, start
    if isinstance(schedule, Warmup):
        return _open_end(schedule.body, start + schedule.steps)
    return _open_end(schedule.second, start + schedule.at) if isinstance(schedule, Then) else None
