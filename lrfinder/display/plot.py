"""The pictures: they draw what a result says and compute nothing."""

from typing import TYPE_CHECKING

from lrfinder.advice.plan import Plan
from lrfinder.checks import check_whole
from lrfinder.display.groups import draw_groups
from lrfinder.display.layout import plain
from lrfinder.display.look import COLOURS, STYLE, add_legend, mark_peak, name_axes, new_axes
from lrfinder.display.plot_curve import draw_curve
from lrfinder.display.plot_trials import draw_edge_trials, draw_pilots
from lrfinder.evidence.evidence import Evidence
from lrfinder.schedules import Schedule
from lrfinder.schedules.base import span_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

__all__ = ["COLOURS", "STYLE", "draw_plan", "draw_result", "figure_of", "plot_schedule"]

MOST_POINTS = 2_000

TRIALS, GROUPS = 0.6, 0.8
"""Heights of the panels of the trials and of the groups, beside that of the first panel."""


def figure_of(evidence: Evidence, plan: Plan | None, width: float = 8.5, height: float = 3.6) -> "Figure":
    """Draw as `LRResult.plot` does, on a figure that pyplot does not know, so that none is left open.

    The width is that of the figure, the height that of its first panel, both in inches.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(STYLE):
        figure = Figure(figsize=(width, height * sum(_heights(evidence))))
        _draw_panels(evidence, plan, figure)
    return figure


def draw_result(evidence: Evidence, plan: Plan | None, ax: "Axes | FigureBase | None" = None) -> "Axes":
    """Draw the curve of a search, or the pilots of a tuning, with the peak and its interval, and return their axes.

    The short trials of a search have a panel of their own below its curve, and so have ratios between groups that were
    tuned: on a figure or subfigure, and on the new one that None makes. On axes there is the first panel alone; where
    there was no sweep, that is the one of the trials.
    """
    from matplotlib import style
    from matplotlib.axes import Axes

    if isinstance(ax, Axes):
        return _draw_first(evidence, plan, ax)
    with style.context(STYLE):
        return _draw_panels(evidence, plan, ax or _new_figure(3.6 * sum(_heights(evidence))))


def _new_figure(height: float) -> "Figure":
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(7.5, height))


def _heights(evidence: Evidence) -> list[float]:
    """Of every panel, beside that of the first one."""
    return [1.0] + [TRIALS] * _has_trials_below(evidence) + [GROUPS] * (evidence.groups is not None)


def _has_trials_below(evidence: Evidence) -> bool:
    return bool(evidence.edge_trials) and _has_curve(evidence)


def _has_curve(evidence: Evidence) -> bool:
    """Whether the first panel is the curve."""
    return not evidence.pilots and evidence.curve is not None and len(evidence.curve) > 0


def _draw_panels(evidence: Evidence, plan: Plan | None, figure: "FigureBase") -> "Axes":
    """Every panel below each other; the trials share the axis of the rates with the curve."""
    heights = _heights(evidence)
    grid = figure.add_gridspec(len(heights), height_ratios=heights)
    first = figure.add_subplot(grid[0])
    below = figure.add_subplot(grid[1], sharex=first) if _has_trials_below(evidence) else None
    _draw_first(evidence, plan, first)
    if below is not None:
        mark_peak(plan, below, named=False)
        draw_edge_trials(evidence, below)
        name_axes(below, first.get_xlabel(), "loss after a trial")
        add_legend(below)
        first.label_outer()
    if evidence.groups is not None:
        draw_groups(evidence, figure.add_subplot(grid[-1]))
    return first


def _draw_first(evidence: Evidence, plan: Plan | None, ax: "Axes") -> "Axes":
    """The panel that stands alone where axes are given."""
    ax.set_xscale("log")
    mark_peak(plan, ax)
    measured = "loss after a trial"
    if evidence.pilots:
        draw_pilots(evidence, plan, ax)
        measured = "loss on batches not trained on"
    elif _has_curve(evidence):
        draw_curve(evidence, plan, ax)
        measured = "training loss" if evidence.curve is None or evidence.curve.after is None else "validation loss"
    else:
        draw_edge_trials(evidence, ax)
    rate = "learning rate" if len(evidence.facts.bases) < 2 else "learning rate of the reference group"
    name_axes(ax, rate, measured)
    _write_title(evidence, plan, ax)
    add_legend(ax)
    return ax


def _write_title(evidence: Evidence, plan: Plan | None, ax: "Axes") -> None:
    """The answer as the title, and above the picture, smaller, what was searched."""
    facts = evidence.facts
    kind = "tuning" if evidence.pilots else "range test"
    kind += "" if plan is None or plan.setting is None else ", rescaled,"
    about = f"{kind} of {plain(facts.model)} with {plain(facts.optimizer)}"
    if plan is None:
        answer, colour = f"no suggestion ({evidence.status})", COLOURS["diverged"]
    else:
        low, high = plan.interval
        answer, colour = f"suggested peak {plan.lr:.2g} (80 % interval {low:.2g} to {high:.2g})", COLOURS["lr"]
    ax.set_title(answer, loc="left", color=colour, weight="bold", fontsize="large", pad=20)
    ax.annotate(about, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", fontsize="small")


def plot_schedule(schedule: Schedule, steps: int | None = None, ax: "Axes | None" = None, *, lr: float = 1.0) -> "Axes":
    """Draw a schedule over the optimizer steps.

    Args:
        schedule: a shape, or any function of the step.
        steps: how many steps; None draws to the shape's end, or 1,000 where it has none.
        ax: where to draw; None makes a new figure.
        lr: the LR that factor 1 stands for.

    Returns:
        The axes; `ax.figure.savefig(path)` saves it.
    """
    steps = (span_of(schedule) or 1_000) if steps is None else steps
    steps = check_whole("steps", steps, "pass how many steps to draw, None for all")
    ax = new_axes(6.4, 3.2) if ax is None else ax
    at = list(range(0, steps, max(1, steps // MOST_POINTS)))
    factors = [schedule(step) for step in at]
    ax.step(
        [*at, steps], [lr * factor for factor in [*factors, factors[-1]]], where="post", color=COLOURS["smooth"], lw=2
    )
    name_axes(ax, "optimizer step", "factor of the peak" if lr == 1.0 else "learning rate")
    ax.set(xlim=(0, steps), ylim=(0, 1.08 * lr * max(1.0, *factors)))
    return ax


def draw_plan(plan: Plan, ax: "Axes | None" = None) -> "Axes":
    """Draw the LR of a plan over the optimizer steps, the end of the warm-up and the end marked."""
    ax = new_axes(7.5, 3.4) if ax is None else ax
    ax.set_title(plain(plan.schedule_text, 120), fontsize="medium", loc="left", wrap=True)
    if plan.shape is None:
        return ax
    steps = plan.shown_steps
    plot_schedule(plan.shape, steps, ax, lr=plan.lr)
    ax.axhline(plan.lr, color=COLOURS["lr"], lw=1, label=f"peak {plan.lr:.2g}", zorder=1)
    if plan.warmup:
        ax.axvline(plan.warmup, color=COLOURS["raw"], ls="--", label=f"warm-up ends at step {plan.warmup:,}")
    if plan.total_steps is not None:
        ax.axvline(steps, color=COLOURS["diverged"], ls=":", label=f"end at step {steps:,}", clip_on=False)
    elif plan.schedule is None:
        ax.set_xlabel("optimizer step of a training of 1,000")
    else:
        ax.set_xlabel("optimizer step; goes on until a cooldown is begun")
    add_legend(ax)
    return ax
