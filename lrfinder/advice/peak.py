"""The peak and its interval: one formula from what was measured, the facts and the horizon."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.advice.factors import final_speed, length_factors, pull_factor, samples_factor, steps_exponent
from lrfinder.advice.optimizers import own_decay, own_pace, usual_lr
from lrfinder.advice.plan import Estimate, Factor, Source
from lrfinder.advice.request import QUOTED_STEPS, Horizon
from lrfinder.advice.schedule_factor import peak_factor
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.edge import edge_of_curve
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import RULES
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Facts
from lrfinder.schedules import Schedule

__all__ = ["Peak", "factor_of", "linear_peak", "peak", "pilot_start", "spread_of", "swept_edge"]


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak, the 80 % interval about it, what both were computed from, and what these estimates were multiplied by."""

    lr: float
    interval: tuple[float, float]
    estimates: tuple[Estimate, ...] = ()
    factors: tuple[Factor, ...] = ()


def peak(
    evidence: Evidence,
    schedule: Schedule,
    horizon: Horizon,
    *,
    finetune: bool = False,
    calibration: Calibration = FITTED,
) -> Peak:
    """Compute the peak for a schedule from evidence, which must hold a suggestion or a trial.

    Where there are trials, log10(peak) is the mean of what the edge of the short ones and the best of the pilots come
    to (`linear_peak`), plus log10 of the schedule's factor. Otherwise the rules decide: the peak is the geometric mean
    of all that have an answer, those that move with the speed of the sweep brought to one speed, held to a part of the
    rate where the sweep began to diverge. For fine-tuning without pilots it is lowered, and the interval with it.
    """
    factor, factor_spread = factor_of(evidence.facts, schedule, horizon, calibration)
    linear = linear_peak(evidence, horizon, finetune=finetune, calibration=calibration)
    factors: list[Factor] = [Factor("peak", "schedule", factor)]
    if linear is not None:
        center, spread = linear.center + math.log10(factor), linear.spread
        estimates, factors = linear.estimates, [*linear.factors, *factors]
    else:
        mean, spread = _mean_of_rules(evidence, calibration)
        estimates = (Estimate("rules", 10**mean),)
        center = _hold(evidence, _hold(evidence, mean, calibration) + math.log10(factor), calibration)
        if not math.isclose(center, mean + math.log10(factor)):
            factors.append(Factor("peak", "divergence", 10 ** (center - mean) / factor))
    if any(math.isclose(trials.factor, factor) for trials in evidence.pilots):
        # These pilots ran the very schedule: the doubt about its factor is left to the other estimate.
        factor_spread *= 1 - calibration.trust_in_pilots
    reach = calibration.interval_deviations * math.hypot(spread, factor_spread)
    lr, low, high = 10**center, 10 ** (center - reach), 10 ** (center + reach)
    if finetune and not evidence.has_pilot_peak:
        lr, low = lr * calibration.finetune_factor, low * calibration.finetune_factor
        factors.append(Factor("peak", "finetune", calibration.finetune_factor))
    return Peak(lr, (low, high), estimates, tuple(factors))


def factor_of(
    facts: Facts, schedule: Schedule, horizon: Horizon, calibration: Calibration = FITTED
) -> tuple[float, float]:
    """Return a schedule's best peak over a linear decay's, and the standard deviation of its log10.

    An optimizer that averages its own iterates stands for the linear decay, whatever the schedule.
    """
    if own_pace(facts):
        return 1.0, calibration.rules_spread
    return peak_factor(schedule, horizon.steps, calibration)


@dataclass(frozen=True, slots=True)
class LinearPeak:
    """The best peak for a linear decay to zero: its log10, standard deviation in decades, and how it was computed."""

    center: float
    spread: float
    estimates: tuple[Estimate, ...]
    factors: tuple[Factor, ...]


