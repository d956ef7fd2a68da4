"""The way up to the peak, in front of another schedule."""

from dataclasses import dataclass, field

from lrfinder.checks import check_whole
from lrfinder.schedules.base import Schedule, Shape, checked_by, describe, format_steps, span_of
from lrfinder.schedules.custom import check_schedule

__all__ = ["Warmup"]


@dataclass(frozen=True, slots=True)
class Warmup(Shape):
    """A linear warm-up to the peak, then another schedule from its own step 0: (t + 1) / steps, then body(t - steps).

    The first step runs at 1 / steps of the peak, never at 0, which would waste it. The horizon counts the warm-up:
    for T steps in all write `Warmup(Linear(T - W), W)`.

    Args:
        body: the schedule that follows; a plain function is wrapped in `Custom`.
        steps: the optimizer steps of the warm-up; 0 leaves the body alone.

    Example:
        >>> from lrfinder.schedules import Linear
        >>> schedule = Warmup(Linear(4), 2)
        >>> [schedule(t) for t in range(7)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    body: Schedule = field(metadata=checked_by(check_schedule))
    steps: int = field(metadata=checked_by(check_whole, "pass the optimizer steps of the warm-up, 0 for none", least=0))

    def _span(self) -> int | None:
        end = span_of(self.body)
        return None if end is None else self.steps + end

    def __call__(self, step: int) -> float:
        t = int(step)
        return (t + 1) / self.steps if t < self.steps else self.body(t - self.steps)

    def _words(self, start: int) -> str:
        body = describe(self.body, start + self.steps)
        return f"warm-up over {format_steps(self.steps)}, then {body}" if self.steps else body
