"""The page of a result: one file, whole, small, without an address, and nothing from outside is markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders import EDGE, PILOT, result, trials
from recorded import descent

from lrfinder import Facts, LRResult
from lrfinder.advice.request import Request

TRIALS = {"edge_trials": [EDGE], "pilots": [PILOT]}
RESULTS = {
    "range test": lambda: result(edge_trials=[EDGE]),
    "tuning": lambda: result(**TRIALS),
    "no length": lambda: result(Request(), **TRIALS),
    "rescaled": lambda: result(facts=Facts(batch_size=64)).rescale(batch_size=256),
    "no suggestion": lambda: result(losses=[1.0] * 100),
}


class Tags(HTMLParser):
    """Asserts that tags are balanced; collects them with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("found", RESULTS.values(), ids=RESULTS)
def test_the_page_is_whole_and_has_no_address(found):
    """Tags are balanced, ids are unique, what a label names is there, and nothing points to a server."""
    text = found().to_html()

    tags = Tags(text).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    named = " ".join(attributes.get("aria-labelledby") or "" for _, attributes in tags).split()
    assert len(ids) == len(set(ids))
    assert set(named) <= set(ids)
    assert set(re.findall(r"https?://[^'\"\s<]*", text)) <= {"http://www.w3.org/2000/svg"}


def test_the_answer_comes_first():
    """Peak and interval stand before anything else that is measured, and the lines to use them are there whole."""
    found = result(**TRIALS)

    shown = "".join(Tags(found.to_html()).text)

    assert shown.index(f"{found.lr:.2e}") < shown.index("Use it") < shown.index("What was seen")
    assert "{:.1e} to {:.1e}".format(*found.interval) in shown
    assert found.plan.code in shown


def test_without_a_suggestion_the_page_says_what_to_try_and_draws_the_curve():
    """There is no code to copy then."""
    found = result(losses=[1.0] * 100)

    tags = Tags(found.to_html())

    assert found.status.sentence in "".join(tags.text)
    assert any(attributes.get("data-layer") == "raw" for _, attributes in tags.tags)
    assert not any("data-copy" in attributes for _, attributes in tags.tags)


def test_what_comes_from_outside_is_no_markup():
    """Names of models, losses and rules cannot break the page."""
    bad = "</script><img src=x onerror=alert(1)>\"'&"
    facts = Facts(model=bad, optimizer=f"AdamW{bad}", loss=bad)

    def rule(curve):
        return 1e-2

    rule.__name__ = bad
    text = result(Request(2000, rule=bad), facts=facts, rule=rule, **TRIALS).to_html()

    tags = Tags(text).tags
    assert {tag for tag, _ in tags} & {"img"} == set()
    assert sum(tag == "script" for tag, _ in tags) == text.count("</script>")


def test_the_largest_tuning_fits_in_200_kb():
    """A sweep of 5,000 rates is thinned; 120 trials are more than a search makes."""
    many = [trials(*((1e-4 * 1.3**i, 1.0 + i / 50) for i in range(12)), steps=60 + n) for n in range(5)]
    losses = descent(steps=5000)

    found = result(losses=losses, edge_trials=many, pilots=many)

    assert len(found.to_html().encode()) < 200_000


def test_the_file_holds_what_is_returned(tmp_path):
    """As of `to_json`; and a result of the release before has a page too."""
    found = LRResult.from_json(Path(__file__).parents[1] / "schema_1.json")

    text = found.to_html(tmp_path / "lr.html")

    assert (tmp_path / "lr.html").read_text(encoding="utf-8") == text
    Tags(text)
