"""The record of a sweep: rates, raw losses, why it stopped."""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from lrfinder.errors import InputError

__all__ = ["Curve", "Stopped", "is_number"]

LARGEST = 1e100
"""A loss beyond it is as good as infinite; below it, differences and their squares can be taken."""

Stopped = Literal["completed", "diverged", "non_finite"]


@dataclass(frozen=True, slots=True)
class Curve:
    """What a sweep saw, in order and raw: one entry per optimizer step.

    `losses[i]` is the loss *before* the update made at `lrs[i]`, so the loss that an update led to is `losses[i + 1]`;
    `pairs` puts the two together. Where `after` is measured it is already the loss after the update at `lrs[i]`.
    Between two passes the training goes back to its start, from rates at which no update has moved the loss: the first
    loss of the second pass stands for what the last update of the first one led to.

    Args:
        lrs: LR of the reference group, one per optimizer step, ascending.
        losses: Training loss before that step, mean over its micro-batches and over ranks.
        after: Loss after that step on batches of its own (a validation sweep), or None.
        stopped: `completed` (the whole range), `diverged` (a loss that stays high counts) or `non_finite`.

    Raises:
        InputError: Lists of unequal length, rates that do not ascend, a value that is not finite or beyond 1e100, an
            unknown `stopped`.

    >>> list(Curve([1e-3, 1e-2, 1e-1], [2.3, 2.2, 1.9]).pairs())
    [(0.001, 2.2), (0.01, 1.9)]
    """

    lrs: list[float]
    losses: list[float]
    after: list[float] | None = field(default=None)
    stopped: Stopped = "completed"

    def __post_init__(self) -> None:
        lengths = {len(self.lrs), len(self.losses), len(self.after) if self.after is not None else len(self.lrs)}
        if len(lengths) > 1:
            raise InputError(f"`lrs`, `losses` and `after` must have the same length, got {sorted(lengths)}")
        if not all(map(is_number, (*self.lrs, *self.losses, *(self.after or ())))):
            raise InputError(
                f"a curve must hold finite numbers, up to {LARGEST:g}, got lrs {self.lrs} and losses {self.losses}"
            )
        if any(a >= b for a, b in pairwise(self.lrs)) or any(lr <= 0 for lr in self.lrs):
            raise InputError(f"`lrs` must be positive and ascend, got {self.lrs}")
        if self.stopped not in get_args(Stopped):
            raise InputError(f"`stopped` must be one of {', '.join(get_args(Stopped))}, got {self.stopped!r}")

    def __len__(self) -> int:
        return len(self.lrs)

    @property
    def points_per_decade(self) -> float:
        """Rates of the sweep per decade, as most neighbours stand."""
        return 1 / statistics.median(math.log10(b / a) for a, b in pairwise(self.lrs)) if len(self) > 1 else 0.0

    @property
    def steps(self) -> int:
        """Optimizer steps of the sweep: one more than it recorded where the last loss was no number."""
        return len(self) + (self.stopped == "non_finite")

    @property
    def levels(self) -> list[float]:
        """The measured loss before each update, and where that is known after the last one: what has to fall."""
        return self.losses if self.after is None else [*self.after[:1], *self.after]

    def pairs(self) -> Iterator[tuple[float, float]]:
        """Each rate with the loss that the update at this rate led to."""
        return zip(self.lrs, self.after if self.after is not None else self.losses[1:], strict=False)


def is_number(loss: float) -> bool:
    """Whether a loss is finite, and not so large that nothing can be computed with it."""
    return -LARGEST <= loss <= LARGEST
