"""How good a shape can be, and at which peak: the last-iterate bound of convex optimization."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lrfinder.errors import InputError
from lrfinder.schedules.base import Schedule

__all__ = ["Bound", "bound", "predict", "sample"]

MOST_POINTS = 1_000
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Bound:
    """What the last-iterate bound gives for a list of factors, at the learning rate that is best for them.

    Args:
        loss: the bound on the final excess loss, in units of D G.
        lr: the rate that factor 1 stands for, in units of D / G.
        cost: `loss` over that of a linear decay to zero of the same length.
        peak: the highest rate used over that of linear decay.
    """

    loss: float
    lr: float
    cost: float
    peak: float


def bound(factors: Iterable[float]) -> Bound:
    """Return the last-iterate bound of a schedule, one factor per training step, at the best rate.

    For gradients of norm at most G and a start at distance D from the optimum, steps of size lr * s_t leave at most::

        D² / (2 lr S) + lr G² / 2 * (sum s_t² / S + sum over k < T of s_k / A_k * sum over t >= k of s_t² / B_k)

    with S the sum of all factors, A_k that of the factors after k, and B_k that from k on (Defazio et al., 2023,
    theorem 10, with constant norms). It knows neither the edge of stability nor warm-up nor generalisation: it ranks.
    Zeros at the end change nothing and are left out.

    Example:
        >>> from lrfinder.schedules import Constant
        >>> constant = bound(map(Constant(), range(1000)))
        >>> f"{constant.cost:.2f} {constant.peak:.2f}"
        '1.45 0.34'
    """
    used = [float(factor) for factor in factors]
    steps = len(used)
    loss, lr = _optimum(used)
    line, line_lr = _optimum([(steps - t) / steps for t in range(steps)])
    return Bound(loss, lr, loss / line, max(used) * lr / line_lr)


def predict(schedule: Schedule, steps: int) -> Bound:
    """Return the bound of a schedule over a training of so many steps, by a thousand of them where there are more.

    Ratios between schedules hardly move with the length, so that a sample ranks them as all steps would.
    """
    return bound(sample(schedule, steps))


def sample(schedule: Schedule, steps: int) -> list[float]:
    """Return the factors of all steps, or of a thousand spread over them, the first included.

    Each lies in its own thousandth, at a phase that does not repeat, so that a cycle as long is seen all the way round.
    """
    if steps <= MOST_POINTS:
        return [schedule(step) for step in range(steps)]
    return [schedule(int((i + i * GOLDEN % 1) * steps / MOST_POINTS)) for i in range(MOST_POINTS)]


def _optimum(factors: list[float]) -> tuple[float, float]:
    """Return the bound at its best rate, and that rate."""
    import numpy as np

    s = np.trim_zeros(np.array(factors, dtype=float), "b")
    if not (s.size and np.isfinite(s).all() and (s >= 0).all()):
        raise InputError(f"`factors` must be finite, not negative and not all zero, got {factors[:5]}...; check them")
    total = s.sum()
    after = np.cumsum(s[::-1])[::-1]
    squares = np.cumsum((s * s)[::-1])[::-1]
    drift = squares[0] / total + np.sum(s[:-1] / after[1:] * squares[:-1] / after[:-1])
    return float(np.sqrt(drift / total)), float(1 / np.sqrt(total * drift))
