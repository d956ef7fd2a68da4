"""Writes the tables of docs/benchmarks.md and of the README, between their markers, from what is stored.

They are of the schedule of 5 % warm-up, then linear decay to zero. Answers of `find_lr` and `tune_lr` are those of
`make bench-fit`, answers of other finders those of `make bench`.
"""

import argparse
import json
from statistics import median

import answers
import deepobs_report
import fit
import numpy as np
import oracles as thorough
import steadiness
from answers import families, package_of
from kinds import kinds
from page import PAGE, README, decades, measured_with, percent, points, table, write
from scoring import Oracle, compare, coverage, deviations, score, summary
from suite import TRAININGS
from tasks import TASKS

__all__ = ["PAGE", "measured_with", "oracles", "percent", "points", "table", "write"]

SCHEDULE = "5 % warm-up, then linear decay to zero"
DRAWS = 500
LEVEL, FAR_BEHIND, SHOWN = 0.005, 0.05, 0.2
"""Regret above another's that is called behind, and far behind, and has a row."""
MOST_SHOWN = 10.0
"""Regret of a family above which the table says no more; where a training starts far off it can be hundreds."""
STEADY = (
    "What should not matter moves the answer of `find_lr` on the 34 earlier trainings (seen) by so many decades, "
    "median / 90th percentile:"
)


def oracles(schedule):
    """The finished oracles of the 34 tasks for a schedule, by task."""
    stored = {name: thorough.read(task, schedule) for name, task in TASKS.items()}
    whole = {name: one for name, one in stored.items() if one and thorough.is_whole(TASKS[name], one)}
    return {name: Oracle(one["runs"], one["untrained"]) for name, one in whole.items()}


# All trainings


MAIN = ["method", "within 5 %", "within 20 %", "calibrated", "median", "90th pct", "bias", "seed dev"]
MAIN += ["interval holds", "steps", "within 20 %, least loss", "`find_lr` minus it", "`tune_lr` minus it"]


def main_table(found):
    """Every method on all trainings; a column by the answers times one constant, and one by the least loss.

    The last two are in percentage points within 20 %, with a bootstrap over families (95 %).
    """
    return table(MAIN, [_main_row(name, runs, found) for name, runs in (found.ours | found.peers).items()])


def _main_row(name, runs, found):
    s = score(runs, found.final)
    mended = percent(score(found.mended[name], found.final)["near"]) if name in found.mended else "–"
    shares = [percent(s["close"]), percent(s["near"]), mended, percent(s["median"]), percent(s["p90"])]
    apart = [decades(s["bias"]), decades(s["deviation"], ""), percent(s["covered"]), f"{s['steps']:.0f}"]
    ahead = ["" if name in found.ours else _ahead(mine, runs, found) for mine in found.ours.values()]
    return [_named(name), *shares, *apart, percent(score(runs, found.best)["near"]), *ahead]


def _named(name):
    return f"**`{name}`**" if name.endswith("_lr") else name


def _ahead(mine, theirs, found):
    regret = {run: found.final[run.task].regret(run.lr) for run in (*mine, *theirs)}

    def near(runs):
        return summary(np.array([regret[run] for run in runs]))["near"]

    return points(*compare(mine, theirs, near, DRAWS, families(found.final)))


def _by_family(runs, found):
    """The median regret of each family."""
    regrets = {}
    for run in runs:
        regrets.setdefault(TRAININGS[run.task].family, []).append(found.final[run.task].regret(run.lr))
    return {family: median(values) for family, values in regrets.items()}


# Groups and families


KINDS = {"within 20 %": "near", "90th pct": "p90", "interval holds": "covered"}


def group_table(found):
    """Our methods on each group of trainings."""
    rows = []
    for words, tasks in kinds(found.final).items():
        of_kind = [[run for run in runs if run.task in tasks] for runs in found.ours.values()]
        scores = [score(runs, found.final) for runs in of_kind]
        rows.append([f"{words} ({len(tasks)})", *(percent(s[key]) for key in KINDS.values() for s in scores)])
    return table(["trainings", *(f"`{verb}` {column}" for column in KINDS for verb in found.ours)], rows)


