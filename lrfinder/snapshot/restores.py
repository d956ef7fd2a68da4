"""How each kind of thing is put back in place."""

import types
from collections.abc import Iterable
from operator import is_not
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "cell_contents",
    "local",
    "rebind",
    "refill",
    "refill_cell",
    "refill_dict",
    "restore_grad",
    "restore_tensor",
    "same",
]


def rebind(scope: dict[str, Any], names: Iterable[str], held: dict[str, Any]) -> None:
    """Let names stand for what they stood for; a name that stood for nothing goes."""
    for name in names:
        if name not in held:
            scope.pop(name, None)
        elif scope.get(name) is not held[name] or name not in scope:
            scope[name] = held[name]


def cell_contents(cell: types.CellType) -> tuple[Any, ...]:
    """What a name stands for that inner functions share; nothing where it has no value yet."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def refill_cell(cell: types.CellType, *contents: Any) -> None:
    """Let a name that inner functions share stand for what it stood for, or for nothing."""
    if contents:
        cell.cell_contents = contents[0]
    elif cell_contents(cell):
        del cell.cell_contents


def refill_dict(target: dict[Any, Any], held: dict[Any, Any]) -> None:
    """Give a dictionary its items back; it is never empty in between unless their order had changed."""
    if len(target) != len(held) or any(map(is_not, target, held)):
        target.clear()
    # A counter's `update` adds.
    for key, value in held.items():
        target[key] = value


def refill(target: Any, contents: list[Any]) -> None:
    """Give a list, a set or a deque its items back."""
    if isinstance(target, list):
        target[:] = contents
    else:
        target.clear()
        target.update(contents) if isinstance(target, set) else target.extend(contents)


def local(tensor: Tensor) -> Tensor:
    """A tensor, or this rank's shard of it, of the same storage."""
    to_local = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()


def restore_tensor(tensor: Tensor, copied: Tensor) -> None:
    """Copy values back into a tensor; one that has grown gets a storage of its old shape."""
    whole, tensor = tensor, local(tensor)
    if tensor.shape != copied.shape:
        # A buffer that has grown: its old contents need a storage of their own.
        whole.data = copied.to(tensor.device, copy=True)
    else:
        try:
            tensor.copy_(copied)
        except RuntimeError:
            # An expanded buffer cannot be written to; it cannot have changed either, unless it was replaced.
            if not same(tensor, copied):
                raise


def restore_grad(tensor: Tensor, requires_grad: bool, grad: Tensor | None) -> None:
    """Give a leaf its gradient back, or none, and whether it needs one."""
    if not tensor.is_leaf:
        # A forward has written to it in place, so that it has joined the graph.
        tensor.detach_()
    if tensor.requires_grad != requires_grad:
        tensor.requires_grad_(requires_grad)
    tensor.grad = grad


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold equal values, NaN in the same places included."""
    return torch.equal(a, b) or (a.is_floating_point() and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True))
