"""The guard: a training is put back exactly as it was, however the work inside ends."""

import enum
import random
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from lrfinder.errors import StateLeak

__all__ = ["StateSnapshot", "forward_only", "preserved"]

FROZEN_SHARE = 4 / 5
"""With `auto`, frozen parameters are watched instead of copied when they are more than this share of the bytes."""

SAMPLES = 64

OPAQUE = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType, enum.Enum)
PLAIN = (int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size, *OPAQUE)
CONTAINERS = (dict, list, tuple, set, deque)
STREAMS = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState)


class Memory:
    """Remembers the contents of mutable objects and puts them back in place, so that every reference stays valid.

    Tensors and arrays are copied, containers remember what they held, modules, optimizers and plain data objects their
    attributes, random generators their state. Whatever else is reached is put back as a reference, its inside as it is.
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
        """Put the contents of everything that was kept back in place."""
        with torch.no_grad():
            for restore in self._restores:
                restore()

    def _keep_one(self, value: Any) -> Iterable[Any]:
        """Remember one object; return what it holds."""
        if isinstance(value, Tensor):
            return self._keep_tensor(value)
        if isinstance(value, tuple):
            return value
        if isinstance(value, STREAMS):
            self._restores.append(_stream_restore(value))
        elif isinstance(value, np.ndarray):
            self._restores.append(partial(np.copyto, value, value.copy()))
        elif isinstance(value, dict):
            held = dict(value)
            self._restores.append(partial(_refill_dict, value, held))
            return held.values()
        elif isinstance(value, (list, set, deque)):
            contents = list(value)
            self._restores.append(partial(_refill, value, contents))
            return contents
        elif isinstance(value, (nn.Module, Optimizer)) or _is_data(value):
            return [vars(value)]
        return ()

    def _keep_tensor(self, tensor: Tensor) -> Iterable[Any]:
        if tensor.grad_fn is not None or tensor.is_inference():
            return ()
        copy = tensor.detach().clone()
        self.copies[id(tensor)] = copy
        self._restores.append(partial(_restore_tensor, tensor, copy, tensor.requires_grad))
        return self.keep_grad(tensor)

    def keep_grad(self, tensor: Tensor) -> Iterable[Any]:
        """Remember the gradient that this leaf tensor has, or that it has none."""
        self._restores.append(partial(setattr, tensor, "grad", tensor.grad))
        return () if tensor.grad is None else (tensor.grad,)


def _is_data(value: Any) -> bool:
    """Whether an object is a bag of values (a meter, an average, a scaler) rather than a machine with handles."""
    if isinstance(value, (Dataset, DataLoader)) or not hasattr(value, "__dict__"):
        return False
    known = (*PLAIN, *CONTAINERS, *STREAMS, Tensor, np.ndarray)
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


def _restore_tensor(tensor: Tensor, copy: Tensor, requires_grad: bool) -> None:
    if tensor.shape != copy.shape:
        tensor.data = copy.clone()
    else:
        try:
            tensor.copy_(copy)
        except RuntimeError:
            # An expanded buffer cannot be written to; it cannot have changed either, unless it was replaced.
            if not _same(tensor, copy):
                raise
    if tensor.requires_grad != requires_grad:
        tensor.requires_grad_(requires_grad)


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or (a.is_floating_point() and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True))


def _stream_restore(stream: Any) -> Callable[[], object]:
    if isinstance(stream, torch.Generator):
        return partial(stream.set_state, stream.get_state())
    if isinstance(stream, random.Random):
        return partial(stream.setstate, stream.getstate())
    if isinstance(stream, np.random.RandomState):
        return partial(stream.set_state, stream.get_state())
    return partial(setattr, stream.bit_generator, "state", stream.bit_generator.state)


def _global_streams() -> list[Callable[[], object]]:
    """Restores for the random streams of Python, NumPy, torch and every CUDA or MPS device in use."""
    restores: list[Callable[[], object]] = [
        partial(random.setstate, random.getstate()),
        partial(np.random.set_state, np.random.get_state()),
        partial(torch.set_rng_state, torch.get_rng_state()),
    ]
    if torch.cuda.is_available():
        restores.append(partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    if torch.backends.mps.is_available():
        restores.append(partial(torch.mps.set_rng_state, torch.mps.get_rng_state()))
    return restores


class StateSnapshot:
    """A copy in memory of everything a training changes, to which it can be put back as often as wanted.

    Args:
        modules: The model, and whatever else computes the loss.
        optimizers: Their parameters are kept too where no module holds them.
        others: Further objects with state: a GradScaler, samplers, generators.
        frozen: `auto` does not copy frozen parameters when they are more than four fifths of the bytes, and watches a
            sample of each instead; `all` copies everything.
        leave: Objects to leave alone where they are reached, as the data behind a sampler.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        optimizers: Sequence[Optimizer],
        others: Sequence[object] = (),
        frozen: Literal["auto", "all"] = "auto",
        leave: Sequence[object] = (),
    ) -> None:
        self._memory = Memory()
        for left in leave:
            self._memory.leave(left)
        self._watched: list[tuple[str, Tensor, Tensor]] = []
        self._displacement: list[Tensor] | None = None
        named = {id(p): (name, p) for module in modules for name, p in module.named_parameters()}
        if frozen == "auto":
            self._watch_frozen(list(named.values()))
        for kept in (*modules, *optimizers, *others):
            self._memory.keep(kept)
        owned = [p for o in optimizers for group in o.param_groups for p in group["params"]]
        moving = {id(p): p for p in (*(p for _, p in named.values()), *owned) if p.requires_grad}
        self._starts = [(p, self._memory.copies[key]) for key, p in moving.items() if key in self._memory.copies]
        self._streams = _global_streams()

    def _watch_frozen(self, named: list[tuple[str, Tensor]]) -> None:
        frozen = [(name, p) for name, p in named if not p.requires_grad]
        if sum(p.nbytes for _, p in frozen) > FROZEN_SHARE * sum(p.nbytes for _, p in named):
            for name, p in frozen:
                self._memory.leave(p)
                self._memory.keep_grad(p)
                self._watched.append((name, p, _sample(p)))

    def restore(self) -> None:
        """Put everything back as it was. What existed gets its contents back in place, what is new is dropped."""
        self.settle()
        self._memory.restore()
        for restore in self._streams:
            restore()

    def verify(self) -> None:
        """Check the frozen parameters that were not copied.

        Raises:
            StateLeak: One of them has changed, so it could not be put back.
        """
        changed = [name for name, p, sample in self._watched if not _same(_sample(p), sample)]
        if changed:
            raise StateLeak(
                f"frozen parameters were changed and not put back: {', '.join(changed[:5])} ({len(changed)} in all); "
                'load them again, and pass `snapshot="all"` so that frozen parameters are copied too'
            )

    @torch.no_grad()
    def move(self, t: float) -> None:
        """Set the parameters to start + `t` times the displacement since the snapshot."""
        if self._displacement is None:
            self._displacement = [p.detach() - start for p, start in self._starts]
        for (p, start), d in zip(self._starts, self._displacement, strict=True):
            p.copy_(start).add_(d, alpha=t)

    def settle(self) -> None:
        """Forget the displacement: the next move measures it anew."""
        self._displacement = None


