"""How far suggested learning rates are from the best ones, for every peer and for `find_lr`, on real trainings.

`make bench` asks every finder on every task, with seeds that no oracle has seen, keeps the answers in
benchmarks/results/suggestions.json and writes the tables and pictures of docs/benchmarks.md from them.
"""

import argparse
import json
import math
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from oracles import SCHEDULES
from peers import FINDERS
from tasks import TASKS, chosen

from lrfinder import find_lr

__all__ = ["RESULTS", "ask", "ours"]

RESULTS = Path(__file__).parent / "results" / "suggestions.json"
FIRST_SEED = 100
PACKAGES = ("torch", "lrfinder", *FINDERS, "numpy", "scipy", "scikit-learn", "mlxtend")


def ours(task, seed, schedule, **options):
    """Ask `find_lr` at its defaults: its suggestion, and the rate that each rule reads off its sweep."""
    model, loader, optimizer = task.build(seed)
    shape = SCHEDULES[schedule](task.total_steps)
    request = {"total_steps": task.total_steps, "schedule": shape, "progress": False, **options}
    found = find_lr(model, loader, loss_fn=task.loss_fn, optimizer=optimizer, **request)
    answers = {f"lrfinder {name}": lr for name, lr in found.suggestions.items()}
    return {"lrfinder": found.lr, **answers}, found.evidence.cost_steps, found.interval


def ask(task, seed, finder, schedule):
    """Ask one finder on one task; return a row for each of its answers."""
    torch.set_num_threads(1)
    begin = time.perf_counter()
    if finder == "lrfinder":
        answers, steps, interval = ours(task, seed, schedule)
    else:
        answers, steps = FINDERS[finder](task, seed)
        interval = None
    seconds = round(time.perf_counter() - begin, 3)
    return [
        {
            "method": method,
            "schedule": schedule,
            "task": task.name,
            "seed": seed,
            "lr": lr if lr is not None and math.isfinite(lr) and lr > 0 else None,
            "interval": interval if method == "lrfinder" else None,
            "steps": steps,
            "seconds": seconds,
        }
        for method, lr in answers.items()
    ]


def machine(packages=PACKAGES):
    """The versions and the machine that the figures were measured with."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, one thread each",
        **{name: _version(name) for name in packages},
    }


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "from the source tree"


def _ask(name, seed, finder, schedule):
    return ask(TASKS[name], seed, finder, schedule)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--finders", nargs="*", choices=["lrfinder", *FINDERS], default=["lrfinder", *FINDERS])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    work = [
        (task.name, seed, finder, schedule)
        for task in chosen(options.tasks)
        for finder in options.finders
        for schedule in (SCHEDULES if finder == "lrfinder" else ["any"])
        for seed in seeds
    ]
    earlier = json.loads(options.json.read_text())["runs"] if options.json.exists() else []
    redone = {(task, finder) for task, _, finder, _ in work}
    rows = [row for row in earlier if (row["task"], package(row["method"])) not in redone]
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        for i, job in enumerate(as_completed([pool.submit(_ask, *item) for item in work]), 1):
            rows += job.result()
            print(f"\r{i}/{len(work)}, {time.perf_counter() - begin:.0f} s", end="", flush=True)
    print()
    rows.sort(key=lambda row: (row["method"], row["schedule"], row["task"], row["seed"]))
    lines = ",\n".join(json.dumps(row) for row in rows)
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(f'{{"machine": {json.dumps(machine())},\n"runs": [\n{lines}\n]}}\n')


def package(method):
    """The finder that a row came from."""
    first = method.split()[0]
    return {"lightning": "pytorch-lightning", "ignite": "pytorch-ignite"}.get(first, first)


if __name__ == "__main__":
    main()
