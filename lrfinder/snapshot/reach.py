"""What functions and hooks may change when they are called, as far as it can be seen from outside."""

import dis
import sys
import types
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lrfinder.snapshot.contents import OPAQUE, Rebound, Watched, is_kept
from lrfinder.snapshot.restores import cell_contents
from lrfinder.snapshot.rng import STREAMS

__all__ = ["called_in", "names_of", "reached_by", "used_by"]

HOOKS = ("_hooks", "_hooks_with_kwargs", "_hooks_always_called")
"""What the attributes end with in which torch keeps the hooks of a module, an optimizer or a tensor."""

OWN = ("torch", "functorch")
"""Packages whose own hooks and functions keep nothing that a training changes, or put it back by themselves."""


def reached_by(function: object) -> list[object]:
    """Return what a function may change when it is called: the object it is bound to, what it closes over, its globals.

    Of a `functools.partial` that is its arguments too, of a callable object its attributes; None reaches nothing.
    Functions of the same file that it calls, and those that it closes over, are followed, and names that any of them
    rebinds are part of it. Objects among these that cannot be put back are watched.
    """
    return _reached(function, set())


def used_by(function: object) -> list[object]:
    """Return what a function uses beside its arguments and the object it is bound to."""
    code_of = getattr(function, "__func__", function)
    return _used(code_of, set())


def names_of(function: object) -> list[object]:
    """Return the names that a function rebinds, and the random generators that it uses: not the data behind it."""
    return [used for used in used_by(function) if isinstance(used, (Rebound, types.CellType, *STREAMS))]


def called_in(modules: Sequence[nn.Module], optimizers: Sequence[Any]) -> list[object]:
    """Return what may be changed by forwards of modules, and by hooks on modules, their parameters and optimizers."""
    owners: list[Any] = [sub for module in modules for sub in module.modules()]
    held = [p for o in optimizers for group in getattr(o, "param_groups", ()) for p in group["params"]]
    owners += [*held, *(p for module in modules for p in module.parameters()), *optimizers]
    # Those of all modules, and of all optimizers, are in the files of torch's own classes.
    owners += [sys.modules[nn.Module.__module__], sys.modules[Optimizer.__module__]]
    hooks = [hook for owner in {id(o): o for o in owners}.values() for hook in _hooks_on(owner)]
    seen: set[int] = set()
    forwards = {type(sub).forward for module in modules for sub in module.modules()}
    used = [held for forward in forwards for held in _used(forward, seen)]
    return used + [held for hook in hooks if not _is_torchs(hook) for held in _reached(hook, seen)]


def _hooks_on(owner: Any) -> list[Any]:
    """The hooks that are registered on one object."""
    attributes = dict(getattr(owner, "__dict__", {}))
    if isinstance(owner, torch.Tensor):
        # Slots of torch's own, which `vars` does not show.
        attributes = {name: getattr(owner, name, None) for name in ("_backward_hooks", "_post_accumulate_grad_hooks")}
    named = [hooks for name, hooks in attributes.items() if name.endswith(HOOKS) and isinstance(hooks, dict)]
    return [hook for hooks in named for hook in hooks.values() if callable(hook)]


def _reached(function: object, seen: set[int]) -> list[object]:
    if isinstance(function, partial):
        named = [*function.args, *function.keywords.values()]
        return [*filter(is_kept, named), *_reached(function.func, seen)]
    called: Any = function.__call__ if callable(function) and not isinstance(function, OPAQUE) else function
    parts = (called, getattr(called, "__self__", None))
    attributes = [
        vars(part) for part in parts if hasattr(part, "__dict__") and not isinstance(part, (type, types.ModuleType))
    ]
    return [*attributes, *_used(getattr(called, "__func__", called), seen)]


def _used(function: Any, seen: set[int]) -> list[object]:
    """What a function of Python's closes over, the globals that it names, and the names that it rebinds."""
    if not isinstance(function, types.FunctionType) or id(function) in seen or _is_torchs(function):
        return []
    seen.add(id(function))
    scope, cells = function.__globals__, function.__closure__ or ()
    named = {(one.opname, one.argval) for code in _codes(function.__code__) for one in dis.get_instructions(code)}
    rebound = {name for operation, name in named if operation in ("STORE_GLOBAL", "DELETE_GLOBAL")}
    read = {name for operation, name in named if operation == "LOAD_GLOBAL" and name in scope}
    values = [*(scope[name] for name in sorted(read | (rebound & set(scope)))), *_contents(cells)]
    used = [held for value in values for held in _of_value(value, function, seen)]
    return [vars(function), Rebound(scope, tuple(rebound)), *cells, *used]


def _of_value(value: object, user: types.FunctionType, seen: set[int]) -> Iterable[object]:
    """What may change in something that a function uses."""
    if isinstance(value, types.FunctionType):
        # A function of another file is a library's, unless it was handed in: what it uses is its own business.
        is_near = value.__globals__ is user.__globals__ or any(value is c for c in _contents(user.__closure__ or ()))
        return _used(value, seen) if is_near else ()
    if isinstance(value, partial):
        return () if _is_torchs(value.func) else _reached(value, seen)
    if isinstance(value, types.MethodType):
        owner = value.__self__
        return (owner,) if is_kept(owner) and not isinstance(owner, OPAQUE) else ()
    if is_kept(value):
        return (value,)
    return (Watched(value),) if hasattr(value, "__dict__") and not _is_torchs(type(value)) else ()


def _contents(cells: Iterable[types.CellType]) -> list[object]:
    return [value for cell in cells for value in cell_contents(cell)]


def _codes(code: types.CodeType) -> list[types.CodeType]:
    """A code object and those of the functions defined inside it."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return [code, *(nested for constant in inner for nested in _codes(constant))]


def _is_torchs(hook: Any) -> bool:
    """Whether a function, or the class behind a bound method or a callable object, is torch's own."""
    while isinstance(hook, partial):
        hook = hook.func
    owner = getattr(hook, "__self__", None)
    named: Any = hook if owner is None or isinstance(owner, (nn.Module, Optimizer)) else type(owner)
    module = getattr(named, "__module__", None) or type(named).__module__
    return str(module).partition(".")[0] in OWN