def linear_peak(
    evidence: Evidence, horizon: Horizon, *, finetune: bool = False, calibration: Calibration = FITTED
) -> LinearPeak | None:
    """Compute the best peak for a linear decay to zero from the trials; None where none of them shows one.

    With N samples, E epochs, T steps, and the fields of the calibration in their names:

    - from the edge of the short trials: edge x edge_to_peak x momentum's final speed
      x min(1, N / plenty_samples)**samples_exponent x E**-epochs_exponent x (T / 1000)**-steps_exponent;
    - from the best of the pilots, which had T' steps and E' epochs: best x (T' / T)**steps_exponent
      x min(1, E' / E)**epochs_exponent x min(1, N / plenty_samples)**samples_exponent.

    Each is drawn towards the usual peak of the optimizer, that of the pilots the less the longer they are; the mean of
    both in decades counts the pilots `trust_in_pilots`. What is not known of the data counts for nothing; for
    fine-tuning nothing is drawn towards the usual peak, which is for training from scratch.
    """
    edge = _from_edge(evidence, horizon, calibration, finetune=finetune)
    best = _from_pilots(evidence, horizon, calibration, finetune=finetune)
    found = [one for one in (edge, best) if one is not None]
    if not found:
        return None
    factors = tuple(factor for _, some in found for factor in some)
    logs = [math.log10(lr * math.prod(factor.value for factor in some)) for lr, some in found]
    if edge is None or best is None:
        source: Source = "edge" if best is None else "pilots"
        estimates: tuple[Estimate, ...] = (Estimate(source, found[0][0]),)
        center = logs[0]
    else:
        trust = calibration.trust_in_pilots
        estimates = (Estimate("edge", edge[0], 1 - trust), Estimate("pilots", best[0], trust))
        center = trust * logs[1] + (1 - trust) * logs[0]
    if best is None:
        longer = calibration.spread_grows * max(0.0, math.log10(horizon.steps / QUOTED_STEPS))
        return LinearPeak(center, calibration.edge_spread + longer, estimates, factors)
    return LinearPeak(center, spread_of(evidence.pilots, horizon, calibration=calibration), estimates, factors)


def _from_edge(
    evidence: Evidence, horizon: Horizon, calibration: Calibration, *, finetune: bool
) -> tuple[float, list[Factor]] | None:
    """The edge of the short trials, and what it is multiplied by."""
    edge, facts = _edge(evidence, calibration), evidence.facts
    if edge is None:
        return None
    epochs, steps = horizon.epochs, horizon.steps
    factors = [
        Factor("edge", "fitted", calibration.edge_to_peak),
        Factor("edge", "momentum", final_speed(facts, evidence.edge_trials[0].steps)),
        samples_factor("edge", facts, horizon, calibration),
        Factor("edge", "epochs", epochs**-calibration.epochs_exponent, wanted_at=epochs),
        Factor("edge", "steps", (steps / QUOTED_STEPS) ** -steps_exponent(facts, calibration), wanted_at=steps),
        Factor("edge", "own_decay", calibration.decaying_edge if own_decay(facts, calibration) else 1.0),
    ]
    return edge, factors if finetune else [
        *factors,
        *pull_factor("edge", evidence.edge_trials, edge, factors, facts, calibration),
    ]


def _edge(evidence: Evidence, calibration: Calibration) -> float | None:
    """The edge of the short trials; where none improved the loss, its geometric mean with what the sweep shows."""
    if evidence.edge is None or evidence.curve is None or any(one.is_sure for one in evidence.edge_trials):
        return evidence.edge
    return math.sqrt(evidence.edge * swept_edge(evidence.curve, calibration))


def swept_edge(curve: Curve, calibration: Calibration = FITTED) -> float:
    """Return the edge as far as a sweep shows it."""
    return edge_of_curve(
        curve,
        over_onset=calibration.edge_over_onset,
        over_lowest=calibration.edge_over_lowest,
        over_last=calibration.edge_over_last,
    )


