"""What a schedule is, how it is said in words, and the checks that every constructor shares."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lrfinder.checks import check_whole

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

        shown = check_whole(
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


def format_factor(factor: float) -> str:
    """Return a factor in words."""
    return "zero" if factor == 0 else f"{100 * factor:.3g} % of the peak"


def format_steps(steps: float) -> str:
    """Return a number of steps in words."""
    return "1 step" if steps == 1 else f"{steps:,.1f} steps" if steps % 1 else f"{steps:,.0f} steps"
