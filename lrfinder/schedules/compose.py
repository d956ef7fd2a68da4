"""Schedules made of schedules."""

from dataclasses import dataclass

from lrfinder.errors import InputError
from lrfinder.schedules.base import Schedule, Shape, count, describe, keep, whole
from lrfinder.schedules.custom import Custom

__all__ = ["Warmup"]


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
        keep(self, body=part("body", self.body), steps=whole("steps", self.steps, remedy, least=0))

    def __call__(self, step: int) -> float:
        """Return the factor of the peak at `step`."""
        t = int(step)
        return (t + 1) / self.steps if t < self.steps else self.body(t - self.steps)

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase."""
        body = describe(self.body, start + self.steps)
        return f"warm-up over {count(self.steps)}, then {body}" if self.steps else body


def part(name: str, schedule: object) -> Shape:
    """Return a schedule as a shape that can be part of another, or raise InputError."""
    if isinstance(schedule, Shape):
        return schedule
    if callable(schedule) and not isinstance(schedule, type):
        return Custom(schedule)
    raise InputError(f"`{name}` must be a schedule or a function of the step, got {schedule!r}; pass Linear(1000), say")
