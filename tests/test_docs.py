"""The pages of docs/: what they link to is there, and what they say of the code is so."""

import inspect
import re
from pathlib import Path

import calibration_page
import pytest
import test_structure
from pytorch_lightning import Trainer

from lightning_callbacks import AutoLR, DecaySchedule
from lrfinder import LRResult, Status, attach, find_lr, tune_lr
from lrfinder.advice.calibration import FITTED
from lrfinder.schedules import CATALOGUE
from lrfinder.search import edge
from lrfinder.search.measure import MOST_EDGES, PART_OF_TRIALS, STEPS_OF_EDGE

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_everything_that_a_page_names_is_there(page: Path):
    """Links and pictures lead somewhere, scripts and targets can be run, and paths from the root exist."""
    text, makefile = page.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    paths = re.findall(r"`((?:lrfinder|lightning_callbacks|tests|examples|benchmarks|docs)/[\w./]*)`", text)
    paths += re.findall(r"python ((?:examples|benchmarks)/\S+\.py)", text)

    assert [link for link in links if not (page.parent / link).exists()] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [name for name in re.findall(r"`make ([a-z-]+)`", text) if f"\n{name}:" not in makefile] == []


def test_every_example_is_listed():
    """The table of examples/README.md has a row for each file, and for nothing else."""
    rows = re.findall(
        r"^\| \[(\S+)\]", (ROOT / "examples" / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )

    assert sorted(rows) == sorted(path.name for path in (ROOT / "examples").glob("[!_]*.[pi]*y*"))


def test_the_page_on_reading_names_every_status():
    """docs/reading.md has a row for each."""
    page = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == [str(status) for status in Status]


def test_the_answers_are_numbered_in_order():
    """docs/faq.md has an answer to each of the twenty-four kinds, and each names the threads it answers."""
    page = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
    answers = re.findall(r"^(\d+)\. \*\*.+?\*\*\s+\(\D+\d", page, flags=re.MULTILINE | re.DOTALL)

    assert [int(number) for number in answers] == list(range(1, 25))


@pytest.mark.parametrize("name", ["faq", "reading", "schedules", "lightning", "tuning"])
def test_every_option_that_a_page_names_exists(name):
    """What stands in backticks with an equals sign is an argument of a public function or class."""
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    functions = (find_lr, tune_lr, attach, LRResult.recommend, AutoLR, DecaySchedule, Trainer, Trainer.fit)
    shapes = [entry.family for entry in CATALOGUE.values()]
    known = {argument for one in (*functions, *shapes) for argument in inspect.signature(one).parameters}

    others = {"verbose", "decay_steps"}  # of torch and Keras, of which docs/schedules.md warns

    assert set(re.findall(r"`(\w+)=", page)) - known <= others


def test_the_page_of_the_calibration_shows_its_constants():
    """docs/calibration.md is what `make docs-tables` writes; run that where this fails."""
    assert calibration_page.PAGE.read_text(encoding="utf-8") == calibration_page.page()


@pytest.mark.parametrize(
    "sentence",
    [
        f"warm up for {100 * FITTED.warmup:g} % of them",
        f"| fewer than {FITTED.shortest_decay:g} steps | constant |",
        f"| fewer than {FITTED.shortest_shape:g} steps | flat, then a linear cooldown over the last "
        f"{100 * FITTED.cooldown:g} % |",
        f"| exponential to {100 * FITTED.stopped_early_end:g} % of the peak, and a warning |",
        f"| `may_extend=True` | flat, then a linear cooldown over the last {100 * FITTED.cooldown:g} % |",
        f"| Muon | flat, then a linear cooldown over the last {100 * FITTED.muon_cooldown:g} % |",
        f"The warm-up is {100 * FITTED.warmup:g} % of the training, with these exceptions:",
        f"less than {100 * FITTED.warmup:g} %, but at least {100 * FITTED.least_adam_warmup:g} % of the training",
        f"plain and momentum SGD it is {100 * FITTED.long_warmup:g} %",
        f"With `finetune=True` it is {100 * FITTED.finetune_warmup:g} %",
        f"With Muon it is {100 * FITTED.muon_warmup:g} %",
        f"Below {FITTED.shortest_shape:g} steps there is no warm-up",
    ],
)
def test_the_numbers_of_the_decision_table_are_those_of_the_calibration(sentence):
    """docs/schedules.md repeats constants only in sentences that are compared here."""
    assert sentence in (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")


def test_the_guide_says_what_steps_are_spent_on():
    """Its numbers are those of the search."""
    page = " ".join((ROOT / "docs" / "guide.md").read_text(encoding="utf-8").split())
    of_trials = round(PART_OF_TRIALS * STEPS_OF_EDGE)

    assert f"spends {of_trials} of them on trials, trainings of {edge.STEPS} steps to one peak" in page
    assert f"each full hundred has {of_trials} steps for trials, {of_trials * MOST_EDGES} at most. Below 75," in page


def architecture(heading):
    """The first block of a section of docs/architecture.md."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return re.search(rf"^## {heading}\n.*?```text\n(.*?)```", page, flags=re.DOTALL | re.MULTILINE)[1]


def test_the_tree_of_the_architecture_is_that_of_the_packages():
    """docs/architecture.md has a line for each file of both packages, and for nothing else."""
    folders, listed = [], []
    for line in filter(None, architecture("The tree").splitlines()):
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        folders = [*folders[:depth], name]
        if name.endswith(".py"):
            listed.append("".join(folders))

    paths = [path for package in ("lrfinder", "lightning_callbacks") for path in (ROOT / package).rglob("*.py")]
    hidden = {"__init__.py", "__main__.py", "_version.py"}
    assert sorted(listed) == sorted(path.relative_to(ROOT).as_posix() for path in paths if path.name not in hidden)


def test_the_direction_of_imports_is_the_one_that_is_tested():
    """docs/architecture.md shows the rows of tests/test_structure.py."""
    shown = [tuple(row.split()) for row in architecture("The direction of imports").splitlines()]

    assert shown == [tuple(room for room in row if not room.startswith("_")) for row in test_structure.ROWS]
