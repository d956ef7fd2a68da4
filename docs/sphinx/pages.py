"""The pages of the repository as pages of the site: which there are, in which order, and where their links lead."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from posixpath import normpath

__all__ = ["ROOT", "SECTIONS", "copy_pages", "index", "retarget", "site_name"]

ROOT = Path(__file__).parents[2]

ELSEWHERE = {
    "README.md": "index",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "SECURITY.md": "security",
    "benchmarks/suite/README.md": "suite",
    "examples/README.md": "gallery",
}
"""What stands outside of docs/, by the name of its page."""

GENERATED = ("index", "gallery")
"""Pages that no file of `ELSEWHERE` is copied to."""

SECTIONS = {
    "Guide": ["guide", "tuning", "reading", "schedules", "lightning", "integrations", "rescaling", "scale", "faq"],
    "Examples": ["gallery"],
    "Reference": ["reference/index"],
    "Reports": ["benchmarks", "suite", "calibration", "reliability"],
    "Project": ["architecture", "contributing", "changelog", "security"],
}
"""The pages by the headings of the menu; a page of docs/ that is not named here comes last in the first of them."""

LINK = re.compile(r"(?<=\])\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
LINKED = re.compile(r"\[((?:[^\[\]]|!\[[^\]]*\])*)\]\x00")


def site_name(path: str) -> str | None:
    """Return the page, picture or script of the site for a path of the repository, or None where the site has none.

    >>> site_name("docs/tuning.md"), site_name("examples/tuning.py"), site_name("pyproject.toml")
    ('tuning.md', 'examples/tuning.md', None)
    """
    at = PurePosixPath(path)
    if path in ELSEWHERE:
        return f"{ELSEWHERE[path]}.md"
    if at.parent == PurePosixPath("docs"):
        return at.name
    if at.parent == PurePosixPath("examples"):
        return f"examples/{at.stem}.md" if at.suffix == ".py" else path
    return None


def retarget(text: str, page: str) -> str:
    """Return a page of the repository with its links as they are on the site; what is not there loses its link.

    >>> retarget("See [how](docs/tuning.md#costs) and [why](Makefile).", "README.md")
    'See [how](tuning.md#costs) and why.'
    """

    def lead(link: re.Match[str]) -> str:
        name = site_name(normpath(str(PurePosixPath(page).parent / link[1])))
        return "\x00" if name is None else f"({name}{link[2] or ''})"

    return LINKED.sub(r"\1", LINK.sub(lead, text))


def copy_pages(source: Path) -> None:
    """Copy pages and pictures into the folder that Sphinx reads."""
    pages = {f"docs/{page.name}": page.stem for page in (ROOT / "docs").glob("*.md")}
    for path, name in {**pages, **ELSEWHERE}.items():
        if path in pages or name not in GENERATED:
            text = retarget((ROOT / path).read_text(encoding="utf-8"), path)
            (source / f"{name}.md").write_text(text, encoding="utf-8")
    for picture in [*(ROOT / "docs").glob("*.png"), *(ROOT / "docs").glob("*.gif")]:
        (source / picture.name).write_bytes(picture.read_bytes())


def index(text: str, pages: Iterable[str]) -> str:
    """Return the first page with the menu of all others below it."""
    named = [name for names in SECTIONS.values() for name in names]
    unnamed = sorted(set(pages) - {"index", *named})
    menus = {title: names + unnamed * (title == "Guide") for title, names in SECTIONS.items()}
    trees = (
        "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *names, "```"])
        for title, names in menus.items()
    )
    return "\n\n".join([text, *trees, ""])
