"""How `find_lr` and `tune_lr` fare on four problems of DeepOBS, scored by its published trainings.

`make bench-deepobs` asks both on every problem with SGD, with momentum and with Adam, and prints what their rates lead
to, by interpolation in the published losses of 36 constant rates, beside the customary rates: 1e-3 of Adam, 1e-2 of
SGD. Nothing of lrfinder may be chosen by it. The data folder (see benchmarks/suite) holds the published losses as
deepobs.json, and a fifth of CIFAR-10's training images, which come five times an epoch. Answers are kept in
benchmarks/results/deepobs.json; those that are there are not asked again.
"""

import argparse
import json
import statistics
import time
from functools import cache, partial
from pathlib import Path

import torch
from accuracy import FIRST_SEED, machine
from deepobs_problems import PROBLEMS
from scoring import Oracle
from suite.base import on_disk, path_of
from torch.optim import SGD, Adam

from lrfinder import find_lr, tune_lr
from lrfinder.schedules import Constant

__all__ = ["OPTIMIZERS", "ask", "oracle", "published", "steps_of"]

STORED = Path(__file__).parent / "results" / "deepobs.json"
OPTIMIZERS = {
    "SGD": ("GradientDescentOptimizer", SGD, 1e-2),
    "Momentum": ("MomentumOptimizer", partial(SGD, momentum=0.99), 1e-2),
    "Adam": ("AdamOptimizer", Adam, 1e-3),
}
"""By name: the published name, what makes one, and the customary rate."""
PACKAGES = ("torch", "lrfinder", "numpy", "scipy")


@cache
def published():
    """All published trainings."""
    return json.loads(path_of("deepobs.json").read_text())


def rows_of(problem, optimizer):
    """The published trainings of a problem with an optimizer."""
    name, *_ = OPTIMIZERS[optimizer]
    return [row for row in published() if (row["problem"], row["optimizer"]) == (problem, name)]


def steps_of(problem):
    """The steps of a published training."""
    (steps,) = {row["steps"] for row in published() if row["problem"] == problem}
    return steps


def oracle(problem, optimizer, measure="final_test"):
    """The published loss as a function of the rate: the median over seeds, a line between neighbours in log rate.

    Args:
        problem: One of `PROBLEMS`.
        optimizer: One of `OPTIMIZERS`.
        measure: `final_test`, or `best_test` for the least along the way. What was not finite, or ended early, counts
            as untrained.
    """
    rows = rows_of(problem, optimizer)
    runs = [(row["lr"], row["seed"], row.get(measure)) for row in rows]
    return Oracle(runs, statistics.median(row["untrained_test"] for row in rows))


def ask(problem, optimizer, method, seed, budget=None):
    """The answer of `find_lr` or `tune_lr` for a problem with an optimizer."""
    torch.set_num_threads(1)
    model, loader = PROBLEMS[problem].build(seed)
    _, make, usual = OPTIMIZERS[optimizer]
    request = {"total_steps": steps_of(problem), "schedule": Constant(), "progress": False}
    request |= {"loss_step": PROBLEMS[problem].loss, "optimizer": make(model.parameters(), lr=usual)}
    begin = time.perf_counter()
    found = (
        find_lr(model, loader, **request) if method == "find_lr" else tune_lr(model, loader, budget=budget, **request)
    )
    return {
        "problem": problem,
        "optimizer": optimizer,
        "method": method,
        "budget": budget if method == "tune_lr" else None,
        "seed": seed,
        "lr": found.lr,
        "interval": found.interval,
        "status": str(found.status),
        "seconds": round(time.perf_counter() - begin, 2),
    }


def customary(problem, optimizer):
    """The peer: the rate that is taken where nobody looks for one."""
    lr = OPTIMIZERS[optimizer][2]
    return {"problem": problem, "optimizer": optimizer, "method": f"{lr:g}", "seed": 0, "lr": lr, "status": "ok"}


def show(rows):
    """Print each answer beside the best published rate, with its regrets."""
    print("problem | optimizer | method | seed | rate | best rate | regret, final loss | regret, best loss | status")
    for row in sorted(rows, key=lambda row: (row["problem"], row["optimizer"], row["method"], row["seed"])):
        final, best = (oracle(row["problem"], row["optimizer"], of) for of in ("final_test", "best_test"))
        rate = "-" if row["lr"] is None else f"{row['lr']:.2g}"
        print(
            f"{row['problem']} | {row['optimizer']} | {row['method']} | {row['seed']} | {rate} | {final.best_lr:.2g} | "
            f"{final.regret(row['lr']):.0%} | {best.regret(row['lr']):.0%} | {row['status']}"
        )


def main():
    """Ask what was not asked, and show all answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="*", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=600, help="steps of tune_lr; 0: its default, hours")
    options = parser.parse_args()
    wanted = [on_disk("deepobs.json"), *(PROBLEMS[name].absent() for name in options.problems)]
    reasons = [reason for reason in wanted if reason]
    if reasons:
        parser.exit(1, "".join(f"{reason}\n" for reason in reasons))
    rows = json.loads(STORED.read_text())["answers"] if STORED.exists() else []
    for case in [(p, o, m) for p in options.problems for o in OPTIMIZERS for m in ("find_lr", "tune_lr")]:
        budget = (options.budget or None) if case[2] == "tune_lr" else None
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            if not any(_asked(row) == (*case, seed, budget) for row in rows):
                rows.append(ask(*case, seed, budget))
                _store(rows)
    show(rows + [customary(problem, optimizer) for problem in options.problems for optimizer in OPTIMIZERS])


def _asked(row):
    return row["problem"], row["optimizer"], row["method"], row["seed"], row["budget"]


def _store(rows):
    lines = ",\n".join(json.dumps(row) for row in rows)
    STORED.write_text(f'{{"machine": {json.dumps(machine(PACKAGES))},\n"answers": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
