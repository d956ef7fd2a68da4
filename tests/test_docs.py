"""The pages of docs/: what they link to is there, and what they say of the code is so."""

import inspect
import re
from pathlib import Path

import pytest
from pytorch_lightning import Trainer

from lightning_callbacks import AutoLR, DecaySchedule
from lrfinder import LRResult, Status, attach, find_lr
from lrfinder.schedules import CATALOGUE

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_link_and_picture_of_a_page_is_there(page: Path):
    """What a page points to inside the repository exists."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_python_file_and_target_a_page_names_is_there(page: Path):
    """A command that a page tells to run can be run."""
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert [
        name for name in re.findall(r"python ((?:examples|benchmarks)/\S+\.py)", text) if not (ROOT / name).exists()
    ] == []
    assert [name for name in re.findall(r"`make ([a-z-]+)`", text) if f"\n{name}:" not in makefile] == []


def test_the_page_on_reading_names_every_status():
    """docs/reading.md has a row for each."""
    page = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == [str(status) for status in Status]


def test_the_answers_are_numbered_in_order():
    """docs/faq.md has an answer to each of the fifty-six, and each names the threads it answers."""
    page = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
    answers = re.findall(r"^(\d+)\. \*\*.+?\*\*\s+\(\D+\d", page, flags=re.MULTILINE | re.DOTALL)

    assert [int(number) for number in answers] == list(range(1, 57))


@pytest.mark.parametrize("name", ["faq", "reading", "schedules", "lightning"])
def test_every_option_that_a_page_names_exists(name):
    """What stands in backticks with an equals sign is an argument of a public function or class."""
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    shapes = [entry.family for entry in CATALOGUE.values()]
    known = {
        argument
        for function in (find_lr, attach, LRResult.recommend, AutoLR, DecaySchedule, Trainer, Trainer.fit, *shapes)
        for argument in inspect.signature(function).parameters
    }

    assert set(re.findall(r"`(\w+)=", page)) - known <= {
        "verbose",
        "decay_steps",
    }  # of others, of which docs/schedules.md warns
