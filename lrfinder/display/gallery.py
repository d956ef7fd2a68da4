"""The gallery: every family of the catalogue in one picture."""

import math
from typing import TYPE_CHECKING

from lrfinder.display.look import COLOURS, STYLE
from lrfinder.evidence.rules import RULES
from lrfinder.schedules import CATALOGUE, Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_gallery"]

POINTS = 600
COLUMNS = 6
KINDS = {"continuous": COLOURS["smooth"], "every interval": COLOURS["lr"], "on plateau": RULES["steepest"].colour}
"""Colour of each frequency of change."""


def draw_gallery() -> "Figure":
    """Draw each family of the catalogue as `build` makes it, coloured by how often the rate changes."""
    from matplotlib import style
    from matplotlib.figure import Figure

    rows = -(-(len(CATALOGUE) + 1) // COLUMNS)
    with style.context(STYLE):
        figure = Figure(figsize=(12, 2.1 * rows + 0.4))
        panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True).ravel()
    for ax, entry in zip(panels, CATALOGUE.values(), strict=False):
        _draw_entry(entry, ax)
        twin = _twin(entry)
        if twin:
            ax.text(0.05, 0.06, f"here the same\nas {twin}", fontsize=8, color="#555555")
    for ax in panels[len(CATALOGUE) :]:
        ax.set_axis_off()
    _draw_key(panels[-1])
    figure.supxlabel("share of the training", fontsize="medium")
    figure.supylabel("factor of the peak LR", fontsize="medium")
    return figure


def _draw_entry(entry: Entry, ax: "Axes") -> None:
    """One family; the name of an earlier one whose picture is the same stands in it."""
    colour, factors = KINDS[entry.frequency], entry.factors(POINTS)
    shares = [i / POINTS for i in range(POINTS)]
    ax.fill_between(shares, factors, step="post", color=colour, alpha=0.10, lw=0)
    ax.step(shares, factors, where="post", color=colour, lw=2)
    ax.set_title(entry.name, fontsize=10, loc="left", family="monospace", pad=14)
    ax.text(0, 1.03, f"{entry.quantity}, {entry.direction}", transform=ax.transAxes, fontsize=8, color="#555555")
    ax.set(xlim=(0, 1), ylim=(0, 1.05), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    ax.set_xticklabels(["0", "½", "1"])
    ax.set_yticklabels(["0", "½", "1"])
    ax.tick_params(labelsize=8, length=2)


def _twin(entry: Entry) -> str | None:
    """The name of an earlier family of which this picture is the same, or None."""
    for other in CATALOGUE.values():
        if other.name == entry.name:
            return None
        if all(map(math.isclose, other.factors(POINTS), entry.factors(POINTS))):
            return other.name
    return None


def _draw_key(ax: "Axes") -> None:
    """Say what the colours mean, in the last, empty place."""
    for name, colour in KINDS.items():
        ax.plot([], [], color=colour, lw=2, label=name)
    ax.legend(
        title="the rate changes", frameon=False, fontsize=9, title_fontsize=9, loc="center left", alignment="left"
    )
