"""The table of docs/calibration.md, made of the package's own constants. Run as a script, it writes the page anew."""

import re
from dataclasses import fields
from pathlib import Path

from lrfinder.advice.calibration import FITTED

PAGE = Path(__file__).parent.parent / "docs" / "calibration.md"
BEGIN, END = "<!-- table: constants, made by `make docs-tables` -->", "<!-- end -->"


def table():
    """A row for each constant: name, value and unit, what it does, what chose it."""
    rows = []
    for one in fields(FITTED):
        value = f"{getattr(FITTED, one.name):,.4g} {one.metadata['unit']}".strip()
        origin = re.sub(r"make [a-z-]+", r"`\g<0>`", one.metadata["chosen_by"])
        rows.append(f"| `{one.name}` | {value} | {one.metadata['does']} | {origin} |")
    return "\n".join(["| constant | value | what it does | chosen by |", "|---|--:|---|---|", *rows])


def page():
    """The page with the table of today."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
