"""Trainings at many rates, and what one of them says of another: cells and moves between them."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from statistics import median

import numpy as np
import rescale_grid
from scoring import Oracle
from suite.base import path_of

from lrfinder.advice.calibration import FITTED
from lrfinder.advice.change import Change, change_factors

__all__ = ["FILE", "FOLK", "QUANTITIES", "Cell", "Move", "grid_cells", "moves", "split", "step_law", "summary"]

FILE = "steplaw_dense.csv"
LOGITS = 11.1
"""Nats of a model that has learned nothing, in published runs the worst that is counted."""

CLASSES = {"mnist": 10, "cifar": 10, "shakespeare": 65, "transformer": 65}
LIKE, LEAST_SIZE = 1.3, 1.15
"""Trainings whose samples differ by less count as equally long where the model is so much larger."""

QUANTITIES = ("batch", "samples", "parameters")
FOLK = {"linear": 1.0, "square root": 0.5, "keep": 0.0}
"""The rules of thumb for another batch, as its power."""


@dataclass(frozen=True)
class Cell:
    """Trainings that differ in their rate alone.

    Args:
        family: What is held out together.
        kind: Of optimizer: `adam` or `sgd`.
        batch: Samples of a step.
        samples: Those of the training.
        parameters: Of the model, 1 where it is always the same.
        oracle: The loss by rate.
        noise: What range tests saw of the gradient's noise.
    """

    family: tuple
    kind: str
    batch: int
    samples: int
    parameters: int
    oracle: Oracle
    noise: tuple = ()

    @property
    def is_inner(self):
        """Whether the best rate lies between others."""
        return self.oracle.lrs[0] < self.oracle.best_lr < self.oracle.lrs[-1]


@dataclass(frozen=True)
class Move:
    """From the best rate of one cell to the rate of another.

    Args:
        before: Where the best rate is known.
        after: Where a rate is wanted.
        quantity: What changes, everything else being the same or alike.
    """

    before: Cell
    after: Cell
    quantity: str

    @property
    def ratio(self):
        """How many times as large it is."""
        return getattr(self.after, self.quantity) / getattr(self.before, self.quantity)

    @property
    def change(self):
        """How the training changes."""
        return Change(**{self.quantity: self.ratio})

    def rate(self, factor):
        """The rate after the move, by a factor."""
        return self.before.oracle.best_lr * factor

    def nats(self, factor):
        """What the loss is above the best one."""
        return self.after.oracle.loss(self.rate(factor)) - self.after.oracle.best

    def regret(self, factor):
        """The same over the best loss."""
        return self.after.oracle.regret(self.rate(factor))

    def ours(self, calibration=FITTED, noise=None):
        """The package's factor, and its deviation in decades."""
        factors, deviation = change_factors(self.before.kind, self.change, noise, calibration)
        return math.prod(factor.value for factor in factors), deviation

    def holds(self, calibration=FITTED, noise=None):
        """Whether the 80 % interval about the package's rate holds the best one."""
        factor, deviation = self.ours(calibration, noise)
        return abs(self.after.oracle.error(self.rate(factor))) <= calibration.interval_deviations * deviation

    def missed_by(self, factor):
        """How far the rate is from the best one, over the square root of the decades that the quantity changes by."""
        return abs(self.after.oracle.error(self.rate(factor))) / math.sqrt(abs(math.log10(self.ratio)))

    def noises(self, measured):
        """What range tests measured before the move, one for each seed; [None] where it is not to be measured."""
        return self.before.noise if measured else [None]


@cache
def step_law():
    """The cells of the published trainings whose best rate lies inside; a family is a size and a length."""
    runs = {}
    with path_of(FILE).open() as stored:
        for row in csv.DictReader(stored):
            key = (int(row["N"]), int(row["D"]), int(row["bs"]))
            runs.setdefault(key, []).append((float(row["lr"]), 0, float(row["smooth loss"])))
    cells = [Cell((n, d), "adam", batch, d, n, Oracle(some, LOGITS)) for (n, d, batch), some in sorted(runs.items())]
    return [cell for cell in cells if cell.is_inner]


def split(cells):
    """Every other family, in order, to choose by and to score by; a family is never cut."""
    families = sorted({cell.family for cell in cells})
    return tuple([cell for cell in cells if cell.family in families[first::2]] for first in (0, 1))


def grid_cells():
    """The whole cells of the own grids; a family is the data."""
    runs = {}
    for row in rescale_grid.read():
        runs.setdefault((row["task"], row["optimizer"], row["batch"], row["samples"]), []).append(row)
    cells, noises = [], rescale_grid.noises()
    for (task, optimizer, batch, samples), rows in runs.items():
        if rescale_grid.missing(rows, rescale_grid.OPTIMIZERS[optimizer][1]) is None:
            losses = [(10 ** (row["quarter"] / 4), row["seed"], row["loss"]) for row in rows]
            kind = "sgd" if optimizer == "momentum" else "adam"
            noise, oracle = tuple(noises.get((task, optimizer, batch), ())), Oracle(losses, math.log(CLASSES[task]))
            cells.append(Cell((task,), kind, batch, samples, 1, oracle, noise))
    return cells


def moves(cells, quantity, *, least=2.0):
    """All moves, in both directions, in which this quantity changes so many times or more and nothing else does."""
    found = []
    for before, after in permutations(cells, 2):
        ratios = {name: getattr(after, name) / getattr(before, name) for name in QUANTITIES}
        if before.kind != after.kind or (before.parameters == 1 and before.family != after.family):
            continue
        size = quantity == "parameters"
        same = {name: LIKE if size and name == "samples" else 1.0 for name in QUANTITIES if name != quantity}
        if _apart(ratios[quantity]) >= (LEAST_SIZE if size else least) and all(
            _apart(ratios[name]) <= most for name, most in same.items()
        ):
            found.append(Move(before, after, quantity))
    return found


def _apart(ratio):
    return max(ratio, 1 / ratio)


def summary(values):
    """Median, 90th percentile and worst."""
    return [round(float(each), 5) for each in (median(values), np.quantile(values, 0.9), max(values))]
