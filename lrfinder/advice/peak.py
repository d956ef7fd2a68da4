"""What short runs say of the peak for a whole training: constants that were fitted on real trainings, and in words."""

import math
import statistics
from collections.abc import Sequence

from lrfinder.advice.optimizers import own_decay, usual_lr
from lrfinder.advice.plan import QUOTED_STEPS, Request
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Facts

__all__ = [
    "HORIZON_EXPONENT",
    "TRUST",
    "edge_of_decay",
    "in_words",
    "length_factors",
    "linear_peak",
    "ramp",
    "spread_of",
]

EDGE_TO_PEAK = 0.32
FEW, PLENTY = 100, 1_000
SAMPLES_EXPONENT, EPOCHS_EXPONENT = 0.7, 0.4
SPREAD_OF_RACE = 0.41
"""Chosen on the tasks of benchmarks/tasks.py by what benchmarks/constants.py shows, rounded."""

PULL, FAR = 0.4, 2.0
"""Of the way to what is usual for the optimizer, where that is near; half of it these decades away, and less beyond."""

HORIZON_EXPONENT = 0.2
"""The best peak falls as (T' / T)**0.2."""

FADING, FULL_PULL = 0.5, 60
"""The longer pilots are, the less they are drawn to what is usual."""

DECAYING = 3.0
"""Of an optimizer that shrinks its own steps: what the edge of so short runs has to be multiplied by besides. Chosen on
the six trainings with it of benchmarks/further.py, none of which is among those."""

TRUST = 0.8
"""The weight of the pilots beside the trials."""

SPREAD, LEAST_SPREAD = 0.36, 0.2
"""Standard deviation of the best peak, in decades, about what pilots of 40 steps say, and the least of any."""

SHRINKS_PER_DECADE, GROWS_PER_DECADE, USUAL_TIMES = 0.13, 0.3, 18
"""How their length lessens it, and how that of the training raises it: where it is more than 18 times theirs, or, for
the trials, more than a thousand steps; as on the long trainings of benchmarks/further.py."""


def linear_peak(
    evidence: Evidence, total_steps: int, *, steps_per_epoch: int | None = None, finetune: bool = False
) -> tuple[float, float] | None:
    """Return the best peak for a line to zero as the short runs have it, and how sure that is.

    The edge of the trials counts as `recommend.peak` says. Pilots train the same number of epochs: the best
    of them counts times (T' / T)**0.2 for T' steps, times (E' / E)**0.4 where they had fewer epochs than the training
    after all, times (N / 1000)**0.7 for N samples from 100 to 1,000, and drawn to `usual_lr` as the edge is, less where
    they are long. The mean of both in decades counts the pilots four fifths. For Adagrad the exponent of steps is
    lower by a half, so that a longer training wants a higher peak.

    Args:
        evidence: Of the runs.
        total_steps: T, the optimizer steps of the training.
        steps_per_epoch: Optimizer steps of an epoch; None takes the measured loader's.
        finetune: Whether the model is pretrained, so that what is usual from scratch says nothing.

    Returns:
        Log10 of the peak and one standard deviation in decades; None where no run points at one.
    """
    raced, best = (
        None if lr is None else math.log10(lr * math.prod(shares.values()))
        for lr, shares in (
            (evidence.edge, _shares(evidence, total_steps, steps_per_epoch, finetune=finetune)),
            (_best(evidence), _shares_of_best(evidence, total_steps, steps_per_epoch, finetune=finetune)),
        )
    )
    if best is None:
        longer = GROWS_PER_DECADE * max(0.0, math.log10(total_steps / QUOTED_STEPS))
        return None if raced is None else (raced, SPREAD_OF_RACE + longer)
    return best if raced is None else TRUST * best + (1 - TRUST) * raced, spread_of(evidence.pilots, total_steps)


def _fall_with_steps(facts: Facts) -> float:
    """Return the power of 1 / T with which the best peak falls as a training of T steps becomes longer.

    Where the optimizer shrinks its own steps the peak need not, and rises instead.
    """
    return HORIZON_EXPONENT - own_decay(facts)


def length_factors(
    facts: Facts, steps: int, epochs: float | None, total_steps: int, steps_per_epoch: int | None
) -> dict[str, float]:
    """Return what the best peak of a pilot is multiplied by for its length, and what for.

    Args:
        facts: Of the training.
        steps: Optimizer steps of the pilot.
        epochs: How often it saw its batches, or None where that is not known.
        total_steps: Optimizer steps of the training.
        steps_per_epoch: Those of an epoch; None takes the measured loader's.

    Returns:
        Shares by their reasons; epochs that were not rehearsed only lower the peak.
    """
    planned = facts.epochs(total_steps, steps_per_epoch)
    made = planned if epochs is None else epochs
    return {
        f"for {total_steps:,} steps instead of {steps}": (steps / total_steps) ** _fall_with_steps(facts),
        f"for {_many(planned)} epochs instead of {_many(made)}": min(1.0, made / planned) ** EPOCHS_EXPONENT,
    }


def edge_of_decay(facts: Facts) -> float:
    """Return what the edge has to be multiplied by for an optimizer that shrinks its own steps; 1 for the others."""
    return DECAYING if own_decay(facts) else 1.0


