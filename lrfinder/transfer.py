"""What short runs say of the peak for a whole training: constants that were fitted on real trainings, and in words."""

import math
import statistics
from collections.abc import Sequence

from lrfinder.arms import Arms
from lrfinder.evidence import Evidence
from lrfinder.loop import Facts
from lrfinder.optimizers import usual_lr
from lrfinder.plan import QUOTED_STEPS, Wish

__all__ = ["in_words", "line_peak", "ramp", "spread_of", "trust"]

EDGE_TO_PEAK = 0.32
FEW, PLENTY = 100, 1_000
SAMPLES_EXPONENT, EPOCHS_EXPONENT, STEPS_EXPONENT = 0.7, 0.4, 0.2
SPREAD_OF_RACE = 0.41
"""Chosen on the tasks of benchmarks/tasks.py by what benchmarks/constants.py shows, rounded."""

PULL, FAR = 0.4, 2.0
"""Of the way to what is usual for the optimizer, where that is near; half of it these decades away, and less beyond."""

BEST_TO_PEAK, HORIZON_EXPONENT = 1.4, 0.2
"""What the best rehearsal's peak is multiplied by, the second to the power of its steps over the training's."""

TRUST_AT_40, TRUST_PER_DECADE = 0.5, 0.4
LEAST_TRUST, MOST_TRUST = 0.3, 0.8
SPREAD_AT_40, SPREAD_PER_DECADE, LEAST_SPREAD = 0.36, -0.13, 0.2
"""How much the rehearsals count beside the miniature runs, and the spread of both together, by their steps."""


def line_peak(
    evidence: Evidence, total_steps: int, *, steps_per_epoch: int | None = None, finetune: bool = False
) -> tuple[float, float] | None:
    """Return the best peak for a line to zero as the short runs have it, and how sure that is.

    The edge of the miniature runs counts as `recommend.peak` says. Rehearsals train the same number of epochs, so
    nothing but their length is corrected: by 1.4 x (T' / T)**0.2, for T' steps. Both are averaged in decades.

    Args:
        evidence: Of the runs.
        total_steps: T, the optimizer steps of the training.
        steps_per_epoch: Optimizer steps of an epoch; None takes the measured loader's.
        finetune: Whether the model is pretrained, so that what is usual from scratch says nothing.

    Returns:
        Log10 of the peak and one standard deviation in decades; None where no run points at one.
    """
    edge, best = evidence.edge, _rehearsed(evidence, total_steps)
    raced = None
    if edge is not None:
        shares = _shares(evidence, total_steps, steps_per_epoch, finetune=finetune)
        raced = math.log10(edge * math.prod(shares.values()))
    if best is None:
        return None if raced is None else (raced, SPREAD_OF_RACE)
    if raced is None:
        raced = best if finetune else best + math.log10(_pull(evidence, evidence.rehearsals, 10**best))
    share = trust(evidence)
    return share * best + (1 - share) * raced, spread_of(evidence.rehearsals)


def trust(evidence: Evidence) -> float:
    """Return the weight of the rehearsals beside the miniature runs: 0 without any."""
    if all(arms.best is None for arms in evidence.rehearsals):
        return 0.0
    steps = evidence.rehearsals[0].steps
    return min(MOST_TRUST, max(LEAST_TRUST, TRUST_AT_40 + TRUST_PER_DECADE * math.log10(steps / 40)))


def spread_of(rehearsals: Sequence[Arms], times: float = 1.0) -> float:
    """Return the standard deviation, in decades, of the best peak about that of rehearsals so many times as long."""
    steps = times * statistics.fmean(arms.steps for arms in rehearsals)
    inside = max(LEAST_SPREAD, SPREAD_AT_40 + SPREAD_PER_DECADE * math.log10(steps / 40))
    return math.hypot(inside, SPREAD_AT_40) if all(arms.is_open for arms in rehearsals) else inside


def in_words(evidence: Evidence, wish: Wish) -> tuple[str, ...]:
    """Return how the runs became the peak for a line, a sentence for each kind."""
    horizon = wish.horizon(evidence.facts) or QUOTED_STEPS
    edge, best, words = evidence.edge, _rehearsed(evidence, horizon), []
    if edge is not None:
        shares = _shares(evidence, horizon, wish.steps_per_epoch, finetune=wish.finetune)
        said = ", ".join(f"{share:.2g} {why}" for why, share in shares.items() if f"{share:.2g}" != "1")
        lr = edge * math.prod(shares.values())
        head = "The peak for a line to zero" if best is None else "The miniature runs say"
        between = ", is" if best is None else " for the peak of a line:"
        words.append(f"{head}{',' if best is None else ''} {lr:.1e}{between} their edge, {edge:.1e}, times {said}.")
    if best is not None:
        steps = evidence.rehearsals[0].steps
        words.append(
            f"The rehearsals say {10**best:.1e}: the best of {steps} steps, times {BEST_TO_PEAK:g} and, for the "
            f"length, ({steps:,} / {horizon:,})^{HORIZON_EXPONENT:g}; it counts for {100 * trust(evidence):.0f} %."
        )
    return tuple(words)


def ramp(facts: Facts, steps: int) -> float:
    """The mean share of its final speed that plain momentum has reached in a run; Adam corrects for it.

    Args:
        facts: Of the training.
        steps: Optimizer steps of the run.

    Returns:
        1 without momentum; else the mean over the steps t of 1 - beta**t.
    """
    beta, second = facts.betas
    return 1.0 if second or not beta else 1 - (1 - beta**steps) / (steps * (1 - beta))


def _rehearsed(evidence: Evidence, total_steps: int) -> float | None:
    """Log10 of the peak for a line that the rehearsals point at, or None."""
    best = [
        math.log10(arms.best / arms.factor * BEST_TO_PEAK * (arms.steps / total_steps) ** HORIZON_EXPONENT)
        for arms in evidence.rehearsals
        if arms.best is not None
    ]
    return statistics.fmean(best) if best else None


def _shares(
    evidence: Evidence, total_steps: int, steps_per_epoch: int | None, *, finetune: bool = False
) -> dict[str, float]:
    """What the edge is multiplied by, and what for; what is not known of the data counts for nothing."""
    facts = evidence.facts
    per_epoch = steps_per_epoch or facts.steps_per_epoch or 0
    epochs = max(1.0, total_steps / per_epoch) if per_epoch else 1.0
    samples = max(FEW, per_epoch * (facts.batch_size or 0) * facts.ranks or PLENTY)
    shares = {
        "as fitted on real trainings": EDGE_TO_PEAK,
        "for momentum, which a short run hardly builds up": ramp(facts, evidence.races[0].steps),
        f"for {samples:,} samples": min(1.0, samples / PLENTY) ** SAMPLES_EXPONENT,
        f"for {epochs:.3g} epochs": epochs**-EPOCHS_EXPONENT,
        f"for {total_steps:,} steps": (total_steps / QUOTED_STEPS) ** -STEPS_EXPONENT,
    }
    lr = (evidence.edge or 0.0) * math.prod(shares.values())
    if finetune or not lr:
        return shares
    return {**shares, f"towards what is usual for {facts.optimizer}": _pull(evidence, evidence.races, lr)}


def _pull(evidence: Evidence, runs: Sequence[Arms], lr: float) -> float:
    """What a rate is multiplied by to bring it towards the usual one."""
    usual = usual_lr(evidence.facts, statistics.fmean(arms.start for arms in runs))
    if usual is None:
        return 1.0
    away = math.log10(usual / lr)
    return float(10 ** (PULL * away / (1 + (away / FAR) ** 2)))
