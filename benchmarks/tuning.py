"""How far the peaks of `tune_lr` are from the best ones, with its default budget and with fixed budgets.

`make bench-tuning` runs it on the 34 trainings of the earlier suite, stores each answer in
benchmarks/results/tuning.json (a stored answer is not measured again without `--redo`), and writes the tables of
docs/benchmarks.md and docs/tuning.md.
"""

import argparse
import json
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from accuracy import FIRST_SEED, machine
from oracles import SCHEDULES
from page import PAGE, decades, percent, table, write
from scoring import Run, coverage, score
from tables import oracles
from tasks import TASKS, chosen

from lrfinder import tune_lr

__all__ = ["STORED", "ask", "page"]

STORED = Path(__file__).parent / "results" / "tuning.json"
BUDGETS = ("default", "validation", 75, 150, 300, 600, 1200)
"""Budgets in steps; `default` is that of `tune_lr`, and so is `validation`, with a `val_loader` to evaluate on."""

SEEDS = {"default": 5}
FEWER = 3
HELD_OUT = 256
"""Samples of a validation batch."""

NAMES = {"default": "5 %, 300 at least, a third at most", "validation": "the same, evaluated on validation batches"}
COLUMNS = {"within 5 %": "close", "within 20 %": "near", "median": "median", "90th pct": "p90", "worst": "worst"}
PACKAGES = ("torch", "lrfinder", "numpy", "scipy", "scikit-learn", "mlxtend")


def ask(task, seed, budget, schedule="primary"):
    """One answer of `tune_lr`."""
    torch.set_num_threads(1)
    model, loader, optimizer = task.build(seed)
    begin = time.perf_counter()
    tuned = tune_lr(
        model,
        loader,
        loss_fn=task.loss_fn,
        optimizer=optimizer,
        total_steps=task.total_steps,
        schedule=SCHEDULES[schedule](task.total_steps),
        budget=None if budget in NAMES else budget,
        val_loader=_validation(task) if budget == "validation" else None,
        progress=False,
    )
    return {
        "task": task.name,
        "seed": seed,
        "schedule": schedule,
        "budget": budget,
        "lr": tuned.lr,
        "interval": tuned.interval,
        "status": str(tuned.status),
        "steps": tuned.cost_steps,
        "seconds": round(time.perf_counter() - begin, 3),
    }


def _validation(task):
    """The held-out samples, on which the oracles are measured too."""
    split = task.data()
    return list(zip(split.held_inputs.split(HELD_OUT), split.held_targets.split(HELD_OUT), strict=True))


def _ask(name, seed, budget):
    return ask(TASKS[name], seed, budget)


def page(stored):
    """The tables: accuracy against budget, and the default's task by task."""
    oracle = oracles("primary")
    by = {}
    for one in stored["runs"]:
        if one["task"] in oracle and one["schedule"] == "primary":
            by.setdefault(one["budget"], []).append(_run(one))
    rows = [_row(_with_tasks(budget, by[budget]), score(by[budget], oracle)) for budget in BUDGETS if budget in by]
    parts = [table(["budget", *COLUMNS, "bias", "miss", "seed dev", "steps", "s"], rows)]
    held = [(budget, coverage(by[budget], oracle)) for budget in BUDGETS if budget in by]
    parts += ["How often the 80 % interval holds the best rate (95 %: a bootstrap over tasks), and how wide it is:"]
    parts += [table(["budget", "holds", "95 %", "low end to high end, times"], [_held(*one, by) for one in held])]
    parts += ["The default budget, task by task:", _by_task(by["default"], oracle)]
    return "\n\n".join(parts)


def _row(name, s):
    shares = [percent(s[key]) for key in COLUMNS.values()]
    apart = [decades(s["bias"]), decades(s["miss"], ""), decades(s["deviation"], "")]
    return [name, *shares, *apart, f"{s['steps']:.0f}", f"{s['seconds']:.2f}"]


def _run(one):
    return Run(
        one["task"], one["seed"], one["lr"], one["interval"] and tuple(one["interval"]), one["steps"], one["seconds"]
    )


def _name(budget):
    return NAMES.get(budget) or f"{budget:,} steps"


def _with_tasks(budget, runs):
    return f"{_name(budget)} ({len({run.task for run in runs})} tasks)"


def _held(budget, found, by):
    share, low, high = found
    wide = statistics.median(run.interval[1] / run.interval[0] for run in by[budget] if run.interval)
    return [_name(budget), percent(share), f"{percent(low)} to {percent(high)}", f"{wide:.1f}"]


def _by_task(runs, oracle):
    rows = []
    for task in oracle:
        mine = [run for run in runs if run.task == task]
        if mine:
            s = score(mine, oracle)
            rows.append(
                [
                    task,
                    *(decades(s[key]) for key in ("bias", "deviation")),
                    *(percent(s[key]) for key in ("median", "worst")),
                    f"{s['steps']:.0f}",
                ]
            )
    return table(["task", "bias", "seed dev", "median regret", "worst", "steps"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--budgets", nargs="*", default=[str(b) for b in BUDGETS], choices=[str(b) for b in BUDGETS])
    parser.add_argument("--redo", action="store_true", help="ask again what is stored")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    budgets = [budget for budget in BUDGETS if str(budget) in options.budgets]
    stored = json.loads(STORED.read_text()) if STORED.exists() else {"runs": []}
    work = [
        (task.name, seed, budget)
        for budget in budgets
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS.get(budget, FEWER))
        for task in chosen(options.tasks)
        if budget in NAMES or budget <= task.total_steps
    ]
    done = {(one["task"], one["seed"], one["budget"]): one for one in stored["runs"]}
    work = [item for item in work if options.redo or item not in done]
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        for i, job in enumerate(as_completed([pool.submit(_ask, *item) for item in work]), 1):
            one = job.result()
            done[one["task"], one["seed"], one["budget"]] = one
            if i % 20 == 0 or i == len(work):
                _store(done)
            print(f"\r{i}/{len(work)}, {time.perf_counter() - begin:.0f} s", end="", flush=True)
    print()
    text = page(json.loads(STORED.read_text()))
    print(text)
    write("\n\n".join(text.split("\n\n")[:3]), PAGE.parent / "tuning.md", "figures")


def _store(done):
    runs = sorted(done.values(), key=lambda one: (str(one["budget"]), one["task"], one["seed"]))
    lines = ",\n".join(json.dumps(one) for one in runs)
    STORED.write_text(f'{{"machine": {json.dumps(machine(PACKAGES))},\n"runs": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
