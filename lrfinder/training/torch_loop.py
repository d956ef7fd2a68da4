"""Plain torch as a `Loop`: a model, a loader, a loss and an optimizer."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from lrfinder.checks import check_flag
from lrfinder.loop import Facts
from lrfinder.snapshot.reach import reached_by
from lrfinder.training.feed import Loader
from lrfinder.training.host import EvaluateIn, Host
from lrfinder.training.loss import BatchLoss, LossFunction, LossStep
from lrfinder.training.optimizers import choose_optimizers, trainable_parameters
from lrfinder.training.options import check_is_plain, check_one_loss, check_state, check_train_step
from lrfinder.training.step_loop import StepLoop, Update
from lrfinder.training.update import Clip, GradientUpdate, Precision, TrainStep

__all__ = ["TorchLoop"]


def TorchLoop(
    model: nn.Module,
    loader: Loader,
    *,
    loss_fn: LossFunction | None = None,
    loss_step: LossStep | None = None,
    train_step: TrainStep | None = None,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    sweep: int | None = None,
    accumulate: int = 1,
    clip_grad_norm: float | None = None,
    clip_grad_value: float | None = None,
    autocast: torch.dtype | None = None,
    scaler: GradScaler | None = None,
    channels_last: bool = False,
    val_loader: Loader | None = None,
    also: Sequence[object] = (),
    snapshot: Literal["auto", "all"] = "auto",
    snapshot_device: torch.device | str | None = None,
    evaluate_in: EvaluateIn | None = None,
) -> StepLoop:
    """Make a `StepLoop` of a plain torch training.

    Args:
        model: The module to train, on its device.
        loader: Anything that yields batches and can be iterated anew, or a function that returns a fresh iterator.
        loss_fn: `loss_fn(output, target) -> scalar tensor`; None takes the model's own loss, or infers it.
        loss_step: `loss_step(model, batch) -> scalar tensor` for what `loss_fn` cannot say; the step stays ours.
        train_step: `train_step(model, batch) -> loss before the step` does the whole update, with whatever optimizers,
            accumulation, clipping and precision it has. It must read the LR from the optimizers that are given here.
        optimizer: Holds the model's parameters; None makes an AdamW over the trainable ones. Those of a list all step
            after one backward, as Muon beside AdamW.
        sweep: Index of the one optimizer of the list to sweep, the others staying as they are; None scales all jointly.
        accumulate: Micro-batches of one optimizer step.
        clip_grad_norm: Largest total gradient norm of a step, or None.
        clip_grad_value: Largest absolute value of a gradient's entry, or None.
        autocast: `torch.bfloat16` or `torch.float16` to compute the forward in, or None.
        scaler: The GradScaler of a float16 training; steps that it skips are repeated, and it is put back.
        channels_last: Lay four-dimensional tensors of a batch out with the channels last.
        val_loader: Batches kept aside, for measuring on them; the first four are used.
        also: Further objects whose state is put back after the search, as an average of the weights or a counter that
            the training changes.
        snapshot: `auto` does not copy frozen parameters where they are most of the model, `all` copies everything.
        snapshot_device: Where the copies are kept, `cpu` for a model that fills the accelerator; None: beside it.
        evaluate_in: `eval` evaluates trials in eval mode and without gradients, `train` as the training computes its
            loss; None takes `train` where eval mode gives no loss.

    Returns:
        The loop.

    Raises:
        InputError: Something that cannot be trained with, each case in one sentence.
    """
    trainable = trainable_parameters(model)
    check_flag("channels_last", channels_last)
    check_state("also", also)
    check_is_plain(model, loss_fn, loss_step, train_step)
    check_one_loss(loss_fn=loss_fn, loss_step=loss_step, train_step=train_step)
    if train_step is not None:
        check_train_step(
            accumulate=None if accumulate == 1 else accumulate,
            clip_grad_norm=clip_grad_norm,
            clip_grad_value=clip_grad_value,
            autocast=autocast,
            val_loader=val_loader,
            evaluate_in=evaluate_in,
        )
    optimizers = choose_optimizers(optimizer, model, own=train_step is not None)
    precision, loss = Precision(trainable[0].device, autocast, channels_last), BatchLoss(model, loss_fn, loss_step)
    clip = Clip(clip_grad_norm, clip_grad_value)
    if train_step is None:
        update: Update = GradientUpdate(loss, optimizers, precision, clip, scaler)
    else:
        update = _own_update(train_step, model, precision)

    def describe(facts: Facts) -> Facts:
        source = loss.source if train_step is None else "returned by train_step"
        return replace(facts, loss=source, precision=precision.name(trainable_parameters(model)[0].dtype))

    functions = (loss_fn, loss_step, train_step)
    return StepLoop(
        update=update,
        forward=partial(precision.forward, loss) if train_step is None else None,
        modules=[module for module in (model, *functions) if isinstance(module, nn.Module)],
        optimizers=optimizers,
        loader=loader,
        val_loader=val_loader,
        state=[*also, *([] if scaler is None else [scaler])],
        accumulate=accumulate,
        sweep=sweep,
        snapshot=snapshot,
        snapshot_device=snapshot_device,
        evaluate_in=evaluate_in,
        host=Host(
            # Our own update always steps, at the rate that was set; an optimizer inside another takes no hooks.
            watched=None if train_step is not None else [],
            reached=[held for function in functions for held in reached_by(function)],
            update_name="`update`" if train_step is None else "`train_step`",
            describe=describe,
            exchange_targets=loss.exchange_targets,
            center_targets=loss.center_targets if train_step is None else lambda micros: 0.0,
        ),
    )


def _own_update(train_step: TrainStep, model: nn.Module, precision: Precision) -> Update:
    """Return a step of the user's own as an update: gradient, clipping and precision are its own, we move the batch."""
    return lambda batch: precision.forward(partial(train_step, model), batch[0])
