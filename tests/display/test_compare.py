"""Two results beside each other: which rows are marked, how far the peaks agree, and a page that is whole."""

import re
from dataclasses import replace

import pytest
from builders import EDGE, PILOT, evidence, result
from test_page import Tags

from lrfinder import Facts
from lrfinder.advice.request import Request
from lrfinder.display.compare import Side, agreement, rows, text
from lrfinder.display.page.comparison import comparison

BAD = "</script><img src=x onerror=alert(1)>\"'&\x1b[31m"
FACTS = Facts(model="Net", optimizer="AdamW", batch_size=64, parameters=1000)


def side(name="a.json", *, factor=1.0, request=None, **options):
    """One of two, its peak and interval moved by a factor."""
    found = result(request, **{"facts": FACTS, "edge_trials": [EDGE], **options})
    low, high = found.plan.interval
    moved = replace(found.plan, lr=factor * found.plan.lr, interval=(factor * low, factor * high))
    return Side(name, found.evidence, moved)


def flat(name="flat.json"):
    """One without a suggestion."""
    found = result(losses=[1.0] * 100, facts=FACTS)
    return Side(name, found.evidence, found.plan)


def marked(left, right):
    """Names of the rows that are marked in the text."""
    return [line[2:18].strip() for line in text(left, right).splitlines() if re.match(r"\* \S+( \S+)*   ", line)]


def test_equal_results_have_no_mark():
    """Every row is there, and none is marked."""
    assert marked(side(), side("b.json")) == []
    assert "parameters" in text(side(), side("b.json"))


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"factor": 1.5}, ["peak", "interval"]),
        ({"facts": replace(FACTS, model="Other", batch_size=128, parameters=None)}, ["model", "batch", "parameters"]),
        ({"request": Request(2000, schedule="constant")}, ["peak", "interval", "schedule"]),
    ],
)
def test_what_differs_is_marked_and_nothing_else(changed, names):
    """The mark stands before the rows whose values are not the same."""
    assert marked(side(), side("b.json", **changed)) == names


def test_pilots_and_another_batch_are_in_their_rows():
    """The best of all trials with the loss it came from; a rescaled plan has the batch that it is for."""
    found = result(facts=FACTS, edge_trials=[EDGE], pilots=[PILOT])
    both = (Side("x", one.evidence, one.plan) for one in (found, found.rescale(batch_size=256)))

    table = {row.name: row for row in rows(*both)}

    assert table["best pilot"].left == "loss 2 to 0.4 at 1.0e-02, 60 steps"
    assert (table["batch"].left, table["batch"].right) == ("64 samples", "256 samples")
    assert not table["best pilot"].is_marked


def test_the_first_sentence_says_how_far_the_peaks_agree():
    """By which factor they differ, and whose peak lies in whose interval."""
    one, wide = side(), side("wide.json", factor=3)
    wide = wide._replace(plan=replace(wide.plan, interval=(one.plan.lr / 2, 1.0)))

    assert agreement(one, side()) == "The peaks are the same; each lies in the other's interval."
    far = "The peaks differ by a factor of 1,000; neither lies in the other's interval."
    assert agreement(one, side(factor=1e3)) == far
    near = replace(one.plan, interval=(one.plan.lr / 1.1, one.plan.lr * 1.1))
    assert "factor of 3; only that of a.json lies in the other's interval." in agreement(one._replace(plan=near), wide)
    assert "Their schedules differ." in agreement(one, side(request=Request(4000)))


def test_a_result_without_a_suggestion_stands_beside_one_with():
    """What it has no plan for is empty, and the first sentence says which has one."""
    assert agreement(flat(), side()) == "Only a.json has a suggestion."
    assert agreement(flat(), flat()) == "Neither has a suggestion."
    assert {"status", "peak", "schedule"} <= set(marked(flat(), side()))
    assert re.search(r"^\* peak +– +\d", text(flat(), side()), flags=re.MULTILINE)


def test_the_table_fits_in_100_columns_whatever_the_names():
    """Long names and schedules go on below in their own column, and nothing is printed that cannot be."""
    facts = replace(FACTS, model="M" * 200, optimizer=BAD)
    printed = text(side("x/" * 60 + "lr.json", facts=facts), side(BAD))

    assert max(map(len, printed.splitlines())) <= 100
    assert printed.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "both", [(side(), side("b", pilots=[PILOT])), (flat(), side()), (Side("none", evidence(), None), flat())]
)
def test_the_page_is_whole_with_the_same_table_and_has_no_address(both):
    """Tags are balanced, ids are unique, each measurement has a chart, and nothing points to a server."""
    page = comparison(*both)

    tags = Tags(page)
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    charts = [one for _, one in tags.tags if one.get("class") == "chart"]
    assert len(ids) == len(set(ids))
    assert {*" ".join(one.get("aria-labelledby") or "" for _, one in tags.tags).split()} <= set(ids)
    assert len(charts) == sum(one.evidence.curve is not None for one in both)
    assert set(re.findall(r"https?://[^'\"\s<]*", page)) <= {"http://www.w3.org/2000/svg"}
    assert {value for row in rows(*both) for value in row[1:]} <= set(tags.text)
    assert sum(one.get("class") == "differs" for _, one in tags.tags) == sum(row.is_marked for row in rows(*both))


def test_no_name_from_outside_is_markup_on_the_page():
    """Names of files, models and optimizers are text."""
    page = comparison(side(BAD, facts=replace(FACTS, model=BAD, optimizer=BAD)), side("b.json"))

    tags = Tags(page).tags
    assert "img" not in {tag for tag, _ in tags}
    assert sum(tag == "script" for tag, _ in tags) == page.count("</script>") == 1