def family_table(found, least_shown=SHOWN):
    """Our median regret on each family beside the least of any other finder; where we are furthest behind comes first.

    Args:
        found: All answers.
        least_shown: Families where ours are less behind than that are only counted.

    Returns:
        A sentence that counts, and the table.
    """
    mine = {verb: _by_family(runs, found) for verb, runs in found.ours.items()}
    theirs = {name: _by_family(runs, found) for name, runs in found.peers.items()}
    least = {family: min((by[family], name) for name, by in theirs.items()) for family in mine["find_lr"]}
    behind = {verb: {family: by[family] - least[family][0] for family in by} for verb, by in mine.items()}
    worst = {family: max(by[family] for by in behind.values()) for family in least}
    order = sorted((one for one in least if worst[one] >= least_shown), key=lambda one: (-round(worst[one], 2), one))
    sizes = {family: sum(TRAININGS[task].family == family for task in found.final) for family in order}
    rows = [
        [
            f"{family.source}, {family.kind} ({sizes[family]})",
            *(_regret(by[family]) for by in mine.values()),
            f"{_regret(least[family][0])} ({least[family][1]})",
            ", ".join(f"`{verb}` by {_regret(by[family])}" for verb, by in behind.items() if by[family] >= LEVEL),
        ]
        for family in order
    ]
    header = ["family", *(f"`{verb}`" for verb in mine), "the least of any other finder", "behind it"]
    return f"{_counted(behind)}\n\n{table(header, rows)}"


def _regret(value):
    return percent(value) if value < MOST_SHOWN else f"> {percent(MOST_SHOWN)}"


def _counted(behind):
    sentences = []
    for verb, by in behind.items():
        level, far = (sum(value < bound for value in by.values()) for bound in (LEVEL, FAR_BEHIND))
        sentences.append(
            f"`{verb}` is at least as good as the best other finder on {level} of {len(by)} families, less than "
            f"{100 * FAR_BEHIND:.0f} points behind it on {far - level}, and further behind on {len(by) - far}."
        )
    return " ".join(sentences)


# Intervals


def interval_table(found):
    """How often intervals hold, how wide they are, and how far answers move with the seed."""
    rows = []
    for verb, runs in found.ours.items():
        held = coverage(runs, found.final, DRAWS, families(found.final))
        widths = {run: run.interval[1] / run.interval[0] for run in runs if run.interval}
        deciles = np.quantile(list(widths.values()), (0.1, 0.5, 0.9))
        thirds = [_held_in_third(widths, third, found) for third in (0, 2)]
        spreads = list(deviations(runs).values())
        share, low, high = map(percent, held)
        rows.append(
            [
                f"`{verb}`",
                f"{share} ({low} to {high})",
                *thirds,
                *(f"{width:.0f}" for width in deciles),
                f"{median(spreads):.2f}",
                f"{max(spreads):.2f}",
                percent(score(runs, found.final)["answered"]),
            ]
        )
    header = ["", "holds (95 %)", "narrowest third", "widest third", "low to high end, 10th pct", "median", "90th pct"]
    return table([*header, "seed dev, median", "largest", "answered"], rows)


def _held_in_third(widths, third, found):
    ordered = sorted(widths, key=widths.get)
    size = len(ordered) / 3
    return percent(score(ordered[round(third * size) : round((third + 1) * size)], found.final)["covered"])


# The page


