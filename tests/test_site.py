"""The site of the docs: what `make docs` gathers before Sphinx renders it, and how it checks links."""

import doctest
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs" / "sphinx"))

gallery, links, pages, reference = (import_module(name) for name in ("gallery", "links", "pages", "reference"))
PUBLIC = ("lrfinder", "lrfinder.schedules", "lightning_callbacks")


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_has_an_entry(package, tmp_path):
    """What a package exports, but for its version and its rooms, has a directive of its own in the reference."""
    reference.write_reference(tmp_path)
    text = "\n".join(page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.rst"))
    described = set(re.findall(r"^\.\. [\w:]+:: (\S+)$", text, flags=re.MULTILINE))
    exported = import_module(package)

    names = [name for name in exported.__all__ if not inspect.ismodule(getattr(exported, name))]
    assert {f"{package}.{name}" for name in names} - described <= {"lrfinder.__version__"}


def test_the_reference_has_the_integrations_and_the_records():
    """Each adapter to a framework, and what a plan or an evidence is made of, is described."""
    names = {name.rpartition(".")[2] for name in [*reference.public_names(), *reference.records()]}

    assert {"AutoLRCallback", "accelerate_loop", "fabric_loop"} <= names
    assert {"Reason", "Factor", "Estimate", "Trials", "GroupTuning", "Calibration"} <= names


def test_the_gallery_has_a_card_and_a_page_for_every_example(tmp_path):
    """Each has the docstring's first sentence as its title and its subject, and shows the script."""
    gallery.write_gallery(tmp_path)
    cards = (tmp_path / "gallery.md").read_text(encoding="utf-8")

    for script in (ROOT / "examples").glob("*.py"):
        page = (tmp_path / "examples" / f"{script.stem}.md").read_text(encoding="utf-8")
        assert f"(examples/{script.stem}.md)**" in cards
        assert f"{{literalinclude}} {script.name}" in page
        assert page.splitlines()[0].removeprefix("# ") in script.read_text(encoding="utf-8").splitlines()[0]


def test_every_page_is_in_the_menu():
    """A new page of docs/ is, without being named anywhere."""
    menu = pages.index("# Front\n", ["index", "tuning", "something_new"])

    assert menu.startswith("# Front\n")
    assert [menu.count(f"\n{name}\n") for name in ("tuning", "something_new", "reference/index")] == [1, 1, 1]


def test_a_link_leads_where_its_page_is_on_the_site():
    """Links between pages, to pictures and to scripts are kept; those to files that the site lacks lose their link."""
    assert doctest.testmod(pages).failed == 0
    assert pages.retarget("[![a](docs/a.png)](docs/b.md) [c](#d)", "README.md") == "[![a](a.png)](b.md) [c](#d)"
    assert pages.retarget("[e](../examples/e.py) [f](https://f.org)", "docs/e.md") == (
        "[e](examples/e.md) [f](https://f.org)"
    )


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    """To a page, a picture or a place in a page that is not there, and an address that is none."""
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here"></a><a href="b.html#there"></a><a href="#x"></a><img src="c.png"><a href="http://d"></a>'
        '<a href="https://e.org/f"></a>',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text('<p id="here"></p>', encoding="utf-8")

    assert [found.split(": ")[1] for found in links.broken_links(tmp_path)] == [
        "#x",
        "b.html#there",
        "c.png",
        "http://d",
    ]
    assert links.outer_links(tmp_path) == ["http://d", "https://e.org/f"]
