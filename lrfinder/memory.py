"""What mutable objects held, remembered so that it can be put back in place."""

import enum
import os
import random
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
from torch.utils.data import DataLoader, Dataset, Sampler

from lrfinder.errors import StateLeak

__all__ = ["STREAMS", "Memory", "Surface", "global_streams", "same", "torch_streams"]

OPAQUE = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType, enum.Enum)
NUMBERS = (int, float, complex, str, bytes, type(None), np.generic, frozenset, range, os.PathLike)
PLAIN = (*NUMBERS, torch.dtype, torch.device, torch.Size, *OPAQUE)
CONTAINERS = (dict, list, tuple, set, deque)
STREAMS = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState)
BY_ATTRIBUTES = (nn.Module, Optimizer, Sampler)


@dataclass(frozen=True, slots=True)
class Surface:
    """Stands for an object that is kept as data sets are: its attributes and random generators, not what they hold."""

    of: object


class Memory:
    """Remembers the contents of mutable objects and puts them back in place, so that every reference stays valid.

    Tensors and arrays are copied, containers remember what they held, modules, optimizers, samplers and plain data
    objects their attributes, data sets their counters, random generators their state. Whatever else is reached is put
    back as a reference, its inside as it is.
    """

    def __init__(self) -> None:
        self._seen: dict[int, object] = {}
        self._restores: list[Callable[[], object]] = []
        self.copies: dict[int, Tensor] = {}

    def leave(self, value: object) -> None:
        """Leave this object alone when it is reached."""
        self._seen[id(value)] = value

    def keep(self, value: Any) -> None:
        """Remember this object and everything mutable that it holds."""
        pending = [value]
        while pending:
            value = pending.pop()
            if isinstance(value, PLAIN) or id(value) in self._seen:
                continue
            self._seen[id(value)] = value
            pending += self._keep_one(value)

    def restore(self) -> None:
        """Put the contents of everything that was kept back in place.

        Raises:
            StateLeak: Something could not be put back; everything else was.
        """
        failures = []
        with torch.no_grad():
            for restore in self._restores:
                try:
                    restore()
                except Exception as error:  # one tensor that refuses must not keep the rest from coming back
                    failures.append(f"{type(error).__name__}: {error}")
        if failures:
            raise StateLeak(
                f"{len(failures)} of {len(self._restores)} parts of the state could not be put back "
                f"({'; '.join(failures[:3])}); load the model and the optimizer again from a checkpoint"
            )

    def _keep_one(self, value: Any) -> Iterable[Any]:
        """Remember one object; return what it holds."""
        if isinstance(value, Tensor):
            return self._keep_tensor(value)
        if isinstance(value, tuple):
            return value
        if isinstance(value, (Dataset, Surface)):
            return self._keep_surface(value.of if isinstance(value, Surface) else value)
        if isinstance(value, STREAMS):
            self._restores.append(_stream_restore(value))
        elif isinstance(value, np.ndarray):
            if value.flags.writeable:
                self._restores.append(partial(np.copyto, value, value.copy()))
        elif isinstance(value, dict):
            held = dict(value)
            self._restores.append(partial(_refill_dict, value, held))
            return held.values()
        elif isinstance(value, (list, set, deque)):
            contents = list(value)
            self._restores.append(partial(_refill, value, contents))
            return contents
        elif isinstance(value, BY_ATTRIBUTES) or _is_data(value):
            return [vars(value)]
        return ()

    def _keep_surface(self, source: object) -> Iterable[Any]:
        """Remember attributes and random generators of a data set or loader, not the data: large, and read only."""
        attributes = getattr(source, "__dict__", {})
        held = dict(attributes)
        self._restores.append(partial(_refill_dict, attributes, held))
        return [value for value in held.values() if isinstance(value, (Dataset, *STREAMS))]

    def _keep_tensor(self, tensor: Tensor) -> Iterable[Any]:
        if tensor.is_inference():
            return ()
        copy = tensor.detach().clone()
        self.copies[id(tensor)] = copy
        self._restores.append(partial(_restore_tensor, tensor, copy))
        return self.keep_grad(tensor) if tensor.is_leaf else ()

    def keep_grad(self, tensor: Tensor) -> Iterable[Any]:
        """Remember whether this leaf tensor needs a gradient, and the one that it has, or that it has none."""
        self._restores.append(partial(_restore_grad, tensor, tensor.requires_grad, tensor.grad))
        return () if tensor.grad is None else (tensor.grad,)


def _is_data(value: Any) -> bool:
    """Whether an object is a bag of values (a meter, an average, a scaler) rather than a machine with handles."""
    if isinstance(value, (Dataset, DataLoader)) or not hasattr(value, "__dict__"):
        return False
    known = (*PLAIN, *CONTAINERS, *STREAMS, *BY_ATTRIBUTES, Tensor, np.ndarray)
    return all(isinstance(item, known) for item in vars(value).values())


def _refill_dict(target: dict[Any, Any], held: dict[Any, Any]) -> None:
    """Give a dictionary its items back; it is never empty in between unless their order had changed."""
    if [id(key) for key in target] != [id(key) for key in held]:
        target.clear()
    target.update(held)


def _refill(target: Any, contents: list[Any]) -> None:
    if isinstance(target, list):
        target[:] = contents
    else:
        target.clear()
        target.update(contents) if isinstance(target, set) else target.extend(contents)


def _restore_tensor(tensor: Tensor, copy: Tensor) -> None:
    if tensor.shape != copy.shape:
        tensor.data = copy.clone()
    else:
        try:
            tensor.copy_(copy)
        except RuntimeError:
            # An expanded buffer cannot be written to; it cannot have changed either, unless it was replaced.
            if not same(tensor, copy):
                raise


def _restore_grad(tensor: Tensor, requires_grad: bool, grad: Tensor | None) -> None:
    if not tensor.is_leaf:
        # A forward has written to it in place, so that it has joined the graph.
        tensor.detach_()
    if tensor.requires_grad != requires_grad:
        tensor.requires_grad_(requires_grad)
    tensor.grad = grad


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold equal values, NaN in the same places included."""
    return torch.equal(a, b) or (a.is_floating_point() and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True))


def _stream_restore(stream: Any) -> Callable[[], object]:
    if isinstance(stream, torch.Generator):
        return partial(stream.set_state, stream.get_state())
    if isinstance(stream, random.Random):
        return partial(stream.setstate, stream.getstate())
    if isinstance(stream, np.random.RandomState):
        return partial(stream.set_state, stream.get_state())
    return partial(setattr, stream.bit_generator, "state", stream.bit_generator.state)


def global_streams() -> list[Callable[[], object]]:
    """Restores for the random streams of Python, NumPy and torch."""
    return [
        partial(random.setstate, random.getstate()),
        partial(np.random.set_state, np.random.get_state()),
        *torch_streams(),
    ]


def torch_streams() -> list[Callable[[], object]]:
    """Restores for torch's random streams alone: cheap enough for every step, which NumPy's is not."""
    restores: list[Callable[[], object]] = [partial(torch.set_rng_state, torch.get_rng_state())]
    if torch.cuda.is_available():
        restores.append(partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    if torch.backends.mps.is_available():
        restores.append(partial(torch.mps.set_rng_state, torch.mps.get_rng_state()))
    return restores
