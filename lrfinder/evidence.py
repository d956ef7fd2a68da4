"""The record of everything a measurement saw, and whether it can be trusted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from lrfinder.curve import Curve, Stopped
from lrfinder.divergence import onset
from lrfinder.loop import Facts
from lrfinder.rules import RULES
from lrfinder.smoothing import SmoothCurve, smooth

__all__ = ["Evidence", "Status", "measure"]


class Status(StrEnum):
    """Whether a curve can be trusted; each member has a `sentence` that says what happened and what to try."""

    OK = "ok"
    FLAT = "flat"
    TOO_NOISY = "too_noisy"
    TOO_SHORT = "too_short"
    OUT_OF_RANGE = "out_of_range"

    @property
    def sentence(self) -> str:
        """What happened, and what to try."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "The loss fell and the curve can be read.",
    Status.FLAT: "The loss never fell beyond its noise, so no rate is better than another; check that the gradient "
    "reaches the parameters and the targets fit the loss, raise `steps`, or start from a less trained model.",
    Status.TOO_NOISY: "The loss fell by hardly more than its noise; use a larger batch or more `steps`.",
    Status.TOO_SHORT: "The sweep ended before there was a curve to read; lower `lr_min`, or raise `steps`.",
    Status.OUT_OF_RANGE: "The best rate lies at an end of the sweep or beyond it; widen `lr_min` and `lr_max`.",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was measured.

    Args:
        curve: The raw sweep, or None where none was made.
        suggestions: The rate that each rule reads off the curve, None where it has no answer.
        status: Whether the curve can be trusted.
        smooth: The smoothed curve, or None where there is too little to smooth.
        diverged_at: The rate whose update began the divergence, or None.
        noise: Deviation of the raw losses about the smooth ones, over the total drop, or None.
        facts: What was trained, and how.
        cost_steps: Optimizer steps that were spent.
    """

    curve: Curve | None
    suggestions: dict[str, float | None]
    status: Status
    smooth: SmoothCurve | None = None
    diverged_at: float | None = None
    noise: float | None = None
    facts: Facts = field(default_factory=Facts)
    cost_steps: int = 0

    @property
    def stopped(self) -> Stopped | None:
        """Why the sweep ended."""
        return self.curve.stopped if self.curve else None

    @property
    def rungs_per_decade(self) -> float | None:
        """Density of the swept ladder."""
        return self.curve.rungs_per_decade if self.curve else None


def measure(curve: Curve, facts: Facts, own_rule: Callable[[Curve], float | None] | None = None) -> Evidence:
    """Read everything off a curve.

    Args:
        curve: A raw sweep.
        facts: What was trained.
        own_rule: A rule of the user's own, asked beside the named ones.

    Returns:
        The evidence. It suggests nothing where the status is not `ok`, but for what the curve shows without a descent.
    """
    s = smooth(curve)
    rules = RULES if own_rule is None else {**RULES, rule_name(own_rule): own_rule}
    return Evidence(
        curve=curve,
        suggestions={name: rule(curve) for name, rule in rules.items()},
        status=_status(curve, s),
        smooth=s,
        diverged_at=onset(curve),
        noise=s.deviation / s.drop if s is not None and s.drop > 0 else None,
        facts=facts,
        cost_steps=len(curve) + (curve.stopped == "non_finite"),
    )


def rule_name(rule: Callable[[Curve], float | None]) -> str:
    """What a rule of the user's own is called in the suggestions."""
    return str(getattr(rule, "__name__", type(rule).__name__))


def _status(curve: Curve, s: SmoothCurve | None) -> Status:
    if s is None:
        return Status.TOO_SHORT
    if s.trend != "falling":
        return Status.FLAT if s.trend == "flat" else Status.TOO_NOISY
    at = RULES["steepest"](curve)
    last_tenth = s.lrs[-max(1, len(s.lrs) // 10)]
    return Status.OUT_OF_RANGE if curve.stopped == "completed" and at is not None and at >= last_tenth else Status.OK
