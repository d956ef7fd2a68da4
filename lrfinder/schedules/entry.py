"""What is known about a family of schedules, and how to make a sensible member of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lrfinder.checks import check_whole
from lrfinder.errors import InputError
from lrfinder.schedules.base import Schedule, Shape, parameters_of
from lrfinder.schedules.warmup import Warmup

__all__ = ["Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known about one family.

    Args:
        name: the catalogue's name, in snake case.
        family: the class.
        frequency: how often the rate changes.
        quantity: what a change is made of.
        direction: where the rate goes; "constant" stays.
        tip: one plain sentence on its parameters.
        when: when to use it.
        peak_factor: the best peak of `build`'s member over that of linear decay. A prior: the optimum of the
            last-iterate bound at 1,000 steps; for constant, cosine and stable decay, of which there are public training
            logs, the geometric mean of both.
        spread: one standard deviation of its log10, wide as a prior should be.
        body: makes a sensible member for so many steps.
        rises: true where the family rises by itself and needs no warm-up.
        sample: the factors of a training of so many steps, for a family whose step alone does not say them.

    Example:
        >>> from lrfinder.schedules import CATALOGUE
        >>> CATALOGUE["linear"].build(1000, warmup=50)
        Warmup(body=Linear(steps=950, floor=0.0), steps=50)
        >>> CATALOGUE["linear"].parameters
        ('steps', 'floor')
    """

    name: str
    family: type[Shape]
    frequency: Literal["continuous", "every interval", "on plateau"] = "continuous"
    quantity: Literal["by a factor", "by an amount", "by a function"]
    direction: Literal["down", "up and down", "constant"] = "down"
    tip: str
    when: str
    peak_factor: float
    spread: float
    body: Callable[[int], Shape]
    rises: bool = False
    sample: Callable[[int], list[float]] | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the constructor's arguments."""
        return parameters_of(self.family)

    def build(self, total_steps: int, warmup: int = 0) -> Schedule:
        """Return a sensible member of the family for a training of so many steps.

        Args:
            total_steps: the optimizer steps of the whole training, warm-up included.
            warmup: how many of them rise to the peak; a family that rises by itself ignores it.

        Returns:
            The bare shape without warm-up, else `Warmup(shape over the rest, warmup)`.
        """
        total = check_whole("total_steps", total_steps, "pass the optimizer steps of the whole training")
        rise = check_whole("warmup", warmup, "pass the optimizer steps of the warm-up, 0 for none", least=0)
        if rise >= total:
            raise InputError(f"`warmup` must be below `total_steps`={total}, got {rise}; it lies inside the horizon")
        return Warmup(self.body(total - rise), rise) if rise and not self.rises else self.body(total)

    def factors(self, points: int) -> list[float]:
        """Return the factors of a training of so many steps, for a picture of the family."""
        return self.sample(points) if self.sample else [*map(self.build(points), range(points))]
