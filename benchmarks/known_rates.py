"""What is known of the best rates of all trainings of the suite, as oracles that give the loss of any rate."""

from functools import cache

import best_rates
import oracles
from scoring import Oracle
from suite import TRAININGS, Training
from suite.grid import triples

__all__ = ["known", "oracle_of", "rates_of"]

FEWEST_RATES = 5
"""Trained rates below which nothing is known yet."""


def rates_of(training, schedule="primary", measure="final"):
    """The oracle of a task or training, or None.

    Args:
        training: One of `tasks` or of the suite.
        schedule: What it was trained along.
        measure: `final` for the last validation loss, `best` for the least of the twenty along the way.
    """
    thorough = oracles.read(training, schedule) if measure == "final" else None
    if thorough is not None:
        trivial = training.trivial_loss() if isinstance(training, Training) else None
        return Oracle(thorough["runs"], thorough["untrained"], trivial)
    record = best_rates.read(training, schedule)
    if record is None or len({lr for lr, *_ in record["runs"]}) < FEWEST_RATES:
        return None
    runs = triples(record) if measure == "final" else [(lr, seed, best) for lr, seed, _, best, *_ in record["runs"]]
    return Oracle(runs, record["untrained"], record["trivial"])


@cache
def oracle_of(name, schedule="primary", measure="final"):
    """The same of a training of the suite by its name; read once."""
    return rates_of(TRAININGS[name], schedule, measure)


def known(names=TRAININGS, schedule="primary", measure="final"):
    """The oracles of those trainings that have one, by name."""
    found = {name: oracle_of(name, schedule, measure) for name in names}
    return {name: one for name, one in found.items() if one is not None}
