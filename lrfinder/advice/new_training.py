"""What is new of a training: its length, its batch, its ranks, its size."""

import math
from dataclasses import dataclass, replace

from lrfinder.advice.change import Change
from lrfinder.advice.optimizers import Kind
from lrfinder.advice.plan import Plan, Setting
from lrfinder.advice.request import Horizon, check_total_steps
from lrfinder.checks import check_number, check_whole
from lrfinder.errors import InputError

__all__ = ["NewTraining", "check_change"]

COUNTS = {
    "batch_size": "pass the samples of one optimizer step on one rank",
    "world_size": "pass the ranks that train together",
    "parameters": "pass the number of weights that are trained",
}

REFUSED, REFUSED_SIZE = 10_000, 100
"""Ratio of a batch or a length, and of a model's size, from which nothing supports an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTraining:
    """What is new of a training; None stays.

    Args:
        total_steps: Optimizer steps of the whole training.
        epochs: Its length in epochs instead.
        batch_size: Samples of one optimizer step on one rank.
        world_size: Ranks that train together, each on a batch of its own.
        parameters: Weights that are trained.

    Raises:
        InputError: A number that is none, or a length given twice.
    """

    total_steps: int | None = None
    epochs: float | None = None
    batch_size: int | None = None
    world_size: int | None = None
    parameters: int | None = None

    def __post_init__(self) -> None:
        if self.total_steps is not None:
            object.__setattr__(self, "total_steps", check_total_steps(self.total_steps))
        for name, remedy in COUNTS.items():
            if getattr(self, name) is not None:
                given = getattr(self, name)
                whole = int(given) if isinstance(given, float) and given.is_integer() else given
                object.__setattr__(self, name, check_whole(name, whole, remedy))
        if self.epochs is not None:
            check_number("epochs", self.epochs, "(0, inf)", "pass the epochs of the whole training")
        if self.total_steps is not None and self.epochs is not None:
            raise InputError(f"`epochs` must be left out beside `total_steps`={self.total_steps}, got {self.epochs}")

    @property
    def has_length(self) -> bool:
        """Whether a length is given, so that the samples may change."""
        return self.total_steps is not None or self.epochs is not None

    def setting(self, before: Setting) -> Setting:
        """Return what the training is from now on; InputError where what changes was not known."""
        for name, remedy in (
            ("batch_size", "say how it changes by `world_size`: 8 for eight times the batch on one rank"),
            ("parameters", "the result is of an earlier version or of lazy layers: measure anew"),
        ):
            given = getattr(self, name)
            if given is not None and getattr(before, name) is None:
                raise InputError(
                    f"`{name}` must be left out where the measured one is not known, got {given}; {remedy}"
                )
        new = {"batch_size": self.batch_size, "ranks": self.world_size, "parameters": self.parameters}
        return replace(before, **{name: value for name, value in new.items() if value is not None})

    def horizon(self, plan: Plan, batch: float) -> Horizon | None:
        """Return the new length with a batch so many times as large; None where neither plan nor this has one."""
        per_epoch = plan.steps_per_epoch and max(1, math.ceil(plan.steps_per_epoch / batch))
        if plan.total_steps is None:
            self._check_no_length()
            return None
        if self.epochs is None:
            return Horizon(self.total_steps or max(1, round(plan.total_steps / batch)), per_epoch)
        if per_epoch is None:
            raise InputError(
                f"`epochs` must be left out where the plan does not know the steps of one, got {self.epochs}; pass "
                "`total_steps`"
            )
        return Horizon(max(1, round(self.epochs * per_epoch)), per_epoch)

    def _check_no_length(self) -> None:
        for name in ("total_steps", "epochs"):
            if getattr(self, name) is not None:
                raise InputError(
                    f"`{name}` must be left out where the plan has no length to be compared with, got "
                    f"{getattr(self, name)}; plan with the old one first, as in found.recommend(total_steps=...)"
                )


def check_change(change: Change, kind: Kind) -> None:
    """Raise InputError where nothing changes, or more than anything supports."""
    if change == Change():
        raise InputError(
            "`rescale` must be given something that changes, got the length, batch, ranks and size that there are; "
            "pass total_steps, epochs, batch_size, world_size or parameters"
        )
    for name, most in (("batch", REFUSED), ("samples", REFUSED), ("parameters", REFUSED_SIZE)):
        ratio = getattr(change, name)
        if max(ratio, 1 / ratio) > most:
            raise InputError(
                f"the {name} must change by at most {most:,} times to be rescaled, got {ratio:.3g} times; measure the "
                "new training instead"
            )
    if change.parameters != 1 and kind != "adam":
        raise InputError(
            f"`parameters` must be left out with an optimizer that is not like Adam, for which nothing was measured, "
            f"got {change.parameters:.3g} times as many; measure the new model instead"
        )
