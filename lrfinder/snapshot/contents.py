"""What mutable objects held, remembered so that it can be put back in place."""

import copy
import enum
import os
import types
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset, Sampler

from lrfinder.errors import InputError, StateLeak
from lrfinder.snapshot.restores import (
    cell_contents,
    local,
    rebind,
    refill,
    refill_cell,
    refill_dict,
    restore_grad,
    restore_tensor,
)
from lrfinder.snapshot.rng import STREAMS, global_streams, stream_restore
from lrfinder.snapshot.signals import held_signals

__all__ = ["OPAQUE", "OUT_OF_MEMORY", "Memory", "Rebound", "Surface", "Watched", "is_kept"]

OPAQUE = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType, enum.Enum)
NUMBERS = (int, float, complex, str, bytes, type(None), np.generic, frozenset, range, os.PathLike)
PLAIN = (*NUMBERS, torch.dtype, torch.device, torch.Size, *OPAQUE)
CONTAINERS = (dict, list, set, deque)
BY_ATTRIBUTES = (nn.Module, Optimizer, Sampler, LRScheduler)
KNOWN = (*PLAIN, *CONTAINERS, tuple, *STREAMS, *BY_ATTRIBUTES, Tensor, np.ndarray)

OUT_OF_MEMORY = (MemoryError, torch.cuda.OutOfMemoryError)
"""What is raised where there is no room, on the host or on a device."""


@dataclass(frozen=True, slots=True)
class Surface:
    """Stands for an object that is kept as data sets are: its attributes and random generators, not what they hold."""

    of: object


@dataclass(frozen=True, slots=True)
class Rebound:
    """Stands for names that may be given other values: in a file's globals, what they stood for is put back."""

    scope: dict[str, Any]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """Stands for an object that is used and cannot be put back: whether its public attributes change is noted."""

    of: object


STAND_INS = (Surface, Rebound, Watched, types.CellType)


