"""The pictures: they draw what a result says and compute nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrfinder.advice.plan import Plan
from lrfinder.checks import check_whole
from lrfinder.display.groups import draw_groups
from lrfinder.display.layout import plain, show_decades
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import RULES
from lrfinder.schedules import Schedule
from lrfinder.schedules.base import span_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "STYLE", "draw_plan", "draw_result", "figure_of", "plot_schedule"]

STYLE = "lrfinder.pictures"
"""The style sheet of every picture, for `matplotlib.style.context`."""

COLOURS = {"raw": "#999999", "smooth": "#0072B2", "lr": "#D55E00", "runs": "#7A5195", "diverged": "#000000"}
"""Colours that people with any colour vision can tell apart (Okabe and Ito), as those of the rules."""

MOST_POINTS = 2_000


def new_axes(width: float = 7.5, height: float = 4.2) -> "Axes":
    """Axes on a new pyplot figure."""
    return new_panels(1, width, height)[0]


def new_panels(count: int, width: float = 7.5, height: float = 4.2) -> "list[Axes]":
    """So many axes below each other on a new pyplot figure."""
    import matplotlib.pyplot as plt

    with plt.style.context(STYLE):
        return list(plt.subplots(count, squeeze=False, figsize=(width, height * (1 + 0.8 * (count - 1))))[1][:, 0])


def figure_of(evidence: Evidence, plan: Plan | None, width: float = 8.5, height: float = 4.2) -> "Figure":
    """Draw as `LRResult.plot` does, on a figure in inches that pyplot does not know, so that none is left open."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(STYLE):
        panels = 1 if evidence.groups is None else 2
        figure = Figure(figsize=(width, height * (1 + 0.8 * (panels - 1))))
        _draw_panels(evidence, plan, list(figure.subplots(panels, squeeze=False)[:, 0]))
    return figure


