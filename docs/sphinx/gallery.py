"""The gallery: a card and a page for every example, from its docstring, its picture and its source."""

import ast
import re
import shutil
from pathlib import Path

from pages import ROOT

__all__ = ["EXAMPLES", "write_gallery"]

EXAMPLES = ROOT / "examples"
PICTURES = (ROOT / "docs" / "gallery", ROOT / "docs", EXAMPLES)
"""Where the picture of an example may stand, the first one first."""


def write_gallery(source: Path) -> None:
    """Write the page of all examples, in the order of their table, and one for each."""
    folder = source / "examples"
    folder.mkdir()
    listed = re.findall(r"^\| \[(\w+)\.py\]", (EXAMPLES / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    cards = [_write_example(EXAMPLES / f"{name}.py", folder) for name in listed]
    shutil.copy(EXAMPLES / "notebook.ipynb", folder)
    tree = ["```{toctree}", ":hidden:", "", *(f"examples/{name}" for name in listed), "```"]
    (source / "gallery.md").write_text("\n".join([HEAD, "::::{container} cards", *cards, "::::", *tree, ""]), "utf-8")


HEAD = """# Examples

Each is one script on a data set that needs no download. It runs in less than a minute, prints what it found and draws
a picture: `python examples/plain_torch.py`. There is [a notebook](examples/notebook.ipynb) too.
"""


def _write_example(script: Path, folder: Path) -> str:
    """Write the page of one example and return its card."""
    doc = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    first, _, rest = doc.partition("\n")
    title, _, subject = first.partition(": ")
    prose = re.sub(r"^ *python examples/.*$", "", rest, flags=re.MULTILINE).strip()
    shutil.copy(script, folder)
    picture = _copy_picture(script.stem, folder)
    shown = f"![What {script.name} draws]({picture})" if picture else ""
    source = f"```{{literalinclude}} {script.name}\n:language: python\n```"
    run = f"    python examples/{script.name}"
    text = "\n\n".join(filter(None, [f"# {title.rstrip('.')}", _sentence(subject), prose, shown, run, source]))
    (folder / f"{script.stem}.md").write_text(text + "\n", encoding="utf-8")
    shown = f"![](examples/{picture})\n" if picture else ""
    link = f"**[{title.rstrip('.')}](examples/{script.stem}.md)**"
    return f":::{{container}} card\n{shown}\n{link}\n\n{_sentence(subject)}\n:::"


def _sentence(words: str) -> str:
    """What follows a title, as a sentence."""
    return words[:1].upper() + words[1:]


def _copy_picture(name: str, folder: Path) -> str | None:
    """Copy the picture of an example, and return its name, where there is one."""
    for place in PICTURES:
        if (place / f"{name}.png").exists():
            shutil.copy(place / f"{name}.png", folder)
            return f"{name}.png"
    return None
