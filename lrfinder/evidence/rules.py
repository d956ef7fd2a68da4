"""Suggestion rules: each reads one rate off a curve, or None where the curve does not hold it."""

from collections.abc import Callable
from typing import TypeAlias

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import onset
from lrfinder.evidence.smoothing import SmoothCurve, smooth

__all__ = ["RULES", "Rule", "divergence", "minimum", "steepest", "valley"]

Rule: TypeAlias = Callable[[Curve], float | None]

UNDER_MINIMUM = 10.0
UNDER_DIVERGENCE = 4.0


def steepest(curve: Curve) -> float | None:
    """The rate at which the smoothed loss falls fastest per unit of ln(lr).

    It moves with the sweep's speed, by arithmetic: on a quadratic of curvature h a ladder of ratio r is steepest at
    ln(r) / (2 h).
    """
    s = _descent(curve)
    if s is None:
        return None
    index = min(range(s.lowest + 1), key=s.slopes.__getitem__)
    return s.lrs[index]


def valley(curve: Curve) -> float | None:
    """The middle, in log LR, of the longest stretch over which the smoothed loss falls, its flat beginning left out.

    The stretch ends at the lowest loss before the next rise and begins where a twentieth of its fall is done. After
    fastai's rule of that name, which counts ranks and not the fall, and so begins in the flat part.
    """
    s = _descent(curve)
    if s is None:
        return None
    first, last = _longest_fall(s)
    begun = s.losses[first] - 0.05 * (s.losses[first] - s.losses[last])
    first = next(i for i in range(first, last + 1) if s.losses[i] <= begun)
    return float((s.lrs[first] * s.lrs[last]) ** 0.5)


def _longest_fall(s: SmoothCurve) -> tuple[int, int]:
    """First and last index of the contiguous falling stretch with the largest fall."""
    best, first = (0, 0), 0
    for i in range(1, len(s.losses)):
        if s.losses[i] >= s.losses[i - 1]:
            first = i
        elif s.losses[first] - s.losses[i] > s.losses[best[0]] - s.losses[best[1]]:
            best = (first, i)
    return best


def minimum(curve: Curve) -> float | None:
    """A tenth of the rate at which the smoothed loss is lowest; None where that tenth was not swept."""
    s = _descent(curve)
    if s is None:
        return None
    lr = s.lrs[s.lowest] / UNDER_MINIMUM
    return lr if lr >= curve.lrs[0] else None


def divergence(curve: Curve) -> float | None:
    """A quarter of the rate that began the divergence; None where nothing diverged or that quarter was not swept."""
    diverged_at = onset(curve)
    if diverged_at is None or diverged_at / UNDER_DIVERGENCE < curve.lrs[0]:
        return None
    return diverged_at / UNDER_DIVERGENCE


def _descent(curve: Curve) -> SmoothCurve | None:
    """The smooth curve where it falls beyond its noise, else None."""
    s = smooth(curve)
    return s if s is not None and s.lowest > 0 and s.trend == "falling" else None


RULES: dict[str, Rule] = {"steepest": steepest, "valley": valley, "minimum": minimum, "divergence": divergence}
"""Every rule by name; a new one is a function of the curve and a line here."""
