"""Which constants turn trials into the peak: fitted on the suite with the package's own formula, leave-one-task-out.

`make bench-fit` measures every task (`find_lr` for the short trials, `tune_lr` for the pilots) and stores the evidence
in results/evidence.json, resumably; then it prints the best constants as a `Calibration(...)` to paste, the regret of
those and of the ones that the package has, and the honest figure: every task answered with the constants that are best
on all others.
"""

import argparse
import itertools
import json
import math
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from accuracy import FIRST_SEED
from oracles import SCHEDULES
from scoring import Run, score
from tables import oracles
from tasks import available

from lrfinder import find_lr, tune_lr
from lrfinder.advice.calibration import FITTED
from lrfinder.advice.peak import factor_of, linear_peak
from lrfinder.advice.request import Horizon
from lrfinder.evidence.evidence import Evidence
from lrfinder.result_json import read_record

__all__ = ["GRIDS", "STORED", "candidates", "left_out", "measure", "regrets_of", "row_of"]

STORED = Path(__file__).parent / "results" / "evidence.json"
VERBS = {"find": find_lr, "tune": tune_lr}
WORST = 1.0
"""Regrets above this count as this: a training that is lost cannot be lost twice."""

GRIDS = {
    "find": {
        "edge_to_peak": tuple(round(10 ** (i / 20), 3) for i in range(-20, 0)),
        "samples_exponent": (0.0, 0.3, 0.5, 0.7, 0.9),
        "epochs_exponent": (0.0, 0.2, 0.4, 0.5),
        "steps_exponent": (0.0, 0.1, 0.2, 0.3),
        "usual_pull": (0.0, 0.2, 0.4, 0.6),
    },
    "tune": {
        "trust_in_pilots": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        "samples_exponent": (0.0, 0.3, 0.5, 0.7, 0.9),
        "steps_exponent": (0.0, 0.1, 0.2, 0.3),
        "usual_pull": (0.0, 0.2, 0.4, 0.6),
    },
}
"""The values that are tried of each constant."""


def row_of(task, seed, verb):
    """What one search measured of a task, as plain data: its trials, its facts, and the sweep without its smoothing."""
    model, loader, optimizer = task.build(seed)
    shape = SCHEDULES["primary"](task.total_steps)
    options = {"total_steps": task.total_steps, "schedule": shape, "progress": False}
    found = VERBS[verb](model, loader, loss_fn=task.loss_fn, optimizer=optimizer, **options)
    plain = asdict(replace(found.evidence, smooth=None, suggestions={}))
    return {"task": task.name, "seed": seed, "verb": verb, "steps": task.total_steps, "evidence": plain}


def measure(seeds):
    """Every task, seed and verb; what is stored is not measured again."""
    rows = json.loads(STORED.read_text()) if STORED.exists() else []
    done = {(row["task"], row["seed"], row["verb"]) for row in rows}
    for task, seed, verb in itertools.product(available(), range(FIRST_SEED, FIRST_SEED + seeds), VERBS):
        if (task.name, seed, verb) not in done:
            rows.append(row_of(task, seed, verb))
            STORED.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    return rows


def candidates(verb):
    """Every combination of the grid, as a change of the package's constants."""
    names, values = zip(*GRIDS[verb].items(), strict=True)
    return [dict(zip(names, each, strict=True)) for each in itertools.product(*values)]


def peak(row, evidence, change):
    """Log10 of the peak for the primary schedule under changed constants, None where the trials show none."""
    calibration = replace(FITTED, **change)
    horizon = Horizon(row["steps"], evidence.facts.steps_per_epoch)
    found = linear_peak(evidence, horizon, calibration=calibration)
    factor, _ = factor_of(evidence.facts, SCHEDULES["primary"](row["steps"]), horizon, calibration)
    return None if found is None else found.center + math.log10(factor)


def regrets_of(rows, changes, oracle):
    """Mean regret over the seeds of a task, by task, for each change."""
    tables = {task: (np.log10(one.lrs), [min(one.regret(lr), WORST) for lr in one.lrs]) for task, one in oracle.items()}
    by_task = {}
    for row in rows:
        evidence = read_record(Evidence, row["evidence"])
        peaks = [peak(row, evidence, change) for change in changes]
        if None not in peaks:
            by_task.setdefault(row["task"], []).append(np.interp(peaks, *tables[row["task"]]))
    return {task: np.mean(costs, axis=0) for task, costs in by_task.items()}


def left_out(rows, changes, costs):
    """The answer for every row with the change that is best on all other tasks."""
    total = sum(costs.values())
    best = {task: changes[int(np.argmin(total - cost))] for task, cost in costs.items()}
    runs = []
    for row in rows:
        if row["task"] in best:
            lr = peak(row, read_record(Evidence, row["evidence"]), best[row["task"]])
            runs.append(Run(row["task"], row["seed"], None if lr is None else float(10**lr)))
    return runs


@cache
def _oracles():
    return oracles("primary")


def report(verb, rows):
    """Print what the grid of a verb comes to."""
    oracle = _oracles()
    rows = [row for row in rows if row["verb"] == verb and row["task"] in oracle]
    changes = candidates(verb)
    costs = regrets_of(rows, changes, oracle)
    mean = sum(costs.values()) / len(costs)
    own = np.mean([*regrets_of(rows, [{}], oracle).values()])
    print(f"\n{verb}: mean regret {own:.3f} with the constants of the package; the ten best of {len(changes):,}:")
    for i in np.argsort(mean)[:10]:
        print(f"  {mean[i]:.3f}  Calibration({', '.join(f'{name}={value}' for name, value in changes[i].items())})")
    s = score(left_out(rows, changes, costs), oracle)
    print(
        f"all chosen on the other tasks: {100 * s['close']:.0f} % within 5 %, {100 * s['near']:.0f} % within 20 %, "
        f"90th percentile {100 * s['p90']:.0f} %, bias {s['bias']:+.2f}, seed deviation {s['deviation']:.2f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--stored", action="store_true", help="fit on what was measured before")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = json.loads(STORED.read_text()) if options.stored else measure(options.seeds)
    for verb in VERBS:
        report(verb, rows)


if __name__ == "__main__":
    main()
