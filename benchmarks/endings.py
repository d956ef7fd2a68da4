"""Writes the tables of whole trainings into docs/benchmarks.md, from what `make bench-end-to-end` has stored."""

import json

import end_to_end
import numpy as np
from scoring import Ending, compare, mean_ranks, summary
from tables import PAGE, measured_with, oracles, percent, points, table, write

__all__ = ["endings"]

OURS = ("lrfinder", "lrfinder tune_lr")
"""Ranked without each other: below 240 steps their answers are the same, and a tie moves every other rank."""


def endings(stored):
    """What whole trainings ended with, and ours against each."""
    oracle = oracles("primary")
    methods = {name: [] for name in end_to_end.METHODS}
    charged = {}
    for row in stored["runs"]:
        if row["task"] in oracle:
            regret = oracle[row["task"]].regret_of(row["loss"])
            methods[row["method"]].append(Ending(row["task"], row["seed"], regret))
            charged.setdefault(row["method"], []).append(row["charged"])
    methods = {name: ended for name, ended in methods.items() if ended}
    medians = _medians(methods)
    ranks = [_ranks_without(twin, medians) for twin in reversed(OURS)]
    rows = [
        [*_ending_row(name, ended, charged[name]), *(each.get(name, "") for each in ranks)]
        for name, ended in methods.items()
    ]
    header = ["method", "within 5 %", "within 20 %", "median", "90th pct", "worst", "steps charged"]
    header += [f"mean rank with `{verb}`" for verb in ("find_lr", "tune_lr")]
    parts = [table(header, rows), "The median regret, task by task:", _endings_by_task(methods, medians, oracle)]
    if "lrfinder" in methods and len(methods) > 1:
        parts += ["In percentage points, with a paired bootstrap over tasks (95 %):"]
        for mine in (name for name in OURS if name in methods):
            header = [f"{mine} minus", "within 5 %", "within 20 %", "90th pct"]
            others = {name: ended for name, ended in methods.items() if not name.startswith("lrfinder")}
            parts += [table(header, [[name, *_ahead(methods[mine], theirs)] for name, theirs in others.items()])]
        parts += [_unanswered(stored)]
    return "\n\n".join([*parts, measured_with(stored)])


def _ending_row(name, ended, charged):
    found = summary(np.array([one.regret for one in ended]))
    return [name, *map(percent, found.values()), f"{np.median(charged):.0f}"]


def _ranks_without(twin, medians):
    ranks = mean_ranks({cell: median for cell, median in medians.items() if cell[1] != twin})
    return {name: f"{rank:.2f}" for name, rank in ranks.items()}


def _medians(methods):
    regrets = {}
    for name, ended in methods.items():
        for one in ended:
            regrets.setdefault((one.task, name), []).append(one.regret)
    return {cell: float(np.median(values)) for cell, values in regrets.items()}


def _endings_by_task(methods, medians, oracle):
    tasks = [task for task in oracle if any(task == ended for ended, _ in medians)]
    rows = [[task, *(percent(medians.get((task, name))) for name in methods)] for task in tasks]
    return table(["task", *methods], rows)


def _ahead(ours, theirs):
    """Differences on the tasks that both have ended."""
    common = {one.task for one in ours} & {one.task for one in theirs}
    mine, yours = ([one for one in some if one.task in common] for some in (ours, theirs))

    def ahead(key):
        return points(*compare(mine, yours, lambda some: summary(np.array([one.regret for one in some]))[key], 500))

    return [ahead(key) for key in ("close", "near", "p90")]


def _unanswered(stored):
    lost = {name: sum(not row["answered"] for row in stored["runs"] if row["method"] == name) for name in OURS}
    return (
        f"In {lost['lrfinder']} runs `find_lr` and in {lost['lrfinder tune_lr']} runs `tune_lr` gave no answer; the "
        f"rest of the steps was then trained at {end_to_end.STOCK_LR:g}."
    )


if __name__ == "__main__":
    write(endings(json.loads(end_to_end.STORED.read_text())), PAGE, "end to end")
