"""One optimizer step: from micro-batches to new parameters."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import LBFGS, Optimizer

from lrfinder.errors import InputError, LRFinderError
from lrfinder.loop import Batch
from lrfinder.training.batch import describe, shares, to_device
from lrfinder.training.distributed import Ranks
from lrfinder.training.loss import BatchLoss

__all__ = ["Clip", "GradientUpdate", "Precision", "TrainStep"]

TrainStep = Callable[[nn.Module, Any], "float | Tensor | None"]


@dataclass(frozen=True, slots=True)
class Precision:
    """In what a forward computes, and where: the device, the autocast dtype or None, the layout of images."""

    device: torch.device
    autocast: torch.dtype | None = None
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.autocast not in (None, torch.bfloat16, torch.float16, torch.float32):
            raise InputError(f"`autocast` must be torch.bfloat16, torch.float16 or None, got {self.autocast!r}")

    def name(self, stored: torch.dtype) -> str:
        """The precision in words, for parameters stored in a dtype."""
        computed = "" if self.autocast is None else f", autocast to {str(self.autocast).removeprefix('torch.')}"
        return f"{str(stored).removeprefix('torch.')}{computed}"

    def forward(self, function: Callable[[Any], Any], micro: Any) -> Any:
        """Call a function on a micro-batch of this device and layout; what it raises names the batch's shapes."""
        # An autocast region around all of this would keep the first weights in its cache.
        torch.clear_autocast_cache()
        try:
            batch = to_device(micro, self.device, torch.channels_last if self.channels_last else None)
            if self.autocast is None:
                return function(batch)
            with torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not torch.float32):
                return function(batch)
        except LRFinderError:
            raise
        except Exception as error:
            error.add_note(f"lrfinder: raised by the model or the loss on this batch: {describe(micro)}")
            raise


@dataclass(frozen=True, slots=True)
class Clip:
    """Clips gradients before a step, to a largest total norm and a largest absolute value of an entry."""

    norm: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        for name, bound in (("clip_grad_norm", self.norm), ("clip_grad_value", self.value)):
            if bound is not None and (isinstance(bound, bool) or not (isinstance(bound, (int, float)) and bound > 0)):
                raise InputError(f"`{name}` must be positive or None, got {bound!r}")

    def __call__(self, optimizers: Sequence[Optimizer]) -> None:
        """Clip the gradients of what the optimizers hold, together."""
        held = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
        if self.value is not None:
            nn.utils.clip_grad_value_(held, self.value)
        if self.norm is not None:
            nn.utils.clip_grad_norm_(held, self.norm)


class GradientUpdate:
    """Accumulates the gradient of the mean loss over micro-batches, clips it and steps, through a GradScaler if given.

    Several optimizers all step after one backward. A single one that takes a closure gets it, so that it may evaluate
    the batch again; LBFGS, which has to, is refused beside others and with a scaler.
    """

    def __init__(
        self,
        loss: BatchLoss,
        optimizers: Sequence[Optimizer],
        precision: Precision,
        clip: Clip,
        scaler: GradScaler | None = None,
    ) -> None:
        if scaler is not None and not hasattr(scaler, "unscale_"):
            raise InputError(f"`scaler` must be a GradScaler or None, got {scaler!r}; pass that of the training")
        again = [type(one).__name__ for one in optimizers if isinstance(one, LBFGS) or _moves_twice(one)]
        if scaler is not None and again:
            raise InputError(
                f"`scaler` must be None with {again[0]}, which evaluates its closure often, got a GradScaler; pass "
                "`train_step=` with a function that does the whole update"
            )
        if len(optimizers) > 1 and again:
            names = " and ".join(type(one).__name__ for one in optimizers)
            raise InputError(
                f"`optimizer` must hold no {again[0]} beside others, since it evaluates its closure between their "
                f"steps, got {names}; pass `train_step=` with a function that does the whole update"
            )
        self._loss, self._optimizers, self._precision = loss, optimizers, precision
        self._clip, self._scaler = clip, scaler
        self._takes_closure = len(optimizers) == 1 and _takes_closure(optimizers[0])
        # Sharpness-aware optimizers move the weights by a gradient that is there, and evaluate the closure after that.
        self._needs_gradient = _moves_twice(optimizers[0])

    def __call__(self, batch: Batch) -> Tensor | None:
        """Make one step; return the mean loss over the samples before it, or None where the scaler skipped it."""
        if self._scaler is not None:
            return self._scaled_step(self._scaler, batch)
        if not self._takes_closure:
            loss = self._backward(batch)
            self._clip(self._optimizers)
            for optimizer in self._optimizers:
                optimizer.step()
            return loss
        evaluations: list[Tensor] = []
        if self._needs_gradient:
            evaluations.append(self._backward(batch))
            self._clip(self._optimizers)
        before = self._versions()

        def closure() -> Tensor:
            self._needs_gradient |= len(evaluations) == 0 and self._versions() != before
            loss = self._backward(batch)
            self._clip(self._optimizers)
            evaluations.append(loss)
            # An optimizer that decides by the loss, as a line search does, must decide alike on every rank.
            return loss.new_tensor(Ranks(None, loss.device).mean(loss)[0])

        (optimizer,) = self._optimizers
        optimizer.step(closure)  # type: ignore[arg-type]  # annotated as float, but LBFGS takes tensors too
        if not evaluations:
            raise InputError(
                f"`optimizer` must call the closure that its `step` takes, got a {type(optimizer).__name__} that "
                "did not; pass the optimizer inside it, or `train_step=` with a function that does the whole update"
            )
        return evaluations[0]

    def _versions(self) -> list[int]:
        """How often each parameter was written to."""
        return [p._version for o in self._optimizers for group in o.param_groups for p in group["params"]]

    def _scaled_step(self, scaler: GradScaler, batch: Batch) -> Tensor | None:
        loss = self._backward(batch, scaler)
        for optimizer in self._optimizers:
            scaler.unscale_(optimizer)
        self._clip(self._optimizers)
        before = scaler.get_scale()
        for optimizer in self._optimizers:
            scaler.step(optimizer)
        scaler.update()
        # A scale that fell is the one sign that a GradScaler gives of a step that it skipped.
        return None if scaler.get_scale() < before else loss

    def _backward(self, batch: Batch, scaler: GradScaler | None = None) -> Tensor:
        """Accumulate the gradient of the mean loss over all samples; return that loss."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        losses = []
        for micro, share in zip(batch, shares(batch), strict=True):
            loss = self._precision.forward(self._loss, micro)
            if not loss.requires_grad:
                raise InputError(
                    f"the loss ({self._loss.source}) must need a gradient, got one cut off from the parameters; "
                    "look for .detach(), .item() or torch.no_grad() between the model and the loss"
                )
            part = loss if len(batch) == 1 else loss * share
            (part if scaler is None else scaler.scale(part)).backward()
            losses.append(part.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()


def _moves_twice(optimizer: object) -> bool:
    """Whether a step is one up and one down again, as sharpness-aware optimizers make it."""
    return hasattr(optimizer, "first_step") and hasattr(optimizer, "second_step")


def _takes_closure(optimizer: Optimizer) -> bool:
    """Whether `step` has an argument for a closure."""
    try:
        parameters = inspect.signature(optimizer.step).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.name == "closure" or p.kind is p.VAR_POSITIONAL for p in parameters)
