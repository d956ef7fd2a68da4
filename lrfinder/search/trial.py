"""One trial: a short training from the snapshot to one peak."""

import warnings
from collections.abc import Callable, Sequence

from lrfinder.errors import LRFinderWarning
from lrfinder.loop import MAX_SKIPS, Batch, Loop, Snapshot
from lrfinder.search.sweep import OnStep
from lrfinder.snapshot.contents import OUT_OF_MEMORY

__all__ = ["WARMUP", "Shape", "run_trial", "warmup_and_linear"]

Shape = Callable[[float], float]
"""The factor of the peak at each part (0 to 1) of a trial."""

WARMUP = 0.05
"""Part of a trial in which the rate rises to the peak, where no schedule is given."""


def warmup_and_linear(part: float) -> float:
    """Return the factor of a warm-up over a twentieth of the way and a linear decay to zero."""
    return min(part / WARMUP, (1 - part) / (1 - WARMUP))


def run_trial(
    loop: Loop,
    snapshot: Snapshot,
    peak: float,
    batches: Sequence[Batch],
    *,
    shape: Shape,
    limit: float,
    on_step: OnStep | None = None,
) -> tuple[list[float | None] | None, int]:
    """Run one trial from the snapshot; it is ended where the loss exceeds the limit.

    Returns:
        The loss before every step (None where it was skipped), an empty list where the trial diverged or made no step,
        None, with a warning, where a single process ran out of memory; and the steps made.
    """
    snapshot.restore()
    try:
        return _train(loop, peak, batches, shape, limit, on_step)
    except OUT_OF_MEMORY:
        # The other ranks may have had the room, and wait for this one in the next step.
        if loop.facts.ranks > 1:
            raise
    warnings.warn(
        f"the trial to a peak of {peak:.2g} ran out of memory and is left out; make room, so that none is lost",
        LRFinderWarning,
        stacklevel=2,
    )
    return None, len(batches)


def _train(
    loop: Loop, peak: float, batches: Sequence[Batch], shape: Shape, limit: float, on_step: OnStep | None
) -> tuple[list[float | None], int]:
    losses: list[float | None] = []
    repeated = 0
    for i, batch in enumerate(batches):
        loop.lr = lr = peak * shape((i + 0.5) / len(batches))
        loss = loop.step(batch)
        # A GradScaler looks for its scale first: the first step is repeated until it is made.
        while loss is None and i == 0 and repeated < MAX_SKIPS:
            loss = loop.step(batch)
            repeated += 1
        losses.append(loss)
        if loss is not None and not loss <= limit:
            return [], repeated + len(losses)
        if loss is not None and on_step is not None:
            on_step(lr, loss)
    stepped = any(loss is not None for loss in losses)
    return losses if stepped else [], repeated + len(losses)
