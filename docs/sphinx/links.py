"""Whether every link of the site leads somewhere: to a file and a place in it; addresses elsewhere are only read."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken_links", "outer_links", "places"]


class _Page(HTMLParser):
    """The links of a page, and the places that links may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.places |= {held[name] or "" for name in ("id", "name") if name in held}
        self.links |= {held[name] or "" for name in ("href", "src") if name in held}


def _pages(folder: Path) -> dict[Path, _Page]:
    return {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(folder.resolve().rglob("*.html"))}


def broken_links(folder: Path) -> list[str]:
    """Links within the site that lead nowhere, and addresses elsewhere that are none, each with its page."""
    pages = _pages(folder)
    return [
        f"{path.relative_to(folder.resolve())}: {link}"
        for path, page in pages.items()
        for link in sorted(page.links)
        if not _leads_somewhere(link, path, pages)
    ]


def outer_links(folder: Path) -> list[str]:
    """Addresses elsewhere that the site names."""
    return sorted({link for page in _pages(folder).values() for link in page.links if urlsplit(link).netloc})


def places(folder: Path) -> set[str]:
    """The places that links to the pages of a folder may lead to."""
    return {place for page in _pages(folder).values() for place in page.places}


def _leads_somewhere(link: str, path: Path, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme in ("data", "mailto"):
        return True
    if parts.scheme or parts.netloc:
        return parts.scheme in ("http", "https") and "." in parts.netloc
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.suffix != ".html":
        return target.exists()
    return target in pages and unquote(parts.fragment) in pages[target].places
