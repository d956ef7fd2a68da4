"""The whole page: one file, no request to anywhere, readable without its script."""

import json
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.resources import files

from lrfinder._version import __version__
from lrfinder.advice.plan import Plan
from lrfinder.advice.what_if import what_if
from lrfinder.display.explain import explain
from lrfinder.display.layout import one_line
from lrfinder.display.page.chart import LAYERS, chart, layers_of
from lrfinder.display.page.factors import factors_table
from lrfinder.display.page.markup import tag, words
from lrfinder.display.page.parts import answer, code, measured, schedule_drawn, section, trials_table, warned
from lrfinder.evidence.evidence import Evidence

__all__ = ["document", "page", "read_asset", "readout", "toggles"]

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1 3q5 9 8 9t6-9' "
    "fill='none' stroke='%230072B2' stroke-width='2.5'/%3E%3C/svg%3E"
)
"""The icon of the page, in itself: without one a browser asks a server for it."""


def page(evidence: Evidence, plan: Plan | None, *more: str) -> str:
    """Return a result as one HTML file that needs no other and asks for none, with `more` sections below the chart."""
    facts = evidence.facts
    kind = "tuning" if evidence.pilots else "range test"
    about = f"{kind} of {one_line(facts.model)} with {one_line(facts.optimizer)}"
    drawn = "" if plan is None else schedule_drawn(plan, "answer")
    head = tag(
        "header", tag("h1", words(about)), tag("div", tag("div", answer(evidence, plan)), drawn, class_="answer")
    )
    parts = [warned(plan)]
    if plan is not None:
        parts.append(section("use", "Use it", code(plan)))
    picture = chart(evidence, plan, "losses")
    if picture:
        parts.append(section("seen", "What was seen", toggles(layers_of(evidence, plan)), picture, readout()))
    parts += [*more, _what_if(evidence, plan)]
    factors = "" if plan is None else factors_table(evidence, plan)
    parts.append(section("why", "How the peak came about", factors) if factors else "")
    table = trials_table(evidence)
    parts.append(section("trials", "All trials", table) if table else "")
    parts.append(section("measured", "Measured", measured(evidence, plan)))
    whole = tag("pre", words(explain(evidence, plan)), tabindex=0)
    parts.append(tag("details", tag("summary", "All of it in words"), whole))
    return document(f"lrfinder: {about}", head, *parts)


def document(title: str, header: str, *parts: str) -> str:
    """Return a page of a header and parts, with the style and script of all pages and a policy that allows no other."""
    style, script = read_asset("page.css"), read_asset("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", words(title)),
        f'<link rel="icon" href="{ICON}">',
        f"<style>{style}</style>",
    )
    foot = tag("footer", f"made by lrfinder {__version__}; this page asks nothing of any server")
    body = tag("body", header, tag("main", *parts), foot, f"<script>{script}</script>")
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


@cache
def read_asset(name: str) -> str:
    """Return a file that lies beside this module."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _what_if(evidence: Evidence, plan: Plan | None) -> str:
    """A form that plans for other steps, batches and schedules, with the numbers that it computes from."""
    numbers = None if plan is None else what_if(evidence, plan)
    if numbers is None:
        return ""
    steps = tag("input", type="number", min=1, step=1, name="steps", value=numbers["steps"] or 1000)
    batch = tag("input", type="number", min=1, step=1, name="batch", value=numbers["batch"])
    names = (
        (name, "as recommended" if name == "recommended" else name.replace("_", " ")) for name in numbers["schedules"]
    )
    options = (tag("option", words(text), value=name, selected=name == numbers["schedule"]) for name, text in names)
    fields = [
        tag("label", "optimizer steps", steps),
        tag("label", "schedule", tag("select", *options, name="schedule")),
    ]
    fields += [] if numbers["batch"] is None else [tag("label", "samples of a step, on a rank", batch)]
    data = json.dumps(numbers, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    held = f'<script type="application/json" id="what-if-numbers">{data}</script>'
    form = tag("form", *fields, class_="what-if", aria_label="another training")
    told = tag("output", class_="would", aria_live="polite", id="would")
    return section("what-if", "What if", form, told, held, class_="no-print")


def toggles(layers: Iterable[str]) -> str:
    """Return a box for each layer, which hides it in every chart of the page, and says by its colour what it is."""
    boxes = (
        tag(
            "label",
            tag("input", type="checkbox", checked=True, data_toggle=layer),
            tag("span", words(LAYERS[layer])),
            class_=f"key {layer}",
        )
        for layer in layers
    )
    return tag("fieldset", tag("legend", "Layers"), *boxes, class_="toggles")


def readout() -> str:
    """Return where the values under the pointer are shown, one for all charts of the page."""
    how = "Point at the chart, or focus it and use the arrow keys, to read values."
    return tag("output", how, class_="readout", aria_live="polite", id="readout")
