"""Adagrad on other trainings: how far `tune_lr`'s peaks, its rehearsals and its miniature runs are from the best ones.

Tasks of the suite with Adagrad in the place of their optimizer; none of them is scored in docs/benchmarks.md. They
chose `lrfinder.transfer.DECAYING` and the exponent of `lrfinder.optimizers.own_decay`. It takes four minutes; results
are kept in benchmarks/results/own_decay.json.
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

STORED = Path(__file__).parent / "results" / "own_decay.json"
NAMES = (
    "mnist-mlp-adamw",
    "friedman-mlp-adam",
    "digits-logistic-sgd",
    "classification-mlp-adamw",
    "mnist-mlp-adam-small-init",
    "text-mlp-sgd",
)
ENDS = (1e-3, 3.0)


def measure(name, seeds=3):
    """Decades by which answers to a task are off, those of the rehearsals and the miniature runs among them."""
    task = replace(TASKS[name], name=f"{name}, Adagrad", optimizer=torch.optim.Adagrad, lrs=ENDS)
    schedule = SCHEDULES["primary"](task.total_steps)
    runs = [(lr, seed, train(task, schedule, lr, seed)) for lr in grid(task) for seed in (0, 1)]
    oracle = Oracle(runs, final_loss(task, task.build(0)[0]))
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        one = ask(task, seed, "default")
        rates = {"answer": one["lr"], "rehearsals": one["rehearsals"][0][1], "races": one["raced"]}
        off = {what: None if lr is None else round(oracle.error(lr), 3) for what, lr in rates.items()}
        rows.append({"task": task.name, "seed": seed, **off, "regret": round(oracle.regret(one["lr"]), 4)})
    return rows


def main():
    torch.set_num_threads(1)
    rows = []
    for name in NAMES:
        rows += measure(name)
        print(rows[-1], flush=True)
        STORED.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    for what in ("answer", "rehearsals", "races"):
        off = [row[what] for row in rows if row[what] is not None]
        print(f"{what}: {statistics.median(off):+.2f} decades (median), {max(map(math.fabs, off)):.2f} at most")
    regrets = sorted(row["regret"] for row in rows)
    print(f"regret: {100 * statistics.median(regrets):.0f} % (median), {100 * regrets[-1]:.0f} % at most")


if __name__ == "__main__":
    main()
