"""The record of everything a measurement saw, and whether it can be trusted."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import SupportsFloat

from lrfinder.errors import InputError
from lrfinder.evidence.curve import Curve, Stopped
from lrfinder.evidence.divergence import batch_resolution, drop_of, noise_of, onset, start_of
from lrfinder.evidence.outcome import unchanged
from lrfinder.evidence.rules import RULES
from lrfinder.evidence.smoothing import MIN_POINTS, SmoothCurve, smooth
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Facts
from lrfinder.search.edge import guess

__all__ = ["Evidence", "Status", "add_edge_trials", "add_pilots", "read_curve"]


class Status(StrEnum):
    """Whether a measurement can be trusted; each member has a `sentence` that says what happened and what to try."""

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
    "reaches the parameters and the targets fit the loss, raise `steps` (in tune_lr, which leaves a plateau by longer "
    "runs, the `budget`), lower `lr_min` where the loss rose from the start, or start from a less trained model.",
    Status.TOO_NOISY: "The loss fell by hardly more than its noise; use a larger batch or more `steps` (in "
    "tune_lr a larger `budget`).",
    Status.TOO_SHORT: "The sweep ended before there was a curve to read; lower `lr_min`, or raise `steps` (in "
    "tune_lr the `budget`).",
    Status.OUT_OF_RANGE: "The best rate, or that of the rule you named, lies at an end of the sweep or beyond it; "
    "widen `lr_min` and `lr_max`, raise `steps` (in tune_lr the `budget`), or name another rule.",
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
        cost_steps: Step-equivalents that were spent; a forward alone counts a third.
        edge_trials: The trials that followed the sweep, in one or more races on batches of their own.
        pilots: Longer ones: the whole schedule and all epochs in small, judged on batches of their own.
    """

    curve: Curve | None
    suggestions: dict[str, float | None]
    status: Status
    smooth: SmoothCurve | None = None
    diverged_at: float | None = None
    noise: float | None = None
    facts: Facts = field(default_factory=Facts)
    cost_steps: int = 0
    edge_trials: tuple[Trials, ...] = ()
    pilots: tuple[Trials, ...] = ()

    @property
    def stopped(self) -> Stopped | None:
        """Why the sweep ended."""
        return self.curve.stopped if self.curve else None

    @property
    def edge(self) -> float | None:
        """Where the trials lose what they win: the geometric mean over the races, or None without an answer.

        Where they lowered the loss nowhere beyond doubt, what the sweep tells of it counts as much.
        """
        edges = [edge for trials in self.edge_trials if (edge := trials.edge) is not None and not trials.is_open]
        if not edges:
            return None
        mean = statistics.geometric_mean(edges)
        if self.curve is None or any(trials.is_sure for trials in self.edge_trials):
            return mean
        return math.sqrt(mean * guess(self.curve))

    @property
    def has_trial_peak(self) -> bool:
        """Whether trials of either kind point at a peak."""
        return self.edge is not None or self.has_pilot_peak

    @property
    def is_plateau(self) -> bool:
        """Whether a trial left the loss where it was, and neither another nor the sweep is a signal."""
        if self.status is Status.OK or self.curve is None or any(trials.is_sure for trials in self.edge_trials):
            return False
        came_to = [(trials.start, loss) for trials in self.edge_trials for loss in trials.losses if loss is not None]
        loss_scale = drop_of(self.curve.levels) if came_to else 0.0
        return any(unchanged([start], [loss], math.inf, loss_scale) for start, loss in came_to)

    @property
    def has_pilot_peak(self) -> bool:
        """Whether a pilot points at a peak."""
        return any(trials.best is not None for trials in self.pilots)

    @property
    def rungs_per_decade(self) -> float | None:
        """Density of the swept ladder."""
        return self.curve.rungs_per_decade if self.curve else None


