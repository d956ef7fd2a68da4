"""Chooses the constants of the peak, and says how right they are on families of trainings that did not choose them.

`make bench-fit` lets `find_lr` and `tune_lr` measure every training of the suite and keeps the evidence in
results/evidence.jsonl.gz; what is there is not measured again. Then it goes through the values of `GRIDS`, one constant
after another, for the least mean cost with the package's own formula, and prints them as a `Calibration(...)` to paste.
For the honest figures every family of trainings is answered with the constants that the other families choose; these
answers, and those of the package's own constants, are written to results/answers.json, from which the tables are made.

The cost of an answer is its regret, at most 1, and a little of the score of its interval: the width in decades, plus
ten times what the best rate lies outside (Gneiting and Raftery, 2007, for a level of 80 %).
"""

import argparse
import gzip
import itertools
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from accuracy import FIRST_SEED, machine
from known_rates import oracle_of
from oracles import SCHEDULES
from scoring import Run, score
from suite import TRAININGS, available

from lrfinder import find_lr, tune_lr
from lrfinder.advice.calibration import FITTED
from lrfinder.advice.peak import peak
from lrfinder.advice.request import Horizon
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.status import Status
from lrfinder.result_json import read_record

__all__ = ["GRIDS", "STORED", "Case", "answers", "cases", "choose", "left_out", "measure", "row_of", "stored"]

STORED = Path(__file__).parent / "results" / "evidence.jsonl.gz"
ANSWERS = STORED.with_name("answers.json")
VERBS = {"find": find_lr, "tune": tune_lr}
LR_MIN, LR_MAX = 1e-7, 10.0
WEIGHT_OF_INTERVAL, OUTSIDE = 0.05, 10.0


def powers(low, high, per_decade=20):
    """Rounded powers of ten between two exponents of it."""
    return tuple(
        float(f"{10 ** (i / per_decade):.3g}") for i in range(round(low * per_decade), round(high * per_decade))
    )


SEARCH = {
    "edge_to_peak": powers(-1.3, -0.4),
    "edge_to_peak_sgd": powers(-1.3, -0.3),
    "usual_normalised": powers(-1.0, 0.0),
    "usual_sgd": powers(1.8, 3.2, 10),
    "usual_lion": powers(-2.4, -1.0, 5),
    "usual_adagrad": powers(-0.6, 0.8, 5),
    "edge_spread": (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7),
    "usual_spread": (0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8),
    "usual_spread_sgd": (0.5, 0.7, 0.85, 1.0, 1.2),
    "stray_share": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
    "regret_above": (0.5, 0.6, 0.7, 0.85, 1.0, 1.2),
}
PILOTS = {
    "steps_exponent": (0.0, 0.1, 0.2, 0.3, 0.4),
    "steps_exponent_sgd": (-0.1, 0.0, 0.1, 0.2, 0.3),
    "pilot_spread": (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7),
    "pilot_spread_grows": (0.0, 0.1, 0.15, 0.2, 0.3),
}
GRIDS = {"find": SEARCH, "tune": PILOTS}
"""The values that are tried, of the constants that the search of each verb needs in addition to those before it."""


# What was measured


def row_of(training, seed, verb):
    """What one search measured of a training, as plain data: its trials, its facts, its sweep without the smoothing."""
    model, loader, optimizer = training.build(seed)
    shape = SCHEDULES["primary"](training.total_steps)
    options = {"total_steps": training.total_steps, "schedule": shape, "clip_grad_norm": training.clip}
    begin = time.perf_counter()
    found = VERBS[verb](
        model,
        loader,
        loss_fn=training.loss_fn,
        optimizer=optimizer,
        lr_min=LR_MIN,
        lr_max=LR_MAX,
        progress=False,
        **options,
    )
    seconds = round(time.perf_counter() - begin, 2)
    plain = asdict(replace(found.evidence, smooth=None))
    return {"task": training.name, "seed": seed, "verb": verb, "seconds": seconds, "evidence": plain}


def stored(path=STORED):
    """The rows that were measured."""
    if not path.exists():
        return []
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def measure(seeds, verbs=tuple(VERBS), path=STORED):
    """Measure every training, seed and verb that is not stored, the shortest trainings first."""
    done = {(row["task"], row["seed"], row["verb"]) for row in stored(path)}
    trainings = sorted(available()[0], key=lambda training: training.total_steps)
    for seed, verb, training in itertools.product(range(FIRST_SEED, FIRST_SEED + seeds), verbs, trainings):
        if (training.name, seed, verb) not in done:
            row = row_of(training, seed, verb)
            with gzip.open(path, "at") as lines:
                lines.write(json.dumps(row) + "\n")
            print(f"{verb} {training.name} seed {seed}: {row['seconds']:.1f} s", flush=True)


# What constants make of it


