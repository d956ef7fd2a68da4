"""Kinds of trainings that the suite is looked at by: old or new, long, over-fitting, and by optimizer."""

import best_rates
import torch
from rates_report import LONG, over_fits
from suite import NEW, TRAININGS
from suite.grid import best_of
from torch.optim import SGD

__all__ = ["kinds"]

OPTIMIZERS = {
    "SGD": ("SGD",),
    "SGD with momentum": ("momentum",),
    "Adam, AdamW, NAdam": ("Adam", "AdamW", "NAdam"),
    "RMSprop": ("RMSprop",),
    "Adagrad, Lion, Muon": ("Adagrad", "Lion", "Muon"),
}


def kinds(tasks):
    """The trainings of each group by its words; one training is in several."""
    long = {task for task in tasks if TRAININGS[task].total_steps >= LONG}
    over = {task for task in tasks if _over_fits(TRAININGS[task])}
    of_kind = {
        words: {task for task in tasks if _optimizer(TRAININGS[task]) in kinds} for words, kinds in OPTIMIZERS.items()
    }
    found = {
        "those of the earlier suite": {task for task in tasks if task not in NEW},
        f"{LONG:,} steps or more": long,
        "over-fit at the best rate": over,
        **of_kind,
    }
    return {words: some for words, some in found.items() if some}


def _over_fits(training):
    record = best_rates.read(training, "primary")
    best = record and best_of(record)
    return bool(best) and over_fits(record, best[0])


def _optimizer(training):
    made = training.optimizer([torch.nn.Parameter(torch.zeros(2, 2))], lr=1.0)
    with_momentum = isinstance(made, SGD) and made.param_groups[0]["momentum"]
    return "momentum" if with_momentum else type(made).__name__