def seen(found):
    """What the package's own constants give, and how much less the others' do."""
    parts = []
    for verb in found.ours:
        all_of, others = (score(methods[verb], found.final) for methods in (found.shipped, found.ours))
        close, near, held = (f"{percent(all_of[key])} ({percent(others[key])})" for key in ("close", "near", "covered"))
        parts.append(f"`{verb}` has {close} within 5 %, {near} within 20 %, and intervals that hold in {held}")
    return (
        "With the constants of the package, which all of these trainings chose (in parentheses: those that other "
        f"families chose, as in the tables): {'; '.join(parts)}."
    )


def beside_calibrated(found):
    """How far ours are ahead of the best of the others, once these are calibrated."""
    best = max(found.mended, key=lambda name: score(found.mended[name], found.final)["near"])
    ahead = (f"`{verb}` is {_ahead(runs, found.mended[best], found)} points ahead" for verb, runs in found.ours.items())
    return f"Of {best}, calibrated, {', '.join(ahead)}."


def steady():
    """How far answers move when what should not matter changes, in a sentence."""
    found = steadiness.moves(json.loads(steadiness.STORED.read_text()))
    moves = (f"{name} {middle:.2f} / {high:.2f} ({lost})" for name, (middle, high, lost) in found.items())
    return f"{STEADY} {'; '.join(moves)}. In parentheses: how often an answer came or went."


def counts(found):
    seeds = len({run.seed for run in found.ours["find_lr"]})
    return f"{len(found.final)} trainings of {len(set(families(found.final).values()))} families, {seeds} seeds"


def page(found):
    """The generated part of the page."""
    parts = [f"### All trainings: {counts(found)}", main_table(found), f"{seen(found)} {beside_calibrated(found)}"]
    parts += ["### Kinds of trainings", group_table(found)]
    parts += ["### Intervals", interval_table(found), "### Family by family", family_table(found)]
    parts += [steady(), "### DeepOBS", deepobs_report.report()]
    return "\n\n".join([*parts, measured_with({"machine": found.machine})])


def short(found):
    """The README's table: ours, and the rule of every other package that has most answers within 20 %."""
    shown = dict(found.ours)
    for package in sorted({package_of(name) for name in found.peers}):
        rules = {name: score(runs, found.final) for name, runs in found.peers.items() if package_of(name) == package}
        best = max(rules, key=lambda name: (rules[name]["near"], rules[name]["close"]))
        shown[best] = found.peers[best]
    scores = {name: score(runs, found.final) for name, runs in shown.items()}
    for name, s in scores.items():
        s["along"] = score(shown[name], found.best)["near"]
    header = ["", "within 5 %", "within 20 %", "median", "90th percentile", "seed deviation", "steps"]
    head = f"{counts(found)}, for {SCHEDULE}; the best of each column is bold:"
    return f"{head}\n\n{table([*header, 'within 20 %, least loss'], _short_rows(scores))}"


def _short_rows(scores):
    columns = {"close": (percent, max), "near": (percent, max), "median": (percent, min), "p90": (percent, min)}
    columns |= {"deviation": (_spread, min), "steps": (_whole, min), "along": (percent, max)}
    best = {key: words(least(s[key] for s in scores.values())) for key, (words, least) in columns.items()}
    for name, s in scores.items():
        cells = {key: words(s[key]) for key, (words, _) in columns.items()}
        bold = [f"**{cell}**" if cell == best[key] and key != "steps" else cell for key, cell in cells.items()]
        yield [f"`{name}`" if name.endswith("_lr") else name, *bold]


def _spread(value):
    return decades(value, "")


def _whole(value):
    return f"{value:.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print instead of writing")
    parser.add_argument("--families", action="store_true", help="print every family, and end")
    options = parser.parse_args()
    if not fit.ANSWERS.exists():
        parser.exit(1, f"there is no {fit.ANSWERS}; `make bench-fit` makes it\n")
    found = answers.read()
    if options.families:
        return print(family_table(found, -np.inf))
    for text, path, part in [(page(found), PAGE, "tables"), (short(found), README, "short")]:
        print(f"{text}\n")
        if not options.print:
            write(text, path, part)


if __name__ == "__main__":
    main()
