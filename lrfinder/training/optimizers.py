"""The optimizers of a training: which there are, which are swept, and what they hold."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import AdamW, Optimizer

from lrfinder.errors import InputError
from lrfinder.training.param_groups import as_list

__all__ = ["check_any_holds", "choose_optimizers", "swept_optimizers", "takes_hooks", "trainable_parameters"]


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
    optimizer: Optimizer | Sequence[Optimizer] | None, trainable: list[nn.Parameter], *, own: bool
) -> list[Optimizer]:
    """Return the optimizers of a training; without one, AdamW over the trainable parameters.

    None for a step of the caller's `own`, several for one of ours, or one of another model raise InputError.
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
        check_any_holds([each], trainable)
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


def takes_hooks(optimizer: Any) -> bool:
    """Whether the steps of an optimizer can be noted; those of one inside another, as Accelerate has it, cannot."""
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
    held = (p for each in optimizers for group in each.param_groups for p in group["params"])
    if not any(id(p) in of_model for p in held):
        names = " and ".join(type(each).__name__ for each in optimizers)
        raise InputError(
            f"`optimizer` must hold parameters of `model`, got a {names} that holds none of them; "
            "make it from model.parameters() of this very model; several networks are one nn.ModuleList"
        )
