"""Accelerate: a training on prepared objects as a `Loop`, and a schedule that counts its optimizer steps."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lrfinder.errors import InputError
from lrfinder.loop import Batch, Facts
from lrfinder.schedules import Schedule
from lrfinder.snapshot.reach import reached_by
from lrfinder.training.batch import shares, to_device
from lrfinder.training.feed import Loader
from lrfinder.training.host import EvaluateIn, Host
from lrfinder.training.loss import BatchLoss, LossFunction, LossStep
from lrfinder.training.options import check_one_loss
from lrfinder.training.scheduler import attach
from lrfinder.training.step_loop import StepLoop

__all__ = ["accelerate_loop", "attach_prepared", "bare", "check_engine"]

REFUSED = ("DEEPSPEED", "MEGATRON_LM")
"""Engines with masters of the weights, which a snapshot of the model does not hold."""


def accelerate_loop(
    accelerator: Any,
    model: nn.Module,
    optimizer: Optimizer,
    loader: Loader,
    loss_fn: LossFunction | None = None,
    *,
    loss_step: LossStep | None = None,
    clip_grad_norm: float | None = None,
    val_loader: Loader | None = None,
    also: Sequence[object] = (),
    snapshot: Literal["auto", "all"] = "auto",
    snapshot_device: torch.device | str | None = None,
    evaluate_in: EvaluateIn | None = None,
) -> StepLoop:
    """Make a `StepLoop` of what `accelerator.prepare` returned, for `range_test` and `tune_loop`.

    An update is what a training by Accelerate makes under `accelerator.accumulate(model)`: so many micro-batches as the
    accelerator accumulates, its precision, its GradScaler, its processes.

    Args:
        accelerator: The `accelerate.Accelerator`.
        model: The prepared model.
        optimizer: The prepared optimizer.
        loader: The prepared loader.
        loss_fn: `loss_fn(output, target) -> scalar tensor`; None takes the model's own loss, or infers it.
        loss_step: `loss_step(model, batch) -> scalar tensor` for what `loss_fn` cannot say.
        clip_grad_norm: What the training passes to `accelerator.clip_grad_norm_`, or None.
        val_loader: Batches kept aside, for measuring on them; the first four are used.
        also: Further objects whose state is put back after the search.
        snapshot: `auto` does not copy frozen parameters where they are most of the model, `all` copies everything.
        snapshot_device: Where the copies are kept; None: beside the model.
        evaluate_in: `eval` evaluates trials in eval mode, `train` in train mode and with gradients; None takes `train`
            where eval mode gives no loss.

    Returns:
        The loop.

    Raises:
        InputError: Something that cannot be trained with, each case in one sentence.
    """
    check_engine(accelerator)
    check_one_loss(loss_fn=loss_fn, loss_step=loss_step)
    if not hasattr(optimizer, "step_was_skipped"):
        raise InputError(
            f"`optimizer` must be the prepared one, got a bare {type(optimizer).__name__}; pass what "
            "accelerator.prepare(model, optimizer, loader) returned"
        )
    loss = BatchLoss(model, loss_fn, loss_step)

    update = _Update(accelerator, model, optimizer, loss, clip_grad_norm)

    def describe(facts: Facts) -> Facts:
        mixed = accelerator.mixed_precision
        precision = facts.precision if mixed in (None, "no") else f"{facts.precision}, mixed precision {mixed}"
        name = type(accelerator.unwrap_model(model)).__name__
        return replace(facts, model=name, loss=loss.source, precision=precision)

    scaler = accelerator.scaler
    return StepLoop(
        update=update,
        forward=update.forward,
        modules=[module for module in (model, loss_fn, loss_step) if isinstance(module, nn.Module)],
        optimizers=bare(optimizer),
        loader=loader,
        val_loader=val_loader,
        state=[*also, *([] if scaler is None else [scaler]), vars(optimizer), accelerator.gradient_state],
        accumulate=accelerator.gradient_accumulation_steps,
        snapshot=snapshot,
        snapshot_device=snapshot_device,
        evaluate_in=evaluate_in,
        host=Host(
            device=accelerator.device,
            reached=[held for function in (loss_fn, loss_step) for held in reached_by(function)],
            describe=describe,
            exchange_targets=loss.exchange_targets,
            center_targets=loss.center_targets,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Update:
    """One optimizer step, as a training makes it under `accelerator.accumulate`, which counts batches of its own."""

    accelerator: Any
    model: nn.Module
    optimizer: Any
    loss: BatchLoss
    clip_grad_norm: float | None

    def __call__(self, batch: Batch) -> Tensor | None:
        """Make it; return the loss before it, or None where a GradScaler skipped it."""
        self.accelerator.gradient_state._set_sync_gradients(True)
        self.optimizer.zero_grad()
        losses = [self._micro_step(micro, i == len(batch) - 1) for i, micro in enumerate(batch)]
        if self.clip_grad_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
        self.optimizer.step()
        parts = [one * share for one, share in zip(losses, shares(batch), strict=True)]
        return None if self.optimizer.step_was_skipped else torch.stack(parts).sum()

    def forward(self, micro: Any) -> Tensor:
        """Return the loss of a micro-batch."""
        return self.loss(to_device(micro, self.accelerator.device))

    def _micro_step(self, micro: Any, is_last: bool) -> Tensor:
        self.accelerator.gradient_state._set_sync_gradients(is_last)
        with nullcontext() if is_last else self.accelerator.no_sync(self.model):
            loss = self.forward(micro)
            self.accelerator.backward(loss)
        return loss.detach()


def attach_prepared(accelerator: Any, optimizer: Optimizer, schedule: Schedule, *, lr: float | None = None) -> Any:
    """Attach a schedule to a prepared optimizer; return it as a prepared scheduler that counts optimizer steps.

    A scheduler that went through `accelerator.prepare` steps once for each process, so that a schedule of the optimizer
    steps would be over early on several. This one steps once, after an optimizer step that was made: not between the
    micro-batches of one, and not where a GradScaler has skipped it. The accelerator saves and loads it with its state.

    Args:
        accelerator: The `accelerate.Accelerator`.
        optimizer: The prepared optimizer.
        schedule: As in `lrfinder.attach`.
        lr: The peak of the reference group, as in `lrfinder.attach`.

    Returns:
        An `accelerate.scheduler.AcceleratedScheduler`; call its `step()` after each `optimizer.step()`.
    """
    from accelerate.scheduler import AcceleratedScheduler

    scheduler = AcceleratedScheduler(
        attach(optimizer, schedule, lr=lr), [optimizer], step_with_optimizer=True, split_batches=True
    )
    accelerator._schedulers.append(scheduler)
    return scheduler


def bare(optimizer: Any) -> Optimizer:
    """The optimizer inside a prepared one, which takes hooks and holds the groups; another as it is."""
    inner: Optimizer = getattr(optimizer, "optimizer", optimizer)
    return inner


def check_engine(accelerator: Any) -> None:
    """Raise InputError for an engine whose weights are not those of the model."""
    engine = str(getattr(accelerator.distributed_type, "name", accelerator.distributed_type))
    if engine in REFUSED:
        raise InputError(
            f"`accelerator` must train the weights of the model itself, got the engine {engine}, which keeps masters "
            "of its own; find the rate without it, on one process, and pass it to the real run"
        )
