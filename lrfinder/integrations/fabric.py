"""Lightning Fabric: a training on objects that Fabric has set up, as a `Loop`."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lrfinder.errors import InputError
from lrfinder.loop import Batch, Facts
from lrfinder.snapshot.reach import reached_by
from lrfinder.training.batch import shares, to_device
from lrfinder.training.feed import HELD_OUT_BATCHES, Feed, shallow_copy
from lrfinder.training.host import EvaluateIn, Host
from lrfinder.training.loss import BatchLoss, LossFunction, LossStep
from lrfinder.training.options import check_one_loss
from lrfinder.training.step_loop import StepLoop

__all__ = ["fabric_loop"]

REFUSED = ("DeepSpeedStrategy", "FSDPStrategy")
"""Strategies whose weights a snapshot of the module does not hold, or that no test here can run."""


def fabric_loop(
    fabric: Any,
    model: nn.Module,
    optimizer: Optimizer,
    loader: Any,
    loss_fn: LossFunction | None = None,
    *,
    loss_step: LossStep | None = None,
    accumulate: int = 1,
    clip_grad_norm: float | None = None,
    val_loader: Any = None,
    also: Sequence[object] = (),
    snapshot: Literal["auto", "all"] = "auto",
    snapshot_device: torch.device | str | None = None,
    evaluate_in: EvaluateIn | None = None,
) -> StepLoop:
    """Make a `StepLoop` of what `fabric.setup` and `fabric.setup_dataloaders` returned.

    Args:
        fabric: The `lightning.fabric.Fabric`.
        model: The model that `fabric.setup` returned.
        optimizer: The optimizer that it returned.
        loader: What `fabric.setup_dataloaders` returned.
        loss_fn: `loss_fn(output, target) -> scalar tensor`; None takes the model's own loss, or infers it.
        loss_step: `loss_step(model, batch) -> scalar tensor` for what `loss_fn` cannot say.
        accumulate: Micro-batches of one optimizer step.
        clip_grad_norm: What the training passes to `fabric.clip_gradients` as `max_norm`, or None.
        val_loader: Batches kept aside, for measuring on them; the first four are used.
        also: Further objects whose state is put back after the search.
        snapshot: `auto` does not copy frozen parameters where they are most of the model, `all` copies everything.
        snapshot_device: Where the copies are kept; None: beside the model.
        evaluate_in: `eval` evaluates trials in eval mode, `train` in train mode and with gradients; None takes `train`
            where eval mode gives no loss.

    Returns:
        The loop, for `range_test` and `tune_loop`.

    Raises:
        InputError: Something that cannot be trained with, each case in one sentence.
    """
    _check_set_up(fabric, optimizer)
    check_one_loss(loss_fn=loss_fn, loss_step=loss_step)
    loss = BatchLoss(model, loss_fn, loss_step)

    def forward(micro: Any) -> Tensor:
        return loss(to_device(micro, fabric.device))

    def update(batch: Batch) -> Tensor:
        optimizer.zero_grad()
        losses = []
        for i, (micro, share) in enumerate(zip(batch, shares(batch), strict=True)):
            with fabric.no_backward_sync(model, enabled=i < len(batch) - 1):
                part = forward(micro) * share
                fabric.backward(part)
            losses.append(part.detach())
        if clip_grad_norm is not None:
            fabric.clip_gradients(model, optimizer, max_norm=clip_grad_norm)
        optimizer.step()
        return torch.stack(losses).sum()

    precision = fabric.strategy.precision
    scaler = getattr(precision, "scaler", None)

    def describe(facts: Facts) -> Facts:
        setting = str(precision.precision)
        named = facts.precision if setting == "32-true" else f"{facts.precision}, precision {setting}"
        name = type(getattr(model, "module", model)).__name__
        return replace(facts, model=name, loss=loss.source, precision=named)

    return StepLoop(
        update=update,
        forward=forward,
        modules=[module for module in (model, loss_fn, loss_step) if isinstance(module, nn.Module)],
        optimizers=optimizer.optimizer,  # type: ignore[attr-defined]
        loader=_feed(loader, accumulate, "loader"),
        val_loader=None if val_loader is None else _feed(val_loader, HELD_OUT_BATCHES, "val_loader"),
        state=[*also, *([] if scaler is None else [scaler]), vars(optimizer)],
        snapshot=snapshot,
        snapshot_device=snapshot_device,
        evaluate_in=evaluate_in,
        host=Host(
            device=fabric.device,
            reached=[held for function in (loss_fn, loss_step) for held in reached_by(function)],
            describe=describe,
            exchange_targets=loss.exchange_targets,
            center_targets=loss.center_targets,
        ),
    )


def _feed(loader: Any, per_draw: int, name: str) -> Feed:
    """A stream over copies of a loader, which counts how often it is iterated; another than Fabric's as it is."""
    inner = getattr(loader, "_dataloader", None)
    if inner is None:
        return Feed(loader, per_draw, name)
    length = None
    with suppress(TypeError, NotImplementedError):
        length = len(inner)
    return Feed(lambda: _pass(loader, inner), per_draw, name, [inner], length)


def _pass(loader: Any, inner: Any) -> Iterator[Any]:
    """One pass over a copy of the loader, which leaves its count and its workers alone."""
    own = copy.copy(loader)
    vars(own)["_dataloader"] = shallow_copy(inner)
    return iter(own)


def _check_set_up(fabric: Any, optimizer: Any) -> None:
    """Raise InputError for a strategy that cannot be searched with, and for objects that Fabric has not seen."""
    names = [cls.__name__ for cls in type(fabric.strategy).__mro__]
    refused = [name for name in names if name in REFUSED]
    if refused:
        raise InputError(
            f"`fabric` must have a strategy that trains the weights of the module itself, got {refused[0]}; find the "
            'rate with strategy="ddp" or on one device, and pass it to the real run'
        )
    if not hasattr(optimizer, "optimizer"):
        raise InputError(
            f"`optimizer` must be the one that Fabric has set up, got a bare {type(optimizer).__name__}; pass what "
            "fabric.setup(model, optimizer) returned"
        )
