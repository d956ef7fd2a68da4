"""A sweep in two passes from one start: a coarse one over the whole range, then a fine one where the loss moves."""

import math
from bisect import bisect_left

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import NOISE_BAND, drop_of, last_low, noise_of, start_of
from lrfinder.loop import Loop, Snapshot
from lrfinder.search.sweep import OnStep, spaced, sweep

__all__ = ["sweep_in_passes", "wants_passes"]

DENSE = 8.0
"""Rates per decade from which one pass shows all that two would."""

COARSE = 1.0
"""Rates per decade of the coarse pass."""

FEWEST_FINE, FEWEST_TO_READ = 12, 4
"""Rates that a fine pass has at least, else there is one pass; losses of a coarse pass below which it says nothing."""

FINE, ABOVE = 3.35, 0.85
"""Decades of the fine pass, and those of them above the rate where the coarse one blew up."""

FOOT, BEGUN = 1.0, 0.1
"""Decades of the fine pass at least below the rate where the coarse loss fell, by more than this part of all it won."""

SAME = 1e-6
"""Of a rate: one this much lower is the same."""

EXPECTED_FROM = 10.0
"""The fine pass, being slower, may blow up at so many times a lower rate than the coarse one."""


def wants_passes(lrs: list[float]) -> bool:
    """Whether rates are so few for their range that two passes show more of it than one."""
    decades = math.log10(lrs[-1] / lrs[0])
    return len(lrs) < DENSE * decades and len(lrs) - _coarse_rates(decades) >= FEWEST_FINE


def sweep_in_passes(
    loop: Loop, snapshot: Snapshot, lrs: list[float], on_step: OnStep | None = None
) -> tuple[Curve, Curve]:
    """Sweep the range at a rate a decade, put the training back, and sweep anew where the loss moves.

    Both passes have as many steps as there are rates in `lrs`, the fine one up to where the coarse one blew up. Where
    it does not diverge there, it goes on at the same ratio to the end of the range; both cost less than twice as many
    then. A coarse pass that ended after a few rates says nothing: the fine one has the whole range.

    Returns:
        The curve, which is the fine pass after those rates of the coarse one that lie below it, and the coarse pass
        without these.
    """
    low, high = lrs[0], lrs[-1]
    coarse = sweep(loop, spaced(low, high, _coarse_rates(math.log10(high / low))), on_step)
    left = len(lrs) - coarse.steps
    snapshot.restore()
    if len(coarse) < FEWEST_TO_READ:
        return sweep(loop, spaced(low, high, left), on_step, foot=Curve([], [])), coarse
    blow_up, fall = _moves(coarse)
    top = min(high, blow_up * 10**ABOVE)
    low = max(low, min(top / 10**FINE, fall / 10**FOOT))
    strides = (left - 1) * math.log(high / low) / math.log(top / low)
    fine = spaced(low, high, 1 + math.ceil(min(strides, 2 * left - 1) - SAME))
    below = bisect_left(coarse.lrs, low / (1 + SAME))
    foot = Curve(coarse.lrs[:below], coarse.losses[:below])
    curve = sweep(loop, fine, on_step, foot=foot, expected_from=blow_up / EXPECTED_FROM)
    return curve, Curve(coarse.lrs[below:], coarse.losses[below:], stopped=coarse.stopped)


def _coarse_rates(decades: float) -> int:
    return max(FEWEST_TO_READ, round(COARSE * decades) + 1)


def _moves(coarse: Curve) -> tuple[float, float]:
    """The rates whose updates led from the last low loss up, and from the last high loss before it down.

    Either is the last rate where nothing was seen of it; what the update there led to is not seen.
    """
    levels = coarse.levels
    last, start = last_low(levels), start_of(levels)
    begun = start - max(BEGUN * drop_of(levels), NOISE_BAND * noise_of(levels))
    high = max((i for i, level in enumerate(levels[: last + 1]) if level >= begun), default=0)
    return coarse.lrs[last], coarse.lrs[high]
