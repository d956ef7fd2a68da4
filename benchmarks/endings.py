"""Writes the tables of whole trainings into docs/benchmarks.md, from what `make bench-end-to-end` has stored."""

import json
from collections import Counter
from functools import partial

import end_to_end
import numpy as np
from scoring import Ending, compare, ranks, summary
from tables import PAGE, measured_with, oracles, percent, points, table, write

__all__ = ["endings"]

OURS = {"find_lr": "lrfinder", "tune_lr": "lrfinder tune_lr"}
"""Ranked without each other: without pilots their answers are equal, and a tie moves every other rank."""


def endings(stored):
    """The endings of whole trainings by method, and ours compared with each."""
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
    ranked = {verb: _ranked_with(ours, medians) for verb, ours in OURS.items()}
    rows = [
        [*_ending_row(name, ended, charged[name]), *(_mean_rank(each.get(name)) for each in ranked.values())]
        for name, ended in methods.items()
    ]
    header = ["method", "within 5 %", "within 20 %", "median", "90th pct", "worst", "steps charged"]
    header += [f"mean rank with `{verb}`" for verb in OURS]
    parts = [table(header, rows), "The median regret, task by task:", _endings_by_task(methods, medians, oracle)]
    if "lrfinder" in methods and len(methods) > 1:
        parts += ["In percentage points, with a paired bootstrap over tasks (95 %):"]
        for verb, mine in ((verb, name) for verb, name in OURS.items() if name in methods):
            header = [f"{mine} minus", "within 5 %", "within 20 %", "90th pct", "mean rank"]
            others = {name: ended for name, ended in methods.items() if name not in OURS.values()}
            lead = partial(_lead, ranked[verb], mine)
            parts += [
                table(header, [[name, *_ahead(methods[mine], theirs), lead(name)] for name, theirs in others.items()])
            ]
        parts += [_unanswered(stored)]
    return "\n\n".join([*parts, measured_with(stored)])


def _ending_row(name, ended, charged):
    found = summary(np.array([one.regret for one in ended]))
    return [name, *map(percent, found.values()), f"{np.median(charged):.0f}"]


def _ranked_with(ours, medians):
    """The ranks of each method by task, if only one of our two methods takes part."""
    without = {cell: median for cell, median in medians.items() if cell[1] == ours or cell[1] not in OURS.values()}
    ranked = {}
    for (task, name), rank in ranks(without).items():
        ranked.setdefault(name, []).append(Ending(task, 0, rank))
    return ranked


def _mean(ended):
    return float(np.mean([one.regret for one in ended]))


def _mean_rank(ended):
    return "" if ended is None else f"{_mean(ended):.2f}"


def _lead(ranked, mine, name):
    """How much lower our mean rank is, over the tasks that both methods have finished."""
    common = {one.task for one in ranked[mine]} & {one.task for one in ranked[name]}
    ours, theirs = ([one for one in ranked[each] if one.task in common] for each in (mine, name))
    return "{:+.2f} ({:+.2f} to {:+.2f})".format(*compare(ours, theirs, _mean, 500))


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
    """Differences over the tasks that both methods have finished."""
    common = {one.task for one in ours} & {one.task for one in theirs}
    mine, yours = ([one for one in some if one.task in common] for some in (ours, theirs))

    def ahead(key):
        return points(*compare(mine, yours, lambda some: summary(np.array([one.regret for one in some]))[key], 500))

    return [ahead(key) for key in ("close", "near", "p90")]


def _unanswered(stored):
    lost = {
        verb: Counter(row["task"] for row in stored["runs"] if row["method"] == name and not row["answered"])
        for verb, name in OURS.items()
    }
    lines = [
        f"`{verb}` gave no answer in {tasks.total()}" + "".join(f", {n} of `{task}`" for task, n in tasks.most_common())
        for verb, tasks in lost.items()
    ]
    rest = f"the rest of the steps was then trained at {end_to_end.DEFAULT_LR:g}"
    each = max(Counter(row["method"] for row in stored["runs"]).values())
    return f"Of {each} runs {'; '.join(lines)}: {rest}."


if __name__ == "__main__":
    write(endings(json.loads(end_to_end.STORED.read_text())), PAGE, "end to end")
