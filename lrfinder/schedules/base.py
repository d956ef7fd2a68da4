"""What a schedule is, how it is said in words, and the checks that every constructor shares."""

import math
from abc import ABC, abstractmethod
from dataclasses import fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lrfinder.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Schedule", "Shape", "describe"]


@runtime_checkable
class Schedule(Protocol):
    """Anything that turns the 0-based optimizer step into a factor of the peak learning rate.

    Example:
        >>> isinstance(lambda step: 0.99**step, Schedule)
        True
    """

    def __call__(self, step: int, /) -> float:
        """Return the factor of the peak for the optimizer step number `step`, counted from 0."""
        ...


class Shape(ABC):
    """A schedule of this package: a frozen value that is called with the step and can be said in words.

    A shape gives 1 at its peak, is defined for every step from 0 on, changes nothing when called, and holds its
    last value after its end.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the factor of the peak for the optimizer step number `step`, counted from 0."""

    @abstractmethod
    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase, for a shape whose own step 0 is step `start` of the training."""

    def plot(self, ax: "Axes | None" = None, *, steps: int | None = None) -> "Axes":
        """Draw the factor against the optimizer step.

        Args:
            ax: where to draw; None makes a new figure.
            steps: how many steps; None draws to the shape's end, or 1,000 where it has none.

        Returns:
            The axes; `ax.figure.savefig(path)` saves it.
        """
        from lrfinder.display.plot import draw_schedule
        from lrfinder.schedules.compose import span

        shown = whole(
            "steps", (span(self) or 1_000) if steps is None else steps, "pass how many steps to draw, None for all"
        )
        return draw_schedule(self, shown, ax)


def describe(schedule: Schedule, start: int = 0) -> str:
    """Return a schedule as one readable line.

    Args:
        schedule: a shape of this package, or any function of the step.
        start: the training step at which the schedule's own step 0 falls.

    Returns:
        A phrase without a full stop; a foreign function is called by its name.

    Example:
        >>> from lrfinder.schedules import Linear, Warmup
        >>> describe(Warmup(Linear(1900), 100))
        'warm-up over 100 steps, then a line to zero at step 2,000'
    """
    if isinstance(schedule, Shape):
        return schedule.in_words(start)
    return f"the function {name_of(schedule)}"


def name_of(function: object) -> str:
    """Return what a function calls itself, or the class of a callable object."""
    return str(getattr(function, "__name__", type(function).__name__))


def parameters_of(family: Any) -> tuple[str, ...]:
    """Return the names of a shape's constructor arguments."""
    return tuple(field.name for field in fields(family))


def keep(shape: Shape, **values: object) -> None:
    """Store checked values in a frozen shape that is being constructed."""
    for name, value in values.items():
        object.__setattr__(shape, name, value)


def whole(name: str, value: object, remedy: str, *, least: int = 1) -> int:
    """Return `value` as a plain int of at least `least`, or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        kind = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        raise InputError(f"`{name}` must be {kind}, got {value!r}; {remedy}")
    return int(value)


def flag(name: str, value: object) -> bool:
    """Return `value` if it is True or False, or raise InputError: a word like "no" would count as True."""
    if not isinstance(value, bool):
        remedy = "write it without quotes" if isinstance(value, str) else "pass bool(...) of it"
        raise InputError(f"`{name}` must be True or False, got {value!r}; {remedy}")
    return value


def number(name: str, value: object, interval: str, remedy: str) -> float:
    """Return `value` as a plain float inside an interval written like "(0, 1]", or raise InputError."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    x = _as_float(value)
    above = low < x if interval[0] == "(" else low <= x
    below = x < high if interval[-1] == ")" else x <= high
    if above and below:
        return x
    bounds = f"a number in {interval}"
    if math.isinf(high):
        bounds = f"a finite number {'above' if interval[0] == '(' else 'of at least'} {low:g}"
    raise InputError(f"`{name}` must be {bounds}, got {value!r}; {remedy}")


def _as_float(value: object) -> float:
    """Return a number as a plain float; what is none, or too large for one, as NaN."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def share(fraction: float) -> str:
    """Return a fraction of the peak in words."""
    return "zero" if fraction == 0 else f"{100 * fraction:.3g} % of the peak"


def count(steps: float) -> str:
    """Return a number of steps in words."""
    return "1 step" if steps == 1 else f"{steps:,.1f} steps" if steps % 1 else f"{steps:,.0f} steps"
