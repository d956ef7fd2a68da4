"""The peak and its interval: every source gives an estimate, and all are combined into one distribution."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.advice.factors import final_speed, length_factor
from lrfinder.advice.optimizers import kind_of, own_decay, own_pace, usual_lr
from lrfinder.advice.plan import Estimate, Factor
from lrfinder.advice.posterior import Posterior, combine
from lrfinder.advice.request import Horizon
from lrfinder.advice.schedule_factor import peak_factor
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.edge import edge_of_curve
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import RULES
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Facts
from lrfinder.schedules import Schedule

__all__ = ["Peak", "Sources", "factor_of", "peak", "pilot_start", "sources_of", "swept_edge"]

LOW, MIDDLE, HIGH = 0.1, 0.5, 0.9
"""Probabilities below the ends of an 80 % interval, and below its middle."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak and how it was computed.

    Args:
        lr: LR of the reference group.
        interval: Holds the best peak with a probability of 80 %.
        estimates: What it was computed from.
        factors: What these, and the middle of their distribution, were multiplied by.
    """

    lr: float
    interval: tuple[float, float]
    estimates: tuple[Estimate, ...] = ()
    factors: tuple[Factor, ...] = ()

    def scaled(self, factor: float) -> "Peak":
        """Return the peak of a reference group whose ratio to the others was tuned."""
        if factor == 1:
            return self
        low, high = self.interval
        factors = (*self.factors, Factor("peak", "groups", factor))
        return Peak(self.lr * factor, (low * factor, high * factor), self.estimates, factors)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the sources say of the best peak for linear decay to zero.

    Args:
        estimates: One for each source.
        factors: What each is multiplied by.
    """

    estimates: tuple[Estimate, ...]
    factors: tuple[Factor, ...]

    def combine(self, within: tuple[float, float] | None = None, calibration: Calibration = FITTED) -> Posterior:
        """Return the distribution of log10 of the peak.

        Args:
            within: The rates between which the peak lies, or None.
            calibration: The constants.
        """
        products = {one.source: one.measured for one in self.estimates}
        for factor in self.factors:
            products[factor.source] *= factor.value
        centers = [(math.log10(products[one.source]), one.deviation) for one in self.estimates]
        return combine(centers, within and (math.log10(within[0]), math.log10(within[1])), calibration)


def peak(
    evidence: Evidence,
    schedule: Schedule,
    horizon: Horizon,
    *,
    finetune: bool = False,
    within: tuple[float, float] | None = None,
    calibration: Calibration = FITTED,
) -> Peak | None:
    """Compute the peak for a schedule from everything that was measured.

    The sources of `sources_of` are combined into one distribution of the best peak for linear decay. The suggestion is
    the peak of least expected regret, times the schedule's factor; the interval holds 80 % of the distribution, widened
    by how sure that factor is. For fine-tuning without pilots both are lowered.

    Args:
        evidence: Must hold a suggestion or a trial.
        schedule: What the peak is for.
        horizon: Length of the training.
        finetune: Whether the model is pretrained and should keep what it knows.
        within: The rates that were asked for, which nothing suggested leaves; None allows any.
        calibration: The constants.

    Returns:
        The peak, its interval, and how both were computed; None where more than half of the distribution lies outside
        `within`.
    """
    factor, factor_spread = factor_of(evidence.facts, schedule, horizon, calibration)
    sources = sources_of(evidence, horizon, finetune=finetune, calibration=calibration)
    middle = sources.combine(calibration=calibration).quantile(MIDDLE) + math.log10(factor)
    if within is not None and not within[0] <= 10**middle <= within[1]:
        return None
    bounds = within and (within[0] / factor, within[1] / factor)
    posterior = sources.combine(bounds, calibration)
    low, middle, high = (posterior.quantile(part) for part in (LOW, MIDDLE, HIGH))
    center = min(max(posterior.least_regret(calibration), low), high)
    spread = calibration.interval_deviations * factor_spread
    low, high = center - math.hypot(center - low, spread), center + math.hypot(high - center, spread)
    factors = [*sources.factors, Factor("peak", "caution", 10 ** (center - middle)), Factor("peak", "schedule", factor)]
    lower = 1.0
    if finetune and not evidence.has_pilot_peak:
        lower = calibration.finetune_factor
        factors.append(Factor("peak", "finetune", lower))
    lr, ends = 10**center * factor, (10**low * factor, 10**high * factor)
    lr, ends = lr * lower, (ends[0] * lower, ends[1])
    if within is not None:
        lr, ends = max(lr, within[0]), (max(ends[0], within[0]), min(ends[1], within[1]))
    return Peak(lr, ends, sources.estimates, tuple(factors))


