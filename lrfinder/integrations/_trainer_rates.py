"""The scheduler of a Trainer: what it will do, and ours in its place."""

import warnings
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrfinder.errors import InputError, LRFinderWarning, NoSignalError
from lrfinder.integrations.accelerate import bare
from lrfinder.result import LRResult
from lrfinder.schedules import Constant, Custom, Schedule
from lrfinder.training.foresee import rates_ahead
from lrfinder.training.param_groups import find_reference
from lrfinder.training.rescaling import rescale
from lrfinder.training.scheduler import ScheduledLR, attach
from lrfinder.training.step_loop import StepLoop

__all__ = ["TrainerLR", "own_shape", "put", "rescale_own", "scheduler_name", "warn_of_length"]

BLIND = ("GreedyLR",)
"""Schedulers of transformers whose next rate depends on a metric."""


class TrainerLR(ScheduledLR):
    """A schedule on the optimizer of a Trainer, whose saved state the Trainer's own scheduler can read.

    A Trainer that is resumed makes its own scheduler anew, and gives it the state that was saved, before any callback
    can put another in its place.
    """

    @classmethod
    def of(cls, optimizer: Optimizer, schedule: Schedule, lr: float, done: int = 0) -> "TrainerLR":
        """Attach a schedule, at the rate for the step after `done` optimizer steps."""
        shape = attach(optimizer, schedule, lr=lr, last_epoch=done - 1).schedule
        return cls(optimizer, shape, done - 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain data, with the one entry that torch's LambdaLR asks for."""
        return {**super().state_dict(), "lr_lambdas": []}


def put(trainer: Any, scheduler: ScheduledLR) -> None:
    """Let a Trainer step a scheduler, log its rate and save it, in place of its own."""
    trainer.lr_scheduler = trainer.callback_handler.lr_scheduler = scheduler


def own_shape(trainer: Any, loop: StepLoop) -> tuple[Schedule, float]:
    """Return what the Trainer's own scheduler will do, and the highest rate of the reference group.

    Where a metric decides that is a constant.
    """
    scheduler = trainer.lr_scheduler
    optimizer, reference = find_reference(loop.swept)
    if isinstance(scheduler, ReduceLROnPlateau) or type(scheduler).__name__ in BLIND:
        return Constant(), float(optimizer.param_groups[reference]["lr"])
    rates = rates_ahead([scheduler], optimizer, reference, trainer.state.max_steps)
    top = max(rates)
    if not top > 0:
        return Constant(), loop.facts.bases[loop.facts.reference]
    factors = [rate / top for rate in rates]
    name = f"of the Trainer's {scheduler_name(trainer)} scheduler"
    return Custom(lambda step: factors[min(step, len(factors) - 1)], name=name, owner="Trainer"), top


def rescale_own(trainer: Any, lr: float, top: float | None) -> bool:
    """Bring the rate `top` to `lr`, with the Trainer's own scheduler; a warning where that does not follow."""
    try:
        rescale(bare(trainer.optimizer), lr, trainer.lr_scheduler, peak=top)
    except InputError as error:
        warnings.warn(
            f"nothing was applied, and the training goes on at the rates that it had: {error}. Pass "
            'schedule="recommended" to let the recommended schedule take its place',
            LRFinderWarning,
            stacklevel=2,
        )
        return False
    return True


def scheduler_name(trainer: Any) -> str:
    """Return what `lr_scheduler_type` calls the Trainer's scheduler, or the class of one that was passed."""
    kind = trainer.args.lr_scheduler_type
    return str(getattr(kind, "value", kind)) if trainer._created_lr_scheduler else type(trainer.lr_scheduler).__name__


def warn_of_length(found: LRResult, planned: int, steps: int) -> None:
    """Say that a schedule stays in a training of another length, what comes of its end, and the rescaled plan."""
    end = f" and stays at its end from step {planned} on" if steps > planned else ", and the training ends before it"
    warnings.warn(
        f"the schedule was planned for {planned} optimizer steps, and this training has {steps}: it is kept{end}."
        f"{_rescaled(found, steps)}",
        LRFinderWarning,
        stacklevel=3,
    )


def _rescaled(found: LRResult, steps: int) -> str:
    """What the plan would be for another length, as a sentence; empty where nobody knows."""
    try:
        plan = found.rescale(total_steps=steps).plan
    except (InputError, NoSignalError):
        return ""
    # A function of the user's is not in the checkpoint, and nobody knows what it would be for another length.
    known = plan is not None and plan.schedule is not None
    return f" Rescaled it would be {plan}, as `result.rescale(total_steps={steps})` gives it." if known else ""
