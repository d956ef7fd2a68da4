"""The range test: one optimizer step at each rate of an exponential range."""

import math
from collections.abc import Callable
from numbers import Real

from lrfinder.checks import check_whole
from lrfinder.errors import InputError, UpdateError
from lrfinder.evidence.curve import Curve, Stopped, is_number
from lrfinder.evidence.divergence import Divergence, batch_resolution
from lrfinder.loop import MAX_SKIPS, Batch, Loop

__all__ = ["OnStep", "exponential_range", "spaced", "sweep"]

MIN_STRIDE = 1e-9
"""Natural logarithm of the smallest ratio between neighbours that rounding leaves constant."""

OnStep = Callable[[float, float], None]
"""Called with the rate and the loss of every step."""


def exponential_range(lr_min: float, lr_max: float, steps: int) -> list[float]:
    """Return so many rates from `lr_min` to `lr_max` with one constant ratio, both ends exact.

    Rates that are not positive and finite or do not ascend, and fewer than 10 steps, raise InputError.

    >>> exponential_range(1e-4, 1.0, 10)[:3]
    [0.0001, 0.000278..., 0.000774...]
    """
    steps = check_whole("steps", steps, "100 is a good choice", least=10)
    lr_min, lr_max = _rate("lr_min", lr_min), _rate("lr_max", lr_max)
    if lr_min >= lr_max:
        raise InputError(f"`lr_max` must exceed `lr_min`={lr_min:g}, got {lr_max:g}; swap them or widen the range")
    if (math.log(lr_max) - math.log(lr_min)) / (steps - 1) < MIN_STRIDE:
        raise InputError(
            f"`lr_max` must exceed `lr_min`={lr_min!r} by more than rounding, got {lr_max!r}; widen the range"
        )
    return spaced(lr_min, lr_max, steps)


def spaced(lr_min: float, lr_max: float, steps: int) -> list[float]:
    """Return so many rates, two at least, as `exponential_range` does, without its checks."""
    start = math.log(lr_min)
    stride = (math.log(lr_max) - start) / (steps - 1)
    return [lr_min, *(math.exp(start + i * stride) for i in range(1, steps - 1)), lr_max]


def _rate(name: str, value: object) -> float:
    if isinstance(value, Real) and 0 < float(value) < math.inf:
        return float(value)
    raise InputError(f"`{name}` must be a positive finite learning rate, got {value!r}")


def sweep(
    loop: Loop,
    lrs: list[float],
    on_step: OnStep | None = None,
    held_out: Batch | None = None,
    *,
    foot: Curve | None = None,
    expected_from: float = math.inf,
) -> Curve:
    """Make one optimizer step at each rate and record the loss before it, until the range or the training ends.

    The loss of the held-out batches, measured after every step, is watched instead where there are some; `on_step` gets
    what is watched. The training is left where the sweep brought it: call this inside `loop.preserved()`. A first loss
    that is not finite raises InputError.

    After an earlier pass the curve begins with the `foot`, the training losses of that pass at lower rates, and from
    `expected_from` on a divergence is expected, as that pass diverged near there.
    """
    divergence = Divergence((len(lrs) - 1) / math.log10(lrs[-1] / lrs[0]))
    losses: list[float] = [] if foot is None else [*foot.losses]
    after: list[float] = []
    stopped: Stopped = "completed"
    for loss in losses:
        divergence.add(loss)
    for lr in lrs:
        is_first = not losses and foot is None
        loss = _step(loop, lr, first=is_first)
        watched = loss if held_out is None or not is_number(loss) else float(loop.loss(held_out))
        if is_first:
            _check_first(loss, "very first batch")
            _check_first(watched, "validation batches after the very first step")
        if not is_number(watched):
            stopped = "non_finite"
            break
        losses.append(loss)
        after.append(watched)
        if on_step is not None:
            on_step(lr, watched)
        # Ranks decide together: one that went on alone would wait for the others for ever.
        min_gain = 0.0 if held_out is None else batch_resolution(losses)
        if loop.agree(divergence.add(watched, min_gain, is_expected=lr >= expected_from)):
            stopped = "diverged"
            break
    lrs = lrs if foot is None else [*foot.lrs, *lrs]
    return Curve(lrs[: len(losses)], losses, None if held_out is None else after, stopped)


def _step(loop: Loop, lr: float, *, first: bool) -> float:
    """The loss of one update at a rate; a skipped update is repeated on the next batch, the ninth in a row is NaN."""
    for _ in range(MAX_SKIPS + 1):
        loop.lr = lr
        loss = loop.step(loop.draw())
        if loss is not None:
            return float(loss)
    if first:
        raise UpdateError(
            f"the first update must be made, got {MAX_SKIPS + 1} in a row that were skipped; a step of your own must "
            "return its loss and step a swept optimizer (where another object makes the step, pass that one, as in "
            "optimizer=sam.base_optimizer), and a GradScaler may need a smaller `init_scale`"
        )
    return math.nan


def _check_first(loss: float, where: str) -> None:
    if not is_number(loss):
        raise InputError(
            f"the loss of the {where} must be finite, got {loss}; look at the data (NaN in it?), "
            "the loss function and the precision before you look for a learning rate"
        )
