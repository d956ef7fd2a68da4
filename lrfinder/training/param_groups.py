"""The learning rates of parameter groups: the reference group, and every other at its ratio to it."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrfinder.errors import InputError
from lrfinder.loop import Facts

__all__ = ["ParamGroups", "as_list", "decouples", "find_reference", "reference_index", "rescale", "set_rate"]

RATES = ("lr", "initial_lr", "max_lr", "min_lr", "swa_lr")
"""What torch and its schedulers keep in a group as a rate."""


DECOUPLED = ("AdamW", "Muon", "Lion", "NAdamW", "Adan", "Sophia", "SOAP", "AdamWScheduleFree")
"""Optimizers, beside those that say so in their groups, whose weight decay is no part of the gradient."""


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
        groups = _rated_groups([optimizer])
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
        self._groups = _rated_groups(optimizers)
        self._factors: Sequence[float] = ()
        self.bases = tuple(float(group.get("initial_lr", group["lr"])) for group in self._groups)
        self.reference = reference_index(self._groups)
        self.group = self._groups[self.reference]
        if not self.bases[self.reference] > 0:
            raise InputError(
                f"the base LR of `optimizer`'s reference group {self.reference} must be positive, got "
                f"{self.bases[self.reference]}; the groups' ratios are kept, so give each its own, as in lr=1e-3"
            )
        self._weights = _size([p for group in self._groups for p in group["params"] if p.requires_grad])

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
            groups=self._labels,
            owners=tuple(
                owner
                for owner, optimizer in zip(_owners(self._optimizers), self._optimizers, strict=True)
                for _ in _rated_groups([optimizer])
            ),
            weight_decay=float(self.group.get("weight_decay") or 0.0) if self._decouples else 0.0,
            **others,
        )

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


def rescale(
    optimizer: Optimizer | Sequence[Optimizer],
    lr: float,
    *schedulers: LRScheduler,
    peak: float | None = None,
    ratios: Sequence[float] | None = None,
    keep_decay: bool = False,
) -> None:
    """Scale optimizers and their schedulers by one ratio, so that a rate of the reference group becomes `lr`.

    A group's `lr`, `initial_lr` and the bounds that schedulers keep in it follow, and so do the schedulers' own bases,
    those inside a SequentialLR or ChainedScheduler too. The rate that becomes `lr` is `peak`, or else the one that the
    group is meant to reach: what a cyclic scheduler rises to, else its base. With `ratios`, the rate of every group
    over that of the reference group, each group is brought to its own. With `keep_decay` the decoupled weight decay of
    a group changes against its rate, so that their product stays.

    Raises:
        InputError: There is no reference group, or its LR is 0: no ratio can be formed. There are more or fewer ratios
            than groups, or no decoupled weight decay to keep.
    """
    for each in as_list(optimizer):
        if not hasattr(each, "param_groups"):
            raise InputError(f"`optimizer` must be a torch optimizer, got {type(each).__name__}; schedulers follow it")
    groups, parts = _rated_groups(as_list(optimizer)), list(_unpacked(schedulers))
    reference = groups[reference_index(groups)]
    top = _peak(reference, parts) if peak is None else peak
    if not top > 0:
        raise InputError(f"the reference group's LR must be positive to scale the others with it, got {top}; set it")
    targets = {id(g): (lr, top) for g in groups}
    if ratios is not None:
        _check_ratios(ratios, groups)
        peaks = [_peak(g, parts) if peak is None or g is not reference else peak for g in groups]
        targets = {id(g): (lr * ratio, own or 1.0) for g, ratio, own in zip(groups, ratios, peaks, strict=True)}
    if keep_decay:
        _keep_decay(as_list(optimizer), targets)
    # Groups may share one tensor as their LR, so everything is read before anything is written.
    rates = {(id(g), key): (g, _scaled(g[key], targets[id(g)])) for g in groups for key in RATES if key in g}
    for (_, key), (group, rate) in rates.items():
        set_rate(group, rate, key)
    for scheduler in {id(scheduler): scheduler for scheduler in parts}.values():
        own = [targets.get(id(g), (lr, top)) for g in scheduler.optimizer.param_groups]
        for name in ("base_lrs", "max_lrs", "_last_lr"):
            if hasattr(scheduler, name):
                scaled = [_scaled(rate, target) for rate, target in zip(getattr(scheduler, name), own, strict=False)]
                setattr(scheduler, name, scaled)


def _scaled(rate: Tensor | float, target: tuple[float, float]) -> float:
    """A rate by the ratio that brings one rate to another."""
    to, top = target
    return to * (float(rate) / top)


def _check_ratios(ratios: Sequence[float], groups: Sequence[dict[str, Any]]) -> None:
    if len(ratios) != len(groups):
        raise InputError(
            f"`optimizer` must have the {len(ratios)} parameter groups whose ratios were tuned, got {len(groups)}; "
            "pass the optimizer (or the list of them) of the search"
        )


def _keep_decay(optimizers: Sequence[Optimizer], targets: dict[int, tuple[float, float]]) -> None:
    """Change the decoupled weight decay of groups against their rates."""
    groups = [g for o in optimizers for g in _rated_groups([o]) if decouples(o, g) and g.get("weight_decay")]
    if not groups:
        raise InputError(
            "`keep_decay` must be left out where no group has a decoupled weight decay, got True; it is for optimizers "
            "like AdamW and Muon"
        )
    for group in groups:
        to, top = targets[id(group)]
        group["weight_decay"] *= top / to


def decouples(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    """Return whether an optimizer shrinks the weights of a group by themselves, not as a part of the gradient."""
    kinds = {cls.__name__ for cls in type(optimizer).__mro__}
    return bool(group.get("decoupled_weight_decay")) or not kinds.isdisjoint(DECOUPLED)


def _rated_groups(optimizers: Sequence[Optimizer]) -> list[dict[str, Any]]:
    return [group for o in optimizers for group in o.param_groups if group.get("lr") is not None]


def _unpacked(schedulers: tuple[LRScheduler, ...]) -> Iterator[LRScheduler]:
    for scheduler in schedulers:
        yield scheduler
        yield from _unpacked(tuple(getattr(scheduler, "_schedulers", ())))


def _peak(group: dict[str, Any], schedulers: list[LRScheduler]) -> float:
    """The highest rate that a group is meant to reach."""
    bounds = [
        bound
        for scheduler in schedulers
        for own, bound in zip(scheduler.optimizer.param_groups, getattr(scheduler, "max_lrs", ()), strict=False)
        if own is group
    ]
    return max(float(rate) for rate in (group.get("initial_lr", group["lr"]), group.get("max_lr", 0.0), *bounds))


def as_list(optimizer: Optimizer | Sequence[Optimizer]) -> list[Optimizer]:
    """One optimizer or several, as a list."""
    return list(optimizer) if isinstance(optimizer, (list, tuple)) else [cast("Optimizer", optimizer)]
