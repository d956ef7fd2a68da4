"""The options of a plain torch training: their names and types, and what cannot go together."""

from collections.abc import Sequence
from types import ModuleType
from typing import Literal, TypedDict

import torch
from torch.amp import GradScaler
from torch.optim import Optimizer

from lrfinder.errors import InputError
from lrfinder.training.feed import Loader
from lrfinder.training.host import EvaluateIn
from lrfinder.training.loss import LossFunction, LossStep
from lrfinder.training.update import TrainStep

__all__ = [
    "TrainingOptions",
    "check_choices",
    "check_function",
    "check_is_plain",
    "check_one_loss",
    "check_state",
    "check_train_step",
]


class TrainingOptions(TypedDict, total=False):
    """The keyword options of `TorchLoop`, where they are explained."""

    loss_fn: LossFunction | None
    loss_step: LossStep | None
    train_step: TrainStep | None
    optimizer: Optimizer | Sequence[Optimizer] | None
    sweep: int | None
    accumulate: int
    clip_grad_norm: float | None
    clip_grad_value: float | None
    autocast: torch.dtype | None
    scaler: GradScaler | None
    channels_last: bool
    val_loader: Loader | None
    also: Sequence[object]
    snapshot: Literal["auto", "all"]
    snapshot_device: torch.device | str | None
    evaluate_in: EvaluateIn | None


def check_one_loss(**sources: object) -> None:
    """Raise InputError for more than one source of the loss."""
    given = [name for name, source in sources.items() if source is not None]
    if len(given) > 1:
        raise InputError(
            f"only one of `loss_fn`, `loss_step` and `train_step` must be given, got {' and '.join(given)}"
        )


def check_is_plain(model: object, *losses: object) -> None:
    """Raise InputError for a module of Lightning's whose own step nothing here would call."""
    is_lightning = any(cls.__name__ == "LightningModule" for cls in type(model).__mro__)
    if is_lightning and all(loss is None for loss in losses):
        raise InputError(
            f"`model` must be a plain module, or come with its loss, got the LightningModule {type(model).__name__}, "
            "whose `training_step` and `configure_optimizers` would not be used; put AutoLR() of lightning_callbacks "
            "into the callbacks of its Trainer, or pass loss_step=lambda model, batch: model.training_step(batch, 0) "
            "with its optimizer"
        )


def check_train_step(**options: object) -> None:
    """Raise InputError for an option that does what a step of the user's own has to do itself."""
    given = [f"{name}={value!r}" for name, value in options.items() if value is not None]
    if given:
        raise InputError(
            f"accumulation, clipping, autocast and losses beside the step's must be left to `train_step`, "
            f"got {', '.join(given)}; do them there"
        )


def check_choices(
    accumulate: int, snapshot: str, snapshot_device: torch.device | str | None, evaluate_in: str | None
) -> None:
    """Raise InputError for micro-batches, a snapshot or a mode that does not exist, and in inference mode."""
    if torch.is_inference_mode_enabled():
        raise InputError(
            "a learning rate must be found outside of `torch.inference_mode()`, got a call inside it; leave it"
        )
    if not isinstance(accumulate, int) or accumulate < 1:
        raise InputError(f"`accumulate` must be a positive number of micro-batches, got {accumulate!r}")
    if snapshot not in ("auto", "all"):
        raise InputError(f'`snapshot` must be "auto" or "all", got {snapshot!r}')
    if evaluate_in not in (None, "eval", "train"):
        raise InputError(f'`evaluate_in` must be "eval", "train" or None, got {evaluate_in!r}')
    _check_device(snapshot_device)


def check_function(name: str, function: object, *, may_be_none: bool = False) -> None:
    """Raise InputError for what cannot be called."""
    if not callable(function) and not (may_be_none and function is None):
        raise InputError(f"`{name}` must be a function{' or None' if may_be_none else ''}, got {function!r:.60}")


def check_state(name: str, objects: object) -> None:
    """Raise InputError for what is no list of objects to put back, or holds something without a state."""
    if not isinstance(objects, (list, tuple)):
        raise InputError(f"`{name}` must be a list of objects to put back after the search, got {objects!r:.60}")
    for thing in objects:
        if thing is None or isinstance(thing, (int, float, complex, str, bytes, type, ModuleType)):
            raise InputError(
                f"`{name}` must hold objects with a state that can be put back, got {thing!r:.60} in it; pass the "
                "object that holds it"
            )


def _check_device(snapshot_device: torch.device | str | None) -> None:
    """Raise InputError for a device that tensors cannot be copied to and back."""
    try:
        fits = snapshot_device is None or torch.empty(1, device=snapshot_device).device.type != "meta"
    except (RuntimeError, TypeError, AssertionError):
        fits = False
    if not fits:
        raise InputError(
            f'`snapshot_device` must be a device of this machine, as in "cpu", or None, got {snapshot_device!r}'
        )
