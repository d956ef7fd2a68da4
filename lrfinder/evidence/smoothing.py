"""A smooth curve through a noisy sweep, with its derivative: no lag, no bias at the start."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import before_blow_up

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SmoothCurve", "smooth"]

MIN_POINTS = 8
SPIKE = 4.0
BANDWIDTH = 0.25
"""Decades of the LR over which the spline averages."""

NO_DESCENT = 0.75
"""A drop of fewer deviations than this is what a smooth curve through noise alone shows."""

UNSURE_DESCENT = 1.5
CLEAR_DESCENT = 4.5
"""A drop of more deviations than this needs no rank test; heavy-tailed noise alone has shown three and a half."""

DOUBT = 1e-3
"""Largest p-value of the rank test at which a drop between the two is believed."""

RESOLUTION = 1e-6
"""A drop below this share of the loss is rounding, in float32."""

Trend = Literal["falling", "unsure", "flat"]


@dataclass(frozen=True, slots=True)
class SmoothCurve:
    """The smoothed losses that the updates at each rate led to, before any blow-up.

    Args:
        lrs: Rates of the reference group, ascending.
        losses: Smoothed loss after the update at that rate.
        slopes: Derivative of the smoothed loss per unit of ln(lr).
        deviation: Standard deviation of the raw losses about the smoothed ones.
        p_value: One-sided Mann-Whitney probability that the raw losses about the lowest point only happen to be lower
            than those at the start; 0 where the drop is so clear that it was not asked.
    """

    lrs: list[float]
    losses: list[float]
    slopes: list[float]
    deviation: float
    p_value: float = 0.0

    @property
    def lowest(self) -> int:
        """Index of the lowest smoothed loss."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)

    @property
    def drop(self) -> float:
        """What the loss fell by: from its mean over the first quarter of the way down to its lowest point."""
        head = self.losses[: self.lowest // 4 + 1]
        return sum(head) / len(head) - self.losses[self.lowest]

    @property
    def trend(self) -> Trend:
        """Whether the loss falls: `falling`, `unsure` (hardly more than its noise) or `flat`."""
        if self.drop <= max(NO_DESCENT * self.deviation, RESOLUTION * max(map(abs, self.losses))):
            return "flat"
        sure = self.drop >= UNSURE_DESCENT * self.deviation and self.p_value <= DOUBT
        return "falling" if sure else "unsure"


def smooth(curve: Curve) -> SmoothCurve | None:
    """Fit a smoothing spline to the losses against ln(lr), stiff enough to average over a quarter of a decade.

    It goes through the pairs of rate and resulting loss before the blow-up; None for fewer than eight. Spikes beyond
    four deviations of a running median are pulled in first. The stiffness is fixed, since what is read off the curve is
    steadier from seed to seed than with one chosen by generalised cross-validation, which follows the noise now and
    then, and costs thirty times as much.
    """
    pairs = list(curve.pairs())[: max(before_blow_up(curve) - 1, 0)]
    if len(pairs) < MIN_POINTS:
        return None
    return _fit(tuple(lr for lr, _ in pairs), tuple(loss for _, loss in pairs))


# Every rule asks for the same curve.
@lru_cache(maxsize=16)
def _fit(lrs: tuple[float, ...], losses: tuple[float, ...]) -> SmoothCurve:
    import numpy as np
    from scipy.interpolate import make_smoothing_spline

    x, y = np.log(lrs), _without_spikes(np.asarray(losses))
    shift, scale = float(np.median(y)), float(np.ptp(y)) or 1.0
    # A penalty of width**4 per unit of the abscissa averages over that width, whatever the density of the points (over
    # more where they lie farther apart than most do, in the flat beginning).
    stiffness = (BANDWIDTH * np.log(10)) ** 4 / float(np.median(np.diff(x)))
    spline = make_smoothing_spline(x, (y - shift) / scale, lam=stiffness)
    fitted = spline(x)
    deviation = float(np.std((y - shift) / scale - fitted) * scale)
    s = SmoothCurve(list(lrs), (fitted * scale + shift).tolist(), (spline(x, 1) * scale).tolist(), deviation)
    return replace(s, p_value=_p_value(s, losses)) if s.drop < CLEAR_DESCENT * deviation else s


def _p_value(s: SmoothCurve, losses: tuple[float, ...]) -> float:
    """How likely the losses within a quarter of a decade of the lowest point are as low by chance."""
    from scipy.stats import mannwhitneyu

    far = 10 ** (2 * BANDWIDTH)
    about = [loss for lr, loss in zip(s.lrs, losses, strict=True) if far**-0.5 <= lr / s.lrs[s.lowest] <= far**0.5]
    start = [loss for lr, loss in zip(s.lrs, losses, strict=True) if lr < s.lrs[s.lowest] / far][
        : max(8, s.lowest // 2)
    ]
    return float(mannwhitneyu(about, start, alternative="less").pvalue) if start else 1.0


def _without_spikes(losses: "np.ndarray") -> "np.ndarray":
    """Losses pulled in to within four robust deviations, local ones, of a running median."""
    import numpy as np
    from scipy.ndimage import median_filter

    middle = median_filter(losses, size=7, mode="nearest")
    reach = SPIKE * 1.4826 * median_filter(np.abs(losses - middle), size=15, mode="nearest")
    return np.asarray(np.clip(losses, middle - reach, middle + reach))
