"""Where the loss of a batch comes from: a function, the model itself, or the targets."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrfinder.errors import InputError
from lrfinder.training.batch import describe
from lrfinder.training.targets import exchange, offset_of

__all__ = ["BatchLoss", "LossFunction", "LossStep", "as_scalar"]

LossFunction = Callable[[Any, Any], Tensor]
LossStep = Callable[[nn.Module, Any], Tensor]

TARGETS = ("labels", "label", "targets", "target", "y")
"""What a target is called in batches that are mappings or dataclasses."""

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class BatchLoss:
    """The loss of one batch as a scalar tensor.

    `loss_step(model, batch)` is taken as it is. With `loss_fn` the model is called on the batch without its target (the
    last item, or the one of that name), and the loss is `loss_fn(output, target)`. Without either it is the model's own
    if it returns one (an object or mapping with `loss`, or a scalar), else cross-entropy for integer targets and mean
    squared error for float targets of the output's shape; `source` says which.

    A mapping is passed to the model by keyword where its `forward` has these names, else whole.
    """

    def __init__(
        self, model: nn.Module, loss_fn: LossFunction | None = None, loss_step: LossStep | None = None
    ) -> None:
        self._model, self._loss_fn, self._loss_step = model, loss_fn, loss_step
        _check_callable(loss_fn=loss_fn, loss_step=loss_step)
        self._infers = False
        self.source = "not inferred yet"
        self._offset: Tensor | None = None
        if loss_fn is not None:
            self.source = f"{_name(loss_fn)}(output, target)"
        elif loss_step is not None:
            self.source = f"{_name(loss_step)}(model, batch)"
        self._accepts = _Accepts(model)

    def __call__(self, batch: Any) -> Tensor:
        """Return the loss of a batch on the model's device; InputError where it is none, or no scalar tensor."""
        if self._loss_step is not None:
            return as_scalar(self._loss_step(self._model, batch), self.source)
        if self._loss_fn is not None:
            inputs, target = _without_target(batch)
            return as_scalar(self._loss_fn(self._forward(inputs), self._centered(target)), self.source)
        if self._accepts.whole(batch):
            inputs, target = Several(batch) if isinstance(batch, (tuple, list)) else batch, _target_in(batch)
        else:
            inputs, target = _without_target(batch)
        output = self._forward(inputs)
        own = None if self._infers else _own_loss(output)
        if own is not None:
            self.source = "returned by the model"
            return as_scalar(own, self.source)
        if self.source == "returned by the model":
            raise InputError(f"the model must return its loss for every batch, got {describe(output)} without one")
        self._infers = True
        return self._inferred(_logits(output), self._centered(target))

    def exchange_targets(self, batch: Any) -> Any:
        """Return the batch with the targets of other inputs; None where it does not show which those are."""
        is_whole = self.source == "returned by the model" and not isinstance(batch, Mapping)
        return None if self._loss_step is not None or is_whole else exchange(batch, _target_name(batch))

    def center_targets(self, batches: Sequence[Any]) -> float:
        """Take the mean of these batches' targets away from all, as if it was learned, where it is far from zero.

        Returns:
            The mean over the deviation, 0 where nothing is taken away; without batches targets are as they were.
        """
        is_ours = self._loss_step is None and self.source != "returned by the model"
        self._offset, far = offset_of(batches, self._loss_fn or F.mse_loss) if is_ours else (None, 0.0)
        return far

    def _centered(self, target: Any) -> Any:
        return target if self._offset is None else target - self._offset.to(target.device)

    def _forward(self, inputs: Any) -> Any:
        """Call the model: with the keywords it has, with several arguments for several inputs."""
        if isinstance(inputs, Mapping):
            if self._accepts.keywords(inputs):
                return self._model(**self._accepts.known(inputs))
            single = len(inputs) == 1 and self._loss_fn is not None
            return self._model(*inputs.values()) if single else self._model(inputs)
        several = isinstance(inputs, Several) or (isinstance(inputs, (tuple, list)) and self._accepts.all_of(inputs))
        return self._model(*inputs) if several else self._model(inputs)

    def _inferred(self, output: Any, target: Any) -> Tensor:
        if isinstance(output, Tensor) and isinstance(target, Tensor):
            if target.dtype in INTEGERS:
                fitting = {dim % output.dim() for dim in (1, -1) if _has_classes(output, dim, target)}
                # Where both dimensions would fit the targets, a guess would be worse than a question.
                if len(fitting) == 1:
                    self.source = "cross_entropy, inferred from integer targets"
                    return F.cross_entropy(output.movedim(fitting.pop(), 1), target.long())
            elif target.is_floating_point() and output.shape == target.shape:
                self.source = "mse_loss, inferred from float targets of the output's shape"
                return F.mse_loss(output, target)
        raise InputError(
            f"the loss cannot be inferred: the model returns {describe(output)} and the target is {describe(target)}; "
            "pass `loss_fn=` with a function of (output, target), `loss_step=` with one of (model, batch), "
            "or let the model return its own loss"
        )