def spread_of(pilots: Sequence[Trials], total_steps: int, times: float = 1.0) -> float:
    """Return how sure the peak is that pilots say for a training.

    Args:
        pilots: All of them; more make it surer by their noise, longer ones by how far they are carried too.
        total_steps: Optimizer steps of the training; the more it is longer than the longest, the less sure.
        times: As if they were so many times as long.

    Returns:
        One standard deviation in decades.
    """
    steps, longest = sum(trials.steps for trials in pilots), max(trials.steps for trials in pilots)
    short = SPREAD - SHRINKS_PER_DECADE * math.log10(times * steps / 40)
    far = SPREAD + GROWS_PER_DECADE * math.log10(total_steps / (times * longest) / USUAL_TIMES)
    inside = max(LEAST_SPREAD, short, far)
    return inside if any(trials.is_enclosed for trials in pilots) else math.hypot(inside, SPREAD)


def in_words(evidence: Evidence, request: Request) -> tuple[str, ...]:
    """Return how the runs became the peak for a line, a sentence for each kind."""
    length = (request.horizon(evidence.facts) or QUOTED_STEPS, request.steps_per_epoch)
    edge, best, words = evidence.edge, _best(evidence), []
    if edge is not None:
        shares = _shares(evidence, *length, finetune=request.finetune)
        words.append(_sentence("The trials", shares, edge, "their edge") if best else _alone(shares, edge))
    if best is not None:
        shares = _shares_of_best(evidence, *length, finetune=request.finetune)
        counts = "" if edge is None else f" This counts {100 * TRUST:.0f} % in the mean of both."
        words.append(_sentence("The pilots", shares, best, _whose(evidence)) + counts)
    return tuple(words)


def _whose(evidence: Evidence) -> str:
    is_line = all(trials.factor == 1 for trials in evidence.pilots)
    return "their best" if is_line else "their best, as for a line"


def _alone(shares: dict[str, float], edge: float) -> str:
    lr = edge * math.prod(shares.values())
    return f"The peak for a line to zero, {lr:.1e}, is the edge of the trials, {edge:.1e}, times {_said(shares)}."


def _sentence(who: str, shares: dict[str, float], measured: float, what: str) -> str:
    lr = measured * math.prod(shares.values())
    return f"{who} say {lr:.1e} for the peak of a line: {what}, {measured:.1e}, times {_said(shares)}."


def _said(shares: dict[str, float]) -> str:
    return ", ".join(f"{share:.2g} {why}" for why, share in shares.items() if f"{share:.2g}" != "1") or "1"


def _many(count: float) -> str:
    return f"{count:,.0f}" if count >= 100 else f"{count:.3g}"


def ramp(facts: Facts, steps: int) -> float:
    """The mean share of its final speed that plain momentum has reached in a run; Adam corrects for it.

    Args:
        facts: Of the training.
        steps: Optimizer steps of the run.

    Returns:
        1 without momentum; else the mean over the steps t of 1 - beta**t.
    """
    beta, second = facts.betas
    if second or not 0 < beta < 1:
        return 1.0
    return 1 - (1 - beta**steps) / (steps * (1 - beta))


def _best(evidence: Evidence) -> float | None:
    """The best peak of the pilots as for a line, the geometric mean where there are several; None without any."""
    best = [trials.best / trials.factor for trials in evidence.pilots if trials.best is not None]
    return statistics.geometric_mean(best) if best else None


def _shares_of_best(
    evidence: Evidence, total_steps: int, steps_per_epoch: int | None, *, finetune: bool = False
) -> dict[str, float]:
    """What the best pilot's peak is multiplied by, and what for."""
    best = _best(evidence)
    if best is None:
        return {}
    steps, epochs = evidence.pilots[0].steps, evidence.pilots[0].epochs
    shares = {
        **length_factors(evidence.facts, steps, epochs, total_steps, steps_per_epoch),
        **_of_samples(evidence.facts, steps_per_epoch),
    }
    fading = min(1.0, FULL_PULL / steps) ** FADING
    return shares if finetune else {**shares, **_pull(evidence, evidence.pilots, best, shares, fading)}


def _shares(
    evidence: Evidence, total_steps: int, steps_per_epoch: int | None, *, finetune: bool = False
) -> dict[str, float]:
    """What the edge is multiplied by, and what for; what is not known of the data counts for nothing."""
    if evidence.edge is None:
        return {}
    facts = evidence.facts
    epochs = facts.epochs(total_steps, steps_per_epoch)
    shares = {
        "as fitted on real trainings": EDGE_TO_PEAK,
        "for momentum, which a short run hardly builds up": ramp(facts, evidence.edge_trials[0].steps),
        **_of_samples(facts, steps_per_epoch),
        f"for {_many(epochs)} epochs": epochs**-EPOCHS_EXPONENT,
        f"for {total_steps:,} steps": (total_steps / QUOTED_STEPS) ** -_fall_with_steps(facts),
        f"for the steps that {facts.optimizer} shrinks itself": edge_of_decay(facts),
    }
    return shares if finetune else {**shares, **_pull(evidence, evidence.edge_trials, evidence.edge, shares)}


def _of_samples(facts: Facts, steps_per_epoch: int | None) -> dict[str, float]:
    per_epoch = steps_per_epoch or facts.steps_per_epoch or 0
    samples = max(FEW, per_epoch * (facts.batch_size or 0) * facts.ranks or PLENTY)
    return {f"for {samples:,} samples": min(1.0, samples / PLENTY) ** SAMPLES_EXPONENT}


def _pull(
    evidence: Evidence, runs: Sequence[Trials], measured: float, shares: dict[str, float], fading: float = 1.0
) -> dict[str, float]:
    """What brings a rate towards the usual one."""
    usual = usual_lr(evidence.facts, statistics.fmean(trials.start for trials in runs))
    if usual is None:
        return {}
    away = math.log10(usual / (measured * math.prod(shares.values())))
    factor = float(10 ** (fading * PULL * away / (1 + (away / FAR) ** 2)))
    return {f"towards what is usual for {evidence.facts.optimizer}": factor}
