"""Trainings beyond the suite: Adagrad on six of its tasks, and five of them four times as long and more.

Tasks of the suite, changed; none of them is scored in the tables of docs/benchmarks.md. Those with Adagrad chose
`lrfinder.transfer.DECAYING` and the exponent of `lrfinder.optimizers.own_decay`, the long ones how the interval widens
with the length. `make bench-further` takes a quarter of an hour; results are kept in benchmarks/results/further.json.
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


def measure(name, study, changes, seeds=3):
    """Decades by which answers to a changed task are off, those of the rehearsals and the miniature runs among them."""
    task = replace(TASKS[name], name=f"{name}, {study}", **changes)
    schedule = SCHEDULES["primary"](task.total_steps)
    runs = [(lr, seed, train(task, schedule, lr, seed)) for lr in grid(task) for seed in (0, 1)]
    oracle = Oracle(runs, final_loss(task, task.build(0)[0]))
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        one = ask(task, seed, "default")
        rates = {"answer": one["lr"], "rehearsals": one["rehearsals"][0][1], "races": one["raced"]}
        off = {what: None if lr is None else round(oracle.error(lr), 3) for what, lr in rates.items()}
        low, high = one["interval"] or (math.inf, 0.0)
        rows.append({"study": study, "task": name, "seed": seed, **off, "regret": round(oracle.regret(one["lr"]), 4)})
        rows[-1]["held"] = low <= oracle.best_lr <= high
    return rows


def main():
    torch.set_num_threads(1)
    rows = []
    for study, tasks in STUDIES.items():
        for name, changes in tasks.items():
            rows += measure(name, study, changes)
            print(rows[-1], flush=True)
            STORED.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    for study in STUDIES:
        mine = [row for row in rows if row["study"] == study]
        for what in ("answer", "rehearsals", "races"):
            off = [row[what] for row in mine if row[what] is not None]
            wide = math.sqrt(statistics.fmean(x * x for x in off))
            print(f"{study}, {what}: {statistics.median(off):+.2f} decades (median), {wide:.2f} (root mean square)")
        regrets = sorted(row["regret"] for row in mine)
        held = f"{sum(row['held'] for row in mine)} of {len(mine)} intervals hold the best rate"
        print(f"{study}, regret: {100 * statistics.median(regrets):.0f} % (median), {100 * regrets[-1]:.0f} % at most")
        print(f"{study}: {held}")


if __name__ == "__main__":
    main()
