"""How every picture looks: its style sheet and colours, new axes, the legend beside them, the mark of a peak."""

from typing import TYPE_CHECKING

from lrfinder.advice.plan import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "STYLE", "add_legend", "mark_peak", "name_axes", "new_axes"]

STYLE = "lrfinder.pictures"
"""The style sheet of every picture, for `matplotlib.style.context`."""

COLOURS = {"raw": "#999999", "smooth": "#0072B2", "lr": "#D55E00", "runs": "#7A5195", "diverged": "#000000"}
"""Colours that people with any colour vision can tell apart (Okabe and Ito), as those of the rules."""


def new_axes(width: float = 7.5, height: float = 4.2) -> "Axes":
    """Return axes on a new pyplot figure, in inches."""
    import matplotlib.pyplot as plt

    with plt.style.context(STYLE):
        return plt.subplots(figsize=(width, height))[1]


def name_axes(ax: "Axes", x: str, y: str) -> None:
    """Name the axes, and draw a frame on two sides, whatever style the caller has."""
    ax.set(xlabel=x, ylabel=y)
    ax.spines[["top", "right"]].set_visible(False)


def add_legend(ax: "Axes") -> None:
    """Put the legend, where there is anything in it, beside the picture: it hides nothing there."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def mark_peak(plan: Plan | None, ax: "Axes", *, named: bool = True) -> None:
    """Draw a plan's peak and its interval over the whole height, `named` in the legend or not."""
    if plan is None:
        return
    names = ("suggested peak", "80 % interval") if named else (None, None)
    ax.axvline(plan.lr, color=COLOURS["lr"], lw=2.5, zorder=3, label=names[0])
    ax.axvspan(*plan.interval, color=COLOURS["lr"], alpha=0.15, lw=0, zorder=0, label=names[1])
