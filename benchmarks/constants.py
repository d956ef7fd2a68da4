"""Which constants turn the edge of the trials into the peak: fitted on the suite, and leave-one-task-out.

`make bench-constants` measures the edges of every task into results/edges.json and prints the mean regret of the best
constants and of those that `lrfinder.transfer` has. The last line is the honest figure: all exponents and the constant
are chosen on the other tasks.
"""

import argparse
import itertools
import json
import math
import statistics
from pathlib import Path

import numpy as np
import torch
from accuracy import FIRST_SEED
from oracles import SCHEDULES
from scoring import Run, score
from tables import oracles
from tasks import available

from lrfinder import find_lr
from lrfinder.advice import peak as transfer
from lrfinder.advice.optimizers import own_decay, usual_lr

STORED = Path(__file__).parent / "results" / "edges.json"
SAMPLES, EPOCHS, STEPS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 1.0), (0.0, 0.2, 0.3, 0.4, 0.5), (0.0, 0.1, 0.2, 0.3)
PULLS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
CONSTANTS = np.arange(-1.5, 0.3, 0.05)
CHOICES = tuple(itertools.product(SAMPLES, EPOCHS, STEPS, PULLS))
WORST = 1.0
"""Regrets above this count as this: a training that is lost cannot be lost twice."""


def measure(seeds):
    """Log10 of the edge, corrected for momentum, of what is usual, and what else counts, where there is an answer."""
    rows = []
    for task in available():
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            model, loader, optimizer = task.build(seed)
            told = {"total_steps": task.total_steps, "schedule": SCHEDULES["primary"](task.total_steps)}
            found = find_lr(model, loader, loss_fn=task.loss_fn, optimizer=optimizer, progress=False, **told)
            edge = found.evidence.edge
            if found.lr is None or edge is None:
                continue
            facts, races = found.evidence.facts, found.evidence.edge_trials
            usual = usual_lr(facts, statistics.fmean(trials.start for trials in races))
            edge = math.log10(edge * transfer.ramp(facts, races[0].steps) * transfer.edge_of_decay(facts))
            far = None if usual is None else math.log10(usual)
            known = {"edge": edge, "usual": far, "decay": own_decay(facts)}
            rows.append({"task": task.name, "seed": seed, **known, **of_data(task, loader)})
    return rows


def of_data(task, loader):
    """Samples, epochs and steps of a task."""
    epochs = max(1.0, task.total_steps / len(loader))
    kind = "sgd" if task.family in ("sgd", "momentum") else "adaptive"
    return {"samples": task.batch * len(loader), "epochs": epochs, "steps": task.total_steps, "kind": kind}


def peak(row, shift, samples, epochs, steps, pull):
    """Log10 of the peak for every constant; `shift` is added to what is usual."""
    fewer = samples * min(0.0, math.log10(max(row["samples"], transfer.FEW) / transfer.PLENTY))
    longer = (steps - row["decay"]) * math.log10(row["steps"] / 1000)
    own = row["edge"] + fewer - epochs * math.log10(row["epochs"]) - longer + CONSTANTS
    if row["usual"] is None:
        return own
    away = row["usual"] + shift - own
    return own + pull * away / (1 + (away / transfer.FAR) ** 2)


def usual(rows, oracle, without):
    """By kind, how far the median of the other tasks' best rates is from what `lrfinder` holds to be usual."""
    off = {"sgd": {}, "adaptive": {}}
    for row in rows:
        if row["usual"] is not None and row["task"] != without:
            best = math.log10(oracle[row["task"]].best_lr)
            off[row["kind"]].setdefault(row["task"], []).append(best - row["usual"])
    return {kind: statistics.median(map(statistics.fmean, by.values())) for kind, by in off.items()}


def regrets(rows, choice, tables, shifts):
    """By task, the mean regret over seeds for each constant."""
    found = {}
    for row in rows:
        found.setdefault(row["task"], []).append(
            np.interp(peak(row, shifts[row["kind"]], *choice), *tables[row["task"]])
        )
    return {task: np.mean(costs, axis=0) for task, costs in found.items()}


def tabled(oracle):
    """By task, the logarithms of the oracle's rates and their regrets."""
    return {task: (np.log10(one.lrs), [min(one.regret(lr), WORST) for lr in one.lrs]) for task, one in oracle.items()}


def left_out(rows, oracle, tables):
    """The answers for every task with all that is best on the others."""
    runs = []
    for task in {row["task"]: None for row in rows}:
        shifts = usual(rows, oracle, without=task)
        others = [row for row in rows if row["task"] != task]
        total = {choice: sum(regrets(others, choice, tables, shifts).values()) for choice in CHOICES}
        choice = min(total, key=lambda choice: total[choice].min())
        mine = [row for row in rows if row["task"] == task]
        peaks = [peak(row, shifts[row["kind"]], *choice)[total[choice].argmin()] for row in mine]
        runs += [Run(task, row["seed"], 10**lr) for row, lr in zip(mine, peaks, strict=True)]
    return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--stored", action="store_true", help="take the edges as they were measured before")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.stored:
        STORED.write_text("[\n" + ",\n".join(map(json.dumps, measure(options.seeds))) + "\n]\n")
    oracle = oracles("primary")
    rows = [row for row in json.loads(STORED.read_text()) if row["task"] in oracle]
    shifts, tables = {"sgd": 0.0, "adaptive": 0.0}, tabled(oracle)
    mean = {choice: np.mean([*regrets(rows, choice, tables, shifts).values()], axis=0) for choice in CHOICES}
    print("exponents of samples, epochs, steps; pull   constant   mean regret")
    for choice in sorted(mean, key=lambda choice: mean[choice].min())[:10]:
        print(f"{choice!s:<45} {CONSTANTS[mean[choice].argmin()]:+.2f}      {mean[choice].min():.3f}")
    own = (transfer.SAMPLES_EXPONENT, transfer.EPOCHS_EXPONENT, transfer.HORIZON_EXPONENT, transfer.PULL)
    at = np.interp(math.log10(transfer.EDGE_TO_PEAK), CONSTANTS, mean[own])
    print(f"lrfinder: {own}, {math.log10(transfer.EDGE_TO_PEAK):+.2f}: {at:.3f}")
    s = score(left_out(rows, oracle, tables), oracle)
    shares = f"{100 * s['close']:.0f} % within 5 %, {100 * s['near']:.0f} % within 20 %"
    rest = f"90th percentile {100 * s['p90']:.0f} %, bias {s['bias']:+.2f}, seed deviation {s['deviation']:.2f}"
    print(f"all chosen on the other tasks: {shares}, {rest}")


if __name__ == "__main__":
    main()