def _has_classes(output: Tensor, dim: int, target: Tensor) -> bool:
    """Whether a dimension of the output holds a logit for each of several classes; a lone logit wants another loss."""
    return output.dim() > 1 and output.shape[dim] > 1 and output.select(dim, 0).shape == target.shape


class Several(tuple[Any, ...]):
    """Inputs that a model takes as separate arguments."""

    __slots__ = ()


class _Accepts:
    """What a model's forward takes, as its signature says."""

    def __init__(self, model: nn.Module) -> None:
        parameters = _parameters(model)
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self._required = [p.name for p in positional if p.default is p.empty]
        self._names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        self._anything = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def keywords(self, inputs: Mapping[str, Any]) -> bool:
        """Whether these hold all that is required by keyword."""
        return self._anything or (set(self._required) <= set(inputs) and bool(self._names & set(inputs)))

    def known(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the inputs that can be passed by keyword."""
        return {name: value for name, value in inputs.items() if self._anything or name in self._names}

    def all_of(self, inputs: Sequence[Any]) -> bool:
        """Whether there is one required argument for each of several inputs."""
        return len(self._required) == len(inputs) > 1

    def whole(self, batch: Any) -> bool:
        """Whether the model wants the target too, since it makes the loss itself."""
        if isinstance(batch, (tuple, list)):
            nested = len(batch) == 2 and isinstance(batch[0], (tuple, list))
            return len(batch) == 1 or (self.all_of(batch) and not nested)
        target = _target_name(batch)
        if target is None or (len(self._required) == 1 and self._required[0] not in _names_in(batch)):
            return True
        return isinstance(batch, Mapping) and (self._anything or target in self._names)


def _parameters(model: nn.Module) -> list[inspect.Parameter]:
    """What a model's forward takes; a wrapper that passes everything on (compiled, DDP) takes what is inside it."""
    inner = getattr(model, "_orig_mod", None)
    parameters = list(inspect.signature(model.forward).parameters.values())
    if inner is None and all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        inner = getattr(model, "module", None)
    return _parameters(inner) if isinstance(inner, nn.Module) else parameters


def _without_target(batch: Any) -> tuple[Any, Any]:
    """A batch as the model's inputs and the target; a batch of one thing is its own target."""
    if isinstance(batch, (tuple, list)):
        if len(batch) == 1:
            return batch[0], batch[0]
        return (batch[0] if len(batch) == 2 else Several(batch[:-1])), batch[-1]
    name = _target_name(batch)
    if name is None:
        return batch, batch
    items = dict(batch) if isinstance(batch, Mapping) else {f.name: getattr(batch, f.name) for f in fields(batch)}
    target = items.pop(name)
    return items, target


def _names_in(batch: Any) -> list[str]:
    """What the parts of a mapping or dataclass are called."""
    return list(batch) if isinstance(batch, Mapping) else [f.name for f in fields(batch)] if is_dataclass(batch) else []


def _target_name(batch: Any) -> str | None:
    names = _names_in(batch)
    return next((name for name in TARGETS if name in names), None)


def _target_in(batch: Any) -> Any:
    """The target of a batch that was passed to the model whole, for a model that returns no loss after all."""
    name = _target_name(batch)
    return batch[name] if name is not None and isinstance(batch, Mapping) else None


def _logits(output: Any) -> Any:
    """What a model's output predicts: its logits where it names them, else the output itself."""
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    return output if named is None else named


def _own_loss(output: Any) -> Any:
    """The loss that a model's output carries, or None."""
    if isinstance(output, Mapping):
        return output.get("loss")
    if isinstance(output, Tensor):
        return output if output.dim() == 0 else None
    return getattr(output, "loss", None)


def as_scalar(loss: Any, source: str) -> Tensor:
    """Return a loss as a tensor without dimensions; raises InputError where it is no scalar tensor."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        kind = type(loss).__name__
        got = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"{kind} {loss!r:.40}"
        raise InputError(
            f"the loss ({source}) must be a scalar tensor, got {got}; reduce it with .mean(), "
            "and return the tensor itself, not .item()"
        )
    return loss if loss.dim() == 0 else loss.reshape(())


def _check_callable(**functions: object) -> None:
    for name, function in functions.items():
        if function is not None and (not callable(function) or isinstance(function, type)):
            raise InputError(
                f"`{name}` must be a function that returns a scalar tensor, got {function!r:.60}; "
                "pass the function itself, or an instance of a loss class, as in nn.CrossEntropyLoss()"
            )


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
