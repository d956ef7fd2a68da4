"""docs/schedules.md: it shows what the catalogue holds, and its numbers are right."""

import math
import re
from pathlib import Path

import pytest

from lrfinder.display.catalogue import catalogue
from lrfinder.schedules import (
    CATALOGUE,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    WarmRestarts,
)
from lrfinder.schedules.bound import bound

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "schedules.md").read_text(encoding="utf-8")


def test_the_page_shows_the_table_as_it_is_printed():
    """The printout is that of `lrfinder schedules`."""
    (shown,) = re.findall(r"<!-- printout: lrfinder schedules -->\n```text\n(.*?)\n```", PAGE, flags=re.DOTALL)

    assert shown == catalogue(CATALOGUE)


def test_the_code_of_the_page_runs():
    """Its one block gives the factors in its comment."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)

    namespace = {}
    exec(block, namespace)

    assert "# 0.02, 1.0, 1.0, 0.5, 0.0" in block
    assert [namespace["schedule"](step) for step in (0, 49, 50, 525, 1000)] == [0.02, 1.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("schedule", "cost"),
    [
        (InverseTime.to(0.1, 1000), 17),
        (InverseTime.to(0.01, 1000), 44),
        (WarmRestarts.fit(1000, 3), 21),
        (Cosine(1000), 3),
        (WarmRestarts(320), 81),
    ],
    ids=repr,
)
def test_the_costs_of_the_page_are_the_bounds(schedule, cost):
    """The percentages are the excess losses above that of linear decay at a thousand steps."""
    assert 100 * (bound(map(schedule, range(1000))).cost - 1) == pytest.approx(cost, abs=0.6)
    assert f"{cost} %" in PAGE


@pytest.mark.parametrize(
    ("sentence", "computed", "written"),
    [
        ("leaves 36 % after 20 epochs", 0.95**20, 0.36),
        ("leaves 0.6 % after 100 steps", 0.95**100, 0.006),
        ("10^-12 after ten epochs", 0.01 * 0.1**10, 1e-12),
        ("0.02, 0, -0.02", 0.1 - 6 * 0.02, -0.02),
        ("make 1,875 steps an epoch, 9,375 in all", 5 * 60_000 / 32, 9375),
        ("0.71 in the middle", math.cos(math.pi / 4), 0.71),
        ("T = 100 to 0.5 at step 150", (1 + math.cos(1.5 * math.pi)) / 2, 0.5),
        ("has lost half of the rate at the fourth", InverseSqrt()(3), 0.5),
        ("a hundredth 2.", bound(map(Exponential.to(0.01, 1000), range(1000))).peak, 2),
    ],
)
def test_the_arithmetic_of_the_page_is_right(sentence, computed, written):
    """The numbers of each sentence are what its arithmetic gives, to their digits."""
    assert sentence in " ".join(PAGE.split())
    assert computed == pytest.approx(written, rel=0.03)


def test_the_page_lists_the_families_as_the_catalogue_does():
    """The table has a row for each family, in the same order, with its frequency, quantity, direction and use."""
    rows = re.findall(r"^\| `(\w+)`[^|]* \| ([^|]+) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", PAGE, flags=re.MULTILINE)

    assert rows == [(e.name, e.frequency, f"{e.quantity}, {e.direction}", e.when) for e in CATALOGUE.values()]


def test_every_footnote_is_called_and_written():
    """The page's notes and their marks are the same."""
    written = re.findall(r"^\[\^(\w+)\]:", PAGE, flags=re.MULTILINE)
    called = re.findall(r"\[\^(\w+)\](?!:)", PAGE)
    assert sorted(set(called)) == sorted(written)
    assert len(written) == len(set(written)) >= 8
