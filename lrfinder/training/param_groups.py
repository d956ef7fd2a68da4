"""The learning rates of parameter groups: the reference group, and every other at its ratio to it."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from lrfinder.errors import InputError
from lrfinder.loop import Facts

__all__ = ["ParamGroups", "as_list", "decouples", "find_reference", "rated_groups", "reference_index", "set_rate"]


DECOUPLED = ("SGD", "AdamW", "Muon", "Lion", "NAdamW", "Adan", "Sophia", "SOAP", "AdamWScheduleFree")
"""Optimizers, beside those that say so in their groups, whose weight decay takes rate times decay off the weights."""

MOST_ENTRIES = 2**22
"""Entries of a gradient that are copied to see its noise: 16 MiB."""


def reference_index(groups: Sequence[dict[str, Any]]) -> int:
    """Return the index of the reference group, the first with an `lr` and a trainable parameter; else InputError."""
    for i, group in enumerate(groups):
        if group.get("lr") is not None and any(p.requires_grad for p in group["params"]):
            return i
    raise InputError(
        "`optimizer` must have a group with an `lr` and a trainable parameter, got none that has both; give it one, as "
        "in torch.optim.AdamW(model.parameters(), lr=1e-3)"
    )


def find_reference(optimizers: Sequence[Optimizer]) -> tuple[Optimizer, int]:
    """Return the optimizer that the reference group belongs to, and the index of the group in it."""
    places = [(optimizer, i) for optimizer in optimizers for i in range(len(optimizer.param_groups))]
    return places[reference_index([optimizer.param_groups[i] for optimizer, i in places])]


def _labels(optimizers: Sequence[Optimizer]) -> tuple[str, ...]:
    """A name for every rated group: its own, or that of its optimizer, with its place where that has several."""
    labels = []
    for owner, optimizer in zip(_owners(optimizers), optimizers, strict=True):
        groups = rated_groups([optimizer])
        for i, group in enumerate(groups):
            labels.append(str(group.get("name") or (owner if len(groups) == 1 else f"{owner} group {i}")))
    return tuple(labels)


def _owners(optimizers: Sequence[Optimizer]) -> list[str]:
    """A name for every optimizer: its class, with its place where several are of one."""
    names = [type(optimizer).__name__ for optimizer in optimizers]
    return [name if names.count(name) == 1 else f"{name} {i}" for i, name in enumerate(names)]


class ParamGroups:
    """The groups of the optimizers that are swept, jointly, whose rates are set by one number.

    Group i runs at `lr * base_i / base_ref`. A base is the group's `initial_lr` (a warm-up scheduler may hold `lr` at
    0), else its `lr`; bases are read once, so the ratios never drift. Groups without a rate are left alone. Without a
    reference group, or with one whose base is 0, InputError is raised.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._names = [type(o).__name__ for o in optimizers]
        self._optimizers = list(optimizers)
        self._labels = _labels(optimizers)
        self._groups = rated_groups(optimizers)
        self._factors: Sequence[float] = ()
        self.bases = tuple(float(group.get("initial_lr", group["lr"])) for group in self._groups)
        self.reference = reference_index(self._groups)
        self.group = self._groups[self.reference]
        if not self.bases[self.reference] > 0:
            raise InputError(
                f"the base LR of `optimizer`'s reference group {self.reference} must be positive, got "
                f"{self.bases[self.reference]}; the groups' ratios are kept, so give each its own, as in lr=1e-3"
            )
        swept = [p for group in self._groups for p in group["params"] if p.requires_grad]
        self._weights = _size(swept)
        self._parameters = None if self._weights is None else sum(p.numel() for p in swept)

    @property
    def maximizes(self) -> bool:
        """Whether the reference group's optimizer brings the loss up."""
        return bool(self.group.get("maximize"))

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
            parameters=self._parameters,
            groups=self._labels,
            owners=tuple(
                owner
                for owner, optimizer in zip(_owners(self._optimizers), self._optimizers, strict=True)
                for _ in rated_groups([optimizer])
            ),
            weight_decay=float(self.group.get("weight_decay") or 0.0) if self._decouples else 0.0,
            **others,
        )

    def gradients(self) -> Tensor | None:
        """Return a copy of the gradients as one vector, every k-th entry where they are more than `MOST_ENTRIES`.

        A parameter without a gradient has zeros, so that the vector has the same length where batches use others.
        """
        swept = [p for group in self._groups for p in group["params"] if p.requires_grad]
        grads = [p.grad for p in swept if p.grad is not None]
        if not grads or any(grad.layout is not torch.strided or hasattr(grad, "full_tensor") for grad in grads):
            return None
        every = math.ceil(sum(p.numel() for p in swept) / MOST_ENTRIES)
        whole = [(torch.zeros_like(p) if p.grad is None else p.grad).detach().flatten() for p in swept]
        real = [torch.view_as_real(grad).flatten() if grad.is_complex() else grad for grad in whole]
        return torch.cat([grad[::every].to(swept[0].device, torch.float32) for grad in real])

    @contextmanager
    def watch(self, optimizers: Sequence[Optimizer]) -> Iterator[list[float]]:
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
        factors = self._factors or [1.0] * len(self.bases)
        for group, base, factor in zip(self._groups, self.bases, factors, strict=True):
            set_rate(group, lr * (base / self.bases[self.reference]) * factor)

    def scale(self, factors: Sequence[float]) -> None:
        """Let every group run at so many times its ratio from the next rate on; with none at the ratio itself."""
        self._factors = factors

    @property
    def _decouples(self) -> bool:
        """Whether the reference group's optimizer shrinks the weights by themselves."""
        return any(decouples(o, self.group) for o in self._optimizers if any(g is self.group for g in o.param_groups))


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


def decouples(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    """Return whether weight decay takes rate times decay off the weights, as that of Adam's gradient does not."""
    kinds = {cls.__name__ for cls in type(optimizer).__mro__}
    return bool(group.get("decoupled_weight_decay")) or not kinds.isdisjoint(DECOUPLED)


def rated_groups(optimizers: Sequence[Optimizer]) -> list[dict[str, Any]]:
    """Return the groups of optimizers that have a rate."""
    return [group for o in optimizers for group in o.param_groups if group.get("lr") is not None]


def as_list(optimizer: Optimizer | Sequence[Optimizer]) -> list[Optimizer]:
    """One optimizer or several, as a list."""
    return list(optimizer) if isinstance(optimizer, (list, tuple)) else [cast("Optimizer", optimizer)]
