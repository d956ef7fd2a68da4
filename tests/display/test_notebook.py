"""What a notebook shows: the table, the picture, the report."""

import io
import re
from base64 import b64decode
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest
from PIL import Image
from recorded import descent, recorded

from lrfinder import Facts, LRResult
from lrfinder.advice.recommend import Request, plan
from lrfinder.evidence.evidence import add_pilots, read_curve
from lrfinder.evidence.trials import Trials


def found(losses=None, **options):
    """The result of a sweep over these losses, planned where it is `ok`."""
    evidence = read_curve(recorded(losses or descent()), Facts(model="<b>Net</b>"))
    return LRResult(evidence, plan(evidence, Request(**options)) if evidence.status == "ok" else None)


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


def test_the_table_tells_the_plan():
    """Peak, interval, schedule and length stand in it, and every tag is closed."""
    result = found(total_steps=500)

    page = Cells(result._repr_html_())

    told = dict(zip(page.cells[::2], page.cells[1::2], strict=True))
    assert told["peak LR"] == f"{result.lr:.2e}"
    assert told["schedule"] == result.plan.schedule_text
    assert told["training"] == "500 optimizer steps"
    assert page.open == []


@pytest.mark.parametrize("of", [lambda found: found, lambda found: found.plan], ids=["result", "plan"])
def test_the_picture_is_inside(of):
    """It is a PNG in the text itself, and pyplot holds no figure, which a notebook would show once more."""
    (data,) = re.findall(r"data:image/png;base64,([^\"]+)", of(found(total_steps=500))._repr_html_())

    assert Image.open(io.BytesIO(b64decode(data))).size == (750, 380)
    assert plt.get_fignums() == []


def test_a_tuned_result_is_shown_as_any_other():
    """With pilots the table tells the plan, and the picture is inside."""
    runs = Trials((1e-3, 1e-2, 1e-1), (0.6, 0.4, 1.2), 60, 2.0, is_sure=True, cost=200.0)
    evidence = add_pilots(found().evidence, [runs])
    tuned = LRResult(evidence, plan(evidence, Request(5000)))

    text = tuned._repr_html_()

    assert f"{tuned.lr:.2e}" in Cells(text).cells
    assert "data:image/png;base64," in text


def test_a_plan_of_unknown_length_says_so():
    """Without `total_steps` no number stands for it."""
    assert "length not known" in found().plan._repr_html_()


def test_what_comes_from_outside_is_no_markup():
    """The name of a model cannot break the page."""
    text = found(total_steps=500)._repr_html_()

    assert "<b>Net</b>" not in text
    assert "&lt;b&gt;Net&lt;/b&gt;" in text


def test_without_a_rate_the_report_stands_open():
    """There is no table then, and what to try is not folded away."""
    text = found([1.0] * 100)._repr_html_()

    assert "no suggestion" in text
    assert "<details>" not in text
    assert Cells(text).cells == []
