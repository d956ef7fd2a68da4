"""Scale optimizers and their schedulers to another peak, after copies of them have shown that none undoes it."""

import copy
import inspect
import math
import re
import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import torch
from torch.optim import Optimizer

from lrfinder.errors import InputError
from lrfinder.training.foresee import double_of
from lrfinder.training.param_groups import as_list, rated_groups, reference_index, set_rate

__all__ = ["RATES", "check_optimizers", "is_torchs", "parts_of", "peak_of", "rescale"]

RATES = ("lr", "initial_lr", "max_lr", "min_lr", "swa_lr")
"""What torch and its schedulers keep in a group as a rate."""

KNOWN = r"(base_lrs|max_lrs|min_lrs|eta_min|_last_lr)"
"""Attributes of torch's schedulers that hold rates."""

ALIKE = r".*(lr|eta_m|rate|base_val).*"
"""What attributes that hold rates are called elsewhere; one that is a factor shows when the copy is run."""

NOT_RATES = r".*(moment|beta|gamma|factor|lambda|decay).*"

STEPS = 100
"""Steps of the copies by which it is seen whether schedulers follow."""

TOLERANCE = 1e-5
"""Of the highest rate: rates that are this close are the same."""


def rescale(optimizer: Optimizer | Sequence[Optimizer], lr: float, *schedulers: Any, peak: float | None = None) -> None:
    """Scale optimizers and their schedulers by one ratio, so that a rate of the reference group becomes `lr`.

    A group's `lr`, `initial_lr` and the bounds that schedulers keep in it follow, and so do the bases, bounds and
    floors of the schedulers, those inside another one too. Copies are run before and after: a scheduler that does not
    follow is refused. Functions of the caller's in one, as in LambdaLR, are called for that. The rate that becomes `lr`
    is `peak`, or else the one that the group is meant to reach: what a cyclic scheduler rises to, else its base.

    Raises:
        InputError: There is no reference group, or its LR is 0; or a scheduler would put its own rates back. Nothing
            was changed.
    """
    optimizers = as_list(optimizer)
    check_optimizers(optimizers)
    groups, parts = rated_groups(optimizers), parts_of(schedulers)
    reference = groups[reference_index(groups)]
    top = peak_of(reference, parts) if peak is None else peak
    if not top > 0:
        raise InputError(f"the reference group's LR must be positive to scale the others with it, got {top}; set it")
    names = _names_that_follow(optimizers, parts, lr / top)
    _scale_groups(groups, lr, top)
    _scale(parts, names, lr / top)


def check_optimizers(optimizers: Sequence[Any]) -> None:
    """Raise InputError for what has no parameter groups."""
    for each in optimizers:
        if not hasattr(each, "param_groups"):
            raise InputError(f"`optimizer` must be a torch optimizer, got {type(each).__name__}; schedulers follow it")


def parts_of(schedulers: Sequence[Any]) -> list[Any]:
    """Return schedulers and those inside them, each once; a wrapper without an optimizer is opened."""
    found: dict[int, Any] = {}
    pending = list(schedulers)
    while pending:
        scheduler = pending.pop(0)
        if isinstance(scheduler, (list, tuple)):
            pending += scheduler
            continue
        inner = [getattr(scheduler, name, None) for name in ("scheduler", "after_scheduler")]
        pending += [*getattr(scheduler, "_schedulers", ()), *(one for one in inner if hasattr(one, "step"))]
        if hasattr(scheduler, "optimizer"):
            found.setdefault(id(scheduler), scheduler)
        elif inner[0] is None:
            raise InputError(
                f"`schedulers` must keep their optimizer as `.optimizer`, got {type(scheduler).__name__} without one; "
                "pass the scheduler itself, or make it after found.apply(optimizer) has set the rate"
            )
    return list(found.values())


def is_torchs(scheduler: Any) -> bool:
    """Return whether a scheduler is one of torch's or of ours."""
    return type(scheduler).__module__.partition(".")[0] in ("torch", "lrfinder")


def peak_of(group: dict[str, Any], schedulers: list[Any]) -> float:
    """Return the highest rate that a group is meant to reach."""
    bounds = [
        bound
        for scheduler in schedulers
        # What others call so may be a bound that is never reached; a warm-up keeps what it dampens.
        for name in (["max_lrs"] if is_torchs(scheduler) else ["lrs"] if hasattr(scheduler, "dampening") else [])
        for own, bound in zip(scheduler.optimizer.param_groups, getattr(scheduler, name, ()), strict=False)
        if own is group
    ]
    return max(float(rate) for rate in (group.get("initial_lr", group["lr"]), group.get("max_lr", 0.0), *bounds))


def _names_that_follow(optimizers: list[Any], schedulers: list[Any], ratio: float) -> list[list[str]]:
    """For each scheduler the attributes that must be scaled for it to follow; InputError where none are found."""
    every = {id(o): o for o in [*optimizers, *(s.optimizer for s in schedulers)]}
    owners = list(every.values())
    choices = [[_named(scheduler, choice) for scheduler in schedulers] for choice in range(3)]
    try:
        before = _rates_to_come(*_copies(owners, schedulers))
    except Exception:
        # What cannot be copied cannot be looked at: torch's own follow by the attributes that are known.
        if all(map(is_torchs, schedulers)):
            return choices[0]
        raise InputError(_refusal(schedulers, "it cannot be copied to see whether it follows")) from None
    for names in choices:
        with suppress(TypeError):  # of attributes that are no numbers
            if _follows(owners, schedulers, names, ratio, before):
                return names
    raise InputError(_refusal(schedulers, "it would put its own rates back"))


