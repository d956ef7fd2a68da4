"""What a notebook shows: the answer, the chart, the whole in words."""

import re
from html.parser import HTMLParser

import pytest
from builders import EDGE, PILOT, result

from lrfinder import Facts
from lrfinder.advice.request import Request

TRIALS = {"edge_trials": [EDGE], "pilots": [PILOT]}


class Words(HTMLParser):
    """Collects the words of a fragment, its ids, and the tags in the order of their opening and closing."""

    def __init__(self, text):
        super().__init__()
        self.words, self.ids, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "pre"):
            self.words += data.split()


@pytest.mark.parametrize("options", [{}, TRIALS], ids=["range test", "tuning"])
@pytest.mark.parametrize("asked", [Request(500), Request()], ids=["500", "no length"])
def test_the_answer_stands_above_the_chart(asked, options):
    """Peak, interval and schedule are there, every tag is closed, and the chart is SVG in the text itself."""
    found = result(asked, **options)

    text = found._repr_html_()
    shown = Words(text)

    said = " ".join(shown.words)
    assert f"{found.lr:.2e}" in said
    assert "{:.1e} to {:.1e}".format(*found.interval) in said
    assert found.plan.schedule_text in said
    assert shown.open == []
    assert text.index(f"{found.lr:.2e}") < text.index('class="chart"')
    assert "<script" not in text


def test_two_results_share_no_id():
    """What one chart is called by is not in the other, so that both stand in one notebook."""
    first, second = (Words(result(Request(steps))._repr_html_()).ids for steps in (500, 600))

    assert first
    assert not set(first) & set(second)


def test_the_style_is_for_the_result_alone():
    """Every rule is inside of the class of the fragment, and nothing is asked of any server."""
    text = result()._repr_html_()
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)

    assert style.startswith(".lrfinder {")
    assert style.count("{") == style.count("}")
    assert not {":root", "body {"} & set(style.splitlines())
    assert "http" not in text


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
