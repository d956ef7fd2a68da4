"""The records of a recommendation: what is asked for, what is advised, and why."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from lrfinder.checks import check_flag, check_number, check_whole
from lrfinder.display import plot, report
from lrfinder.display.notebook import html_of
from lrfinder.errors import InputError
from lrfinder.loop import Facts
from lrfinder.schedules import Schedule, describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["QUOTED_STEPS", "Grade", "Plan", "PlanOptions", "Reason", "Request"]

Grade = Literal["strong", "moderate", "weak"]

QUOTED_STEPS = 1_000
"""The horizon that a plan speaks of where none is known."""


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
            object.__setattr__(self, "total_steps", _steps(self.total_steps))
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

    def horizon(self, facts: Facts) -> int | None:
        """Return the optimizer steps of the whole training, or None where they are not known.

        Args:
            facts: Of the loop, for the steps of an epoch.

        Raises:
            InputError: Epochs are given and nobody knows how many steps one has.
        """
        if self.epochs is None:
            return self.total_steps
        steps = self.steps_per_epoch or facts.steps_per_epoch
        if steps is None:
            raise InputError(
                f"`steps_per_epoch` must be given with `epochs`={self.epochs} for a loader without length, got None; "
                "or pass total_steps="
            )
        return max(1, round(self.epochs * steps))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train with. `print` it for the advice.

    Args:
        lr: Peak LR of the reference group, for `schedule`.
        interval: The range that holds the best peak with a probability of 80 %.
        schedule: Factor of the peak for each optimizer step; None where `total_steps` is not known.
        total_steps: Optimizer steps of the whole training, or None.
        warmup: Optimizer steps of the climb, inside `total_steps`.
        rule: The rule whose own rate `lr` is, or None where everything measured was weighed.
        reasons: Why, each with the grade of its evidence.
        runner_up: The next best schedule and what it is expected to cost.
        warnings: What a person should know before trusting this.
        code: Lines of torch code that use the plan.
        outline: Where `schedule` is None: what it would be for a training of 1,000 steps.
        steps_per_epoch: Optimizer steps of an epoch, or None.
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

    def __str__(self) -> str:
        return report.advice(self)

    def _repr_html_(self) -> str:
        return html_of(self, self)

    @property
    def shape(self) -> Schedule | None:
        """The schedule, or its outline for 1,000 steps; None where it was a function that a file could not hold."""
        return self.schedule or self.outline

    @property
    def shown_steps(self) -> int:
        """The optimizer steps that a picture or a printout speaks of; a tenth of them climb where the end is open."""
        return self.total_steps or max(QUOTED_STEPS, 10 * self.warmup)

    @property
    def schedule_text(self) -> str:
        """The shape as one readable line."""
        return "a function that the file could not hold" if self.shape is None else describe(self.shape)

    def lr_at(self, share: float) -> float:
        """LR of the reference group after a share (0 to 1) of the training; at 1, that of the last step.

        Raises:
            InputError: The schedule was a function, and was lost in a file.
        """
        if self.shape is None:
            raise InputError(f"`schedule` must be known for the LR at {share:g} of the training, got {self.shape}")
        return self.lr * self.shape(round(share * (self.shown_steps - 1)))

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the LR of the reference group against the optimizer step, the end of the warm-up and the end marked.

        Args:
            ax: Where to draw; None makes a new figure.

        Returns:
            The axes; `ax.figure.savefig(path)` saves it.
        """
        return plot.draw_plan(self, ax)


def _steps(total_steps: object) -> int:
    """The optimizer steps of a training as a plain int."""
    try:
        return check_whole("total_steps", total_steps, "")
    except InputError:
        raise InputError(
            f"`total_steps` must be a positive whole number of optimizer steps, got {total_steps!r}; "
            "it is epochs * len(loader), over the accumulated batches of a step"
        ) from None
