"""The optimizers of a training: which there are, which are swept, and what they hold."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import AdamW, Optimizer

from lrfinder.errors import InputError, LRFinderWarning
from lrfinder.training.param_groups import as_list

__all__ = [
    "check_any_holds",
    "choose_optimizers",
    "stepping",
    "swept_optimizers",
    "trainable_parameters",
    "warn_of_unheld",
]

NAMED = 3
"""Names that a sentence gives of many."""


def trainable_parameters(*modules: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the modules that are trained; InputError where there are none, or lazy ones."""
    for module in modules:
        if not isinstance(module, nn.Module):
            raise InputError(f"`model` must be a torch.nn.Module, got {type(module).__name__}")
    lazy = [name for module in modules for name, p in module.named_parameters() if is_lazy(p)]
    if lazy:
        raise InputError(
            f"`model` must know the shape of its parameters, got lazy ones ({', '.join(lazy[:3])}); "
            "run one batch through it first, which leaves them as the training will find them"
        )
    bare = [name for module in modules for name, p in module.named_parameters() if p.is_meta]
    if bare:
        raise InputError(
            f"`model` must have its weights on a device, got parameters on `meta` ({', '.join(bare[:3])}), which hold "
            "no numbers; give them some first, as by model.to_empty(device=...) and loading or initialising them"
        )
    held = [p for module in modules for p in module.parameters()]
    trainable = [p for p in held if p.requires_grad]
    if not trainable:
        names = " and ".join(type(module).__name__ for module in modules) or "no module"
        raise InputError(
            f"`model` must have a parameter that can be trained, got {names} with {len(held)} parameters, all frozen; "
            "set requires_grad on those to train"
        )
    return trainable


def choose_optimizers(
    optimizer: Optimizer | Sequence[Optimizer] | None, model: nn.Module, *, own: bool
) -> list[Optimizer]:
    """Return the optimizers of a training; without one, AdamW over the trainable parameters.

    None for a step of the caller's `own`, one that holds no parameter of the model, and for a step of ours several that
    share one, raise InputError.
    """
    trainable = trainable_parameters(model)
    if optimizer is None:
        if own:
            raise InputError("`optimizer` must be the one (or the list) that `train_step` uses, got None; pass it")
        return [AdamW(trainable, lr=1e-3)]
    optimizers = as_list(optimizer)
    if not optimizers:
        raise InputError("`optimizer` must hold at least one optimizer, got an empty list; pass those of the training")
    for each in optimizers:
        check_any_holds([each], trainable)
    if not own:
        _check_none_shared(optimizers, model)
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


def stepping(optimizers: Sequence[Any]) -> list[Optimizer]:
    """Return the optimizers whose steps can be noted: these, and those inside them that make the steps for them.

    Wrappers (Accelerate, Opacus, sharpness-aware ones) may be optimizers without torch's own hooks, or have methods
    beside `step` that step the one inside.
    """
    found: dict[int, Any] = {}
    pending = list(optimizers)
    while pending:
        one = pending.pop()
        if id(one) not in found:
            found[id(one)] = one
            pending += [inner for inner in getattr(one, "__dict__", {}).values() if isinstance(inner, Optimizer)]
    return [one for one in found.values() if _takes_hooks(one)]


def _takes_hooks(optimizer: Any) -> bool:
    try:
        optimizer.register_step_pre_hook(lambda *_: None).remove()
    except AttributeError:
        return False
    return True


def check_any_holds(optimizers: Sequence[Optimizer], trainable: Sequence[nn.Parameter]) -> None:
    """Raise InputError where none of the optimizers holds a parameter of the model, or one is no optimizer."""
    for each in optimizers:
        if not hasattr(each, "param_groups"):
            got = f"the class {each.__name__}" if isinstance(each, type) else type(each).__name__
            raise InputError(
                f"`optimizer` must be a torch optimizer, or a list of them, got {got}; "
                "make one, as in torch.optim.AdamW(model.parameters())"
            )
    of_model = {id(p) for p in trainable}
    if not any(id(p) in of_model for p in _held_by(optimizers)):
        names = " and ".join(type(each).__name__ for each in optimizers)
        raise InputError(
            f"`optimizer` must hold parameters of `model`, got a {names} that holds none of them; "
            "make it from model.parameters() of this very model; several networks are one nn.ModuleList"
        )


def _check_none_shared(optimizers: Sequence[Optimizer], model: nn.Module) -> None:
    """Raise InputError where two optimizers hold the same parameter: each would step it."""
    names = {id(p): name for name, p in model.named_parameters()}
    owners: dict[int, Optimizer] = {}
    for optimizer in optimizers:
        own = list(_held_by([optimizer]))
        shared = [p for p in own if id(p) in owners]
        if shared:
            kinds = f"{type(owners[id(shared[0])]).__name__} and {type(optimizer).__name__}"
            of_model = [names.get(id(p), "one that the model does not have") for p in shared]
            raise InputError(
                f"`optimizer` must hold optimizers that share no parameter, got {kinds} that share "
                f"{_listed(of_model)}; give each parameter to one of them"
            )
        owners |= {id(p): optimizer for p in own}


def warn_of_unheld(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Warn of parameters of the model that can be trained and that no optimizer holds, as those of a replaced head."""
    held = {id(p) for p in _held_by(optimizers)}
    unheld = {name: p for name, p in model.named_parameters() if p.requires_grad and id(p) not in held}
    if not unheld:
        return
    gone = held - {id(p) for p in model.parameters()}
    stale = f", while {len(gone)} that the optimizer holds are not of the model" if gone else ""
    warnings.warn(
        f"no optimizer holds {_listed(list(unheld))} of {type(model).__name__} "
        f"({sum(p.numel() for p in unheld.values()):,} numbers){stale}: they stay as they are. Make the optimizer "
        "after the last change to the model, or freeze them by requires_grad_(False)",
        LRFinderWarning,
        stacklevel=2,
    )


def _held_by(optimizers: Iterable[Optimizer]) -> Iterable[nn.Parameter]:
    return (p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"])


def _listed(names: Sequence[str]) -> str:
    """The number of parameters, and the first of their names."""
    return f"{len(names)} parameter{'s' * (len(names) > 1)} ({', '.join(names[:NAMED])}{', …' * (len(names) > NAMED)})"
