"""Trainings beyond the suite: Adagrad on six of its tasks, and five of them four times as long and more.

They are variants of the 34 trainings of the earlier suite, and not part of the tables of docs/benchmarks.md. Those with
Adagrad chose `decaying_edge` of the calibration. `make bench-further` takes twenty minutes. Results are kept in
benchmarks/results/further.json; oracles that are stored there are not made again.
"""

import json
import math
import statistics
from dataclasses import replace
from pathlib import Path

import torch
from accuracy import FIRST_SEED
from oracles import SCHEDULES, final_loss, grid, train
from scoring import Oracle
from tasks import TASKS
from tuning import ask

STORED = Path(__file__).parent / "results" / "further.json"
ADAGRAD = (
    "mnist-mlp-adamw",
    "friedman-mlp-adam",
    "digits-logistic-sgd",
    "classification-mlp-adamw",
    "mnist-mlp-adam-small-init",
    "text-mlp-sgd",
)
LONGER = {
    "mnist-mlp-adamw": (5e-5, 1e-2),
    "text-mlp-sgd": (3e-2, 1e1),
    "friedman-mlp-adam": (1e-4, 6e-2),
    "classification-mlp-momentum": (5e-4, 1e-1),
    "taught-mlp-sgd": (3e-3, 1.0),
}
STEPS = 6_000
STUDIES = {
    "Adagrad": {name: {"optimizer": torch.optim.Adagrad, "lrs": (1e-3, 3.0)} for name in ADAGRAD},
    f"{STEPS:,} steps": {name: {"total_steps": STEPS, "lrs": ends} for name, ends in LONGER.items()},
}


BUDGETS = {"Adagrad": ("default",), f"{STEPS:,} steps": ("default", 1_400)}


def oracle_of(task):
    """Make an oracle: rates, seeds and losses of whole trainings, and the untrained loss."""
    schedule = SCHEDULES["primary"](task.total_steps)
    runs = [(lr, seed, train(task, schedule, lr, seed)) for lr in grid(task) for seed in (0, 1)]
    return {"runs": runs, "untrained": final_loss(task, task.build(0)[0])}


def measure(task, stored, study, budget, seeds=3):
    """Measure how far answers to a task are off, in decades."""
    oracle = Oracle(**stored)
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        one = ask(task, seed, budget)
        off = None if one["lr"] is None else round(oracle.error(one["lr"]), 3)
        low, high = one["interval"] or (math.inf, 0.0)
        asked = {"study": study, "budget": budget, "task": task.name, "seed": seed}
        regret, held = round(oracle.regret(one["lr"]), 4), low <= oracle.best_lr <= high
        rows.append({**asked, "answer": off, "regret": regret, "held": held})
    return rows


def main():
    torch.set_num_threads(1)
    oracles = json.loads(STORED.read_text())["oracles"] if STORED.exists() else {}
    rows = []
    for study, tasks in STUDIES.items():
        for name, changes in tasks.items():
            task = replace(TASKS[name], name=f"{name}, {study}", **changes)
            if task.name not in oracles:
                oracles[task.name] = oracle_of(task)
            for budget in BUDGETS[study]:
                rows += measure(task, oracles[task.name], study, budget)
                print(rows[-1], flush=True)
            parts = (f'"{part}": {_lines(what)}' for part, what in (("oracles", oracles), ("rows", rows)))
            STORED.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    for study, budget in dict.fromkeys((row["study"], row["budget"]) for row in rows):
        mine = [row for row in rows if (row["study"], row["budget"]) == (study, budget)]
        off = [row["answer"] for row in mine if row["answer"] is not None]
        wide = math.sqrt(statistics.fmean(x * x for x in off))
        print(f"{study}, {budget}: {statistics.median(off):+.2f} decades (median), {wide:.2f} (rms)")
        regrets = sorted(row["regret"] for row in mine)
        regret = f"regret {100 * statistics.median(regrets):.0f} %, at most {100 * regrets[-1]:.0f} %"
        held = f"{sum(row['held'] for row in mine)} of {len(mine)} intervals hold the best rate"
        print(f"{study}, {budget}: {regret}; {held}")


def _lines(what):
    """JSON with one entry per line."""
    if isinstance(what, dict):
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in what.items()) + "\n}"
    return "[\n" + ",\n".join(map(json.dumps, what)) + "\n]"


if __name__ == "__main__":
    main()
