"""What a notebook shows of a result: the small form of its page, with the whole in words folded below."""

from hashlib import sha256

from lrfinder.advice.plan import Plan
from lrfinder.display.explain import explain
from lrfinder.display.page.chart import chart
from lrfinder.display.page.document import read_asset
from lrfinder.display.page.markup import tag, words
from lrfinder.display.page.parts import answer, schedule_drawn, warned
from lrfinder.evidence.evidence import Evidence

__all__ = ["html_of"]

NAME = "lrfinder"
"""Class of the element that the style is for, so that it touches nothing else of the notebook."""


def html_of(evidence: Evidence, plan: Plan | None) -> str:
    """Return a fragment of HTML that needs no other file and no script; without a plan the words stand open."""
    name = f"{NAME}-{sha256(repr((evidence, plan)).encode()).hexdigest()[:8]}"
    drawn = "" if plan is None else schedule_drawn(plan, name)
    head = tag("div", tag("div", answer(evidence, plan)), drawn, class_="answer")
    whole = tag("pre", words(explain(evidence, plan)))
    folded = whole if plan is None else tag("details", tag("summary", "All of it in words"), whole)
    return tag(
        "div", f"<style>{_style()}</style>", head, warned(plan), chart(evidence, plan, name), folded, class_=NAME
    )


def _style() -> str:
    """The style of the page, for what is inside of the element alone."""
    return f".{NAME} {{\n{read_asset('page.css').replace(':root', '&').replace('body {', '& {')}}}"
