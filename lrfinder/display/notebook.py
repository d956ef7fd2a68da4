"""What a notebook shows of a result: a small table, the picture, the whole report folded below."""

from base64 import b64encode
from html import escape
from io import BytesIO

from lrfinder.advice.plan import Plan
from lrfinder.display.explain import explain
from lrfinder.display.plot import figure_of
from lrfinder.evidence.evidence import Evidence

__all__ = ["html_of"]


def html_of(evidence: Evidence, plan: Plan | None) -> str:
    """Return a fragment of HTML that needs no other file; without a plan the report says why there is none."""
    table = "" if plan is None else f"<table>{''.join(_row(*cells) for cells in _cells(plan))}</table>"
    picture = BytesIO()
    figure_of(evidence, plan, 7.5, 3.8).savefig(picture, format="png", dpi=100)
    source = f"data:image/png;base64,{b64encode(picture.getvalue()).decode()}"
    report = f"<pre>{escape(explain(evidence, plan))}</pre>"
    folded = report if plan is None else f"<details><summary>report</summary>{report}</details>"
    return f'<div>{table}<img src="{source}" alt="the range test">{folded}</div>'


def _cells(plan: Plan) -> list[tuple[str, str]]:
    """What to train with, in rows of a name and a value."""
    low, high = plan.interval
    steps = "length not known" if plan.total_steps is None else f"{plan.total_steps:,} optimizer steps"
    rows = [("peak LR", f"{plan.lr:.2e}"), ("80 % interval", f"{low:.1e} to {high:.1e}")]
    return [*rows, ("schedule", plan.schedule_text), ("training", steps), *(("but", text) for text in plan.warnings)]


def _row(name: str, value: str) -> str:
    left = 'style="text-align: left"'
    return f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(value)}</td></tr>"
