"""Another batch, another length, another size: what moving the rate costs, by lrfinder's rules and by rules of thumb.

`make bench-rescale` makes what is missing of the grids of `rescale_grid`, chooses the constants and scores them. The
published trainings (Step Law: 1,911 language models over rate, batch, length and size) are cut into halves, whole pairs
of size and length: one half chooses, the other scores. Of the own grids each kind of data is scored with what the
others choose. A move starts at the best rate of one training and asks for that of another, in both directions.
`--fit` prints the constants that the data choose. Scores are kept in benchmarks/results/rescale.json, and the tables
written to docs/benchmarks.md.
"""

import argparse
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean

import numpy as np
import rescale_grid
import rescale_search
import torch
from accuracy import machine
from page import PAGE, write
from rescale_cells import FILE, FOLK, QUANTITIES, grid_cells, moves, split, step_law, summary
from rescale_report import page
from suite.base import on_disk

from lrfinder.advice.calibration import FITTED

__all__ = ["fit", "score"]

STORED = Path(__file__).parent / "results" / "rescale.json"
EXPONENTS = [round(0.05 * i, 2) for i in range(-6, 21)]
CRITICALS = [round(10 ** (i / 10), 2) for i in range(-5, 16)]
MOST_REGRET = 1.0
"""A regret beyond it counts as this one where constants are chosen: the training is lost."""

DIVERGED = 1.0
"""Nats above the best loss from which a published training has diverged."""

HELD = 0.8
NAME, UNMEASURED = "lrfinder", "lrfinder, the noise not measured"
ALL, TESTING = "all three", "transformer"

OF_OWN = ("critical_over_noise", "batch_exponent", "samples_exponent")
OF_OWN += tuple(f"{name}_sgd" for name in OF_OWN)
SPREADS = ("noise_spread", "batch_spread", "samples_spread")
CHOSEN = (*OF_OWN, *SPREADS, *(f"{name}_sgd" for name in SPREADS), "parameters_exponent", "parameters_spread")
"""The constants that are chosen here."""


# What the data choose


def cases(found, measured):
    """Every move with every measurement of its noise."""
    return [(move, noise) for move in found for noise in move.noises(measured)]


def choose(name, sets, calibration, *, measured):
    """The value of a constant with the least mean regret, over what that of the set's own best value would be.

    So each set of moves counts as much as another, however much its trainings have to lose.
    """
    values = CRITICALS if measured else EXPONENTS
    costs = dict.fromkeys(values, 0.0)
    for some in sets:
        means = {value: mean_regret(some, replace(calibration, **{name: value}), measured) for value in values}
        costs = {value: cost + means[value] / min(means.values()) for value, cost in costs.items()}
    return min(costs, key=costs.get)


def mean_regret(found, calibration, measured):
    """What the package's rule costs on average."""
    return fmean(min(m.regret(m.ours(calibration, noise)[0]), MOST_REGRET) for m, noise in cases(found, measured))


def spread(missed):
    """The deviation of a decade whose intervals hold 80 % of the moves in four of five families, which a new one is of.

    Args:
        missed: By family, how far each move missed the best rate.
    """
    of_each = [float(np.quantile(some, HELD)) for some in missed.values() if some]
    return round(float(np.quantile(of_each, HELD)) / FITTED.interval_deviations, 2)


def fit_one(name, spread_name, quantity, published, own, calibration, *, measured=False):
    """Choose one constant and its spread, the wider of both sets'.

    That of the own grids is of data that did not choose the constant.
    """
    theirs, mine = moves(published, quantity), moves(own, quantity)
    chosen = choose(name, [some for some in (theirs, mine) if some], calibration, measured=measured)
    chosen = replace(calibration, **{name: chosen})
    spreads, missed = [], {}
    for m in theirs:
        missed.setdefault(m.before.family, []).append(m.missed_by(m.ours(chosen)[0]))
    spreads += [spread(missed)] if missed else []
    missed = {}
    for data in {cell.family for cell in own}:
        rest = [some for some in (theirs, [m for m in mine if m.before.family != data]) if some]
        by = replace(calibration, **{name: choose(name, rest, calibration, measured=measured)})
        held_out = cases([m for m in mine if m.before.family == data], measured)
        missed[data] = [m.missed_by(m.ours(by, noise)[0]) for m, noise in held_out]
    spreads += [spread(missed)] if missed else []
    return replace(chosen, **{spread_name: max(spreads)})


def fit(published, own, calibration=FITTED):
    """The constants that published cells, and cells of the own grids, choose."""
    for kind, suffix in (("adam", ""), ("sgd", "_sgd")):
        mine, theirs = [c for c in own if c.kind == kind], [c for c in published if c.kind == kind]
        for name, of_spread, quantity, cells, measured in (
            ("critical_over_noise", "noise_spread", "batch", [], True),
            ("batch_exponent", "batch_spread", "batch", theirs, False),
            ("samples_exponent", "samples_spread", "samples", theirs, False),
        ):
            names = f"{name}{suffix}", f"{of_spread}{suffix}"
            calibration = fit_one(*names, quantity, cells, mine, calibration, measured=measured)
    return fit_one("parameters_exponent", "parameters_spread", "parameters", published, [], calibration)


