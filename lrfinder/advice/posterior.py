"""Where the best peak may be: a distribution over its log10, from sources that each give a centre and a deviation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfinder.advice.calibration import FITTED, Calibration

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Posterior", "combine"]

PER_DECADE = 50
"""Points of the distribution per decade; they stand at multiples, so that bounds do not move them."""

REACH = 3.0
"""Decades beyond the outermost centre that the distribution covers."""

TAIL = 0.02
"""Probability at either end in which the peak of least expected regret is not looked for."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """A distribution over log10 of the peak.

    Args:
        points: Log10 of rates, equally spaced and ascending.
        weights: Probability of each; they sum to 1.
    """

    points: "np.ndarray"
    weights: "np.ndarray"

    def quantile(self, probability: float) -> float:
        """Return the point below which this much of the probability lies, on a line between two points."""
        import numpy as np

        inside = self.points[self.weights > 0]
        return float(np.interp(probability, np.cumsum(self.weights), self.points).clip(inside[0], inside[-1]))

    def least_regret(self, calibration: Calibration = FITTED) -> float:
        """Return the point of least expected regret.

        A peak that is d decades too low costs `regret_below` x d**2 of the best loss, one that is too high
        `regret_above` x d**2, and neither more than `worst_regret`.

        Args:
            calibration: These constants.
        """
        import numpy as np

        inside = (self.points >= self.quantile(TAIL)) & (self.points <= self.quantile(1 - TAIL))
        candidates = self.points[inside] if inside.any() else self.points
        away = candidates[:, None] - self.points
        each = np.where(away > 0, calibration.regret_above, calibration.regret_below) * away**2
        regret = np.minimum(each, calibration.worst_regret) @ self.weights
        least = int(np.argmin(regret))
        if not 0 < least < len(candidates) - 1:
            return float(candidates[least])
        below, here, above = regret[least - 1 : least + 2]
        # The lowest point of a parabola through three points: the answer is finer than their distance.
        offset = (below - above) / (2 * (below - 2 * here + above)) if below + above > 2 * here else 0.0
        return float(candidates[least] + offset / PER_DECADE)


def combine(
    sources: Sequence[tuple[float, float]],
    within: tuple[float, float] | None = None,
    calibration: Calibration = FITTED,
) -> Posterior:
    """Multiply what several sources say of the peak.

    Each is a normal distribution about its centre, mixed with a little of one that is some times as wide. So a source
    that lies far from all others counts for little, and two that disagree make the product wide.

    Args:
        sources: Log10 of a peak and its standard deviation in decades; at least one.
        within: Log10 of the rates between which the peak lies, or None.
        calibration: The constants of the mixture.

    Example:
        >>> near, far = combine([(-2.0, 0.4), (-2.2, 0.4)]), combine([(-2.0, 0.4), (-4.0, 0.4)])
        >>> width = [one.quantile(0.9) - one.quantile(0.1) for one in (near, far)]
        >>> width[1] > 2 * width[0]
        True
    """
    import numpy as np

    centers = [center for center, _ in sources]
    low, high = (round(PER_DECADE * end) for end in (min(centers) - REACH, max(centers) + REACH))
    points = np.arange(low, high + 1) / PER_DECADE
    logs = np.zeros_like(points)
    stray, wide = calibration.stray_share, calibration.stray_width
    for center, deviation in sources:
        z = (points - center) / deviation
        near, far = np.exp(-(z**2) / 2) / deviation, np.exp(-((z / wide) ** 2) / 2) / (deviation * wide)
        logs += np.log(np.maximum((1 - stray) * near + stray * far, 1e-300))
    if within is not None:
        inside = (points >= within[0]) & (points <= within[1])
        logs = np.where(inside if inside.any() else True, logs, -np.inf)
    weights = np.exp(logs - logs.max())
    return Posterior(points, weights / weights.sum())