@dataclass(frozen=True)
class Case:
    """One measurement, and what is known of the training.

    Args:
        row: As it is stored.
        evidence: The same, typed.
        oracle: Of the training.
    """

    row: dict
    evidence: Evidence
    oracle: object

    @property
    def training(self):
        return TRAININGS[self.row["task"]]

    def run(self, calibration=FITTED):
        """The answer with these constants, as it is scored; without a rate where the evidence shows none."""
        steps, evidence = self.training.total_steps, self.evidence
        horizon, schedule = Horizon(steps, evidence.facts.steps_per_epoch), SCHEDULES["primary"](steps)
        within = evidence.lr_range or (LR_MIN, LR_MAX)
        found = None
        if evidence.status is Status.OK:
            found = peak(evidence, schedule, horizon, within=within, calibration=calibration)
        cost, seconds = evidence.cost_steps, self.row["seconds"]
        if found is None:
            return Run(self.row["task"], self.row["seed"], None, None, cost, seconds)
        return Run(self.row["task"], self.row["seed"], found.lr, found.interval, cost, seconds)

    def cost(self, calibration):
        """What is to be small."""
        run = self.run(calibration)
        regret = min(1.0, max(0.0, self.oracle.regret(run.lr)))
        if run.interval is None:
            return regret + WEIGHT_OF_INTERVAL * OUTSIDE / 2
        (low, high), best = np.log10(run.interval), np.log10(self.oracle.best_lr)
        return regret + WEIGHT_OF_INTERVAL * (high - low + OUTSIDE * (max(0, low - best) + max(0, best - high)))


def cases(verb, rows=None):
    """The stored measurements of a verb whose trainings have an oracle."""
    rows = [row for row in (stored() if rows is None else rows) if row["verb"] == verb]
    known = [(row, oracle_of(row["task"])) for row in rows]
    return [Case(row, read_record(Evidence, row["evidence"]), oracle) for row, oracle in known if oracle is not None]


class Costs:
    """The mean cost of each family's trainings under constants; those that were asked before are remembered."""

    def __init__(self, measured):
        self.by_family = defaultdict(list)
        for case in measured:
            self.by_family[case.training.family].append(case)
        self.sizes = {family: len(some) for family, some in self.by_family.items()}
        self._of = cache(self._of)

    def _of(self, calibration):
        return {family: sum(case.cost(calibration) for case in some) for family, some in self.by_family.items()}

    def without(self, family, calibration):
        """The mean over all families but one; None leaves nobody out."""
        costs = self._of(calibration)
        total = sum(cost for name, cost in costs.items() if name != family)
        return total / sum(size for name, size in self.sizes.items() if name != family)


def choose(costs, grid, start=FITTED, family=None, rounds=2):
    """The constants of least cost on all families but one: the best value of one constant after another."""
    chosen = replace(start, **{name: values[len(values) // 2] for name, values in grid.items()})
    for _, (name, values) in itertools.product(range(rounds), grid.items()):
        chosen = min((replace(chosen, **{name: value}) for value in values), key=lambda one: costs.without(family, one))
    return chosen


def left_out(costs, grid, starts):
    """By family, the constants that the other families choose, from those that they chose before."""
    return {family: choose(costs, grid, starts[family], family) for family in costs.by_family}


def answers(measured, chosen):
    """The answers, each with the constants that its family has not seen."""
    return [case.run(chosen[case.training.family] if isinstance(chosen, dict) else chosen) for case in measured]


def store(found, path=ANSWERS):
    """Write answers by method and by who chose the constants: `others` (the other families) or `all` (the package)."""
    rows = [
        {"method": f"{verb}_lr", "constants": chosen_by, "task": run.task, "seed": run.seed, "lr": run.lr}
        | {"interval": run.interval, "steps": run.steps, "seconds": run.seconds}
        for (verb, chosen_by), runs in found.items()
        for run in runs
    ]
    lines = ",\n".join(map(json.dumps, rows))
    path.write_text(f'{{"machine": {json.dumps(machine())},\n"runs": [\n{lines}\n]}}\n')


# What is printed


def line(words, runs, oracles):
    """One row of figures."""
    s = score(runs, oracles)
    held = "-" if s["covered"] is None else f"{100 * s['covered']:.0f} %"
    widths = np.log10([run.interval[1] / run.interval[0] for run in runs if run.interval])
    apart = " ".join(f"{q:.2f}" for q in np.quantile(widths, (0.1, 0.5, 0.9)))
    return (
        f"{words:<40} {len(runs):>4} runs {100 * s['close']:.0f} % within 5 %, {100 * s['near']:.0f} % within 20 %, "
        f"median {100 * s['median']:.1f} %, 90th percentile {100 * s['p90']:.0f} %, bias {s['bias']:+.2f}, "
        f"interval holds {held}, its decades {apart}, answered {100 * s['answered']:.0f} %, "
        f"seed deviation {s['deviation'] or 0:.3f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--verbs", nargs="*", choices=list(VERBS), default=list(VERBS))
    parser.add_argument("--stored", action="store_true", help="measure nothing")
    parser.add_argument("--shipped", action="store_true", help="score the package's constants only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.stored:
        measure(options.seeds, options.verbs)
    whole, others, found = FITTED, defaultdict(lambda: FITTED), {}
    for verb in options.verbs:
        measured = cases(verb)
        oracles = {case.row["task"]: case.oracle for case in measured}
        costs = Costs(measured)
        found[verb, "all"] = answers(measured, FITTED)
        print(line(f"{verb}, the package's constants", found[verb, "all"], oracles), flush=True)
        if options.shipped:
            continue
        whole = choose(costs, GRIDS[verb], whole)
        changed = ", ".join(f"{name}={getattr(whole, name)}" for name in GRIDS[verb])
        print(f"  chosen by all: Calibration({changed})")
        print(line(f"{verb}, chosen by all", answers(measured, whole), oracles), flush=True)
        others = left_out(costs, GRIDS[verb], others)
        found[verb, "others"] = answers(measured, others)
        print(line(f"{verb}, chosen by other families", found[verb, "others"], oracles), flush=True)
    if not options.shipped and set(options.verbs) == set(VERBS):
        store(found)


if __name__ == "__main__":
    main()
