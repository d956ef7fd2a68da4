"""How far the answer of `find_lr` moves with things that should not matter: twice the steps, other ends of the sweep.

`make bench` asks about the 34 trainings of the earlier suite, for the primary schedule, and keeps the answers in
benchmarks/results/steadiness.json.
"""

import argparse
import json
import math
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from accuracy import FIRST_SEED
from oracles import SCHEDULES
from tasks import TASKS, chosen

from lrfinder import find_lr

__all__ = ["STORED", "moves"]

STORED = Path(__file__).parent / "results" / "steadiness.json"
CHANGES = {
    "twice the steps": {"steps": 200},
    "begun a decade lower": {"lr_min": 1e-8},
    "begun a decade higher": {"lr_min": 1e-6},
    "ended a decade higher": {"lr_max": 100.0},
    "ended a decade lower": {"lr_max": 1.0},
}


def measure(name, seed):
    """Log10 of the answers without a change and with each; None where there is no answer."""
    torch.set_num_threads(1)
    found = {change: ask(TASKS[name], seed, **options) for change, options in ({"plain": {}} | CHANGES).items()}
    return {"task": name, "seed": seed, **{change: lr and round(math.log10(lr), 4) for change, lr in found.items()}}


def ask(task, seed, **options):
    """What `find_lr` suggests, or None."""
    model, loader, optimizer = task.build(seed)
    request = {"total_steps": task.total_steps, "schedule": SCHEDULES["primary"](task.total_steps), "progress": False}
    return find_lr(model, loader, loss_fn=task.loss_fn, optimizer=optimizer, **request, **options).lr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tasks", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=STORED)
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    work = [(task.name, seed) for task in chosen(options.tasks) for seed in seeds]
    earlier = json.loads(options.json.read_text()) if options.json.exists() else []
    rows = [row for row in earlier if row["task"] not in {name for name, _ in work}]
    with ProcessPoolExecutor(options.processes) as pool:
        for i, row in enumerate(pool.map(measure, *zip(*work, strict=True)), 1):
            rows.append(row)
            print(f"\r{i}/{len(work)}", end="", flush=True)
    print()
    options.json.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    for name, (middle, high, lost) in moves(rows).items():
        print(f"{name:<22} median {middle:.2f}, 90th percentile {high:.2f} decades; an answer came or went in {lost}")


def moves(rows):
    """Of each change the median and 90th percentile of the move in decades, and how often an answer came or went."""
    found = {}
    for name in CHANGES:
        both = [(row[name], row["plain"]) for row in rows]
        moved = [abs(changed - plain) for changed, plain in both if None not in (changed, plain)] or [math.nan]
        lost = sum((changed is None) != (plain is None) for changed, plain in both)
        found[name] = statistics.median(moved), float(np.quantile(moved, 0.9)), f"{lost} of {len(rows)}"
    return found


if __name__ == "__main__":
    main()
