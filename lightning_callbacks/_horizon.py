"""How long a Trainer will train: in optimizer steps, in epochs, in time."""

import math
import time
import warnings
from collections.abc import Sequence
from typing import Any

from lightning_callbacks._compat import Trainer
from lrfinder.errors import LRFinderWarning

__all__ = [
    "all_steps",
    "callback_of",
    "remaining_epochs",
    "remaining_steps",
    "steps_per_epoch",
    "steps_to_cool_down",
    "warn_of_no_test",
]

COOLDOWN_SHARE = 0.8
"""The share of `max_time` after which an open-ended schedule cools down."""


def steps_per_epoch(trainer: Trainer) -> int | None:
    """Optimizer steps of the current epoch, or None where the loader has no length."""
    return _steps_of_epoch(trainer, trainer.current_epoch)


def remaining_steps(trainer: Trainer) -> int | None:
    """Optimizer steps from the start of the current epoch to the end of the training, or None where that is open.

    Unlike `trainer.estimated_stepping_batches` this counts what is left, follows a `GradientAccumulationScheduler`
    epoch by epoch, and ends where stochastic weight averaging takes the LR over.
    """
    return _steps_from(trainer, trainer.current_epoch, trainer.global_step)


def all_steps(trainer: Trainer) -> int | None:
    """Optimizer steps of the whole training, wherever in it this is, or None where its end is open."""
    return _steps_from(trainer, 0, 0)


def remaining_epochs(trainer: Trainer) -> int | None:
    """Epochs from the current one to the end, or to where stochastic weight averaging begins; None where open."""
    last = _last_epoch(trainer)
    return None if last is None else max(1, last - trainer.current_epoch)


def steps_to_cool_down(trainer: Trainer, began: float, first: int) -> int:
    """Return the optimizer steps of a cooldown from now to `max_time`; 0 where it is too early, or there is no limit.

    Training began at step `first`, when the monotonic clock read `began`.
    """
    timer = callback_of(trainer, "Timer")
    left = None if timer is None else timer.time_remaining()
    if left is None:
        return 0
    spent, done = time.monotonic() - began, trainer.global_step - first
    due = done > 0 and spent / (spent + left) >= COOLDOWN_SHARE
    return int(trainer.strategy.broadcast(max(1, round(done * left / spent)) if due else 0))


def warn_of_no_test(trainer: Trainer, at_epochs: Sequence[int]) -> None:
    """Warn where no epoch of this fit will be tested, as in a training that was begun without the callback."""
    now, left = trainer.current_epoch, remaining_epochs(trainer)
    to_come = [e for e in at_epochs if e > now and (left is None or e < now + left)]
    if not to_come and not getattr(trainer, "fast_dev_run", 0):
        warnings.warn(
            f"AutoLR measures nothing in this fit, which starts at epoch {now}, step {trainer.global_step}: "
            f"`at_epochs` is {at_epochs}; add an epoch whose first batch has not come yet",
            LRFinderWarning,
            stacklevel=3,
        )


def callback_of(trainer: Trainer, name: str) -> Any:
    """The Trainer's first callback of that class or below it, from either Lightning package."""
    return next((c for c in trainer.callbacks if name in (cls.__name__ for cls in type(c).__mro__)), None)  # type: ignore[attr-defined]


def _steps_from(trainer: Trainer, first: int, done: int) -> int | None:
    """Optimizer steps from the start of an epoch, before which so many were done."""
    bounds = [] if trainer.max_steps in (None, -1) else [trainer.max_steps - done]
    last = _last_epoch(trainer)
    if last is not None:
        counts = [_steps_of_epoch(trainer, epoch) for epoch in range(first, last)]
        if None not in counts:
            bounds.append(sum(n for n in counts if n is not None))
    return max(1, min(bounds)) if bounds else None


def _last_epoch(trainer: Trainer) -> int | None:
    """The epoch before which the training ends, or averaging takes over; None where that is open."""
    averaging = callback_of(trainer, "StochasticWeightAveraging")
    if averaging is not None:
        return int(averaging.swa_start)
    return None if trainer.max_epochs in (None, -1) else int(trainer.max_epochs)


def _steps_of_epoch(trainer: Trainer, epoch: int) -> int | None:
    batches = trainer.num_training_batches
    if math.isinf(batches):
        return None
    scheduler = callback_of(trainer, "GradientAccumulationScheduler")
    parts = trainer.accumulate_grad_batches if scheduler is None else scheduler.get_accumulate_grad_batches(epoch)
    return math.ceil(batches / parts)
