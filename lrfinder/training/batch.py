"""One batch as a loader gave it: to a device, its size, into inputs and target, its shapes in words."""

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

__all__ = ["describe", "held_bytes", "shares", "size", "tensors", "to_device", "total_size", "unshare"]


def to_device(batch: Any, device: torch.device, layout: torch.memory_format | None = None) -> Any:
    """Return a batch with every tensor on a device, in containers of the same type; the batch itself stays as it is.

    A batch is a tensor, any nesting of mappings, lists, tuples, named tuples and dataclasses, or an object with `to`.
    Four-dimensional tensors get the layout. Tensors that are there already are not copied.
    """

    def move(tensor: Tensor) -> Tensor:
        there = tensor.to(device, non_blocking=True)
        return there if layout is None or there.dim() != 4 else there.to(memory_format=layout)

    return _map(batch, move, lambda item: item.to(device))


def unshare(batch: Any) -> Any:
    """Return a batch that can be kept for long, in containers of the same type; the batch itself stays as it is.

    What the worker processes of a loader send lies in shared memory, and each such tensor holds a file open: it is
    copied. Inside an object of another kind, with a `to` of its own, it is not.
    """
    return _map(batch, lambda tensor: tensor.clone() if _is_shared(tensor) else tensor, lambda item: item)


def _is_shared(tensor: Tensor) -> bool:
    plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
    return plain and bool(tensor.is_shared())  # type: ignore[no-untyped-call]


def _map(batch: Any, of_tensor: Callable[[Tensor], Tensor], of_object: Callable[[Any], Any]) -> Any:
    """A batch with every tensor, and every object with a `to`, in the place of which stands something else."""
    if isinstance(batch, Tensor):
        return of_tensor(batch)
    if type(batch) in (list, tuple):  # first, since it is most common and asking what is a mapping takes long
        return type(batch)([_map(item, of_tensor, of_object) for item in batch])
    if isinstance(batch, MutableMapping):
        items = copy.copy(batch)
        items.update({key: _map(value, of_tensor, of_object) for key, value in batch.items()})
        return items
    if isinstance(batch, Mapping):
        return {key: _map(value, of_tensor, of_object) for key, value in batch.items()}
    if hasattr(batch, "to") and not isinstance(batch, type):
        return of_object(batch)
    if isinstance(batch, (list, tuple)):
        values = [_map(item, of_tensor, of_object) for item in batch]
        return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)
    if is_dataclass(batch) and not isinstance(batch, type):
        own = {f.name: _map(getattr(batch, f.name), of_tensor, of_object) for f in fields(batch) if f.init}
        return replace(batch, **own)
    return batch


def tensors(batch: Any) -> Iterator[tuple[str, Tensor]]:
    """Walk the tensors of a batch.

    Yields:
        The place in the batch, as in `[0]` or `['input_ids']`, and the tensor.
    """
    if isinstance(batch, Tensor):
        yield "", batch
    elif isinstance(batch, Mapping):
        for key, value in batch.items():
            yield from ((f"[{key!r}]{place}", tensor) for place, tensor in tensors(value))
    elif isinstance(batch, (list, tuple)):
        for index, value in enumerate(batch):
            yield from ((f"[{index}]{place}", tensor) for place, tensor in tensors(value))
    elif is_dataclass(batch) and not isinstance(batch, type):
        for f in fields(batch):
            yield from ((f".{f.name}{place}", tensor) for place, tensor in tensors(getattr(batch, f.name)))


def size(batch: Any) -> int | None:
    """Samples in a batch, or None where that is not known.

    It is the first dimension of its tensors, where the first and the last of them agree; where the last has as many
    entries as the second dimension of the first, the batch is taken to hold time first. Lists or tuples of one length,
    as detectors take them, hold a sample in each place, and so does a list of mappings with the same keys.
    """
    packed = next((part for part in _parts(batch) if isinstance(part, PackedSequence)), None)
    if packed is not None:
        return int(packed.batch_sizes[0])
    found = [tensor for _, tensor in tensors(batch)]
    sizes = [tensor.size(0) for tensor in found if tensor.dim() > 0]
    if not sizes:
        return None
    fields = list(_parts(batch))
    if len(fields) > 1 and all(isinstance(field, Mapping) and field.keys() == fields[0].keys() for field in fields):
        return len(fields)
    lists = {len(field) if isinstance(field, (list, tuple)) else 0 for field in fields}
    if len(fields) > 1 and len(lists) == 1 and lists != {0} and (len(sizes) < len(found) or len(set(sizes)) > 1):
        return lists.pop()
    first = next(tensor for tensor in found if tensor.dim() > 0)
    if sizes[0] == sizes[-1]:
        return sizes[0]
    is_time_first = not first.is_nested and first.dim() > 1 and first.size(1) == sizes[-1]
    return sizes[-1] if is_time_first else None


def _parts(batch: Any) -> list[Any]:
    """What a batch consists of, at its top."""
    if isinstance(batch, Mapping):
        return list(batch.values())
    return list(batch) if isinstance(batch, (list, tuple)) and not isinstance(batch, PackedSequence) else [batch]


def total_size(batch: Sequence[Any]) -> int | None:
    """Samples in all micro-batches, or None where one has no tensor to count by."""
    sizes = [size(micro) for micro in batch]
    return None if None in sizes else sum(n for n in sizes if n is not None)


def shares(batch: Sequence[Any]) -> list[float]:
    """Return the share of the samples that is in each micro-batch."""
    if len(batch) == 1:
        return [1.0]
    sizes = [size(micro) or 1 for micro in batch]
    return [n / sum(sizes) for n in sizes]


def held_bytes(batch: Sequence[Any]) -> int:
    """Return what the tensors of all micro-batches hold, those of sparse ones as far as they are there."""
    held = [tensor for micro in batch for _, tensor in tensors(micro)]
    return sum((t._nnz() if t.is_sparse else t.numel()) * t.element_size() for t in held)


def describe(batch: Any) -> str:
    """A batch in words: its type, and the place, shape and dtype of its tensors.

    >>> describe((torch.zeros(8, 2), torch.zeros(8, dtype=torch.long)))
    'tuple with [0]: 8x2 float32, [1]: 8 int64'
    """
    found = [
        f"{place}: {_shape_of(t)} {str(t.dtype).removeprefix('torch.')}".removeprefix(": ")
        for place, t in tensors(batch)
    ]
    return f"{type(batch).__name__} with {', '.join(found[:8]) or 'no tensors'}"


def _shape_of(tensor: Tensor) -> str:
    """The dimensions of a tensor in words; those of a nested one differ from sample to sample."""
    return f"{tensor.size(0)} nested" if tensor.is_nested else "x".join(map(str, tensor.shape)) or "scalar"
