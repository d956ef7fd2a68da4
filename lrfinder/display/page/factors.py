"""From what was measured to the peak: each factor as a bar on one log axis, with its reason and grade."""

import math
from typing import NamedTuple

from lrfinder.advice.plan import Factor, Grade, Plan
from lrfinder.display.layout import one_line
from lrfinder.display.page.markup import tag, words
from lrfinder.display.words import factor_in_words, reasons_of_peak
from lrfinder.evidence.evidence import Evidence

__all__ = ["factors_table"]

SOURCES = {"usual": "usual for the optimizer", "edge": "edge of the short trials", "pilots": "best of the pilots"}
SOURCES |= {"rules": "mean of the rules"}

OPENINGS = {"batch": "The batch", "samples": "The training, in samples,", "parameters": "The model"}
"""How the reason of a factor of change begins."""


class _Row(NamedTuple):
    """A rate before and after something, with the words beside it."""

    name: str
    before: float
    after: float
    reason: str = ""
    grade: Grade | None = None
    times: str = ""
    kind: str = "source"


def factors_table(evidence: Evidence, plan: Plan) -> str:
    """Return the way from each source to its peak, and from the middle of all to the suggestion; empty by a rule."""
    if not plan.estimates:
        return ""
    rates = [plan.lr, *plan.interval]
    for estimate in plan.estimates:
        rates += [estimate.measured, plan.peak_of(estimate)]
    ends = math.log10(min(rates)) - 0.1, math.log10(max(rates)) + 0.1
    optimizer, rows = one_line(evidence.facts.optimizer), []
    for estimate, reason in zip(plan.estimates, reasons_of_peak(evidence, plan), strict=False):
        at = estimate.measured
        rows.append(_Row(SOURCES[estimate.source], at, at, reason.text, reason.grade))
        rows += _steps(plan.factors_of(estimate.source), at, reason.grade, plan, optimizer)
    last = plan.factors_of("peak")
    middle = plan.lr / math.prod(factor.value for factor in last)
    said = "Half of what all sources together hold for likely lies below it." if len(plan.estimates) > 1 else ""
    rows.append(_Row("middle of all", middle, middle, said))
    rows += _steps(last, middle, "moderate", plan, optimizer)
    rows.append(_Row("suggested peak", plan.lr, plan.lr, kind="source peak-row"))
    names = ("from measured to the peak", "rate", "on a log axis", "evidence")
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    caption = tag("caption", "What each source measured, and what it was multiplied by.")
    table = tag("table", caption, head, tag("tbody", *(_drawn(row, ends) for row in rows)), class_="factors")
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label="factors")


def _steps(factors: tuple[Factor, ...], before: float, grade: Grade, plan: Plan, optimizer: str) -> list[_Row]:
    """A row for each factor that changes anything."""
    rows = []
    for factor in factors:
        after = before * factor.value
        if f"{factor.value:.2g}" != "1":
            value, name = factor_in_words(factor, optimizer).split(" ", 1)
            reason, own = _reason(factor, plan, grade)
            rows.append(_Row(name, before, after, reason, own, f"× {value}", "step"))
        before = after
    return rows


def _reason(factor: Factor, plan: Plan, grade: Grade) -> tuple[str, Grade]:
    """What a factor stands on, where the plan says so of it alone."""
    opening = OPENINGS.get(factor.name)
    own = next((one for one in plan.reasons if opening and one.text.startswith(opening)), None)
    if own is not None:
        return own.text, own.grade
    return "", "weak" if factor.name == "finetune" else grade


def _drawn(row: _Row, ends: tuple[float, float]) -> str:
    low, high = sorted((_part(row.before, ends), _part(row.after, ends)))
    bar = tag("rect", x=f"{low:.2f}", y=3, width=f"{max(high - low, 0.8):.2f}", height=10)
    svg = tag("svg", bar, viewBox="0 0 100 16", preserveAspectRatio="none", aria_hidden="true", class_="bar")
    head = tag("span", words(row.name), class_="what") + (
        tag("span", words(row.times), class_="times") if row.times else ""
    )
    first = tag("th", head, tag("small", words(row.reason)) if row.reason else "", scope="row")
    return tag(
        "tr",
        first,
        tag("td", f"{row.after:.2e}", class_="number"),
        tag("td", svg),
        tag("td", words(row.grade or "")),
        class_=row.kind,
    )


def _part(lr: float, ends: tuple[float, float]) -> float:
    return 100 * (math.log10(lr) - ends[0]) / (ends[1] - ends[0])
