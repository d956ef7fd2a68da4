"""Whether a measurement can be trusted, decided in one place from all that was measured."""

import math
from collections.abc import Sequence
from enum import StrEnum

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import batch_resolution, noise_of, start_of
from lrfinder.evidence.rules import RULES
from lrfinder.evidence.smoothing import MIN_POINTS, SmoothCurve
from lrfinder.evidence.trials import Trials

__all__ = ["Status", "decide_status"]


class Status(StrEnum):
    """Whether a measurement can be trusted; each member has a `sentence` that says what happened and what to try."""

    OK = "ok"
    FLAT = "flat"
    TOO_NOISY = "too_noisy"
    TOO_SHORT = "too_short"
    OUT_OF_RANGE = "out_of_range"
    NOT_FINITE = "not_finite"

    def __bool__(self) -> bool:
        """Whether there is a suggestion."""
        return self is Status.OK

    @property
    def sentence(self) -> str:
        """What happened, and what to try."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "The loss fell and the curve can be read.",
    Status.FLAT: "The loss never fell beyond its noise, so no rate is better than another; check that the gradient "
    "reaches the parameters and the targets fit the loss, shuffle data that is sorted by class (shuffle=True), raise "
    "`steps` (in tune_lr, which leaves a plateau by longer runs, the `budget`), lower `lr_min` where the loss rose "
    "from the start, or start from a less trained model.",
    Status.TOO_NOISY: "The loss fell by hardly more than its noise; use a larger batch or more `steps` (in "
    "tune_lr a larger `budget`).",
    Status.TOO_SHORT: "The sweep ended before there was a curve to read; lower `lr_min`, or raise `steps` (in "
    "tune_lr the `budget`).",
    Status.OUT_OF_RANGE: "The best rate, or that of the rule you named, lies at an end of the sweep or beyond it; "
    "widen `lr_min` and `lr_max`, raise `steps` (in tune_lr the `budget`), or name another rule.",
    Status.NOT_FINITE: "Some batches have a loss that is not finite before any step, so no rate is to blame; look at "
    "their inputs and targets (NaN or infinity in them, targets longer than their inputs for CTC), and mend them or "
    "leave them out.",
}


def decide_status(
    curve: Curve, smooth: SmoothCurve | None, edge_trials: Sequence[Trials] = (), pilots: Sequence[Trials] = ()
) -> Status:
    """Decide whether a measurement can be trusted; `smooth` is None where there is too little to smooth.

    A pilot that lowered the loss, and not by chance, outweighs everything before it. Short trials outweigh the sweep
    where one of them lowered the loss, or none of them has an edge.
    """
    if any(trials.is_sure for trials in pilots):
        return Status.OK
    swept = _of_sweep(curve, smooth)
    tried = [trials for trials in edge_trials if not trials.is_blank]
    if not tried:
        return swept
    if any(trials.is_sure for trials in tried):
        return Status.OK
    if all(trials.edge is None for trials in tried):
        return Status.FLAT
    return Status.TOO_NOISY if swept is Status.OUT_OF_RANGE else swept


def _of_sweep(curve: Curve, smooth: SmoothCurve | None) -> Status:
    """The status of a sweep alone."""
    if smooth is None:
        return Status.FLAT if _only_rose(curve) else Status.TOO_SHORT
    if smooth.trend != "falling":
        return Status.FLAT if smooth.trend == "flat" else Status.TOO_NOISY
    if curve.after is not None and smooth.drop < batch_resolution(curve.losses):
        return Status.FLAT
    at = RULES["steepest"](curve)
    last_tenth = smooth.lrs[-max(1, len(smooth.lrs) // 10)] if curve.stopped == "completed" else math.inf
    return Status.OUT_OF_RANGE if at is not None and not smooth.lrs[0] < at < last_tenth else Status.OK


def _only_rose(curve: Curve) -> bool:
    """Whether a sweep that diverged was long enough to see a descent, and saw none."""
    if curve.stopped != "diverged" or len(curve) < MIN_POINTS:
        return False
    return start_of(curve.levels) - min(curve.levels) <= noise_of(curve.levels)
