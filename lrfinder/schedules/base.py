"""What a schedule is, and what every shape has: checked settings, a description in words, an end."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import field, fields
from typing import Any, Protocol, runtime_checkable

from lrfinder.checks import check_number, check_whole

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
    """A schedule of this package: a frozen value that is called with the step and can describe itself.

    A shape gives 1 at its peak, is defined for every step from 0 on, changes nothing when called, and holds its
    last value after its end. A family is a frozen dataclass with `__call__` and `_words`, with fields that are
    `checked_by` something, and with `_span` where it ends elsewhere than after its own `steps`.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # each family is a dataclass
            if "check" in one.metadata:
                # The dataclass is frozen: only this way can its constructor keep the checked value.
                object.__setattr__(self, one.name, one.metadata["check"](one.name, getattr(self, one.name)))
        self._check()

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the factor of the peak for the optimizer step number `step`, counted from 0."""

    @property
    def span(self) -> int | None:
        """The steps after which the shape holds its last value, or None where it has no such end."""
        return self._span()

    def in_words(self, start: int = 0) -> str:
        """Return the shape as a phrase, for a shape whose own step 0 is step `start` of the training."""
        return self._words(start)

    def _check(self) -> None:
        """Raise InputError where the settings are sound one by one and not together."""
        return

    def _span(self) -> int | None:
        return getattr(self, "steps", None)

    @abstractmethod
    def _words(self, start: int) -> str: ...


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
        'warm-up over 100 steps, then linear decay to zero at step 2,000'
    """
    if isinstance(schedule, Shape):
        return schedule.in_words(start)
    return f"the function {name_of(schedule)}"


def span_of(schedule: Schedule) -> int | None:
    """Return the span of a shape; where a function ends cannot be known.

    Example:
        >>> from lrfinder.schedules import Linear, StableDecay, Then, Warmup
        >>> span_of(Warmup(Linear(900), 100)), span_of(Then(Linear(500), StableDecay(None), at=100))
        (1000, None)
    """
    return schedule.span if isinstance(schedule, Shape) else None


def name_of(function: object) -> str:
    """Return what a function calls itself, or the class of a callable object."""
    return str(getattr(function, "__name__", type(function).__name__))


def parameters_of(family: Any) -> tuple[str, ...]:
    """Return the names of a shape's constructor arguments."""
    return tuple(one.name for one in fields(family))


def checked_by(
    check: Callable[..., object], *arguments: object, or_none: bool = False, **options: object
) -> dict[str, Callable[[str, object], object]]:
    """Return the metadata of a field that a `Shape` passes to a check, with its name, when it is made.

    The check returns the value to keep, or raises InputError; with `or_none` None passes unchecked.

    Example:
        >>> checked_by(check_whole, "pass the steps")["check"]("steps", 7)
        7
    """
    return {
        "check": lambda name, value: None if or_none and value is None else check(name, value, *arguments, **options)
    }


def within(interval: str, remedy: str, default: float) -> Any:
    """Return a field with a default for a number in an interval written like "(0, 1]"."""
    return field(default=default, metadata=checked_by(check_number, interval, remedy))


HORIZON = checked_by(check_whole, "pass the optimizer steps over which to decay")


def format_factor(factor: float) -> str:
    """Return a factor in words."""
    return "zero" if factor == 0 else f"{100 * factor:.3g} % of the peak"


def format_steps(steps: float) -> str:
    """Return a number of steps in words."""
    return "1 step" if steps == 1 else f"{steps:,.1f} steps" if steps % 1 else f"{steps:,.0f} steps"
