"""Set a peak for every parameter group: all by one ratio, or each at its own ratio to the reference group."""

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from lrfinder.errors import InputError
from lrfinder.training.param_groups import as_list, decouples, rated_groups, set_rate
from lrfinder.training.rescaling import RATES, check_optimizers, is_torchs, parts_of, peak_of, rescale

__all__ = ["apply_rates"]

OF_GROUPS = ("base_lrs", "max_lrs", "min_lrs", "_last_lr")
"""Lists of torch's schedulers that hold a rate for each group."""


def apply_rates(
    optimizer: Optimizer | Sequence[Optimizer],
    lr: float,
    *schedulers: Any,
    peak: float | None = None,
    ratios: Sequence[float] | None = None,
    owners: Sequence[str] = (),
    keep_decay: bool = False,
) -> None:
    """Rescale optimizers and their schedulers to a peak, as `rescale` does, then every group to its own.

    Args:
        optimizer: One, or a list of them, whose groups are counted as those of one.
        lr: Peak of the reference group.
        schedulers: Those of the optimizers.
        peak: The rate of the reference group that becomes `lr`; None: what it is meant to reach.
        ratios: Rate of every group over that of the reference group; None keeps what they are.
        owners: Names of the optimizers of the search, by group, in whose order these must be; none looks at nothing.
        keep_decay: Whether the decoupled weight decay of a group changes against its rate, so that their product stays.

    Raises:
        InputError: There are more or fewer ratios than groups, a scheduler that cannot follow them, or no decoupled
            weight decay to keep; or as `rescale` does. Nothing was changed.
    """
    optimizers = as_list(optimizer)
    _check_owners(optimizers, owners)
    check_optimizers(optimizers)
    groups = rated_groups(optimizers)
    if ratios is not None:
        _check_ratios(ratios, groups, schedulers)
    before = {id(group): peak_of(group, parts_of(schedulers)) for group in groups}
    decaying = [group for group in _decaying(optimizers) if before[id(group)] > 0] if keep_decay else []
    rescale(optimizer, lr, *schedulers, peak=peak)
    if ratios is not None:
        _set_ratios(groups, [lr * ratio for ratio in ratios], parts_of(schedulers))
    for group in decaying:
        group["weight_decay"] *= before[id(group)] / peak_of(group, parts_of(schedulers))


def _check_owners(optimizers: Sequence[Optimizer], owners: Sequence[str]) -> None:
    """Refuse optimizers in another order than that of the search: their first group would get another's rate."""
    searched = list(dict.fromkeys(owner.rstrip(" 0123456789") for owner in owners))
    given = [type(one).__name__ for one in optimizers]
    if len(searched) > 1 and set(given) <= set(searched) and list(dict.fromkeys(given)) != searched:
        raise InputError(
            f"`optimizer` must be those of the search in their order, {', '.join(searched)}, got "
            f"{', '.join(given)}: the first group with a trainable parameter gets `lr`, the others follow"
        )


def _check_ratios(ratios: Sequence[float], groups: Sequence[dict[str, Any]], schedulers: Sequence[Any]) -> None:
    if len(ratios) != len(groups):
        raise InputError(
            f"`optimizer` must have the {len(ratios)} parameter groups whose ratios were tuned, got {len(groups)}; "
            "pass the optimizer (or the list of them) of the search"
        )
    foreign = [type(one).__name__ for one in parts_of(schedulers) if not is_torchs(one)]
    if foreign:
        raise InputError(
            f"`schedulers` must be torch's to follow ratios that were tuned, got {' and '.join(foreign)}; take it out "
            "and attach the schedule, found.attach(optimizer)"
        )


def _decaying(optimizers: Sequence[Optimizer]) -> list[dict[str, Any]]:
    """The groups with decoupled weight decay."""
    groups = [g for o in optimizers for g in rated_groups([o]) if decouples(o, g) and g.get("weight_decay")]
    if not groups:
        raise InputError(
            "`keep_decay` must be left out where no group has a decoupled weight decay, got True; it is for optimizers "
            "like AdamW and Muon"
        )
    return groups


def _set_ratios(groups: Sequence[dict[str, Any]], peaks: Sequence[float], schedulers: Sequence[Any]) -> None:
    """Bring every group, and what schedulers hold of it, to its peak."""
    tops = [peak_of(group, list(schedulers)) for group in groups]
    factors = {id(g): peak / top if top > 0 else 1.0 for g, peak, top in zip(groups, peaks, tops, strict=True)}
    rates = [(g, key, float(g[key]) * factors[id(g)]) for g in groups for key in RATES if key in g]
    for group, key, rate in rates:
        set_rate(group, rate, key)
    for scheduler in schedulers:
        of_group = [factors.get(id(g), 1.0) for g in scheduler.optimizer.param_groups]
        for name in (name for name in OF_GROUPS if isinstance(getattr(scheduler, name, None), list)):
            scaled = [float(rate) * factor for rate, factor in zip(getattr(scheduler, name), of_group, strict=False)]
            setattr(scheduler, name, scaled)