def factor_of(
    facts: Facts, schedule: Schedule, horizon: Horizon, calibration: Calibration = FITTED
) -> tuple[float, float]:
    """Return a schedule's best peak over a linear decay's, and the standard deviation of its log10.

    An optimizer that averages its own iterates stands for the linear decay, whatever the schedule.
    """
    if own_pace(facts):
        return 1.0, calibration.rules_spread
    return peak_factor(schedule, horizon.steps, calibration)


def sources_of(
    evidence: Evidence, horizon: Horizon, *, finetune: bool = False, calibration: Calibration = FITTED
) -> Sources:
    """Return what each source says of the best peak for linear decay to zero.

    With T steps of the training, T' steps of a pilot, and the fields of the calibration in their names:

    - usual: the peak that most trainings with such an optimizer and weights of such a size want;
    - edge: the edge of the short trials x edge_to_peak x momentum's final speed, with a wider deviation where no trial
      improved the loss, none has lost at the highest peak that was tried, or none has learned from its inputs;
    - pilots: their best x (T' / T)**steps_exponent; the deviation grows with T / T', where pilots disagree, and where
      none of them has its best between others, or has learned from its inputs;
    - rules, where no trial lowered the loss: the mean of what the rules read off the sweep.

    Where a pilot over-fits all other sources have a wider deviation: they do not see it.

    For fine-tuning nothing usual counts, which is for training from scratch; where the model knows its task before any
    trial it is less sure.

    Args:
        evidence: What was measured.
        horizon: Length of the training.
        finetune: Whether the model is pretrained.
        calibration: The constants.
    """
    found = [_from_edge(evidence, calibration), _from_pilots(evidence, horizon, calibration)]
    measured = [one for one in found if one is not None] or [_from_rules(evidence, calibration)]
    tried = (*evidence.edge_trials, *evidence.pilots)
    usual = None if finetune or not tried else _usual(evidence.facts, tried, tried[0].start, calibration)
    estimates = [*([usual] if usual else []), *(estimate for estimate, _ in measured)]
    if any(trials.over_fits for trials in evidence.pilots):
        wider = calibration.unsure
        estimates = [
            one if one.source == "pilots" else replace(one, deviation=wider * one.deviation) for one in estimates
        ]
    return Sources(tuple(estimates), tuple(factor for _, factors in measured for factor in factors))


def _usual(facts: Facts, trials: Sequence[Trials], loss: float, calibration: Calibration) -> Estimate | None:
    """What is usual from scratch; it is less sure where the model knows its task before any trial."""
    lr = usual_lr(facts, loss, calibration)
    spread = calibration.usual_spread_sgd if kind_of(facts) == "sgd" else calibration.usual_spread
    if trials and (trials[0].learned_before or 0.0) >= calibration.pretrained:
        spread *= calibration.unsure
    return None if lr is None else Estimate("usual", lr, spread)


def _from_edge(evidence: Evidence, calibration: Calibration) -> tuple[Estimate, list[Factor]] | None:
    """The edge of the short trials; where none of them lost above the best, the highest best peak."""
    trials, facts = evidence.edge_trials, evidence.facts
    best = [one.best for one in trials if one.best is not None]
    if not best:
        return None
    edge = evidence.edge
    spread = calibration.edge_spread * (1.0 if any(one.is_sure for one in trials) else calibration.unsure)
    if edge is None or all(one.is_blind for one in trials):
        edge, spread = edge or max(best), calibration.open_spread
    fitted = calibration.edge_to_peak_sgd if kind_of(facts) == "sgd" else calibration.edge_to_peak
    return Estimate("edge", edge, spread), [
        Factor("edge", "fitted", fitted),
        Factor("edge", "momentum", final_speed(facts, trials[0].steps)),
        Factor("edge", "own_decay", calibration.decaying_edge if own_decay(facts, calibration) else 1.0),
    ]


