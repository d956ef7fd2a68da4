"""What benchmarks/best_rates/ holds, as a table: `python benchmarks/best_rates.py --report`."""

import statistics

from best_rates import PASSES, read
from suite import TRAININGS
from suite.grid import best_of, ceiling_of, missing_runs

__all__ = ["over_fits", "report"]

COLUMNS = ("training", "steps", "seconds", "primary", "constant", "loss", "ceiling", "over-fits", "runs", "passes")
LONG = 5000


def over_fits(record, lr):
    """Whether training at a rate ends more than a tenth above its own least validation loss, by the median run."""
    ratios = [final / best for at, _, final, best, *_ in record["runs"] if at == lr and final is not None]
    return statistics.median(ratios) > 1.1


def row_of(training):
    """What there is of one training."""
    stored = {schedule: read(training, schedule) for schedule in ("primary", "constant")}
    runs = sum(len(record["runs"]) for record in stored.values() if record)
    seconds = sum(record["seconds"] for record in stored.values() if record)
    best = {schedule: record and best_of(record) for schedule, record in stored.items()}
    lr, loss = best["primary"] or (None, None)
    return {
        "training": training.name,
        "steps": training.total_steps,
        "seconds": seconds / runs if runs else None,
        "primary": lr,
        "constant": best["constant"] and best["constant"][0],
        "loss": loss,
        "ceiling": stored["primary"] and ceiling_of(stored["primary"]),
        "over-fits": lr and over_fits(stored["primary"], lr),
        "runs": runs,
        "passes": sum(_is_whole(stored[schedule], depth) for depth, schedule in PASSES),
        "spent": seconds,
    }


def _is_whole(record, depth):
    return record is not None and not missing_runs(record, depth)


def report(names):
    """Print a row for each of these trainings, and what all of them come to."""
    trainings = [TRAININGS[name] for name in names]
    rows = [row_of(training) for training in trainings]
    print(" | ".join(COLUMNS))
    for row in rows:
        print(" | ".join(_shown(row[column]) for column in COLUMNS))
    families = {training.family for training in trainings}
    sources = {family.source for family in families}
    known = [row["over-fits"] for row in rows if row["over-fits"] is not None]
    whole = [f"{sum(_is_whole(read(t, s), d) for t in trainings)} ({d}, {s})" for d, s in PASSES]
    print(
        f"\n{len(rows)} trainings of {len(families)} families from {len(sources)} sources, "
        f"{sum(row['steps'] >= LONG for row in rows)} of {LONG:,} steps or more\n"
        f"{sum(known)} of {len(known)} over-fit\n"
        f"{sum(row['runs'] for row in rows)} runs in {sum(row['spent'] for row in rows) / 60:.0f} minutes; one run of "
        f"each: {sum(row['seconds'] or 0 for row in rows):.0f} s\n"
        f"whole: {', '.join(whole)}"
    )


def _shown(value):
    if value is None or isinstance(value, bool):
        return {None: "-", True: "yes", False: ""}[value]
    return value if isinstance(value, str) else f"{value:.4g}"
