"""Two results beside each other: a table whose rows are marked where they differ, and how far the peaks agree."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from lrfinder.advice.plan import Plan
from lrfinder.display.layout import WIDTH, format_samples, one_line, wrap_at
from lrfinder.display.words import best_trial, cost_in_words
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.trials import Trials

__all__ = ["Row", "Side", "agreement", "rows", "text"]

NOTHING = "–"
"""What a cell shows where there is nothing to show."""

NAME, BETWEEN = 16, 2
CELL = (WIDTH - 2 - NAME) // 2 - BETWEEN
"""Columns of the name of a row, between cells, and of a cell; the mark stands in front of the name."""

NOT_ALWAYS = ("parameters", "size of weights")
"""Rows that are left out where neither result has them."""

LONGEST = 300
"""Letters of a cell, which is wrapped."""


class Side(NamedTuple):
    """One of two results.

    Args:
        name: What it is called, as its file.
        evidence: What was measured.
        plan: What is advised, or None without a suggestion.
    """

    name: str
    evidence: Evidence
    plan: Plan | None


class Row(NamedTuple):
    """One quantity of both results, in words.

    Args:
        name: What it is.
        left: That of the first result.
        right: That of the second.
    """

    name: str
    left: str
    right: str

    @property
    def is_marked(self) -> bool:
        """Whether the results differ in it."""
        return self.left != self.right


def rows(left: Side, right: Side) -> list[Row]:
    """Return every quantity of two results; those that only some trainings have, where one of the two has them."""
    both = [{"status": str(side.evidence.status), **_planned(side.plan), **_measured(side)} for side in (left, right)]
    every = [Row(name, both[0][name], both[1][name]) for name in both[0]]
    return [row for row in every if row.name not in NOT_ALWAYS or {row.left, row.right} != {NOTHING}]


def _planned(plan: Plan | None) -> dict[str, str]:
    """What is advised, in words."""
    if plan is None:
        return dict.fromkeys(("peak", "interval", "schedule", "horizon", "warm-up"), NOTHING)
    low, high = plan.interval
    horizon = "not known" if plan.schedule is None else "without a known end"
    return {
        "peak": f"{plan.lr:.2e}{f', by your rule {one_line(plan.rule)}' if plan.rule else ''}",
        "interval": f"{low:.1e} to {high:.1e}",
        "schedule": one_line(plan.schedule_text, LONGEST),
        "horizon": horizon if plan.total_steps is None else f"{plan.total_steps:,} steps",
        "warm-up": f"{plan.warmup:,} steps" if plan.warmup else "none",
    }


def _measured(side: Side) -> dict[str, str]:
    """What was trained and seen, in words; the batch and the size are those of a plan that was rescaled to others."""
    _, evidence, plan = side
    facts = evidence.facts
    of = facts if plan is None or plan.setting is None else plan.setting
    batch = NOTHING if of.batch_size is None else format_samples(of.batch_size)
    return {
        "cost": cost_in_words(evidence, plan).removeprefix("cost ") or NOTHING,
        "model": one_line(facts.model, LONGEST),
        "optimizer": one_line(facts.optimizer, LONGEST),
        "batch": f"{batch} on each of {of.ranks} ranks" if of.ranks > 1 else batch,
        "best short trial": _best(evidence.edge_trials),
        "best pilot": _best(evidence.pilots),
        "edge": NOTHING if evidence.edge is None else f"{evidence.edge:.2e}",
        "parameters": NOTHING if of.parameters is None else f"{of.parameters:,}",
        "size of weights": NOTHING if facts.weights is None else f"{facts.weights:.3g} (root mean square)",
    }


def _best(records: Sequence[Trials]) -> str:
    """What the trial with the lowest loss came to."""
    best = best_trial(records)
    if best is None:
        return "all exploded" if records else NOTHING
    loss, lr, one = best
    return f"loss {one.start:.4g} to {loss:.4g} at {lr:.1e}, {one.steps:,} steps"


def agreement(left: Side, right: Side) -> str:
    """Return by what factor the peaks differ, whether each lies in the other's interval, and if schedules differ."""
    if left.plan is None or right.plan is None:
        having = [one_line(side.name) for side in (left, right) if side.plan is not None]
        return f"Only {having[0]} has a suggestion." if having else "Neither has a suggestion."
    factor = max(left.plan.lr, right.plan.lr) / min(left.plan.lr, right.plan.lr)
    shown = f"{factor:,.0f}" if factor >= 100 else f"{factor:.3g}"
    how = "are the same" if shown == "1" else f"differ by a factor of {shown}"
    shapes = {(side.plan.schedule_text, side.plan.total_steps) for side in (left, right) if side.plan}
    other = " Their schedules differ." if len(shapes) > 1 else ""
    return f"The peaks {how}; {_within(left, right, left.plan, right.plan)}.{other}"


def _within(left: Side, right: Side, first: Plan, second: Plan) -> str:
    """Whose peak lies in whose interval."""
    inside = [_holds(second, first.lr), _holds(first, second.lr)]
    if all(inside):
        return "each lies in the other's interval"
    if not any(inside):
        return "neither lies in the other's interval"
    return f"only that of {one_line((left if inside[0] else right).name)} lies in the other's interval"


def _holds(plan: Plan, lr: float) -> bool:
    return plan.interval[0] <= lr <= plan.interval[1]


def text(left: Side, right: Side) -> str:
    """Return two results beside each other in lines of at most 100 columns, a mark before rows that differ."""
    head = _lines(" ", "", one_line(left.name, LONGEST), one_line(right.name, LONGEST))
    body = [line for row in rows(left, right) for line in _lines("*" if row.is_marked else " ", row.name, *row[1:])]
    return "\n".join([*wrap_at("", agreement(left, right)), "", *head, *body, "", "* they differ"])


def _lines(mark: str, name: str, *cells: str) -> list[str]:
    """A row in lines: what is too long for its cell goes on below."""
    first, second = (textwrap.wrap(cell, CELL) or [""] for cell in cells)
    lines = []
    for i in range(max(len(first), len(second))):
        left, right = (cell[i] if i < len(cell) else "" for cell in (first, second))
        head = f"{mark} {name}" if i == 0 else ""
        lines.append(f"{head:<{2 + NAME}}{'':{BETWEEN}}{left:<{CELL}}{'':{BETWEEN}}{right}".rstrip())
    return lines