class Memory:
    """Remembers the contents of mutable objects and puts them back in place, so that every reference stays valid.

    Tensors and arrays are copied, to `device` or else beside the tensor; containers remember what they held, modules,
    optimizers, samplers and plain data objects their attributes, data sets their counters, random generators their
    state. Whatever else is reached is put back as a reference, its inside as it is.
    """

    def __init__(self, device: torch.device | str | None = None) -> None:
        self._device = device
        self._seen: dict[int, object] = {}
        self._plain: dict[type, bool] = {}
        self._restores: list[Callable[[], object]] = []
        self._watched: list[tuple[object, dict[str, object]]] = []

    def leave(self, value: object) -> None:
        """Leave this object alone when it is reached."""
        self._seen[id(value)] = value

    def keep(self, value: Any) -> None:
        """Remember this object and everything mutable that it holds."""
        # A stack instead of recursion, since what is kept may be nested deeper than Python recurses.
        pending = [value]
        while pending:
            value = pending.pop()
            kind = type(value)
            if kind not in self._plain:
                self._plain[kind] = issubclass(kind, PLAIN) and kind is not types.MethodType
            if self._plain[kind]:
                continue
            reached = value.of if isinstance(value, (Surface, Watched)) else value
            if id(reached) in self._seen:
                continue
            # The object itself is held too: the id of one that is freed may be given to another.
            self._seen[id(reached)] = reached
            pending += self._keep_one(value)

    def keep_named(self, value: Any) -> None:
        """Remember an object that was handed over by itself, also one that `keep` passes by.

        One with neither attributes nor `state_dict` and `load_state_dict` raises InputError.
        """
        if is_kept(value):
            self.keep(value)
        elif hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
            # Copied on the way in and out: both sides may hold on to what they were given.
            held = copy.deepcopy(value.state_dict())
            self._restores.append(lambda: value.load_state_dict(copy.deepcopy(held)))
        elif hasattr(value, "__dict__"):
            self.keep(vars(value))
        else:
            raise InputError(
                f"an object to put back must have attributes or a `state_dict` with `load_state_dict`, got "
                f"{type(value).__name__}; name an object that has one of them"
            )

    def keep_streams(self) -> None:
        """Remember where the random streams of Python, NumPy and torch are."""
        self._restores += global_streams()

    def changed(self) -> list[str]:
        """Name what was watched and has changed since: the class, and its attributes."""
        now = [(watched, _look_of(watched), before) for watched, before in self._watched]
        names = [(type(w).__name__, sorted(k for k in {**a, **b} if a.get(k) != b.get(k))) for w, a, b in now]
        return [f"{kind} ({', '.join(attributes[:3])})" for kind, attributes in names if attributes]

    def restore(self) -> None:
        """Put the contents of everything that was kept back in place; signals wait until that is done.

        Raises:
            StateLeak: Something could not be put back; everything else was.
        """
        with held_signals(), torch.no_grad():
            failures = [error for restore in self._restores if (error := _error_of(restore)) is not None]
        if failures:
            reasons = "; ".join(f"{type(error).__name__}: {error}" for error in failures[:3])
            raise StateLeak(
                f"{len(failures)} of {len(self._restores)} parts of the state could not be put back ({reasons}); "
                "load the model and the optimizer again from a checkpoint"
            ) from failures[0]

    def keep_grad(self, tensor: Tensor) -> Iterable[Any]:
        """Remember whether this leaf tensor needs a gradient, and the one that it has, or that it has none."""
        self._restores.append(partial(restore_grad, tensor, tensor.requires_grad, tensor.grad))
        return () if tensor.grad is None else (tensor.grad,)

    def _keep_one(self, value: Any) -> Iterable[Any]:
        """Remember one object; return what it holds."""
        if isinstance(value, Tensor):
            return self._keep_tensor(value)
        if isinstance(value, tuple):
            return value
        if isinstance(value, (Rebound, Watched, types.CellType, types.MethodType)):
            return self._keep_used(value)
        if isinstance(value, (Dataset, Surface)):
            return self._keep_surface(value.of if isinstance(value, Surface) else value)
        if isinstance(value, CONTAINERS):
            return self._keep_container(value)
        if isinstance(value, STREAMS):
            self._restores.append(stream_restore(value))
        elif isinstance(value, np.ndarray):
            if value.flags.writeable:
                self._restores.append(partial(np.copyto, value, value.copy()))
        elif isinstance(value, BY_ATTRIBUTES) or _is_data(value):
            return [vars(value)]
        return ()

    def _keep_used(self, value: Any) -> Iterable[Any]:
        """Remember what stands for something that a function uses, or for the object that it is bound to."""
        if isinstance(value, types.MethodType):
            return (value.__self__,) if is_kept(value.__self__) else ()
        if isinstance(value, Watched):
            self._watched.append((value.of, _look_of(value.of)))
        elif isinstance(value, Rebound):
            held = {name: value.scope[name] for name in value.names if name in value.scope}
            self._restores.append(partial(rebind, value.scope, value.names, held))
        else:
            self._restores.append(partial(refill_cell, value, *cell_contents(value)))
        return ()

    def _keep_container(self, value: Any) -> Iterable[Any]:
        if isinstance(value, dict):
            items = dict(value)
            self._restores.append(partial(refill_dict, value, items))
            return items.values()
        held = list(value)
        self._restores.append(partial(refill, value, held))
        return held

    def _keep_surface(self, source: object) -> Iterable[Any]:
        """Remember attributes and random generators of a data set or loader, not the data: large, and read only."""
        held = list(self._keep_container(getattr(source, "__dict__", {})))
        for value in held:
            if isinstance(value, CONTAINERS):
                self._keep_container(value)
        inside = (Dataset, *STREAMS)
        data = [v for v in held if isinstance(v, inside) or (not isinstance(v, KNOWN) and _is_data(v))]
        owners = [v.__self__ for v in held if isinstance(v, types.MethodType)]
        return [*data, *(Surface(o) for o in owners if not isinstance(o, OPAQUE))]

    def _keep_tensor(self, tensor: Tensor) -> Iterable[Any]:
        if tensor.is_inference():
            return ()
        # A shard is copied as what this rank has of it: a DTensor cannot leave the devices of its mesh.
        held = local(tensor).detach()
        # What a tensor of a class of its own is made of was copied with it.
        parts = {id(getattr(tensor, name)) for name in _parts_of(tensor)}
        try:
            copied = held.clone() if self._device is None else held.to(self._device, copy=True)
        except NotImplementedError:
            # Quantized states of optimizers may know no copy; what they are made of does.
            if not parts:
                raise InputError(
                    f"a state must be one that can be copied to be put back, got a {type(tensor).__name__} that knows "
                    "no `clone`; search with an optimizer that keeps plain tensors, and train with this one at its rate"
                ) from None
            parts = set()
        else:
            self._restores.append(partial(restore_tensor, tensor, copied))
        attributes = [value for value in self._keep_container(vars(tensor)) if id(value) not in parts]
        return [*(self.keep_grad(tensor) if tensor.is_leaf else ()), *attributes]


def _error_of(restore: Callable[[], object]) -> BaseException | None:
    """Put one thing back; return what kept it from coming back: one part that refuses must not stop the others."""
    try:
        restore()
    except BaseException as error:
        # Signals are held back: even a KeyboardInterrupt is of the part itself.
        return error
    return None


def _is_data(value: Any, depth: int = 2) -> bool:
    """Whether an object is a bag of values (a meter, an average, a scaler) rather than a machine with handles."""
    if isinstance(value, (*OPAQUE, Dataset, DataLoader)) or not hasattr(value, "__dict__"):
        return False
    return all(isinstance(item, KNOWN) or (depth > 0 and _is_data(item, depth - 1)) for item in vars(value).values())


def is_kept(value: object) -> bool:
    """Whether an object that is reached is put back, and not left as it is."""
    return isinstance(value, (*KNOWN, *STAND_INS, Dataset)) or _is_data(value)


def _parts_of(tensor: Tensor) -> Iterable[str]:
    """The attributes that hold the tensors of which one of a class of its own is made."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    return () if flatten is None else flatten()[0]


def _look_of(value: object) -> dict[str, object]:
    """The public attributes of an object that can be compared: plain values, and the lengths of containers."""
    attributes = {name: held for name, held in vars(value).items() if not name.startswith("_")}
    looks = {name: len(held) if isinstance(held, CONTAINERS) else held for name, held in attributes.items()}
    return {name: look for name, look in looks.items() if isinstance(look, NUMBERS)}
