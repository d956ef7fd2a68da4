"""The named corrections between what trials measured and the peak."""

import math
import statistics
from collections.abc import Sequence

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.advice.optimizers import own_decay, usual_lr
from lrfinder.advice.plan import Factor, Source
from lrfinder.advice.request import Horizon
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Facts

__all__ = ["final_speed", "length_factors", "pull_factor", "samples_factor", "steps_exponent"]


def length_factors(
    facts: Facts, steps: int, epochs: float | None, horizon: Horizon, calibration: Calibration = FITTED
) -> list[Factor]:
    """Return what the best peak of a pilot is multiplied by for its length.

    The pilot made so many `steps` and passed `epochs` times over its batches, None where that is not known. Epochs that
    it did not have only lower the peak.
    """
    total, planned = horizon.steps, horizon.epochs
    made = planned if epochs is None else epochs
    exponent = steps_exponent(facts, calibration)
    lower = min(1.0, made / planned) ** calibration.epochs_exponent
    return [
        Factor("pilots", "steps", (steps / total) ** exponent, measured_at=steps, wanted_at=total),
        Factor("pilots", "epochs", lower, measured_at=made, wanted_at=planned),
    ]


def final_speed(facts: Facts, steps: int) -> float:
    """Return the mean part of its final speed that plain momentum has reached in a trial of so many steps.

    That is the mean over the steps t of 1 - beta**t; 1 without momentum, and for Adam, which corrects for it.
    """
    beta, second = facts.betas
    if second or not 0 < beta < 1:
        return 1.0
    return 1 - (1 - beta**steps) / (steps * (1 - beta))


def steps_exponent(facts: Facts, calibration: Calibration) -> float:
    """The power of 1 / T with which the best peak falls with the steps; below 0 where the optimizer decays itself."""
    return calibration.steps_exponent - own_decay(facts, calibration)


def samples_factor(source: Source, facts: Facts, horizon: Horizon, calibration: Calibration) -> Factor:
    """Return what few samples lower the peak by; nothing where their number is not known."""
    per_epoch = horizon.steps_per_epoch or 0
    samples = per_epoch * (facts.batch_size or 0) * facts.ranks or calibration.plenty_samples
    samples = max(calibration.fewest_samples, samples)
    lower = min(1.0, samples / calibration.plenty_samples) ** calibration.samples_exponent
    return Factor(source, "samples", lower, wanted_at=samples)


def pull_factor(
    source: Source,
    trials: Sequence[Trials],
    measured: float,
    factors: list[Factor],
    facts: Facts,
    calibration: Calibration,
    fading: float = 1.0,
) -> list[Factor]:
    """Return what draws a rate towards the usual one: `usual_pull` of the way where that is near, less where far."""
    usual = usual_lr(facts, statistics.fmean(one.start for one in trials), calibration)
    if usual is None:
        return []
    away = math.log10(usual / (measured * math.prod(factor.value for factor in factors)))
    drawn = fading * calibration.usual_pull * away / (1 + (away / calibration.usual_reach) ** 2)
    return [Factor(source, "usual", float(10**drawn), wanted_at=usual)]
