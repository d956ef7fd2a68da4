"""Writes the tables of whole trainings into docs/benchmarks.md, from what `make bench-end-to-end` has stored.

`--json` names another file of end_to_end.py, and `--print` prints the tables instead of writing them. Trainings of the
wide suite are in them if their best rates are made as far as quarter decades.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import best_rates
import end_to_end
import numpy as np
from known_rates import rates_of
from scoring import Ending, compare, ranks, summary
from suite import NEW
from suite.grid import missing_runs
from tables import PAGE, measured_with, oracles, percent, points, table, write

__all__ = ["endings"]

OURS = {"find_lr": "lrfinder", "tune_lr": "lrfinder tune_lr"}
"""Ranked without each other: without pilots their answers are equal, and a tie moves every other rank."""


def endings(stored, *, task_by_task=False):
    """The endings of whole trainings by method, and ours compared with each.

    Methods that tasks with SGD alone have are compared on these tasks, in a table of their own.
    """
    oracle = _oracles(stored)
    rows = [row for row in stored["runs"] if row["task"] in oracle]
    if task_by_task:
        return _endings_by_task(rows, oracle)
    parts = [_shares([row for row in rows if row["method"] not in end_to_end.WITH_SGD], oracle)]
    parts += [_of_some(name, rows, oracle) for name in sorted({row["method"] for row in rows} & end_to_end.WITH_SGD)]
    if any(row["method"] == "lrfinder" for row in rows):
        parts += [_unanswered(rows)]
    if missing := [name for name in end_to_end.METHODS if name not in {row["method"] for row in rows}]:
        parts += [f"Not run yet: {', '.join(missing)}."]
    return "\n\n".join([*parts, measured_with(stored)])


def _oracles(stored):
    """Those of the tasks; and, of the trainings of the suite that were run, those made as far as quarter decades."""
    trainings = [NEW[name] for name in sorted({row["task"] for row in stored["runs"]} & set(NEW))]
    records = {training: best_rates.read(training, "primary") for training in trainings}
    made = [training for training, record in records.items() if record and not missing_runs(record, "quarter")]
    return oracles("primary") | {training.name: rates_of(training) for training in made}


def _by_method(rows, oracle):
    methods = {name: [] for name in end_to_end.METHODS}
    for row in rows:
        regret = oracle[row["task"]].regret_of(row["loss"])
        methods[row["method"]].append(Ending(row["task"], row["seed"], regret))
    return {name: ended for name, ended in methods.items() if ended}


def _shares(rows, oracle):
    """The regrets of every method over all of its runs, by how much ours are ahead of it, and its mean rank."""
    methods = _by_method(rows, oracle)
    mine = {verb: name for verb, name in OURS.items() if name in methods}
    ranked = [_ranked_with(ours, _medians(methods)) for ours in OURS.values()]
    charged = {name: np.median([row["charged"] for row in rows if row["method"] == name]) for name in methods}
    header = ["method", "runs", "within 5 %", "within 20 %", "median", "90th pct", "worst", "steps charged"]
    header += [f"rank with `{verb}`" for verb in OURS] + [f"`{verb}` minus it" for verb in mine]
    cells = [
        [
            *(*_ending_row(name, ended), f"{charged[name]:.0f}", *(_mean_rank(each.get(name)) for each in ranked)),
            *("" if name in OURS.values() else _ahead(methods[ours], ended) for ours in mine.values()),
        ]
        for name, ended in methods.items()
    ]
    return table(header, cells)


def _of_some(name, rows, oracle):
    """A method that some tasks have, beside ours on these alone, in a sentence."""
    tasks = {row["task"] for row in rows if row["method"] == name}
    methods = _by_method([row for row in rows if row["task"] in tasks], oracle)
    mine = {verb: methods[ours] for verb, ours in OURS.items() if ours in methods}
    words = [f"`{verb}` {_near(ended)}, which is {_ahead(ended, methods[name])} points" for verb, ended in mine.items()]
    return (
        f"On the {len(tasks)} tasks that have it, {name} ends within 20 % in {_near(methods[name])} of its runs, "
        + (f"and {', '.join(words)}." if words else "alone.")
    )


def _near(ended):
    return percent(summary(np.array([one.regret for one in ended]))["near"])


def _ending_row(name, ended):
    found = summary(np.array([one.regret for one in ended]))
    return [name, str(len(ended)), *map(percent, found.values())]


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


def _medians(methods):
    regrets = {}
    for name, ended in methods.items():
        for one in ended:
            regrets.setdefault((one.task, name), []).append(one.regret)
    return {cell: float(np.median(values)) for cell, values in regrets.items()}


def _endings_by_task(rows, oracle):
    methods = _by_method(rows, oracle)
    medians = _medians(methods)
    tasks = [task for task in oracle if any(task == ended for ended, _ in medians)]
    cells = [[task, *(percent(medians.get((task, name))) for name in methods)] for task in tasks]
    return table(["task", *methods], cells)


def _ahead(ours, theirs):
    """The difference over the tasks that both methods have finished."""
    common = {one.task for one in ours} & {one.task for one in theirs}
    mine, yours = ([one for one in some if one.task in common] for some in (ours, theirs))
    return points(*compare(mine, yours, lambda some: summary(np.array([one.regret for one in some]))["near"], 500))


def _unanswered(rows):
    lost = {
        verb: Counter(row["task"] for row in rows if row["method"] == name and not row["answered"])
        for verb, name in OURS.items()
    }
    lines = [
        f"`{verb}` gave no answer in {tasks.total()}" + "".join(f", {n} of `{task}`" for task, n in tasks.most_common())
        for verb, tasks in lost.items()
    ]
    rest = f"the rest of the steps was then trained at {end_to_end.DEFAULT_LR:g}"
    each = max(Counter(row["method"] for row in rows).values())
    return f"Of {each} runs {'; '.join(lines)}: {rest}."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=end_to_end.STORED)
    parser.add_argument("--print", action="store_true", help="print instead of writing")
    parser.add_argument("--tasks", action="store_true", help="print the median regret task by task, and end")
    options = parser.parse_args()
    if options.tasks:
        return print(endings(json.loads(options.json.read_text()), task_by_task=True))
    text = endings(json.loads(options.json.read_text()))
    if options.print:
        print(text)
    else:
        write(text, PAGE, "end to end")


if __name__ == "__main__":
    main()
