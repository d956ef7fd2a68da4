"""The targets of a batch: whether a model looks at its inputs at all, and how far from zero it has to reach."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["exchange", "offset_of"]

FEWEST = 16
"""Samples of a batch below which the loss with other targets is chance."""

FAR = 4.0
"""Mean of the targets over their deviation from which they lie far from zero: a model whose outputs begin there has a
loss of seventeen times their variance, and loses most of it before it learns anything from its inputs."""


def exchange(batch: Any, name: str | None = None) -> Any:
    """Return a batch with each target given to another input, or None where it shows no targets that differ.

    A model whose outputs do not depend on its inputs has the same loss on both. Of three ways to pass the targets on
    the one is taken that leaves the fewest as they were; batches of fewer than sixteen samples say too little.

    Args:
        batch: Several things, of which the last is the target, or a mapping.
        name: Of the target in a mapping.

    >>> exchange((torch.arange(16), torch.arange(16)))[1]
    tensor([ 8,  9, 10, 11, 12, 13, 14, 15,  0,  1,  2,  3,  4,  5,  6,  7])
    """
    is_several = isinstance(batch, (tuple, list)) and len(batch) > 1
    target = batch[-1] if is_several else batch[name] if isinstance(batch, Mapping) and name is not None else None
    if not isinstance(target, Tensor) or target.dim() == 0 or len(target) < FEWEST:
        return None
    ways = [target.roll(shift, 0) for shift in (len(target) // 2, len(target) // 3, 1)]
    exchanged = max(ways, key=lambda way: int((way != target).sum()))
    if torch.equal(exchanged, target):
        return None
    return [*batch[:-1], exchanged] if is_several else {**batch, name: exchanged}


def offset_of(batches: Sequence[Any], loss_fn: Callable[[Any, Any], Tensor]) -> tuple[Tensor | None, float]:
    """Return the mean of the targets, and how far it is from zero over their deviation; None and 0 where it is near.

    It is far where float targets have a mean of at least `FAR` times their deviation over samples, both as root mean
    squares over columns, and the loss is the same for outputs and targets that are shifted alike.
    """
    targets = [batch[-1] for batch in batches if isinstance(batch, (tuple, list)) and len(batch) > 1]
    if not targets or not all(map(_is_numbers, targets)) or len({one.shape[1:] for one in targets}) > 1:
        return None, 0.0
    every = torch.cat([one.detach().cpu() for one in targets]).double()
    if len(every) < FEWEST:
        return None, 0.0
    mean, deviation = every.mean(0), every.std(0)
    far = float(mean.square().mean().sqrt() / deviation.square().mean().sqrt())
    offset = mean.to(targets[0])
    is_far = FAR <= far < math.inf and _is_shift_free(loss_fn, targets[0], offset)
    return (offset, far) if is_far else (None, 0.0)


def _is_numbers(target: Any) -> bool:
    """Whether a target is a number, or several, for each sample."""
    return isinstance(target, Tensor) and target.is_floating_point() and target.dim() > 0


def _is_shift_free(loss_fn: Callable[[Any, Any], Tensor], target: Tensor, offset: Tensor) -> bool:
    """Whether a loss does not change where outputs and targets are shifted alike."""
    output = target.roll(1, 0)
    try:
        with torch.no_grad():
            losses = [float(loss_fn(output - by, target - by)) for by in (torch.zeros_like(offset), offset)]
    except Exception:
        return False
    return math.isclose(*losses, rel_tol=1e-3)
