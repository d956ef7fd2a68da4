"""Which batches have a loss that is not finite before any step: no learning rate is to blame for them."""

from collections.abc import Iterable

from lrfinder.evidence.curve import is_number
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.snapshot.contents import OUT_OF_MEMORY

__all__ = ["MOST", "not_finite"]

MOST = 100
"""Batches that are looked at."""


def not_finite(loop: Loop, snapshot: Snapshot, batches: Iterable[Batch], *, draws: bool) -> tuple[tuple[int, ...], int]:
    """Return the places, from 1 on, of batches whose loss is not finite at the start, and how many were looked at.

    The training is put back to its start. With `draws` more follow these batches, until an epoch of them was seen.
    """
    snapshot.restore()
    looked_at = list(batches)[:MOST]
    epoch = min(loop.facts.steps_per_epoch or MOST, MOST) if draws else 0
    looked_at += [loop.draw() for _ in range(epoch - len(looked_at))]
    return tuple(place for place, batch in enumerate(looked_at, 1) if not _is_finite(loop, batch)), len(looked_at)


def _is_finite(loop: Loop, batch: Batch) -> bool:
    """Whether the loss of a batch is a finite number; one that raises, as a guard against NaN does, is not."""
    try:
        return is_number(loop.loss(batch))
    except OUT_OF_MEMORY:
        raise
    except Exception:
        return False