@contextmanager
def forward_only(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Put back what a forward can change: buffers, modes, attributes, gradients and the global random streams.

    Args:
        modules: The model, and whatever else computes the loss; their parameters are neither copied nor put back.
    """
    memory, streams = Memory(), _global_streams()
    for module in modules:
        for p in module.parameters():
            memory.leave(p)
            memory.keep_grad(p)
        memory.keep(module)
    try:
        yield
    finally:
        memory.restore()
        for restore in streams:
            restore()


def _sample(tensor: Tensor) -> Tensor:
    """Up to 64 values spread over a tensor, compared bit for bit later."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // SAMPLES)].clone()


@contextmanager
def preserved(
    modules: Sequence[nn.Module],
    optimizers: Sequence[Optimizer],
    others: Sequence[object] = (),
    frozen: Literal["auto", "all"] = "auto",
    leave: Sequence[object] = (),
) -> Iterator[StateSnapshot]:
    """Put a training back as it was at exit, on success, on an exception and on Ctrl-C (raised on); nests.

    Restored in place: parameters, all buffers, gradients, requires-grad flags, train/eval flags and attributes of every
    submodule, optimizer state (what did not exist is dropped) and groups, `others`, the global random streams.

    Args:
        modules: The model, and whatever else computes the loss.
        optimizers: The optimizers that update them.
        others: Further objects with state: a GradScaler, samplers, generators.
        frozen: See `StateSnapshot`.
        leave: See `StateSnapshot`.

    Yields:
        The snapshot; its `restore` may be called as often as wanted.

    Raises:
        StateLeak: A frozen parameter that was watched instead of copied has changed. When an exception is under way
            already, that one goes on, with this sentence as a note.
    """
    snapshot = StateSnapshot(modules, optimizers, others, frozen, leave)
    try:
        yield snapshot
    except BaseException as error:
        _restore_twice(snapshot)
        try:
            snapshot.verify()
        except StateLeak as leak:
            error.add_note(str(leak))
        raise
    _restore_twice(snapshot)
    snapshot.verify()


def _restore_twice(snapshot: StateSnapshot) -> None:
    """Restore; a Ctrl-C that falls into it is raised on only after a second, whole restore."""
    try:
        snapshot.restore()
    except KeyboardInterrupt:
        snapshot.restore()
        raise
