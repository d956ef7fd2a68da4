"""The record of what scaling the rates of some parameter groups showed."""

from collections.abc import Sequence
from dataclasses import dataclass

from lrfinder.errors import InputError

__all__ = ["GroupRun", "GroupSet", "GroupTuning", "spread"]


@dataclass(frozen=True, slots=True)
class GroupSet:
    """Groups whose rates were scaled together, and what that came to.

    Args:
        name: Of the groups, or of their optimizer.
        groups: Their indices, as `Facts.bases` counts them.
        factor: What the rates are multiplied by beside those of the joint peak; 1 where nothing won beyond noise.
        interval: The factors (low, high) that the pilots do not tell apart from it.
    """

    name: str
    groups: tuple[int, ...]
    factor: float = 1.0
    interval: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        low, high = self.interval
        if not 0 < low <= self.factor <= high:
            raise InputError(f"`interval` must be positive and hold `factor`={self.factor:g}, got {self.interval}")


@dataclass(frozen=True, slots=True)
class GroupRun:
    """One pilot with the rates of the sets scaled.

    Args:
        factors: What the rates of each set were multiplied by beside those of the joint peak.
        loss: Mean loss of the evaluation batches after it; None where it diverged.
        is_check: Whether it was on other batches, to confirm what the first ones showed.
    """

    factors: tuple[float, ...]
    loss: float | None
    is_check: bool = False


@dataclass(frozen=True, slots=True)
class GroupTuning:
    """Pilots from one start on the same batches, in which one set of groups after another is scaled up and down.

    Args:
        sets: The groups that are scaled together, with the factors that were chosen.
        runs: What was tried, in order; the first has the ratios of the optimizer.
        steps: Optimizer steps of each.
        start: Mean loss of the evaluation batches before any.
        cost: Step-equivalents spent.
        is_confirmed: Whether the chosen factors won on other batches too; true where nothing was to be confirmed.
    """

    sets: tuple[GroupSet, ...]
    runs: tuple[GroupRun, ...]
    steps: int
    start: float
    cost: float
    is_confirmed: bool = True

    @property
    def factors(self) -> tuple[float, ...]:
        """The chosen factor of each set."""
        return tuple(one.factor for one in self.sets)

    @property
    def is_changed(self) -> bool:
        """Whether any ratio was changed."""
        return any(factor != 1 for factor in self.factors)

    def of_groups(self, count: int) -> list[float]:
        """Return the chosen factor of each of so many groups, 1 for those of no set."""
        return spread(self.sets, self.factors, count)

    def curve(self, index: int) -> list[tuple[float, float | None]]:
        """Return what the set of an index came to at each factor that was tried, where it was scaled alone."""
        chosen = [run for run in self._runs if _others(run.factors, index) == _others(self.factors, index)]
        first = [run for run in self._runs if set(_others(run.factors, index)) <= {1.0}]
        line = chosen if len(chosen) > 1 else first
        return sorted({run.factors[index]: run.loss for run in line}.items())

    @property
    def _runs(self) -> list[GroupRun]:
        return [run for run in self.runs if not run.is_check]


def spread(sets: Sequence[GroupSet], factors: Sequence[float], count: int) -> list[float]:
    """Return the factor of each of so many groups, from those of the sets; 1 for a group of no set."""
    of_group = {group: factor for one, factor in zip(sets, factors, strict=True) for group in one.groups}
    return [of_group.get(group, 1.0) for group in range(count)]


def _others(factors: Sequence[float], index: int) -> tuple[float, ...]:
    return tuple(factor for i, factor in enumerate(factors) if i != index)
