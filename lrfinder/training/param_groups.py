"""The learning rates of a training: every swept group at one ratio to the reference group."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import AdamW, Optimizer

from lrfinder.errors import InputError
from lrfinder.loop import Facts

__all__ = ["Rates", "as_list", "chosen_optimizers", "set_rate", "swept_optimizers"]


class Rates:
    """Sets the LR of every group of the swept optimizers by one number.

    Group i runs at `lr * base_i / base_ref`. A base is the group's `initial_lr` (a warm-up scheduler may hold `lr` at
    0), else its `lr`; bases are read once, so the ratios never drift. Groups without a rate are left alone. The
    reference is the first group of the swept optimizers that holds a trainable parameter.

    Args:
        optimizers: Those to sweep, jointly.

    Raises:
        InputError: No group has a rate and a trainable parameter, or the reference base is 0.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._names = [type(o).__name__ for o in optimizers]
        self._groups = [group for o in optimizers for group in o.param_groups if group.get("lr") is not None]
        self.bases = tuple(float(group.get("initial_lr", group["lr"])) for group in self._groups)
        # As `apply` and `attach` choose it: the first trainable group, also where that one trains the loss function.
        holds = [any(p.requires_grad for p in group["params"]) for group in self._groups]
        if True not in holds:
            raise InputError(
                f"`optimizer` must have a group with an `lr`, got {type(optimizers[0]).__name__} without one"
            )
        self.reference = holds.index(True)
        if not self.bases[self.reference] > 0:
            raise InputError(
                f"the base LR of `optimizer`'s reference group {self.reference} must be positive, got "
                f"{self.bases[self.reference]}; the groups' ratios are kept, so give each its own, as in lr=1e-3"
            )
        self._weights = _size([p for group in self._groups for p in group["params"] if p.requires_grad])

    @property
    def group(self) -> dict[str, Any]:
        """The reference group."""
        return self._groups[self.reference]

    def facts(self, **others: Any) -> Facts:
        """What is known of the swept optimizers, with what the loop knows besides."""
        betas = self.group.get("betas", (self.group.get("momentum", 0.0), 0.0))
        return Facts(
            optimizer=" and ".join(self._names),
            optimizers=len(self._names),
            bases=self.bases,
            reference=self.reference,
            betas=(float(betas[0]), float(betas[1])),
            relative_step=bool(self.group.get("relative_step")),
            weights=self._weights,
            **others,
        )

    @property
    def maximizes(self) -> bool:
        """Whether the reference group's optimizer brings the loss up."""
        return bool(self.group.get("maximize"))

    def descending(self, loss: float) -> float:
        """The loss, or its negative where the optimizer brings it up: what is measured always has to fall."""
        return -loss if self.maximizes else loss

    @contextmanager
    def watched(self, optimizers: Sequence[Optimizer]) -> Iterator[list[float]]:
        """Note the reference group's rate at every step that one of these optimizers makes.

        Yields:
            The rates, in order; complete after the block.
        """
        used: list[float] = []
        hooks = [o.register_step_pre_hook(lambda *_: used.append(self.read())) for o in optimizers]
        try:
            yield used
        finally:
            for hook in hooks:
                hook.remove()

    def read(self) -> float:
        """LR of the reference group."""
        return float(self.group["lr"])

    def write(self, lr: float) -> None:
        """Set the reference group's LR, and every other swept group's in its ratio; tensor LRs are filled in place."""
        for group, base in zip(self._groups, self.bases, strict=True):
            set_rate(group, lr * (base / self.bases[self.reference]))


def _size(parameters: Sequence[Tensor]) -> float | None:
    """Root mean square of all elements; None where one has none yet."""
    if any(is_lazy(p) for p in parameters):
        return None
    # A sharded tensor's norm is sharded too, until it is made whole.
    wide = (torch.promote_types(p.dtype, torch.float32) for p in parameters)
    norms = [torch.linalg.vector_norm(p.detach(), dtype=dtype) for p, dtype in zip(parameters, wide, strict=True)]
    whole = [norm.full_tensor() if hasattr(norm, "full_tensor") else norm for norm in norms]
    return math.hypot(*map(float, whole)) / math.sqrt(sum(p.numel() for p in parameters))


def set_rate(group: dict[str, Any], rate: float, key: str = "lr") -> None:
    """Set a group's rate, in place where it is a tensor: a compiled or captured step holds on to that tensor."""
    if isinstance(group[key], Tensor):
        group[key].fill_(rate)
    else:
        group[key] = rate


def as_list(optimizer: Optimizer | Sequence[Optimizer]) -> list[Optimizer]:
    """One optimizer or several, as a list."""
    return list(optimizer) if isinstance(optimizer, (list, tuple)) else [cast("Optimizer", optimizer)]


def chosen_optimizers(
    optimizer: Optimizer | Sequence[Optimizer] | None, trainable: list[nn.Parameter], *, own: bool
) -> list[Optimizer]:
    """The optimizers of a training; without one, AdamW over the trainable parameters.

    Args:
        optimizer: What the caller passed.
        trainable: The model's trainable parameters.
        own: Whether the caller's own step uses them.

    Returns:
        One or several.

    Raises:
        InputError: None for a step of the caller's own, several for one of ours, or one of another model.
    """
    if optimizer is None:
        if own:
            raise InputError("`optimizer` must be the one (or the list) that `train_step` uses, got None; pass it")
        return [AdamW(trainable, lr=1e-3)]
    optimizers = as_list(optimizer)
    if not optimizers:
        raise InputError("`optimizer` must hold at least one optimizer, got an empty list; pass those of the training")
    if len(optimizers) > 1 and not own:
        raise InputError(
            f"`optimizer` must be one optimizer where the steps are ours, got {len(optimizers)}; "
            "pass `train_step=` with a function that uses them all"
        )
    for each in optimizers:
        _check_holds(each, trainable)
    return optimizers


def swept_optimizers(optimizers: list[Optimizer], sweep: int | None) -> list[Optimizer]:
    """The one of that index, or all; raises InputError where there is none of that index."""
    if sweep is None:
        return optimizers
    if not isinstance(sweep, int) or not 0 <= sweep < len(optimizers):
        raise InputError(
            f"`sweep` must be the index of an optimizer, 0 to {len(optimizers) - 1}, or None, got {sweep!r}"
        )
    return [optimizers[sweep]]


def _check_holds(optimizer: Optimizer, trainable: Sequence[nn.Parameter]) -> None:
    if not hasattr(optimizer, "param_groups"):
        got = f"the class {optimizer.__name__}" if isinstance(optimizer, type) else type(optimizer).__name__
        raise InputError(
            f"`optimizer` must be a torch optimizer, or a list of them, got {got}; "
            "make one, as in torch.optim.AdamW(model.parameters())"
        )
    of_model = {id(p) for p in trainable}
    if not any(id(p) in of_model for group in optimizer.param_groups for p in group["params"]):
        raise InputError(
            f"`optimizer` must hold parameters of `model`, got a {type(optimizer).__name__} that holds none of them; "
            "make it from model.parameters() of this very model; several networks are one nn.ModuleList"
        )