def _follows(
    owners: list[Any], schedulers: list[Any], names: list[list[str]], ratio: float, before: list[list[float]]
) -> bool:
    """Whether copies that are scaled by these attributes run at the rates of before, times the ratio."""
    scale = max((max(row) for row in before if row), default=0.0) * ratio
    doubles, copies = _copies(owners, schedulers)
    _scale_groups(rated_groups(doubles), ratio, 1.0)
    _scale(copies, names, ratio)
    after = _rates_to_come(doubles, copies)
    pairs = [(a * ratio, b) for x, y in zip(before, after, strict=False) for a, b in zip(x, y, strict=True)]
    return len(before) == len(after) and all(math.isclose(a, b, abs_tol=TOLERANCE * scale) for a, b in pairs)


def _refusal(schedulers: list[Any], why: str) -> str:
    foreign = [type(s).__name__ for s in schedulers if not is_torchs(s)] or [type(s).__name__ for s in schedulers]
    return (
        f"`schedulers` must follow the rate of their optimizer, got {' and '.join(foreign)}: {why}; make it anew with "
        "the new rate, or take it out and attach `found.plan.schedule`. Nothing was changed"
    )


def _copies(optimizers: list[Any], schedulers: list[Any]) -> tuple[list[Optimizer], list[Any]]:
    """Stand-ins for optimizers, and copies of schedulers on them."""
    doubles = [double_of(optimizer) for optimizer in optimizers]
    memo: dict[int, Any] = {id(optimizer): double for optimizer, double in zip(optimizers, doubles, strict=True)}
    return doubles, [copy.deepcopy(scheduler, memo) for scheduler in schedulers]


def _rates_to_come(optimizers: list[Optimizer], schedulers: list[Any]) -> list[list[float]]:
    """The rates of all groups over the next steps of schedulers that are stepped together, until one has ended."""
    inner = {id(part) for scheduler in schedulers for part in parts_of([scheduler])[1:]}
    outer = [scheduler for scheduler in schedulers if id(scheduler) not in inner]
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(STEPS):
            rows.append([float(group["lr"]) for group in rated_groups(optimizers)])
            try:
                with ExitStack() as dampened:
                    for scheduler in outer:
                        if hasattr(scheduler, "dampening"):
                            dampened.enter_context(scheduler.dampening())
                    for scheduler in outer:
                        _step(scheduler, step + 1)
            except ValueError:
                # One cycle and the like end for good.
                break
    return rows


def _step(scheduler: Any, step: int) -> None:
    """Step a scheduler in the way that its signature asks for: with a metric, with the epoch, by update, or plainly."""
    if hasattr(scheduler, "step_update"):
        scheduler.step_update(step)
    method = getattr(scheduler, "step", None)
    if not callable(method):
        return
    parameters = inspect.signature(method).parameters
    needed = [name for name, p in parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    values = {name: step if name in ("epoch", "step", "num_updates", "iteration") else 1.0 for name in needed}
    if "metrics" in parameters and is_torchs(scheduler) and not values and hasattr(scheduler, "feedback"):
        scheduler.step()
        values = {"metrics": 1.0}
    method(**values)


def _named(scheduler: Any, choice: int) -> list[str]:
    """Attributes that may hold rates: those of torch's schedulers, those called alike, any with one for each group."""
    known = [name for name in vars(scheduler) if re.fullmatch(KNOWN, name)]
    if choice == 0:
        return known
    groups = len(scheduler.optimizer.param_groups)
    floats = {name: value for name, value in vars(scheduler).items() if not re.fullmatch(NOT_RATES, name)}
    lists = {name for name, value in floats.items() if _is_floats(value)}
    single = {name for name, value in floats.items() if isinstance(value, float)}
    alike = {name for name in lists | single if re.fullmatch(ALIKE, name)}
    per_group = {name for name in lists if choice > 1 and len(floats[name]) == groups}
    return sorted(alike | per_group | set(known))


def _is_floats(value: Any) -> bool:
    is_list = isinstance(value, (list, tuple)) and len(value) > 0
    return is_list and all(isinstance(one, (float, torch.Tensor)) for one in value)


def _scale_groups(groups: Iterable[dict[str, Any]], lr: float, top: float) -> None:
    """Multiply every rate that groups hold by `lr` over `top`.

    Groups, and the rates of one, may share a tensor, so everything is read before anything is written.
    """
    rates = [(group, key, lr * (float(group[key]) / top)) for group in groups for key in RATES if key in group]
    for group, key, rate in rates:
        set_rate(group, rate, key)


def _scale(schedulers: list[Any], names: list[list[str]], ratio: float) -> None:
    for scheduler, of_one in zip(schedulers, names, strict=True):
        for name in of_one:
            setattr(scheduler, name, _scaled(getattr(scheduler, name), ratio))


def _scaled(value: Any, ratio: float) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_scaled(one, ratio) for one in value)
    return value if value is None else float(value) * ratio