def read_curve(
    curve: Curve, facts: Facts, own_rule: Callable[[Curve], float | None] | None = None, cost_of_rung: float = 1.0
) -> Evidence:
    """Read everything off a curve.

    Args:
        curve: A raw sweep.
        facts: What was trained.
        own_rule: A rule of the user's own, asked beside the named ones.
        cost_of_rung: Step-equivalents of one rung; a forward alone counts a third.

    Returns:
        The evidence. It suggests nothing where the loss does not fall, but for what the curve shows without a descent.

    Raises:
        InputError: The user's own rule returns something that is no rate.
    """
    s = smooth(curve)
    rules = RULES if own_rule is None else {**RULES, rule_name(own_rule): own_rule}
    return Evidence(
        curve=curve,
        suggestions={name: _answer(name, rule(curve)) for name, rule in rules.items()},
        status=_status(curve, s),
        smooth=s,
        diverged_at=onset(curve),
        noise=s.deviation / s.drop if s is not None and s.drop > 0 else None,
        facts=facts,
        cost_steps=math.ceil(cost_of_rung * (len(curve) + (curve.stopped == "non_finite"))),
    )


def add_edge_trials(evidence: Evidence, races: Sequence[Trials]) -> Evidence:
    """Add the trials, which overrule the curve where they lowered the loss beyond doubt, or nowhere at all.

    Args:
        evidence: Of the sweep before them.
        races: What was run; none, or runs that all exploded, leave it at the curve.

    Returns:
        The evidence of both.
    """
    cost = math.ceil(evidence.cost_steps + sum(trials.cost for trials in races))
    both = replace(evidence, edge_trials=tuple(trials for trials in races if trials.lrs), cost_steps=cost)
    return replace(both, status=_overruled(both))


def _overruled(evidence: Evidence) -> Status:
    """The status of the sweep, as far as trials leave it so."""
    races = [trials for trials in evidence.edge_trials if not trials.is_blank]
    if not races:
        return evidence.status
    if any(trials.is_sure for trials in races):
        return Status.OUT_OF_RANGE if evidence.edge is None else Status.OK
    if evidence.status is not Status.TOO_SHORT and all(trials.edge is None for trials in races):
        return Status.FLAT
    return Status.TOO_NOISY if evidence.status is Status.OUT_OF_RANGE else evidence.status


def add_pilots(evidence: Evidence, pilots: Sequence[Trials]) -> Evidence:
    """Add pilots, which overrule everything before them where they lowered the loss beyond doubt.

    Args:
        evidence: Of what was measured before.
        pilots: What was run.

    Returns:
        The evidence of all.
    """
    cost = math.ceil(evidence.cost_steps + sum(trials.cost for trials in pilots))
    kept = tuple(trials for trials in pilots if trials.lrs)
    is_sure = any(trials.is_sure for trials in kept)
    return replace(evidence, pilots=kept, cost_steps=cost, status=Status.OK if is_sure else evidence.status)


def rule_name(rule: Callable[[Curve], float | None]) -> str:
    """What a rule of the user's own is called in the suggestions; it hides none of the named ones."""
    name = str(getattr(rule, "__name__", type(rule).__name__))
    return name if RULES.get(name, rule) is rule else f"your {name}"


def _answer(name: str, lr: SupportsFloat | None) -> float | None:
    """What a rule answered, as a plain number."""
    if lr is None:
        return None
    if not isinstance(lr, SupportsFloat) or not 0 < float(lr) < math.inf:
        raise InputError(
            f"a rule must return a positive finite learning rate, or None for no answer, got {lr!r} from {name}"
        )
    return float(lr)


def _status(curve: Curve, s: SmoothCurve | None) -> Status:
    if s is None:
        return Status.FLAT if _only_rose(curve) else Status.TOO_SHORT
    if s.trend != "falling":
        return Status.FLAT if s.trend == "flat" else Status.TOO_NOISY
    if curve.after is not None and s.drop < batch_resolution(curve.losses):
        return Status.FLAT
    at = RULES["steepest"](curve)
    last_tenth = s.lrs[-max(1, len(s.lrs) // 10)] if curve.stopped == "completed" else math.inf
    return Status.OUT_OF_RANGE if at is not None and not s.lrs[0] < at < last_tenth else Status.OK


def _only_rose(curve: Curve) -> bool:
    """Whether a sweep that diverged was long enough to see a descent, and saw none."""
    if curve.stopped != "diverged" or len(curve) < MIN_POINTS:
        return False
    return start_of(curve.levels) - min(curve.levels) <= noise_of(curve.levels)