def swept_edge(curve: Curve, calibration: Calibration = FITTED) -> float:
    """Return the edge as far as a sweep shows it."""
    return edge_of_curve(
        curve,
        over_onset=calibration.edge_over_onset,
        over_lowest=calibration.edge_over_lowest,
        over_last=calibration.edge_over_last,
    )


def _from_pilots(
    evidence: Evidence, horizon: Horizon, calibration: Calibration
) -> tuple[Estimate, list[Factor]] | None:
    """The best peak of the pilots as for linear decay, and what it is multiplied by."""
    with_best = [trials for trials in evidence.pilots if trials.best is not None]
    if not with_best:
        return None
    logs = [math.log10(trials.best / trials.factor) for trials in with_best if trials.best is not None]
    longest = max(trials.steps for trials in with_best)
    spread = math.hypot(
        calibration.pilot_spread,
        calibration.pilot_spread_grows * math.log10(horizon.steps / longest),
        statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else 0.0,
    )
    if all(trials.is_blind for trials in with_best):
        spread = calibration.open_spread
    elif not any(trials.is_enclosed for trials in with_best):
        spread *= calibration.unsure
    best = 10 ** statistics.fmean(logs)
    return Estimate("pilots", best, spread), [length_factor(evidence.facts, longest, horizon, calibration)]


def pilot_start(
    evidence: Evidence,
    curve: Curve,
    earlier: Sequence[Trials],
    steps: int,
    horizon: Horizon,
    *,
    finetune: bool = False,
    calibration: Calibration = FITTED,
) -> float:
    """Return the peak of linear decay at which pilots of so many steps begin.

    It is the best of the pilots before; else the peak of least expected regret under what the sources say: pilots find
    upwards more easily than down. Without short trials the edge is read off the sweep.
    """
    if earlier and earlier[-1].best is not None:
        return earlier[-1].best / earlier[-1].factor
    found = [one for one in [_from_edge(evidence, calibration)] if one is not None]
    estimates, factors = [one for one, _ in found], [factor for _, some in found for factor in some]
    if not found:
        swept = swept_edge(curve, calibration) * calibration.sweep_edge_to_peak
        estimates.append(Estimate("edge", swept, calibration.open_spread))
    usual = None if finetune else _usual(evidence.facts, evidence.edge_trials, curve.levels[0], calibration)
    sources = Sources((*estimates, *([usual] if usual else [])), tuple(factors))
    shorter = 1 / length_factor(evidence.facts, steps, horizon, calibration).value
    return float(10 ** sources.combine(calibration=calibration).least_regret(calibration) * shorter)


def _from_rules(evidence: Evidence, calibration: Calibration) -> tuple[Estimate, list[Factor]]:
    """The geometric mean of all rules that have an answer, at one speed of the sweep, held below the divergence."""
    density = calibration.reference_density
    swept = 0.0 if evidence.curve is None else evidence.curve.points_per_decade
    speed = (swept or density) / density
    weighed = {name: rule.moves_with_speed for name, rule in RULES.items() if rule.is_weighed}
    logs = [
        math.log10(lr * (speed if weighed[name] else 1.0))
        for name, lr in evidence.suggestions.items()
        if lr is not None and name in weighed
    ]
    spread, mean = calibration.rules_spread, statistics.fmean(logs)
    disagreement = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else spread
    estimate = Estimate("rules", 10**mean, math.hypot(spread, disagreement))
    if evidence.diverged_at is None:
        return estimate, []
    held = min(mean, math.log10(evidence.diverged_at * calibration.under_divergence))
    return estimate, [Factor("rules", "divergence", 10 ** (held - mean))]
