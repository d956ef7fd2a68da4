"""Any function of the step as a schedule."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from lrfinder.errors import InputError
from lrfinder.schedules.base import Shape, name_of

__all__ = ["Custom"]


@dataclass(frozen=True, slots=True)
class Custom(Shape):
    """Any function of the step, checked at every call: the factor must be finite and not negative.

    It is the one shape that may rise above 1 and that cannot be saved: its state carries the name alone, so attach
    the same function again before loading a checkpoint.

    Args:
        function: takes the 0-based optimizer step and returns the factor of the peak.
        name: what printouts call it; by default what the function calls itself.
        owner: what attaches it by itself, as in "Trainer"; None where the user does.

    Example:
        >>> schedule = Custom(lambda step: 1 / (1 + step) ** 2, name="inverse square")
        >>> schedule(0), schedule(1), schedule.name
        (1.0, 0.25, 'inverse square')
        >>> Custom(lambda step: 1 - step)(2)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        lrfinder.errors.InputError: `function` must give finite factors of at least 0, got -1 from <lambda> at step 2...
    """

    function: Callable[[int], float] = field(repr=False)  # its repr holds an address
    name: str | None = None
    owner: str | None = None

    def _check(self) -> None:
        if not callable(self.function):
            raise InputError(f"`function` must be callable with the step, got {self.function!r}; pass a function")
        name = name_of(self.function) if self.name is None else str(self.name)
        object.__setattr__(self, "name", name)

    def __call__(self, step: int) -> float:
        """Return what the function gives for `step`.

        Raises:
            InputError: when that is not a finite number of at least 0.
        """
        value = self.function(int(step))
        factor = float(value)
        if math.isfinite(factor) and factor >= 0:
            return factor
        raise InputError(
            f"`function` must give finite factors of at least 0, got {value!r} from {self.name} at step {step}; "
            "bound it with max(0.0, ...) or hold its last value"
        )

    def _words(self, start: int) -> str:
        return f"the function {self.name}"


def check_schedule(name: str, schedule: object) -> Shape:
    """Return a schedule as a shape, or raise InputError."""
    if isinstance(schedule, Shape):
        return schedule
    if callable(schedule) and not isinstance(schedule, type):
        return Custom(schedule)
    raise InputError(f"`{name}` must be a schedule or a function of the step, got {schedule!r}; pass Linear(1000), say")
