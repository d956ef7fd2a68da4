"""All answers to the trainings of the suite, ours and those of other finders, and what is known of these trainings."""

import json
from dataclasses import dataclass

import accuracy
import fit
from known_rates import known
from scoring import Oracle, Run, calibrated
from suite import TRAININGS, Family

__all__ = ["Answers", "families", "package_of", "read"]


@dataclass(frozen=True)
class Answers:
    """The runs of each method, and the oracles that score them.

    Args:
        ours: By method; the constants were chosen by other families of trainings.
        shipped: The same with the constants of the package, which all trainings chose.
        peers: By rule of another finder, as it is.
        mended: The same, times the constant that suits the other families best.
        final: By training, the last loss as a function of the rate.
        best: The same of the least loss along the way.
        machine: What the answers of others were measured with.
    """

    ours: dict[str, list[Run]]
    shipped: dict[str, list[Run]]
    peers: dict[str, list[Run]]
    mended: dict[str, list[Run]]
    final: dict[str, Oracle]
    best: dict[str, Oracle]
    machine: dict[str, str]


def families(tasks=TRAININGS) -> dict[str, Family]:
    """The family of each training."""
    return {task: TRAININGS[task].family for task in tasks}


def package_of(rule):
    """The package whose finder has this rule."""
    return {"lightning": "pytorch-lightning", "ignite": "pytorch-ignite"}.get(rule, rule.split()[0])


def read(ours=fit.ANSWERS, theirs=accuracy.RESULTS):
    """Everything that was answered on trainings that all methods were asked about, with the same seeds."""
    mine = {chosen_by: _by_method(ours, chosen_by) for chosen_by in ("others", "all")}
    peers = _by_rule(accuracy.stored(theirs))
    every = [*mine["others"].values(), *mine["all"].values(), *peers.values()]
    common = set.intersection(*({(run.task, run.seed) for run in runs} for runs in every))
    final = known([name for name in TRAININGS if name in {task for task, _ in common}])
    best = known(final, measure="best")

    def paired(methods):
        runs_of = {name: [run for run in runs if (run.task, run.seed) in common] for name, runs in methods.items()}
        return {name: [run for run in runs if run.task in final] for name, runs in runs_of.items()}

    peers = paired(peers)
    mended = {name: calibrated(runs, final, families(final)) for name, runs in peers.items()}
    machine = json.loads(theirs.read_text())["machine"]
    return Answers(paired(mine["others"]), paired(mine["all"]), peers, mended, final, best, machine)


def _by_method(path, chosen_by):
    """Our answers with the constants that `others` chose (the other families) or `all`."""
    methods = {}
    for row in json.loads(path.read_text())["runs"]:
        if row["constants"] == chosen_by:
            interval = row["interval"] and tuple(row["interval"])
            run = Run(row["task"], row["seed"], row["lr"], interval, row["steps"], row["seconds"])
            methods.setdefault(row["method"], []).append(run)
    return methods


def _by_rule(rows):
    """The answers of each rule; one whose finder ended with an error has none."""
    rules = {row["finder"]: list(row["lrs"]) for row in rows if row["lrs"]}
    methods = {}
    for row in rows:
        for rule in rules[row["finder"]]:
            run = Run(row["task"], row["seed"], row["lrs"].get(rule), None, row["steps"], row["seconds"])
            methods.setdefault(rule, []).append(run)
    return methods
