"""The rule of the grid of rates: half decades at first, closer ones and further seeds where the loss is near the best.

Rates are those of quarter decades. The first seed is trained at every half decade between the ends that the training
names, and at further ones beyond an end while the loss there is near the best. Quarter decades follow where a neighbour
is near, and further seeds where the rate itself is. Near is a loss that exceeds the best by no more than `NEAR` of it,
and by no more than `SHARE` of what the best gains on what has learned nothing: a constant prediction, or the untrained
model where that is better.
"""

import math
import statistics

__all__ = [
    "SEEDS",
    "best_of",
    "ceiling_of",
    "exponent",
    "missing_runs",
    "near_best",
    "rate_at",
    "seed_losses",
    "triples",
]

PER_DECADE = 4
SEEDS = (0, 1, 2)
NEAR, SHARE = 1.0, 0.25
FLOOR = 1e-3
"""Share of the loss of what has learned nothing below which a best loss counts as that share."""
LIMITS = (-7 * PER_DECADE, 3 * PER_DECADE)
"""Quarter decades beyond which no grid is extended."""


def exponent(lr):
    """The quarter decade of a rate."""
    return round(PER_DECADE * math.log10(lr))


def rate_at(quarter):
    """The rate of a quarter decade, as it is stored."""
    return float(f"{10 ** (quarter / PER_DECADE):.4g}")


def triples(record):
    """Rate, seed and final loss of each run, as `scoring.Oracle` takes them."""
    return [(lr, seed, final) for lr, seed, final, *_ in record["runs"]]


def seed_losses(record, seed=0):
    """The final losses of a seed by quarter decade; infinite where it exploded."""
    return {exponent(lr): math.inf if loss is None else loss for lr, at, loss in triples(record) if at == seed}


def best_of(record):
    """The rate whose median final loss is least, and that loss; None where every run exploded."""
    by_rate = {}
    for lr, _, final in triples(record):
        by_rate.setdefault(lr, []).append(math.inf if final is None else final)
    loss, lr = min((statistics.median(losses), lr) for lr, losses in by_rate.items())
    return (lr, loss) if math.isfinite(loss) else None


def ceiling_of(record):
    """The loss of the best constant prediction, or that before training where that is less or the other unknown."""
    trivial, untrained = record["trivial"], record["untrained"]
    return untrained if trivial is None else min(trivial, untrained)


def near_best(losses, ceiling):
    """The quarter decades whose loss is near the best; `ceiling` is the loss of what has learned nothing."""
    best = min(losses.values())
    if not math.isfinite(best):
        return set()
    excess = min(NEAR * max(best, FLOOR * ceiling), SHARE * max(0.0, ceiling - best))
    return {quarter for quarter, loss in losses.items() if loss - best <= excess}


def missing_runs(record, depth):
    """The rates and seeds that are lacking, the first of them to be made next.

    Args:
        record: What is stored of a training under a schedule: its `ends`, its `runs`, and the scale of its loss.
        depth: `half` for half decades, `quarter` for these and quarter decades, `seeds` for all.
    """
    losses, ceiling = seed_losses(record), ceiling_of(record)
    halves = _missing_halves(losses, record["ends"], ceiling)
    if halves or depth == "half":
        return [(rate_at(quarter), 0) for quarter in halves]
    near = near_best(losses, ceiling)
    quarters = [q for q in range(min(losses) + 1, max(losses)) if q not in losses and {q - 1, q + 1} & near]
    if quarters or depth == "quarter":
        return [(rate_at(quarter), 0) for quarter in quarters]
    done = {(exponent(lr), seed) for lr, seed, _ in triples(record)}
    return [(rate_at(q), seed) for seed in SEEDS[1:] for q in sorted(near) if (q, seed) not in done]


def _missing_halves(losses, ends, ceiling):
    first = [quarter for quarter in range(ends[0], ends[1] + 1, 2) if quarter not in losses]
    if first:
        return first
    near, lowest, highest = near_best(losses, ceiling), min(losses), max(losses)
    below = [lowest - 2] if (lowest in near or not near) and lowest - 2 >= LIMITS[0] else []
    above = [highest + 2] if highest in near and highest + 2 <= LIMITS[1] else []
    return below + above
