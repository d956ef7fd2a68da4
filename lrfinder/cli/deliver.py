"""What becomes of a result on the command line: its files first, then what is printed, and the exit code."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lrfinder.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrfinder.result import LRResult

__all__ = ["FOUND", "NO_SUGGESTION", "deliver", "report", "save", "save_text"]

FOUND, NO_SUGGESTION = 0, 3


def deliver(
    found: "LRResult",
    picture: Path | None,
    record: str | None,
    told: str,
    page: Path | None = None,
    draw: "Callable[[], Figure] | None" = None,
    write: Callable[[], str] | None = None,
) -> int:
    """Save and draw a result, print what is told of it, and return the exit code that it means.

    The picture is that of the result, or what `draw` returns; the page too, or what `write` returns.
    """
    # The files first: who reads the report may stop reading, as `head` does, and ends this.
    try:
        if record not in (None, "-"):
            _write(lambda: found.to_json(record))
            print(f"wrote {record}", file=sys.stderr)
        if picture is not None:
            from lrfinder.display.plot import figure_of

            save(figure_of(found.evidence, found.plan) if draw is None else draw(), picture)
        if page is not None:
            save_text(found.to_html() if write is None else write(), page)
    finally:
        print(found.to_json() if record == "-" else told)
    return FOUND if found.lr is not None else NO_SUGGESTION


def report(found: "LRResult", record: str | Path | None) -> str:
    """The report with code that needs no result in memory, and the command that shows the whole."""
    from lrfinder.display.report import text

    code = None if found.plan is None else found.plan.code
    return text(found.evidence, found.plan, code=code, whole=f"lrfinder show {record or 'FILE'} --explain")


def save(figure: "Figure", picture: Path) -> None:
    """Write a picture, and say so; InputError where that is not possible."""
    _write(lambda: figure.savefig(picture, dpi=150))
    print(f"wrote {picture}", file=sys.stderr)


def save_text(text: str, path: Path) -> None:
    """Write a text, and say so; InputError where that is not possible."""
    _write(lambda: path.write_text(text, encoding="utf-8"))
    print(f"wrote {path}", file=sys.stderr)


def _write(write: Callable[[], object]) -> None:
    """Write a file; what keeps it from being written is the caller's to mend."""
    try:
        write()
    except (OSError, ValueError) as error:
        raise InputError(f"the result could not be written: {error}") from error
