"""When a sweep has gone too far, and where that began, whatever the sign and scale of the loss."""

import math
from bisect import insort
from itertools import pairwise

from lrfinder.evidence.curve import Curve

__all__ = [
    "NOISE_BAND",
    "Divergence",
    "batch_resolution",
    "before_blow_up",
    "drop_of",
    "last_low",
    "noise_of",
    "onset",
    "start_of",
]

EXPLODED = 8.0
"""Deviations of the noise above the start that count as an explosion."""

FEW_JUMPS = 20.0
"""Differences of neighbours that give the noise well: it is taken as 1 + 20 / n times as large after n of them."""

BATCH_SHARE = 0.01
"""Share of the deviation between training batches that a change of the validation loss must exceed to count."""

PLATEAU_DECADES = 0.6
"""How long a lost half of the descent must stay lost to count as a dead plateau."""

NOISE_BAND = 3.0
"""Deviations of the noise above the lowest loss within which a loss has not begun to rise."""


class Divergence:
    """Watches the losses of a sweep as they come.

    The sweep has diverged when the running median of three losses lies above the start by more than the loss had fallen
    and by more than the noise, or when half of the fall is lost for a stretch of the range (a network that died does
    not explode). Differences alone are compared, so a shifted or scaled loss gives the same answer.
    """

    def __init__(self, points_per_decade: float) -> None:
        self._patience = max(5, math.ceil(PLATEAU_DECADES * points_per_decade))
        self._losses: list[float] = []
        self._jumps: list[float] = []
        self._best = math.inf
        self._lost = 0

    def add(self, loss: float, min_gain: float = 0.0, *, is_expected: bool = False) -> bool:
        """Take the next finite loss, and a change of it that says nothing; return whether the sweep has diverged.

        Where a divergence is expected, as an earlier pass diverged there, one loss shows it, and few give the noise.
        """
        if self._losses:
            insort(self._jumps, abs(loss - self._losses[-1]))
        self._losses.append(loss)
        # The median of three, since a single spike is no divergence.
        level = sorted(self._losses[-3:])[(len(self._losses[-3:]) - 1) // 2]
        self._best = min(self._best, level)
        start = start_of(self._losses)
        won = max(start - self._best, 0.0)
        deviation = _deviation(self._jumps)
        noise = deviation * (1 + FEW_JUMPS / max(1, len(self._jumps)))
        # What float32 rounds off must not count as a rise.
        resolution = max(1e-6 * max(abs(start), abs(self._best)), min_gain)
        self._lost = self._lost + 1 if won > max(6 * deviation, min_gain) and level > self._best + won / 2 else 0
        exploded = len(self._losses) > 3 and level - start > max(won, EXPLODED * noise, resolution)
        exploded |= is_expected and loss - start > max(won, EXPLODED * deviation, resolution)
        return exploded or self._lost >= self._patience


def batch_resolution(losses: list[float]) -> float:
    """The change of a validation loss that says nothing, however smooth it is, beside these training losses."""
    return BATCH_SHARE * noise_of(losses)


def drop_of(losses: list[float]) -> float:
    """How far below its start a sweep came."""
    return start_of(losses) - min(losses)


def start_of(losses: list[float]) -> float:
    """The level a sweep starts from: the median of its first five losses."""
    first = sorted(losses[:5])
    return first[len(first) // 2]


def noise_of(losses: list[float]) -> float:
    """The deviation of a loss about its trend, from the median jump between neighbours (robust to the trend)."""
    return _deviation(sorted(abs(b - a) for a, b in pairwise(losses)))


def _deviation(jumps: list[float]) -> float:
    """Standard deviation of normal noise whose neighbours differ by these sorted absolute jumps."""
    return jumps[len(jumps) // 2] * 1.4826 / math.sqrt(2) if jumps else 0.0


def before_blow_up(curve: Curve) -> int:
    """How many of a curve's levels come before the blow-up: up to the last below half of what had been won.

    Where little or nothing was won, up to the last that is within the noise of the lowest.
    """
    levels = curve.levels
    return len(levels) if curve.stopped == "completed" or not levels else last_low(levels) + 1


def last_low(levels: list[float]) -> int:
    """The index of the last level below half of what had been won, or within the noise of the lowest."""
    lowest = min(levels)
    half = (start_of(levels) + lowest) / 2
    low = max(half, lowest + NOISE_BAND * noise_of(levels))
    return max(i for i, level in enumerate(levels) if level <= low)


def onset(curve: Curve) -> float | None:
    """The rate whose update began the blow-up that ended a sweep, or None where nothing diverged.

    Found backwards: from where the loss last stood below half of what had been won, down the rise to its foot. On a
    quadratic of one curvature h under gradient descent it is the first rate above 2/h.
    """
    if curve.stopped == "completed" or not len(curve):
        return None
    levels = curve.levels
    foot = min(before_blow_up(curve), len(curve) - 1)
    while foot > 0 and levels[foot - 1] < levels[foot]:
        foot -= 1
    return curve.lrs[foot]
