"""The records of a recommendation: what is advised, what it was computed from, and why."""

import math
from dataclasses import dataclass
from typing import Literal

from lrfinder.advice.request import QUOTED_STEPS
from lrfinder.errors import InputError
from lrfinder.schedules import Schedule, describe

__all__ = ["Estimate", "Factor", "FactorName", "Grade", "Plan", "Reason", "Setting", "Source"]

Grade = Literal["strong", "moderate", "weak"]
Source = Literal["usual", "edge", "pilots", "rules", "peak"]
FactorName = Literal[
    "fitted",
    "momentum",
    "steps",
    "own_decay",
    "divergence",
    "caution",
    "schedule",
    "finetune",
    "groups",
    "batch",
    "samples",
    "parameters",
]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a part of the plan is as it is.

    Args:
        text: One sentence.
        grade: How good the evidence for it is.
    """

    text: str
    grade: Grade

    def __str__(self) -> str:
        return f"{self.text} [{self.grade} evidence]"


@dataclass(frozen=True, slots=True)
class Factor:
    """One correction between what was measured and the peak.

    Args:
        source: The estimate that it belongs to; `peak` for what corrects the middle of their distribution.
        name: What it corrects for.
        value: What is multiplied.
        measured_at: The quantity (steps) in what was measured, where it has one.
        wanted_at: The same quantity in the training.
    """

    source: Source
    name: FactorName
    value: float
    measured_at: float | None = None
    wanted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one source measured.

    Args:
        source: `usual` for the optimizer, `edge` of the short trials, best of the `pilots`, or mean of the `rules`.
        measured: LR of the reference group; times the factors of this source it is a peak for a linear decay to zero.
        deviation: One standard deviation of the best peak about it, in decades.
    """

    source: Source
    measured: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Setting:
    """The training that a plan was rescaled to, besides its length.

    Args:
        batch_size: Samples of one optimizer step on one rank, or None where that is not known.
        ranks: Processes that train together.
        parameters: Weights that are trained, or None where that is not known.
        weight_decay: What keeps rate x decay x steps; 0 without one.
    """

    batch_size: int | None = None
    ranks: int = 1
    parameters: int | None = None
    weight_decay: float = 0.0

    @property
    def samples_of_step(self) -> int | None:
        """Samples of one optimizer step over all ranks, or None where that is not known."""
        return None if self.batch_size is None else self.batch_size * self.ranks


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train with.

    Args:
        lr: Peak LR of the reference group, for `schedule`.
        interval: The range that holds the best peak with a probability of 80 %.
        schedule: Factor of the peak for each optimizer step; None where `total_steps` is not known.
        total_steps: Optimizer steps of the whole training, or None.
        warmup: Optimizer steps of the warm-up, inside `total_steps`.
        rule: The rule whose own rate `lr` is, or None where everything measured was weighed.
        reasons: Why this schedule, each with the grade of its evidence.
        runner_up: The next best schedule and what it is expected to cost.
        warnings: What a person should know before trusting this.
        code: Lines of torch code that use the plan.
        outline: Where `schedule` is None: what it would be for a training of 1,000 steps.
        steps_per_epoch: Optimizer steps of an epoch, or None.
        estimates: What the peak was computed from; empty where a rule was named.
        factors: What the estimates were multiplied by, each with its source.
        setting: The training that the plan was rescaled to, or None where it is for the one that was measured.

    Raises:
        InputError: A rate outside its interval, or a length that is not positive.
    """

    lr: float
    interval: tuple[float, float]
    schedule: Schedule | None
    total_steps: int | None
    warmup: int
    rule: str | None = None
    reasons: tuple[Reason, ...] = ()
    runner_up: str | None = None
    warnings: tuple[str, ...] = ()
    code: str = ""
    outline: Schedule | None = None
    steps_per_epoch: int | None = None
    estimates: tuple[Estimate, ...] = ()
    factors: tuple[Factor, ...] = ()
    setting: Setting | None = None

    def __post_init__(self) -> None:
        low, high = self.interval
        if not 0 < low <= self.lr <= high:
            raise InputError(f"`interval` must be positive and hold `lr`={self.lr:g}, got {self.interval}")
        for name in ("total_steps", "steps_per_epoch"):
            steps = getattr(self, name)
            if steps is not None and not steps > 0:
                raise InputError(f"`{name}` must be positive or None, got {steps}")
        if self.warmup < 0:
            raise InputError(f"`warmup` must be at least 0, got {self.warmup}")

    def __str__(self) -> str:
        low, high = self.interval
        return f"peak {self.lr:.2e} ({low:.0e} to {high:.0e}), {self.schedule_text}"

    @property
    def shape(self) -> Schedule | None:
        """The schedule, or its outline for 1,000 steps; None where it was a function that a file could not hold."""
        return self.schedule or self.outline

    @property
    def shown_steps(self) -> int:
        """Optimizer steps that a picture or a printout covers; a tenth of them warm up where the end is open."""
        return self.total_steps or max(QUOTED_STEPS, 10 * self.warmup)

    @property
    def schedule_text(self) -> str:
        """The shape as one readable line."""
        return "a function that the file could not hold" if self.shape is None else describe(self.shape)

    def lr_at(self, part: float) -> float:
        """LR of the reference group after a part (0 to 1) of the training; at 1, that of the last step.

        Raises:
            InputError: The schedule was a function, and was lost in a file.
        """
        if self.shape is None:
            raise InputError(f"`schedule` must be known for the LR at {part:g} of the training, got {self.shape}")
        return self.lr * self.shape(round(part * (self.shown_steps - 1)))

    def factors_of(self, source: Source) -> tuple[Factor, ...]:
        """Return the factors of one source."""
        return tuple(factor for factor in self.factors if factor.source == source)

    def peak_of(self, estimate: Estimate) -> float:
        """Return the peak for a linear decay to zero that an estimate comes to with its factors."""
        return estimate.measured * math.prod(factor.value for factor in self.factors_of(estimate.source))