# What it is worth


def score_published(held_out, calibration):
    """Rows of rule, quantity and direction: nats above the best loss, shares that diverged and that intervals hold."""
    rows = []
    for quantity in QUANTITIES:
        found = moves(held_out, quantity)
        for way in ("up", "down"):
            some = [m for m in found if (m.ratio > 1) == (way == "up")]
            rules = {NAME: lambda m: m.ours(calibration)[0]}
            rules |= {rule: lambda m, power=power: m.ratio**power for rule, power in powers_of(quantity).items()}
            for rule, factor in rules.items():
                nats = [m.nats(factor(m)) for m in some]
                diverged = fmean(value > DIVERGED for value in nats)
                held = fmean(m.holds(calibration) for m in some) if rule == NAME else None
                row = {"rule": rule, "quantity": quantity, "way": way, "moves": len(some), "nats": summary(nats)}
                rows.append(row | {"diverged": round(diverged, 4), "held": held and round(held, 4)})
    return rows


def powers_of(quantity):
    """The rules of thumb of a quantity."""
    return {
        "batch": FOLK,
        "samples": {"keep": 0.0, "samples^-0.2": -0.2, "samples^-0.5": -0.5},
        "parameters": {"keep": 0.0, "parameters^-1": -1.0},
    }[quantity]


@cache
def without(data):
    """The constants that all but one kind of data choose."""
    return fit(split(step_law())[0], [cell for cell in choosing() if cell.family != (data,)])


def choosing():
    """The cells of the own grids that may choose constants."""
    return [cell for cell in grid_cells() if cell.family[0] in rescale_grid.CHOOSING]


def score_own():
    """Rows of rule, data, kind of optimizer and quantity: regrets of the moves, and the share that intervals hold."""
    cells, rows = grid_cells(), []
    for quantity, kind in [(q, k) for q in ("batch", "samples") for k in ("sgd", "adam")]:
        found = moves([cell for cell in cells if cell.kind == kind], quantity)
        for rule in rules_of(quantity):
            for data in (*rescale_grid.CHOOSING, ALL, TESTING):
                scored = [
                    scored_move(m, noise, rule)
                    for m, noise in cases(found, rule == NAME and quantity == "batch")
                    if m.before.family[0] == data or (data == ALL and m.before.family[0] != TESTING)
                ]
                if not scored:
                    continue
                values, held = zip(*scored, strict=True)
                row = {"rule": rule, "data": data, "kind": kind, "quantity": quantity, "moves": len(values)}
                row |= {"regret": summary(values), "mean": round(fmean(values), 5)}
                rows.append(row | {"held": None if None in held else round(fmean(held), 4)})
    return rows


def rules_of(quantity):
    """The package's rule, that without the noise where there is one, and the rules of thumb, by name."""
    return [NAME, *([UNMEASURED] if quantity == "batch" else []), *powers_of(quantity)]


def scored_move(move, noise, rule):
    """The regret of a move by a rule, and whether the interval holds; ours by what the other kinds of data choose."""
    if rule in (NAME, UNMEASURED):
        calibration = without(move.before.family[0])
        return move.regret(move.ours(calibration, noise)[0]), move.holds(calibration, noise)
    return move.regret(move.ratio ** powers_of(move.quantity)[rule]), None


def score():
    """All scores, with the constants that each were scored with."""
    return {
        "machine": machine(("torch", "numpy", "scipy", "lrfinder")),
        "published": score_published(split(step_law())[1], FITTED),
        "own": score_own(),
        "searched": rescale_search.score(without),
        "left_out": {family: _constants(without(family)) for family in rescale_grid.CHOOSING},
    }


def _constants(calibration):
    return {name: getattr(calibration, name) for name in CHOSEN if name in OF_OWN}


def main():
    """Make what is missing, choose, score, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", action="store_true", help="print the constants that the data choose, and end")
    options = parser.parse_args()
    files = [FILE, *(file for _, _, file in rescale_grid.TASKS.values())]
    absent = [reason for file in files if (reason := on_disk(file))]
    if absent:
        parser.exit(1, "".join(f"{reason}\n" for reason in absent))
    torch.set_num_threads(1)
    rescale_grid.make()
    if options.fit:
        chosen = fit(split(step_law())[0], choosing())
        return print(json.dumps({name: getattr(chosen, name) for name in CHOSEN}, indent=1))
    found = score()
    STORED.write_text(json.dumps(found, indent=1) + "\n")
    text = page(found)
    print(text)
    write(text, PAGE, "rescale")


if __name__ == "__main__":
    main()
