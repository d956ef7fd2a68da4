"""Writes the tables of docs/benchmarks.md and of the README, between their markers, from what is stored."""

import argparse
import json
from pathlib import Path

import numpy as np
import steadiness
from accuracy import RESULTS, package
from oracles import SCHEDULES, is_whole, read
from scoring import Oracle, Run, calibrated, compare, coverage, score, summary
from tasks import TASKS

__all__ = ["PAGE", "answers", "measured_with", "oracles", "percent", "points", "table", "tuned", "write"]

README = Path(__file__).parent.parent / "README.md"
PAGE = README.parent / "docs" / "benchmarks.md"
TUNING = RESULTS.parent / "tuning.json"
MARKERS = {
    "tables": ("<!-- tables: made by `make bench` -->", "<!-- end of tables -->"),
    "tuning": ("<!-- tuning: made by `make bench-tuning` -->", "<!-- end of tuning -->"),
    "figures": ("<!-- figures: made by `make bench-tuning` -->", "<!-- end of figures -->"),
    "end to end": ("<!-- end to end: made by `make bench-end-to-end` -->", "<!-- end of end to end -->"),
    "short": ("<!-- table: accuracy, made by `make bench` -->", "<!-- end -->"),
}
SCHEDULE_WORDS = {
    "primary": "5 % warm-up, then linear decay to zero",
    "line": "linear decay to zero",
    "constant": "a constant rate",
}


def oracles(schedule):
    """The finished oracles of a schedule, by task."""
    stored = {name: read(task, schedule) for name, task in TASKS.items()}
    return {name: Oracle(o["runs"], o["untrained"]) for name, o in stored.items() if o and is_whole(TASKS[name], o)}


def answers(stored, schedule, tasks):
    """Runs by method; ours are for the schedule, the others know none."""
    methods = {}
    for row in stored["runs"]:
        if row["task"] in tasks and row["schedule"] in (schedule, "any"):
            interval = row["interval"] and tuple(row["interval"])
            run = Run(row["task"], row["seed"], row["lr"], interval, row["steps"], row["seconds"])
            methods.setdefault(row["method"], []).append(run)
    return dict(sorted(methods.items(), key=lambda item: item[0].split()[0] != "lrfinder"))


def tuned(tasks):
    """The answers of `tune_lr` with its default budget."""
    rows = [
        row for row in json.loads(TUNING.read_text())["runs"] if row["budget"] == "default" and row["task"] in tasks
    ]
    return [Run(row["task"], row["seed"], row["lr"], None, row["steps"]) for row in rows]


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


def _difference(ours, theirs, key, oracle):
    regret = {run: oracle[run.task].regret(run.lr) for run in (*ours, *theirs)}
    return points(*compare(ours, theirs, lambda runs: summary(np.array([regret[run] for run in runs]))[key], 500))


def points(middle, low, high):
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


def paired(stored, schedule):
    """The runs of every method, and the oracles, of those tasks that all methods were asked on."""
    oracle = oracles(schedule)
    methods = answers(stored, schedule, oracle)
    common = set(oracle).intersection(*({run.task for run in runs} for runs in methods.values()))
    methods = {name: [run for run in runs if run.task in common] for name, runs in methods.items()}
    return methods, {task: one for task, one in oracle.items() if task in common}


def page(stored):
    """The generated part of the page."""
    parts = []
    for schedule in SCHEDULES:
        methods, oracle = paired(stored, schedule)
        if len(oracle) < 3 or "lrfinder" not in methods:
            continue
        seeds = len({run.seed for run in methods["lrfinder"]})
        parts += [f"## For {SCHEDULE_WORDS[schedule]}: {len(oracle)} tasks, {seeds} seeds", main_table(methods, oracle)]
        peers = {name: calibrated(runs, oracle) for name, runs in methods.items()}
        parts += ["Each times its best constant, fitted leave-one-task-out:", main_table(peers, oracle)]
        parts += [_coverage(methods["lrfinder"], oracle)]
        if schedule == "primary":
            parts += ["In percentage points, with a paired bootstrap over tasks (95 %):", differences(methods, oracle)]
            parts += ["Task by task:", by_task(methods, oracle)]
            parts += [
                "How far the answer of `find_lr` moves when what should not matter changes, in decades:",
                steady(),
            ]
    return "\n\n".join([*parts, measured_with(stored)])


def steady():
    found = steadiness.moves(json.loads(steadiness.STORED.read_text()))
    rows = [[name, f"{middle:.2f}", f"{high:.2f}", lost] for name, (middle, high, lost) in found.items()]
    return table(["change", "median", "90th pct", "an answer came or went"], rows)


def _coverage(runs, oracle):
    found = coverage(runs, oracle)
    if found is None:
        return "No run of `find_lr` gave an interval."
    share, low, high = (f"{100 * value:.0f}" for value in found)
    return (
        f"The 80 % interval of `find_lr` holds the best rate in {share} % of the runs "
        f"({low} to {high} %: 95 %, a bootstrap over tasks)."
    )


def measured_with(stored):
    return f"Measured with {', '.join(f'{name} {value}' for name, value in stored['machine'].items())}."


def short(stored):
    """The README's table: ours, and the best rule of every package at its defaults and times its best constant."""
    methods, oracle = paired(stored, "primary")
    chosen = {"lrfinder": methods["lrfinder"], "lrfinder, calibrated": calibrated(methods["lrfinder"], oracle)}
    if TUNING.exists():
        chosen["lrfinder tune_lr"] = tuned(oracle)
    for finder in sorted({package(name) for name in methods} - {"lrfinder"}):
        rules = {name: runs for name, runs in methods.items() if package(name) == finder}
        mended = {f"{name}, calibrated": calibrated(runs, oracle) for name, runs in rules.items()}
        for found in (rules, mended):
            best = max(found, key=lambda name: _merit(found[name], oracle))
            chosen[best] = found[best]
    scores = {name: score(runs, oracle) for name, runs in chosen.items()}
    header = ["", "within 5 %", "within 20 %", "90th percentile", "seed deviation", "steps"]
    seeds = len({run.seed for run in methods["lrfinder"]})
    head = f"{len(oracle)} tasks, {seeds} seeds, for {SCHEDULE_WORDS['primary']}; the best of each column is bold:"
    return f"{head}\n\n{table(header, _short_rows(scores))}"


def _merit(runs, oracle):
    found = score(runs, oracle)
    return found["near"], found["close"]


def _short_rows(scores):
    columns = {"close": (percent, max), "near": (percent, max), "p90": (percent, min), "deviation": (_spread, min)}
    best = {key: words(least(s[key] for s in scores.values())) for key, (words, least) in columns.items()}
    for name, s in scores.items():
        cells = {key: words(s[key]) for key, (words, _) in columns.items()}
        bold = [f"**{cell}**" if cell == best[key] else cell for key, cell in cells.items()]
        yield [name, *bold, f"{s['steps']:.0f}"]


def _spread(value):
    return decades(value, "")


def write(text, path, part):
    """Put a generated part between its markers."""
    begin, end = MARKERS[part]
    head, _, rest = path.read_text().partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise ValueError(f"{path} must hold {begin} and then {end}, got neither or one")
    path.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="print instead of writing")
    options = parser.parse_args()
    stored = json.loads(RESULTS.read_text())
    parts = [(page(stored), PAGE, "tables"), (short(stored), README, "short")]
    for text, path, part in parts:
        print(f"{text}\n")
        if not options.print:
            write(text, path, part)


if __name__ == "__main__":
    main()
