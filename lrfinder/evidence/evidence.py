"""The record of everything a measurement saw."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from lrfinder.errors import InputError
from lrfinder.evidence.curve import Curve, Stopped
from lrfinder.evidence.divergence import drop_of, onset
from lrfinder.evidence.edge import edge_of_trials
from lrfinder.evidence.groups import GroupTuning
from lrfinder.evidence.outcome import unchanged
from lrfinder.evidence.rules import read_rules
from lrfinder.evidence.smoothing import SmoothCurve, smooth
from lrfinder.evidence.status import Status, decide_status
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Facts

__all__ = ["Evidence", "add_edge_trials", "add_groups", "add_pilots", "note_mode", "read_curve"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was measured.

    Args:
        curve: The raw sweep, or None where none was made.
        not_finite: Places, from 1 on, of batches whose loss was not finite before any step, of `looked_at` batches that
            were looked at because the sweep had ended so.
        looked_at: How many batches that were.
        coarse: What a coarse pass over the range before it saw, those rates excepted with which the curve begins, or
            None where the sweep was made in one pass.
        suggestions: The rate that each rule reads off the curve, None where it has no answer.
        status: Whether the measurement can be trusted.
        smooth: The smoothed curve, or None where there is too little to smooth.
        diverged_at: The rate whose update began the divergence, or None.
        noise: Deviation of the raw losses about the smooth ones, over the total drop, or None.
        facts: What was trained, and how.
        cost_steps: Step-equivalents that were spent; a forward alone counts a third.
        edge_trials: Short trials that followed the sweep, each record on batches of its own.
        pilots: Trials of the whole training in small: its schedule and some of its epochs.
        groups: Pilots in which the ratios between parameter groups were changed, or None where that was not asked for.
        gradient_noise: Variance of a batch's gradient over the square of its mean before training: at 1 the batch is as
            large as the simple noise scale. At most 30, beyond which nothing is told apart; None where it was not seen.
        lr_range: First and last rate that were asked for, of which a sweep that diverged shows a part; None: any.

    Raises:
        InputError: A rate that is not positive, or lists of the smoothed curve that do not belong together.
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
    lr_range: tuple[float, float] | None = None
    coarse: Curve | None = None
    groups: GroupTuning | None = None
    not_finite: tuple[int, ...] = ()
    looked_at: int = 0
    gradient_noise: float | None = None

    def __post_init__(self) -> None:
        for name, lr in {**self.suggestions, "diverged_at": self.diverged_at}.items():
            if lr is not None and not lr > 0:
                raise InputError(f"`{name}` must be a positive rate or None, got {lr}")
        if self.smooth is not None:
            columns = (self.smooth.lrs, self.smooth.losses, self.smooth.slopes)
            if not self.smooth.lrs or len(set(map(len, columns))) > 1:
                raise InputError(f"`smooth` must be lists of one length, not empty, got {[*map(len, columns)]}")
            if not all(a < b for a, b in pairwise((0.0, *self.smooth.lrs))):
                raise InputError(f"`smooth` must be at rates that are positive and ascend, got {self.smooth.lrs}")

    def __repr__(self) -> str:
        rates = 0 if self.curve is None else len(self.curve.lrs)
        return (
            f"<Evidence: {self.status}, {rates} rates swept, {len(self.edge_trials)} records of short trials, "
            f"{len(self.pilots)} of pilots, cost {self.cost_steps} steps>"
        )

    @property
    def stopped(self) -> Stopped | None:
        """Why the sweep ended."""
        return self.curve.stopped if self.curve else None

    @property
    def edge(self) -> float | None:
        """The peak above which most of the best gain of the short trials is lost, or None without an answer."""
        return edge_of_trials(self.edge_trials)

    @property
    def ratios(self) -> list[float]:
        """The rate of each group over that of the reference group: those of the optimizer, unless they were tuned."""
        bases, at = self.facts.bases, self.facts.reference
        factors = [1.0] * len(bases) if self.groups is None else self.groups.of_groups(len(bases))
        return [base / bases[at] * (factor / factors[at]) for base, factor in zip(bases, factors, strict=True)]

    @property
    def tuned_ratios(self) -> list[float] | None:
        """The ratios, where they are others than those of the optimizer; else None."""
        return self.ratios if self.has_tuned_ratios else None

    @property
    def has_tuned_ratios(self) -> bool:
        """Whether the ratios between groups are others than those of the optimizer."""
        return self.groups is not None and self.groups.is_changed

    @property
    def reference_factor(self) -> float:
        """What the joint peak is multiplied by for the reference group."""
        facts = self.facts
        return 1.0 if self.groups is None else self.groups.of_groups(len(facts.bases))[facts.reference]

    @property
    def has_trial_peak(self) -> bool:
        """Whether trials of either kind show where the peak may be."""
        return any(trials.best is not None for trials in (*self.edge_trials, *self.pilots))

    @property
    def has_pilot_peak(self) -> bool:
        """Whether a pilot lowered the loss and learned from its inputs, so that there is a best one."""
        return any(trials.best is not None and not trials.is_blind for trials in self.pilots)

    @property
    def is_plateau(self) -> bool:
        """Whether a trial left the loss where it was, none has learned anything, and the sweep did not lower it."""
        moves = any(trials.is_sure or trials.has_learned for trials in self.edge_trials)
        if self.status is Status.OK or self.curve is None or moves:
            return False
        ends = [(trials.start, loss) for trials in self.edge_trials for loss in trials.losses if loss is not None]
        loss_scale = drop_of(self.curve.levels) if ends else 0.0
        return any(unchanged([start], [loss], math.inf, loss_scale) for start, loss in ends)


def read_curve(
    curve: Curve,
    facts: Facts,
    own_rule: Callable[[Curve], float | None] | None = None,
    cost_of_point: float = 1.0,
    coarse: Curve | None = None,
) -> Evidence:
    """Read everything off a curve, by a rule of the user's own too; where the loss does not fall, it suggests nothing.

    A rate of the sweep costs `cost_of_point` step-equivalents; a forward alone counts a third. `coarse` is what a pass
    before it saw besides. A rule that returns no rate raises InputError.
    """
    smoothed = smooth(curve)
    return Evidence(
        curve=curve,
        suggestions=read_rules(curve, own_rule),
        status=decide_status(curve, smoothed),
        smooth=smoothed,
        diverged_at=onset(curve),
        noise=smoothed.deviation / smoothed.drop if smoothed is not None and smoothed.drop > 0 else None,
        facts=facts,
        cost_steps=math.ceil(cost_of_point * (curve.steps + (coarse.steps if coarse else 0))),
        coarse=coarse,
    )


def add_edge_trials(evidence: Evidence, trials: Sequence[Trials]) -> Evidence:
    """Return evidence with the short trials that followed the sweep, its status decided anew."""
    return _with(evidence, edge_trials=tuple(one for one in trials if one.lrs), cost=sum(one.cost for one in trials))


def add_pilots(evidence: Evidence, pilots: Sequence[Trials]) -> Evidence:
    """Return evidence with the pilots that followed everything else, its status decided anew."""
    return _with(evidence, pilots=tuple(one for one in pilots if one.lrs), cost=sum(one.cost for one in pilots))


def add_groups(evidence: Evidence, groups: GroupTuning) -> Evidence:
    """Return evidence with the pilots that changed the ratios between parameter groups."""
    return replace(evidence, groups=groups, cost_steps=math.ceil(evidence.cost_steps + groups.cost))


def add_not_finite(evidence: Evidence, places: tuple[int, ...], looked_at: int, cost: float = 0.0) -> Evidence:
    """Return evidence with the batches whose loss is not finite whatever the rate, its status decided anew."""
    return _with(replace(evidence, not_finite=places, looked_at=looked_at), cost=cost)


def note_mode(evidence: Evidence, facts: Facts) -> Evidence:
    """Return evidence with the mode that losses were evaluated in, which is known once something was evaluated."""
    return replace(evidence, facts=replace(evidence.facts, evaluated_in=facts.evaluated_in))


def _with(evidence: Evidence, *, cost: float, **trials: tuple[Trials, ...]) -> Evidence:
    every = replace(evidence, **trials, cost_steps=math.ceil(evidence.cost_steps + cost))  # type: ignore[arg-type]
    if every.curve is None:
        return every
    status = decide_status(every.curve, every.smooth, every.edge_trials, every.pilots)
    return replace(every, status=Status.NOT_FINITE if every.not_finite and _knows_no_loss(every, status) else status)


def _knows_no_loss(evidence: Evidence, status: Status) -> bool:
    """Whether there is no answer, or only that of the sweep, since all trials ended without a finite loss."""
    blank = evidence.edge_trials and all(trials.is_blank for trials in evidence.edge_trials)
    return status is not Status.OK or (bool(blank) and not any(trials.is_sure for trials in evidence.pilots))
