"""Builds the site: gathers its pages, lets Sphinx render them, and checks that every link leads somewhere.

python docs/sphinx/build.py site
"""

import shutil
import sys
from pathlib import Path

from gallery import write_gallery
from links import broken_links, outer_links, places
from pages import ROOT, copy_pages, index
from reference import public_names, write_reference
from sphinx.cmd.build import main as sphinx_build

__all__ = ["build"]


def build(folder: Path) -> int:
    """Write the site to `folder`/html and return an exit code.

    A warning of Sphinx is an error, and so is a link that leads nowhere, or a public name without an entry.
    """
    source, site = folder / "source", folder / "html"
    shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    copy_pages(source)
    write_gallery(source)
    write_reference(source)
    first = source / "index.md"
    first.write_text(index(first.read_text(encoding="utf-8"), (page.stem for page in source.glob("*.md"))), "utf-8")
    here = str(Path(__file__).parent)
    if code := sphinx_build(["-q", "-W", "--keep-going", "-b", "html", "-c", here, str(source), str(site)]):
        return code
    found = [f"leads nowhere: {link}" for link in broken_links(site)]
    found += [f"has no entry: {name}" for name in sorted({*public_names()} - places(site / "reference"))]
    print(*found, sep="\n", end="\n" * bool(found))
    print(f"{site.relative_to(ROOT) if site.is_relative_to(ROOT) else site}/index.html")
    print(f"{len(outer_links(site))} addresses elsewhere were not asked for")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]).resolve()))
