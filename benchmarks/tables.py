"""Writes the tables of docs/benchmarks.md, between its markers, from the stored answers and oracles."""

import argparse
import json
from pathlib import Path

import numpy as np
from accuracy import RESULTS
from oracles import SCHEDULES, SEEDS, grid, read
from scoring import CLOSE, NEAR, Oracle, Run, calibrated, compare, score
from tasks import TASKS

__all__ = ["PAGE", "answers", "oracles"]

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
SCHEDULE_WORDS = {
    "primary": "5 % warm-up, then a line to zero",
    "line": "a line to zero",
    "constant": "a constant rate",
}


def oracles(schedule):
    """The finished oracles of a schedule, by task."""
    stored = {name: read(task, schedule) for name, task in TASKS.items()}
    return {name: Oracle(o["runs"], o["untrained"]) for name, o in stored.items() if o and _is_whole(TASKS[name], o)}


def _is_whole(task, record):
    wanted = {(lr, seed) for lr in grid(task) for seed in SEEDS}
    return wanted <= {(lr, seed) for lr, seed, _ in record["runs"]}


def answers(stored, schedule, tasks):
    """Runs by method, ours for the schedule; the peers know none."""
    methods = {}
    for row in stored["runs"]:
        if row["task"] in tasks and row["schedule"] in (schedule, "any"):
            interval = row["interval"] and tuple(row["interval"])
            run = Run(row["task"], row["seed"], row["lr"], interval, row["steps"], row["seconds"])
            methods.setdefault(row["method"], []).append(run)
    return dict(sorted(methods.items(), key=lambda item: item[0].split()[0] != "lrfinder"))


def table(header, rows):
    """A Markdown table, numbers to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "--:|" * (len(header) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def decades(value, sign="+"):
    return "–" if value is None else f"{value:{sign}.2f}"


HEADER = [
    "method",
    "within 5 %",
    "within 20 %",
    "median",
    "90th pct",
    "worst",
    "bias",
    "miss",
    "seed dev",
    "steps",
    "s",
]


def row(method, s):
    shares = [percent(s[key]) for key in ("close", "near", "median", "p90", "worst")]
    apart = [decades(s["bias"]), decades(s["miss"], ""), decades(s["deviation"], "")]
    name = f"**{method}**" if method == "lrfinder" else method
    return [name, *shares, *apart, f"{s['steps']:.0f}", f"{s['seconds']:.2f}"]


def main_table(methods, oracle):
    return table(HEADER, [row(name, score(runs, oracle)) for name, runs in methods.items()])


def differences(methods, oracle):
    """Ours against every peer, as it is and calibrated: differences of three measures with 95 % intervals."""
    rows = []
    for name, runs in methods.items():
        if name.startswith("lrfinder"):
            continue
        for words, theirs in ((name, runs), (f"{name}, calibrated", calibrated(runs, oracle))):
            found = [_difference(methods["lrfinder"], theirs, key, oracle) for key in ("close", "near", "p90")]
            rows.append([words, *found])
    return table(["lrfinder minus", "within 5 %", "within 20 %", "90th pct"], rows)


MEASURES = {
    "close": lambda regrets: np.mean(regrets <= CLOSE),
    "near": lambda regrets: np.mean(regrets <= NEAR),
    "p90": lambda regrets: np.quantile(regrets, 0.9),
}


def _difference(ours, theirs, key, oracle):
    regret = {run: oracle[run.task].regret(run.lr) for run in (*ours, *theirs)}
    middle, low, high = compare(ours, theirs, lambda runs: MEASURES[key](np.array([regret[run] for run in runs])), 500)
    return f"{100 * middle:+.0f} ({100 * low:+.0f} to {100 * high:+.0f})"


def by_task(methods, oracle):
    """Where ours wins and loses: the median regret on every task, beside the best calibrated peer's."""
    rows = []
    peers = {name: calibrated(runs, oracle) for name, runs in methods.items() if not name.startswith("lrfinder")}
    for task, one in oracle.items():
        mine = score([run for run in methods["lrfinder"] if run.task == task], oracle)
        theirs = {name: score([r for r in runs if r.task == task], oracle)["median"] for name, runs in peers.items()}
        least = min(theirs, key=theirs.get)
        cells = [f"{one.best_lr:.2g}", f"{one.best:.3g}", decades(mine["bias"]), percent(mine["median"])]
        rows.append([task, *cells, f"{percent(theirs[least])} ({least})"])
    header = ["task", "best LR", "loss", "our bias", "our median regret", "the least of any calibrated peer"]
    return table(header, rows)


def page(stored):
    """The generated part of the page."""
    parts = []
    for schedule in SCHEDULES:
        oracle = oracles(schedule)
        methods = answers(stored, schedule, oracle)
        if len(oracle) < 3 or "lrfinder" not in methods:
            continue
        seeds = len({run.seed for run in methods["lrfinder"]})
        parts += [f"## For {SCHEDULE_WORDS[schedule]}: {len(oracle)} tasks, {seeds} seeds", main_table(methods, oracle)]
        peers = {name: calibrated(runs, oracle) for name, runs in methods.items()}
        parts += ["Each times its best constant, fitted leave-one-task-out:", main_table(peers, oracle)]
        if schedule == "primary":
            covered = score(methods["lrfinder"], oracle)["covered"]
            parts += [f"The 80 % interval of `find_lr` holds the best rate in {percent(covered)} of the runs."]
            parts += ["In percentage points, with a paired bootstrap over tasks (95 %):", differences(methods, oracle)]
            parts += ["Task by task:", by_task(methods, oracle)]
    versions = ", ".join(f"{name} {value}" for name, value in stored["machine"].items())
    return "\n\n".join([*parts, f"Measured with {versions}."])


def write(text, path=PAGE):
    """Put the generated part between the markers of the page."""
    begin, end = "<!-- tables: made by `make bench` -->", "<!-- end of tables -->"
    head, rest = path.read_text().split(begin)
    path.write_text(f"{head}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="print instead of writing")
    options = parser.parse_args()
    text = page(json.loads(RESULTS.read_text()))
    print(text)
    if not options.print:
        write(text)


if __name__ == "__main__":
    main()
