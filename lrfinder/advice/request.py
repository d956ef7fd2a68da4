"""What is asked of a plan, and the length of the training, resolved once."""

from dataclasses import dataclass
from typing import TypedDict

from lrfinder.checks import check_flag, check_number, check_whole
from lrfinder.errors import InputError
from lrfinder.loop import Facts
from lrfinder.schedules import Schedule

__all__ = ["QUOTED_STEPS", "Horizon", "PlanOptions", "Request", "check_total_steps"]

QUOTED_STEPS = 1_000
"""The length that a plan speaks of where none is known."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """The length of a training.

    Args:
        steps: Optimizer steps of the whole training; where nobody knows them, the 1,000 that a plan speaks of.
        steps_per_epoch: Those of an epoch, or None where that is not known.
        is_known: Whether `steps` is the real length.
    """

    steps: int
    steps_per_epoch: int | None = None
    is_known: bool = True

    @property
    def epochs(self) -> float:
        """How often the training passes over its data, at least once; once where that is not known."""
        return max(1.0, self.steps / self.steps_per_epoch) if self.steps_per_epoch else 1.0

    @property
    def known_steps(self) -> int | None:
        """The real length, or None."""
        return self.steps if self.is_known else None


class PlanOptions(TypedDict, total=False):
    """The keyword options of `Request`, where they are explained."""

    total_steps: int | None
    schedule: str | Schedule
    epochs: float | None
    steps_per_epoch: int | None
    finetune: bool
    may_extend: bool
    early_stopping: bool
    open_ended: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks of a plan.

    Args:
        total_steps: Optimizer steps of the whole training; None leaves the schedule open and speaks in fractions.
        schedule: `recommended`, a name of the catalogue, or a schedule of your own.
        rule: The name of the suggestion that is to be the peak, unscaled; None weighs all.
        epochs: The length of the training in epochs, instead of `total_steps`.
        steps_per_epoch: Optimizer steps of an epoch; None takes the measured loader's.
        finetune: The model is pretrained and should keep what it knows.
        may_extend: The training may go on beyond `total_steps`, or be branched.
        early_stopping: The training may be stopped before `total_steps`.
        open_ended: Nobody knows how long the training takes: plan for a cooldown that is begun when it should end.

    Raises:
        InputError: A length that is none or is given twice, or options that exclude each other.
    """

    total_steps: int | None = None
    schedule: str | Schedule = "recommended"
    rule: str | None = None
    epochs: float | None = None
    steps_per_epoch: int | None = None
    finetune: bool = False
    may_extend: bool = False
    early_stopping: bool = False
    open_ended: bool = False

    def __post_init__(self) -> None:
        if self.total_steps is not None:
            object.__setattr__(self, "total_steps", check_total_steps(self.total_steps))
        if self.epochs is not None:
            check_number("epochs", self.epochs, "(0, inf)", "pass the epochs of the whole training")
        if self.steps_per_epoch is not None:
            remedy = "it is len(loader), over the accumulated batches of a step"
            object.__setattr__(self, "steps_per_epoch", check_whole("steps_per_epoch", self.steps_per_epoch, remedy))
        for name in ("finetune", "may_extend", "early_stopping", "open_ended"):
            check_flag(name, getattr(self, name))
        self._check_together()

    def _check_together(self) -> None:
        if self.total_steps is not None and self.epochs is not None:
            raise InputError(f"`epochs` must be left out beside `total_steps`={self.total_steps}, got {self.epochs}")
        if not self.open_ended:
            return
        if self.total_steps is not None or self.epochs is not None:
            raise InputError(
                f"`open_ended` must be left out where the length is known, got `total_steps`={self.total_steps} "
                f"and `epochs`={self.epochs}; may_extend=True is for a length that may grow"
            )
        if self.is_particular and not (isinstance(self.schedule, str) and self.schedule == "stable_decay"):
            raise InputError(
                '`schedule` must be "recommended" or "stable_decay" where `open_ended` is asked for, '
                f"got {self.schedule!r}, which needs a length"
            )

    @property
    def is_particular(self) -> bool:
        """Whether a schedule is asked for by name or as an object."""
        return not (isinstance(self.schedule, str) and self.schedule == "recommended")

    def horizon(self, facts: Facts) -> Horizon:
        """Return the length of the training; InputError for epochs where neither request nor facts know their steps."""
        per_epoch = self.steps_per_epoch or facts.steps_per_epoch
        if self.epochs is None:
            return Horizon(self.total_steps or QUOTED_STEPS, per_epoch, is_known=self.total_steps is not None)
        if per_epoch is None:
            raise InputError(
                f"`steps_per_epoch` must be given with `epochs`={self.epochs} for a loader without length, got None; "
                "or pass total_steps="
            )
        return Horizon(max(1, round(self.epochs * per_epoch)), per_epoch)


def check_total_steps(total_steps: object) -> int:
    """Return the optimizer steps of a training as a plain int, those of 1e4 too, or raise InputError."""
    try:
        whole = isinstance(total_steps, float) and total_steps.is_integer()
        return check_whole("total_steps", int(total_steps) if whole else total_steps, "")  # type: ignore[call-overload]
    except InputError:
        raise InputError(
            f"`total_steps` must be a positive whole number of optimizer steps, got {total_steps!r}; "
            "it is epochs * len(loader), over the accumulated batches of a step"
        ) from None
