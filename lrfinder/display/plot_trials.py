"""The pictures of trials: what each came to, and at the upper edge those that have no loss to show there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrfinder.advice.plan import Plan
from lrfinder.display.layout import show_decades
from lrfinder.display.look import COLOURS
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.trials import Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_edge_trials", "draw_pilots"]

COLOUR = COLOURS["runs"]

WORSE = 0.6
"""Part of the best gain: a loss by more than this above the one before is named, not drawn to scale."""

LEAST = 0.05
"""Part of the loss before that the axis shows at least, so that trials which changed nothing look like it."""


def draw_edge_trials(evidence: Evidence, ax: "Axes") -> None:
    """Draw the short trials of a search, and their edge."""
    if not evidence.edge_trials:
        return
    if evidence.edge is not None:
        ax.axvline(evidence.edge, color=COLOUR, ls="-.", lw=1, label=f"edge {evidence.edge:.2g}")
    _draw_losses(evidence.edge_trials, "trial", ax)


def draw_pilots(evidence: Evidence, plan: Plan | None, ax: "Axes") -> None:
    """Draw the pilots of a tuning, what was fitted through them, and an arrow from the best of each to the peak."""
    tried = [lr for trials in evidence.pilots for lr in trials.lrs] + list(plan.interval if plan else ())
    show_decades(ax, min(tried) / 1.5, 1.5 * max(tried))
    _draw_losses(evidence.pilots, "pilot", ax)
    for i, trials in enumerate(evidence.pilots):
        lrs, losses = [lr for lr, _ in trials.fit], [loss for _, loss in trials.fit]
        ax.plot(lrs, losses, color=COLOUR, lw=2, label="fit through the best" if i == 0 and lrs else None)
        if plan is not None and trials.best is not None:
            height = min(losses or [loss for loss in trials.losses if loss is not None])
            style = {"arrowstyle": "-|>", "color": COLOURS["lr"], "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (plan.lr, height), (trials.best, height), arrowprops=style, zorder=6)
            label = "from its best to the peak" if i == 0 else None
            ax.plot([], [], ">-", ms=5, lw=1.5, color=COLOURS["lr"], label=label)


def _draw_losses(series: Sequence[Trials], name: str, ax: "Axes") -> None:
    """The losses of trials; at the upper edge, by name, those that exploded or are far above the loss before."""
    top, start = _scale(series, ax), max(trials.start for trials in series)
    ax.axhline(start, color=COLOURS["raw"], ls="--", lw=1, label="loss before")
    exploded, above = [], []
    for i, trials in enumerate(series):
        ended = [(lr, loss) for lr, loss in zip(trials.lrs, trials.losses, strict=True) if loss is not None]
        inside = [(lr, loss) for lr, loss in ended if loss <= top]
        label = f"{name} of {trials.steps} steps" if i == 0 else None
        lrs, losses = [lr for lr, _ in inside], [loss for _, loss in inside]
        ax.plot(lrs, losses, "o:", ms=6, lw=1.2, color=COLOUR, mec="white", label=label, zorder=5)
        above += [lr for lr, loss in ended if loss > top]
        exploded += [lr for lr, loss in zip(trials.lrs, trials.losses, strict=True) if loss is None]
    _draw_at_top(above, "^", f"loss above {top:.2g}", ax)
    _draw_at_top(exploded, "X", "exploded", ax)


def _draw_at_top(lrs: Sequence[float], marker: str, name: str, ax: "Axes") -> None:
    if lrs:
        line = ax.plot(lrs, [1.0] * len(lrs), marker, ms=8, mew=0, color=COLOUR, label=name, zorder=5)[0]
        line.set(transform=ax.get_xaxis_transform(), clip_on=False)


def _scale(series: Sequence[Trials], ax: "Axes") -> float:
    """Show the losses on an axis that ends not far above the one before; return where it ends."""
    start = max(trials.start for trials in series)
    losses = [start, *(loss for trials in series for loss in trials.losses if loss is not None)]
    low, high = min(losses), max(losses)
    room = max(start - low or high - low, LEAST * abs(start)) or 1.0
    far = start + WORSE * room if low < start else high  # where every trial raised the loss, the scale is theirs
    top = max(loss for loss in losses if loss <= far) + 0.15 * room
    ax.set_ylim(low - 0.15 * room, top)
    return top
