"""The answers to DeepOBS as a table of docs/benchmarks.md, from what `make bench-deepobs` has stored."""

import json
from statistics import median

import deepobs
from page import percent, table
from scoring import NEAR
from suite.base import on_disk

__all__ = ["report"]

MEASURES = ("final_test", "best_test")
CUSTOMARY = "the customary rate"


def report(path=deepobs.STORED):
    """A table and a sentence on the cases where ours are far, or one that says why there are none."""
    absent = on_disk("deepobs.json")
    if absent or not path.exists():
        return "Not measured: " + ("`make bench-deepobs` has not been run." if not path.exists() else f"{absent}.")
    rows = json.loads(path.read_text())["answers"]
    asked = sorted({(row["problem"], row["optimizer"]) for row in rows})
    rows += [deepobs.customary(*case) for case in asked]
    methods = list(dict.fromkeys(map(_name, rows)))
    rates = {(case, name): _rates(rows, case, name) for case in asked for name in methods}
    return f"{_summary(asked, methods, rates)}\n\n{_far(asked, methods, rates)}"


def _name(row):
    if row["seed"] == 0:
        return CUSTOMARY
    budget = row.get("budget")
    return f"`{row['method']}`" + (f", {budget:,} steps" if budget else "")


def _rates(rows, case, name):
    return [row["lr"] for row in rows if (row["problem"], row["optimizer"]) == case and _name(row) == name]


def _regrets(case, rates, measure):
    return [deepobs.oracle(*case, measure).regret(lr) for lr in rates]


def _summary(asked, methods, rates):
    """Each method over all problems and optimizers, by the last loss and by the least along the way."""
    lines = []
    for name in methods:
        cells = []
        for measure in MEASURES:
            regrets = [regret for case in asked for regret in _regrets(case, rates[case, name], measure)]
            near = sum(regret <= NEAR for regret in regrets) / len(regrets) if regrets else None
            cells += [percent(near), percent(median(regrets) if regrets else None)]
        lines.append([name, *cells])
    header = ["method", "within 20 %, last loss", "median", "within 20 %, least loss", "median"]
    return table(header, lines)


def _far(asked, methods, rates):
    """The median regret of each method by the last loss, in each case where one of ours is above 20 %."""
    cases = []
    for case in asked:
        regrets = {name: _regrets(case, rates[case, name], MEASURES[0]) for name in methods}
        medians = {name: median(some) if some else None for name, some in regrets.items()}
        if any(value is not None and value > NEAR for name, value in medians.items() if name != CUSTOMARY):
            known = f"{deepobs.oracle(*case).best_lr:.2g}"
            each = ", ".join(f"{name} {percent(value)}" for name, value in medians.items())
            cases.append(f"{case[0]}, {case[1]} (best rate {known}): {each}")
    return f"The median regret of one of ours is above 20 % in {len(cases)} of {len(asked)} cases. {'; '.join(cases)}."
