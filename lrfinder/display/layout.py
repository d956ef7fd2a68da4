"""How words are laid out: lines of at most 100 columns, names from outside, the ends of an axis."""

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LABEL", "WIDTH", "format_samples", "one_line", "plain", "show_decades", "sparkline", "wrap", "wrap_at"]

WIDTH = 100
LABEL = 16
"""Columns before a sentence that has a label."""
BARS = "▁▂▃▄▅▆▇█"

LONGEST_NAME, LONGEST_LABEL = 50, 32
"""Letters of a name from outside in the report, and in a picture."""


def wrap(label: str, sentence: str) -> list[str]:
    """Return a sentence in lines, beside its label."""
    head = f"  {label.strip():<{LABEL - 3}} "
    return _lines(sentence, head, " " * len(head))


def wrap_at(indent: str, sentence: str) -> list[str]:
    """Return a sentence in lines, the first at an indent and the others two further."""
    return _lines(sentence, indent, indent + "  ")


def _lines(sentence: str, head: str, margin: str) -> list[str]:
    """A sentence in lines that end at words, a percent sign on the line of its number."""
    whole = textwrap.wrap(sentence.replace(" %", "\0%"), WIDTH, initial_indent=head, subsequent_indent=margin)
    return [line.replace("\0", " ") for line in whole]


def format_samples(count: int) -> str:
    """Return a number of samples in words."""
    return "1 sample" if count == 1 else f"{count:,} samples"


def one_line(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name from outside without what would break the layout, cut where it is long."""
    printable = "".join(c if c.isprintable() else " " for c in name)
    return printable if len(printable) <= longest else f"{printable[: longest - 1]}…"


def plain(name: str, longest: int = LONGEST_LABEL) -> str:
    """Return a name on one line, without what matplotlib takes for mathematics, or for "not in the legend"."""
    name = "".join(c if c.isprintable() else " " for c in name).replace("$", "").lstrip("_")
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def show_decades(ax: "Axes", left: float, right: float) -> None:
    """Show rates on two decades at least: on fewer the ticks between the powers of ten are labelled, and overlap."""
    wider = max(1.0, 10 / (right / left) ** 0.5)
    ax.set_xlim(left / wider, right * wider)


def sparkline(values: list[float]) -> str:
    """Write values as one line of bars, the highest bar for the largest, the lowest for what is not above zero.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    top = max(values)
    return "".join(BARS[min(len(BARS) - 1, int(len(BARS) * value / top))] if value > 0 else BARS[0] for value in values)
