"""The page of two results beside each other: how far they agree, a table, both charts."""

from lrfinder.display.compare import Row, Side, agreement, rows
from lrfinder.display.layout import one_line
from lrfinder.display.page.chart import LAYERS, chart, layers_of
from lrfinder.display.page.document import document, readout, toggles
from lrfinder.display.page.markup import tag, words
from lrfinder.display.page.parts import section

__all__ = ["comparison"]


def comparison(left: Side, right: Side) -> str:
    """Return two results as one HTML file that needs no other and asks for none."""
    about = f"{one_line(left.name)} and {one_line(right.name)}"
    head = tag("header", tag("h1", words(about)), tag("p", words(agreement(left, right)), class_="peak none"))
    parts = [section("compared", "Side by side", _table(left, right))]
    drawn = [(side, chart(side.evidence, side.plan, name)) for side, name in ((left, "left"), (right, "right"))]
    if any(picture for _, picture in drawn):
        charts = tag("div", *(_figure(side, picture) for side, picture in drawn), class_="beside")
        there = {layer for side in (left, right) for layer in layers_of(side.evidence, side.plan)}
        keys = toggles(layer for layer in LAYERS if layer in there)
        parts.append(section("seen", "What was seen", keys, charts, readout()))
    return document(f"lrfinder: {about}", head, *parts)


def _table(left: Side, right: Side) -> str:
    names = (tag("th", words(one_line(side.name, 100)), scope="col") for side in (left, right))
    head = tag("thead", tag("tr", tag("th", "", scope="col"), *names))
    caption = tag("caption", "* marks what differs.")
    table = tag("table", caption, head, tag("tbody", *map(_row, rows(left, right))), class_="compared")
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label="both results")


def _row(row: Row) -> str:
    name = tag("th", words(f"* {row.name}" if row.is_marked else row.name), scope="row")
    cells = (tag("td", words(value)) for value in (row.left, row.right))
    return tag("tr", name, *cells, class_="differs" if row.is_marked else None)


def _figure(side: Side, picture: str) -> str:
    return tag(
        "div", tag("h3", words(one_line(side.name))), picture or tag("p", "Nothing was measured.", class_="quiet")
    )
