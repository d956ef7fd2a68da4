"""The table of docs/calibration.md, made of the package's own constants. Run as a script, it writes the page anew."""

import re
from pathlib import Path

from lrfinder.advice.calibration import constants

PAGE = Path(__file__).parent.parent / "docs" / "calibration.md"
BEGIN, END = "<!-- table: constants, made by `make docs-tables` -->", "<!-- end -->"


def table():
    """A row for each constant: name, value and unit, what it does, what chose it."""
    rows = []
    for one in constants():
        value, origin = f"{one.value:,.4g} {one.unit}".strip(), re.sub(r"make [a-z-]+", r"`\g<0>`", one.chosen_by)
        rows.append(f"| `{one.name}` | {value} | {one.does} | {origin} |")
    return "\n".join(["| constant | value | what it does | chosen by |", "|---|--:|---|---|", *rows])


def page():
    """The page with the table of today."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
