"""What a notebook shows: the table, the picture, the report."""

import io
import re
from base64 import b64decode
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest
from builders import EDGE, PILOT, result
from PIL import Image

from lrfinder import Facts
from lrfinder.advice.request import Request

TRIALS = {"edge_trials": [EDGE], "pilots": [PILOT]}


class Cells(HTMLParser):
    """Collects the cells of a table, and the tags in the order of their opening and closing."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("th", "td"):
            self.cells.append(data)


@pytest.mark.parametrize("options", [{}, TRIALS], ids=["range test", "tuning"])
@pytest.mark.parametrize(
    ("asked", "length"),
    [(Request(500), "500 optimizer steps"), (Request(), "length not known")],
    ids=["500", "no length"],
)
def test_the_table_shows_the_plan(asked, length, options):
    """Peak, interval, schedule and length stand in it, and every tag is closed."""
    found = result(asked, **options)

    page = Cells(found._repr_html_())

    shown = dict(zip(page.cells[::2], page.cells[1::2], strict=True))
    assert shown["peak LR"] == f"{found.lr:.2e}"
    assert shown["80 % interval"] == "{:.1e} to {:.1e}".format(*found.interval)
    assert shown["schedule"] == found.plan.schedule_text
    assert shown["training"] == length
    assert page.open == []


@pytest.mark.parametrize("options", [{}, TRIALS], ids=["range test", "tuning"])
def test_the_picture_is_inside(options):
    """It is a PNG in the text itself, and pyplot holds no figure, which a notebook would show once more."""
    (data,) = re.findall(r"data:image/png;base64,([^\"]+)", result(**options)._repr_html_())

    assert Image.open(io.BytesIO(b64decode(data))).size == (750, 380)
    assert plt.get_fignums() == []


def test_what_comes_from_outside_is_no_markup():
    """The name of a model cannot break the page."""
    text = result(facts=Facts(model="<b>Net</b>"))._repr_html_()

    assert "<b>Net</b>" not in text
    assert "&lt;b&gt;Net&lt;/b&gt;" in text


def test_without_a_rate_the_report_stands_open():
    """There is no table then, and what to try is not folded away."""
    text = result(losses=[1.0] * 100)._repr_html_()

    assert "no suggestion" in text
    assert "<details>" not in text
    assert Cells(text).cells == []
