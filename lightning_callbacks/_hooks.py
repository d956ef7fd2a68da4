"""Hooks that a module overrides: `lr_scheduler_step` called ahead of time, and one that cannot be searched."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

from lightning_callbacks._compat import Trainer, of_trainer
from lightning_callbacks._horizon import steps_per_epoch
from lrfinder.errors import UpdateError

__all__ = ["failed_hook", "is_overridden", "step_by_hook", "step_without_hook", "unhook"]

OF_STEP = (
    "optimizer_step",
    "on_train_batch_start",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "on_train_batch_end",
)
"""Hooks that make the step, or may set its rate."""


def is_overridden(trainer: Trainer, hook: str) -> bool:
    """Whether the module of a Trainer has a hook of its own."""
    return bool(of_trainer(trainer, "utilities.model_helpers", "is_overridden")(hook, trainer.lightning_module))


def failed_hook(trainer: Trainer, error: Exception) -> str | None:
    """The hook of the module's own through which an error was raised, or that a search cannot run; None for another."""
    module = trainer.lightning_module
    if isinstance(error, UpdateError):
        return next((name for name in OF_STEP if is_overridden(trainer, name)), None)
    codes = {frame.f_code: frame.f_code.co_name for frame in _frames(error.__traceback__)}
    own = {name: getattr(getattr(type(module), name, None), "__code__", None) for name in codes.values()}
    called = [name for code, name in codes.items() if own[name] is code and name != "training_step"]
    return next((name for name in called if is_overridden(trainer, name)), None)


def _frames(traceback: TracebackType | None) -> Iterator[Any]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def step_by_hook(trainer: Trainer) -> Callable[[Any, int], None] | None:
    """How the module's own hook steps a scheduler after so many optimizer steps, or None where it has no such hook."""
    if not is_overridden(trainer, "lr_scheduler_step"):
        return None
    length, epoch = steps_per_epoch(trainer), trainer.current_epoch

    def step(scheduler: Any, done: int) -> None:
        with _counters_at(trainer, epoch if length is None else epoch + (done - 1) // length, done):
            trainer.lightning_module.lr_scheduler_step(scheduler, None)

    return step


@contextmanager
def _counters_at(trainer: Trainer, epoch: int, done: int) -> Iterator[None]:
    """Let a Trainer be at an epoch, so many optimizer steps later than it is."""
    epochs = trainer.fit_loop.epoch_progress.current
    steps = trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total
    held = epochs.completed, steps.completed
    try:
        epochs.completed, steps.completed = epoch, held[1] + done
        yield
    finally:
        epochs.completed, steps.completed = held


def step_without_hook(trainer: Trainer, scheduler: Any) -> None:
    """Let a scheduler of ours be stepped as Lightning does by itself, whatever hook the module has for its own.

    The hook is an attribute of the module until `fit` ends.
    """
    if is_overridden(trainer, "lr_scheduler_step"):
        module = trainer.lightning_module
        theirs = vars(module).get("lr_scheduler_step", module.lr_scheduler_step)
        vars(module)["lr_scheduler_step"] = partial(_step_ours, scheduler, theirs)


def unhook(module: Any) -> None:
    """Give a module its own `lr_scheduler_step` back."""
    hook = vars(module).pop("lr_scheduler_step", None)
    while isinstance(hook, partial) and hook.func is _step_ours:
        hook = hook.args[1]
    if hook is not None and getattr(hook, "__self__", None) is not module:
        vars(module)["lr_scheduler_step"] = hook


def _step_ours(ours: Any, theirs: Callable[[Any, Any], None], scheduler: Any, metric: Any) -> None:
    if scheduler is not ours:
        theirs(scheduler, metric)
    elif metric is None:
        scheduler.step()
    else:
        scheduler.step(metric)
