"""Where the loss of a batch comes from: a function, the model itself, or the targets."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrfinder.batch import describe
from lrfinder.errors import InputError

__all__ = ["BatchLoss", "LossFunction"]

LossFunction = Callable[[Any, Any], Tensor]

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class BatchLoss:
    """The loss of one batch as a scalar tensor.

    With `loss_fn` the model is called on the batch without its last item, and the loss is `loss_fn(output, target)`.
    Without, it is the model's own if it returns one (an object or mapping with `loss`, or a scalar), else cross-entropy
    for integer targets and mean squared error for float targets of the output's shape; `source` says which.

    Args:
        model: Called with the inputs of a batch; a mapping without `loss_fn` is passed as keyword arguments.
        loss_fn: `loss_fn(output, target) -> scalar tensor`, or None.
    """

    def __init__(self, model: nn.Module, loss_fn: LossFunction | None = None) -> None:
        self._model = model
        self._loss_fn = loss_fn
        self.source = f"{_name(loss_fn)}(output, target)" if loss_fn else "not inferred yet"

    def __call__(self, batch: Any) -> Tensor:
        """Return the loss of a batch that is on the model's device.

        Raises:
            InputError: The loss cannot be inferred, or is not a scalar tensor.
        """
        output, target = self._forward(batch)
        if self._loss_fn is not None:
            return _scalar(self._loss_fn(output, target), self.source)
        own = _own_loss(output)
        if own is not None:
            self.source = "returned by the model"
            return _scalar(own, self.source)
        return self._inferred(output, target, batch)

    def _forward(self, batch: Any) -> tuple[Any, Any]:
        """The model's output and the batch's target (None where it has none of its own)."""
        if isinstance(batch, (tuple, list)) and len(batch) > 1 and not self._takes_all(batch):
            return self._model(*batch[:-1]), batch[-1]
        if isinstance(batch, Mapping):
            return self._model(**batch), batch.get("labels", batch.get("target"))
        if isinstance(batch, (tuple, list)):
            return self._model(*batch), None
        return self._model(batch), batch

    def _takes_all(self, batch: Any) -> bool:
        """Whether the model wants the target too, since it makes the loss itself."""
        if self._loss_fn is not None:
            return False
        parameters = inspect.signature(self._model.forward).parameters.values()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return sum(p.default is p.empty for p in positional) == len(batch)

    def _inferred(self, output: Any, target: Any, batch: Any) -> Tensor:
        if isinstance(output, Tensor) and isinstance(target, Tensor):
            if target.dtype in INTEGERS:
                for dim in (1, -1):
                    if _has_classes(output, dim, target):
                        self.source = "cross_entropy, inferred from integer targets"
                        return F.cross_entropy(output.movedim(dim, 1), target.long())
            elif target.is_floating_point() and output.shape == target.shape and target is not batch:
                self.source = "mse_loss, inferred from float targets of the output's shape"
                return F.mse_loss(output, target)
        raise InputError(
            f"the loss cannot be inferred: the model returns {describe(output)} and the target is {describe(target)}; "
            "pass `loss_fn=` with a function of (output, target), or let the model return its own loss"
        )


def _has_classes(output: Tensor, dim: int, target: Tensor) -> bool:
    """Whether a dimension of the output holds a logit for each of several classes; a lone logit wants another loss."""
    return output.dim() > 1 and output.shape[dim] > 1 and output.select(dim, 0).shape == target.shape


def _own_loss(output: Any) -> Any:
    """The loss that a model's output carries, or None."""
    if isinstance(output, Mapping):
        return output.get("loss")
    if isinstance(output, Tensor):
        return output if output.dim() == 0 else None
    return getattr(output, "loss", None)


def _scalar(loss: Any, source: str) -> Tensor:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = (
            f"a tensor of shape {tuple(loss.shape)}"
            if isinstance(loss, Tensor)
            else f"{type(loss).__name__} {loss!r:.40}"
        )
        raise InputError(
            f"the loss ({source}) must be a scalar tensor, got {got}; reduce it with .mean(), "
            "and return the tensor itself, not .item()"
        )
    return loss.reshape(())


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
