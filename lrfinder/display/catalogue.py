"""The catalogue of schedules as a table in plain text."""

import textwrap
from collections.abc import Mapping

from lrfinder.display.layout import WIDTH, sparkline
from lrfinder.schedules import Entry

__all__ = ["catalogue"]

COLUMNS = (17, 14, 13, 16)
"""Widths of the columns but the last."""

BARS_OF = 60
"""Steps that one bar stands for."""


def catalogue(entries: Mapping[str, Entry]) -> str:
    """Write the families of schedules as a table: kind, parameters, a picture, and below its use and its tip."""
    heads = ("name", "frequency", "quantity", "shape", "parameters")
    lines = [_row(heads)]
    for entry in entries.values():
        bars = sparkline(entry.factors(BARS_OF * COLUMNS[3])[BARS_OF // 2 :: BARS_OF])
        row = _row((entry.name, entry.frequency, entry.quantity, bars, ", ".join(entry.parameters) or "none"))
        lines += [
            "",
            row,
            *textwrap.wrap(f"{entry.when} {entry.tip}", WIDTH, initial_indent="  ", subsequent_indent="  "),
        ]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    """Cells in columns, the last one on as many lines as it takes."""
    head = "".join(f"{cell:<{width}}  " for cell, width in zip(cells, COLUMNS, strict=False))
    last = textwrap.wrap(cells[-1], WIDTH - len(head))
    return "\n".join([head + last[0], *(" " * len(head) + line for line in last[1:])])