def _from_pilots(
    evidence: Evidence, horizon: Horizon, calibration: Calibration, *, finetune: bool
) -> tuple[float, list[Factor]] | None:
    """The best peak of the pilots as for a linear decay, and what it is multiplied by."""
    each = [trials.best / trials.factor for trials in evidence.pilots if trials.best is not None]
    if not each:
        return None
    best, facts, first = statistics.geometric_mean(each), evidence.facts, evidence.pilots[0]
    factors = [
        *length_factors(facts, first.steps, first.epochs, horizon, calibration),
        samples_factor("pilots", facts, horizon, calibration),
    ]
    if finetune:
        return best, factors
    fading = min(1.0, calibration.full_pull_steps / first.steps) ** calibration.pull_fading
    return best, [*factors, *pull_factor("pilots", evidence.pilots, best, factors, facts, calibration, fading)]


def pilot_start(
    evidence: Evidence,
    curve: Curve,
    earlier: Sequence[Trials],
    steps: int,
    epochs: float,
    horizon: Horizon,
    *,
    finetune: bool = False,
    calibration: Calibration = FITTED,
) -> float:
    """Return the peak of a linear decay at which a pilot of so many steps and epochs begins.

    It is the best of the pilots before; else what the short trials come to, or half of the highest of them where that
    was the best; else the usual peak, or what the sweep shows of the edge, or the geometric mean of both.
    """
    if earlier and earlier[-1].best is not None:
        return earlier[-1].best / earlier[-1].factor
    shorter = 1 / math.prod(f.value for f in length_factors(evidence.facts, steps, epochs, horizon, calibration))
    sure = [trials for trials in evidence.edge_trials if trials.is_sure]
    found = linear_peak(evidence, horizon, finetune=finetune, calibration=calibration) if sure else None
    if found is not None:
        return float(10**found.center * shorter)
    highest = [trials.best for trials in sure if trials.best is not None]
    if highest:
        return max(highest) / 2
    swept = swept_edge(curve, calibration) * calibration.sweep_edge_to_peak
    usual = None if finetune else usual_lr(evidence.facts, curve.levels[0], calibration)
    if usual is None:
        return swept * shorter
    return (usual if evidence.edge_trials else math.sqrt(swept * usual)) * shorter


def spread_of(
    pilots: Sequence[Trials], horizon: Horizon, times: float = 1.0, calibration: Calibration = FITTED
) -> float:
    """Return one standard deviation, in decades, of the best peak about what pilots come to.

    More and longer pilots narrow it; a training that is far longer than the longest of them widens it. `times` asks
    what it would be if they were so many times as long.
    """
    steps, longest = sum(trials.steps for trials in pilots), max(trials.steps for trials in pilots)
    c = calibration
    short = c.pilot_spread - c.spread_shrinks * math.log10(times * steps / c.pilot_spread_steps)
    far = c.pilot_spread + c.spread_grows * math.log10(horizon.steps / (times * longest) / c.usual_length_ratio)
    inside = max(c.least_spread, short, far)
    return inside if any(trials.is_enclosed for trials in pilots) else math.hypot(inside, c.pilot_spread)


def _mean_of_rules(evidence: Evidence, calibration: Calibration) -> tuple[float, float]:
    """Log10 of the geometric mean of all rules that have an answer, at the reference speed, and its spread."""
    density = calibration.reference_density
    swept = 0.0 if evidence.curve is None else evidence.curve.points_per_decade
    speed = (swept or density) / density
    weighed = {name: rule.moves_with_speed for name, rule in RULES.items() if rule.is_weighed}
    logs = [
        math.log10(lr * (speed if weighed[name] else 1.0))
        for name, lr in evidence.suggestions.items()
        if lr is not None and name in weighed
    ]
    spread = calibration.rules_spread
    disagreement = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else spread
    return statistics.fmean(logs), math.hypot(spread, disagreement)


def _hold(evidence: Evidence, center: float, calibration: Calibration) -> float:
    """Log10 of a rate, held to half of where the sweep diverged."""
    if evidence.diverged_at is None:
        return center
    return min(center, math.log10(evidence.diverged_at * calibration.under_divergence))
