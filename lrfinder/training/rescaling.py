"""One ratio over an optimizer's groups and over what schedulers remember of them."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrfinder.errors import InputError
from lrfinder.training.param_groups import as_list, set_rate

__all__ = ["peak_of", "rescale"]

RATES = ("lr", "initial_lr", "max_lr", "min_lr", "swa_lr")
"""What torch and its schedulers keep in a group as a rate."""


def rescale(optimizer: Optimizer | Sequence[Optimizer], lr: float, *schedulers: LRScheduler) -> None:
    """Scale optimizers and their schedulers by one ratio, so that the reference group's peak becomes `lr`.

    A group's `lr`, `initial_lr` and the bounds that schedulers keep in it follow, and so do the schedulers' own bases,
    those inside a SequentialLR or ChainedScheduler too. The peak is what a cyclic scheduler rises to, else the base.

    Args:
        optimizer: One or several; the reference group is the first with a trainable parameter.
        lr: The new peak LR of the reference group.
        schedulers: Those attached to them.

    Raises:
        InputError: No group has a trainable parameter, or the reference group's LR is 0: no ratio can be formed.
    """
    top = peak_of(optimizer, *schedulers)
    # Groups may share one tensor as their LR, so everything is read before anything is written.
    groups = _groups(optimizer)
    rates = {(id(g), key): (g, lr * (float(g[key]) / top)) for g in groups for key in RATES if key in g}
    for (_, key), (group, rate) in rates.items():
        set_rate(group, rate, key)
    for scheduler in {id(scheduler): scheduler for scheduler in _unpacked(schedulers)}.values():
        for name in ("base_lrs", "max_lrs", "_last_lr"):
            if hasattr(scheduler, name):
                setattr(scheduler, name, [lr * (float(rate) / top) for rate in getattr(scheduler, name)])


def peak_of(optimizer: Optimizer | Sequence[Optimizer], *schedulers: LRScheduler) -> float:
    """Return the rate that the reference group is meant to reach: what a cyclic scheduler rises to, else its base.

    Args:
        optimizer: One or several; the reference group is the first with a trainable parameter.
        schedulers: Those attached to them.

    Returns:
        A positive rate.

    Raises:
        InputError: No group has a trainable parameter, or the reference group's LR is 0.
    """
    groups = _groups(optimizer)
    holds = [any(p.requires_grad for p in group["params"]) for group in groups]
    if not any(holds):
        raise InputError(f"`optimizer` must hold a trainable parameter, got {len(groups)} groups without one")
    top = _peak(groups[holds.index(True)], list(_unpacked(schedulers)))
    if not top > 0:
        raise InputError(f"the reference group's LR must be positive to scale the others with it, got {top}; set it")
    return top


def _groups(optimizer: Optimizer | Sequence[Optimizer]) -> list[dict[str, Any]]:
    for each in as_list(optimizer):
        if not hasattr(each, "param_groups"):
            raise InputError(f"`optimizer` must be a torch optimizer, got {type(each).__name__}; schedulers follow it")
    return [group for o in as_list(optimizer) for group in o.param_groups if group.get("lr") is not None]


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
