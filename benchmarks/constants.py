"""Which constants turn the edge of the miniature runs into the peak: fitted on the suite, and leave-one-task-out.

`make bench-constants` measures the edges of every task into results/edges.json and prints the mean regret of the best
constants and of those that `lrfinder.recommend` has. The last line is the honest figure: all exponents and the constant
are chosen on the other tasks.
"""

import argparse
import itertools
import json
import math
from pathlib import Path

import numpy as np
import torch
from accuracy import FIRST_SEED
from oracles import SCHEDULES
from scoring import Run, score
from tables import oracles
from tasks import available

from lrfinder import find_lr, recommend

STORED = Path(__file__).parent / "results" / "edges.json"
PLENTY = (1_000, 3_000, 6_000, 20_000)
SAMPLES, EPOCHS, STEPS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), (0.0, 0.2, 0.4)
CONSTANTS = np.arange(-2.0, 0.6, 0.05)
WORST = 1.0
"""Regrets above this count as this: a training that is lost cannot be lost twice."""


def measure(seeds):
    """Log10 of the edge, corrected for momentum, and what it is to be multiplied for; only where there is an answer."""
    rows = []
    for task in available():
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            model, loader, optimizer = task.build(seed)
            told = {"total_steps": task.total_steps, "schedule": SCHEDULES["primary"](task.total_steps)}
            found = find_lr(model, loader, loss_fn=task.loss_fn, optimizer=optimizer, progress=False, **told)
            edge = found.evidence.edge
            if found.lr is None or edge is None:
                continue
            ramp = recommend.ramp(found.evidence.facts, found.evidence.races[0].steps)
            rows.append({"task": task.name, "seed": seed, "edge": math.log10(edge * ramp), **of_data(task, loader)})
    return rows


def of_data(task, loader):
    """Samples, epochs and steps of a task."""
    epochs = max(1.0, task.total_steps / len(loader))
    return {"samples": task.batch * len(loader), "epochs": epochs, "steps": task.total_steps}


def peak(row, plenty, samples, epochs, steps):
    """Log10 of the peak but for the constant."""
    fewer = samples * min(0.0, math.log10(row["samples"] / plenty))
    return row["edge"] + fewer - epochs * math.log10(row["epochs"]) - steps * math.log10(row["steps"] / 1000)


def regrets(rows, choice, oracle):
    """By task, the mean regret over seeds for each constant."""
    found = {}
    for row in rows:
        peaks = 10 ** (peak(row, *choice) + CONSTANTS)
        found.setdefault(row["task"], []).append([min(oracle[row["task"]].regret(lr), WORST) for lr in peaks])
    return {task: np.mean(costs, axis=0) for task, costs in found.items()}


def left_out(rows, costs):
    """The answers for every task with the choice that is best on the others."""
    runs = []
    for task in {row["task"]: None for row in rows}:
        others = {choice: sum(cost for name, cost in by.items() if name != task) for choice, by in costs.items()}
        choice = min(others, key=lambda choice: others[choice].min())
        constant = CONSTANTS[others[choice].argmin()]
        mine = (row for row in rows if row["task"] == task)
        runs += [Run(task, row["seed"], 10 ** (peak(row, *choice) + constant)) for row in mine]
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
    costs = {choice: regrets(rows, choice, oracle) for choice in itertools.product(PLENTY, SAMPLES, EPOCHS, STEPS)}
    total = {choice: sum(by.values()) / len(by) for choice, by in costs.items()}
    print("plenty, exponents of samples, epochs, steps   constant   mean regret")
    for choice in sorted(total, key=lambda choice: total[choice].min())[:10]:
        print(f"{choice!s:<45} {CONSTANTS[total[choice].argmin()]:+.2f}      {total[choice].min():.3f}")
    own = (recommend.PLENTY, recommend.SAMPLES_EXPONENT, recommend.EPOCHS_EXPONENT, recommend.STEPS_EXPONENT)
    at = np.interp(math.log10(recommend.EDGE_TO_PEAK), CONSTANTS, total[own])
    print(f"lrfinder: {own}, {math.log10(recommend.EDGE_TO_PEAK):+.2f}: {at:.3f}")
    s = score(left_out(rows, costs), oracle)
    shares = f"{100 * s['close']:.0f} % within 5 %, {100 * s['near']:.0f} % within 20 %"
    print(f"all chosen on the other tasks: {shares}, 90th percentile {100 * s['p90']:.0f} %, bias {s['bias']:+.2f}")


if __name__ == "__main__":
    main()