def draw_result(evidence: Evidence, plan: Plan | None, ax: "Axes | None" = None) -> "Axes":
    """Draw a range test: raw losses, smooth curve, suggestions, trials, the peak's interval, the divergence.

    Of a tuning the pilots are drawn instead, the fit through them, and the way from their best to the peak. On a new
    figure the ratios between groups, where they were tuned, are drawn below.
    """
    if ax is None:
        return _draw_panels(evidence, plan, new_panels(1 if evidence.groups is None else 2))
    if not evidence.pilots:
        _draw_curve(evidence, ax)
    if plan is not None:
        ax.axvspan(*plan.interval, color=COLOURS["lr"], alpha=0.12, lw=0, label="80 % interval")
        ax.axvline(plan.lr, color=COLOURS["lr"], lw=2, label=f"suggested peak {plan.lr:.2g}")
    if evidence.pilots:
        _draw_pilots(evidence, plan, ax)
    else:
        at = evidence.diverged_at
        if at is not None:
            ax.axvline(at, color=COLOURS["diverged"], ls=":", label=f"diverges {at:.2g}")
        _draw_suggestions(evidence, ax)
        _draw_edge_trials(evidence, ax)
    ax.set(xscale="log", xlabel="learning rate of the reference group", ylabel=_measured(evidence))
    ax.set_title(_title(evidence, plan), fontsize="medium", loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _draw_panels(evidence: Evidence, plan: Plan | None, panels: "Sequence[Axes]") -> "Axes":
    """The search on the first axes, the ratios between groups on the second where there are two."""
    for ax in panels[1:]:
        draw_groups(evidence, ax)
    return draw_result(evidence, plan, panels[0])


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
    ax.set(xlabel="optimizer step", ylabel="factor of the peak" if lr == 1.0 else "learning rate", xlim=(0, steps))
    ax.set_ylim(0, 1.08 * lr * max(1.0, *factors))
    ax.spines[["top", "right"]].set_visible(False)
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
    ax.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _measured(evidence: Evidence) -> str:
    if evidence.pilots:
        return "loss on batches not trained on"
    return "training loss" if evidence.curve is None or evidence.curve.after is None else "validation loss"


def _draw_curve(evidence: Evidence, ax: "Axes") -> None:
    curve, smooth = evidence.curve, evidence.smooth
    if curve is None or not len(curve):
        return
    ax.set_xlim(curve.lrs[0] / 2, curve.lrs[-1] * 2)
    pairs = list(curve.pairs())
    lrs, losses = [lr for lr, _ in pairs], [loss for _, loss in pairs]
    ax.plot(lrs, losses, ".", ms=4, color=COLOURS["raw"], label="loss after the step")
    if evidence.coarse is not None:
        points = list(zip(*evidence.coarse.pairs(), strict=True)) or [(), ()]
        ax.plot(*points, ".", ms=4, color=COLOURS["raw"], alpha=0.4, label="in the coarse pass")
    if smooth is not None:
        ax.plot(smooth.lrs, smooth.losses, color=COLOURS["smooth"], lw=2, label="smoothed")
        low, high = min(smooth.losses), max(smooth.losses)
        room = (high - low or abs(high) or 1.0) * 0.25
        ax.set_ylim(low - room, high + 2 * room)


def _draw_suggestions(evidence: Evidence, ax: "Axes") -> None:
    smooth = evidence.smooth
    for name, lr in evidence.suggestions.items():
        if lr is None or smooth is None:
            continue
        height = min(zip(smooth.lrs, smooth.losses, strict=True), key=lambda point: abs(point[0] / lr - 1))[1]
        label, colour, marker = plain(name), COLOURS["diverged"], "o"
        if name in RULES:
            label, colour, marker = RULES[name].label, RULES[name].colour, RULES[name].marker
        ax.plot([lr], [height], marker, ms=8, color=colour, mec="white", label=f"{label}: {lr:.2g}", zorder=3)


def _draw_edge_trials(evidence: Evidence, ax: "Axes") -> None:
    """What the trials came to, and their edge; those that exploded, or ended above the picture, at its top."""
    finite = [loss for trials in evidence.edge_trials for loss in trials.losses if loss is not None]
    if not finite:
        return
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    tried = [lr for trials in evidence.edge_trials for lr in trials.lrs]
    ax.set_xlim(min(left, min(tried) / 1.5), max(right, 1.5 * max(tried)))
    low = min(low, min(finite) - 0.05 * (high - min(finite)))
    ax.set_ylim(low, high)
    if evidence.edge is not None:
        ax.axvline(evidence.edge, color=COLOURS["runs"], ls="-.", lw=1, label=f"edge of the trials {evidence.edge:.2g}")
    above = any(loss is None or loss > high for trials in evidence.edge_trials for loss in trials.losses)
    words = "trial of {} steps" + ("\n(at the top: off the scale)" if above else "")
    for i, trials in enumerate(evidence.edge_trials):
        heights = [high if loss is None else min(loss, high) for loss in trials.losses]
        label = words.format(trials.steps) if i == 0 else None
        lines = ax.plot(
            trials.lrs, heights, ":P", ms=8, lw=1, color=COLOURS["runs"], mec="white", label=label, zorder=4
        )
        lines[0].set_clip_on(False)


def _draw_pilots(evidence: Evidence, plan: Plan | None, ax: "Axes") -> None:
    """The losses of the pilots, what was fitted through them, and an arrow from the best of each to the peak."""
    pilots = evidence.pilots
    tried = [lr for trials in pilots for lr in trials.lrs] + list(plan.interval if plan else ())
    finite = [loss for trials in pilots for loss in (trials.start, *trials.losses) if loss is not None]
    low, high = min(finite), max(trials.start for trials in pilots)
    most = high if low < high else max(finite)  # where every pilot raised the loss, the scale is theirs
    room = most - low or abs(most) or 1.0
    show_decades(ax, min(tried) / 1.5, 1.5 * max(tried))
    ax.set_ylim(low - 0.15 * room, most + 0.15 * room)
    top, colour = ax.get_ylim()[1], COLOURS["runs"]
    above = any(loss is None or loss > top for trials in pilots for loss in trials.losses)
    words = "pilot of {} steps" + ("\n(at the top: off the scale)" if above else "")
    ax.axhline(high, color=COLOURS["raw"], ls="--", lw=1, label="loss before")
    for i, trials in enumerate(pilots):
        heights = [top if loss is None else min(loss, top) for loss in trials.losses]
        label = words.format(trials.steps) if i == 0 else None
        runs = ax.plot(trials.lrs, heights, ":P", ms=9, lw=0.8, color=colour, mec="white", label=label, zorder=5)
        runs[0].set_clip_on(False)
        lrs, losses = [lr for lr, _ in trials.fit], [loss for _, loss in trials.fit]
        ax.plot(lrs, losses, color=colour, lw=1.5, label="fit through the best" if i == 0 and lrs else None)
        if plan is not None and trials.best is not None:
            height = min(losses, default=min(heights))
            style = {"arrowstyle": "-|>", "color": COLOURS["lr"], "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (plan.lr, height), (trials.best, height), arrowprops=style, zorder=6)
            label = "from its best to the peak" if i == 0 else None
            ax.plot([], [], ">-", ms=5, lw=1.5, color=COLOURS["lr"], label=label)


def _title(evidence: Evidence, plan: Plan | None) -> str:
    facts = evidence.facts
    kind = "Tuning" if evidence.pilots else "Range test"
    kind += "" if plan is None or plan.setting is None else ", rescaled,"
    name = f"{kind} of {plain(facts.model)} with {plain(facts.optimizer)}"
    return name if plan is not None else f"{name}: no suggestion ({evidence.status})"
