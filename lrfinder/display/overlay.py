"""The log of a training over its plan: in words, and as a picture."""

import math
from typing import TYPE_CHECKING

from lrfinder.advice.plan import Plan
from lrfinder.display.layout import one_line, plain, wrap
from lrfinder.display.look import COLOURS, STYLE, add_legend, name_axes
from lrfinder.display.plot import plot_schedule
from lrfinder.display.training_log import Series, TrainingLog
from lrfinder.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_overlay", "overlay_in_words", "planned"]

AWAY = 0.02
"""Part of the peak from which a logged rate has left the plan."""

QUARTERS = (0.25, 0.5, 0.75, 1.0)


def planned(plan: Plan | None) -> Plan:
    """Return a plan over which a log can be laid; InputError for one without steps or schedule."""
    if plan is None or plan.schedule is None or plan.total_steps is None:
        raise InputError(
            "`--log` must be laid over a plan of known length and schedule, got a result without one; search with "
            "`--total-steps`, or plan with `lrfinder rescale --total-steps`"
        )
    return plan


def overlay_in_words(plan: Plan, log: TrainingLog) -> str:
    """Return whether the rate followed the plan, the losses along the way, and the best held-out loss."""
    total = plan.total_steps or 0
    done = log.last - log.first + 1
    lines = [
        *wrap("log", f"{one_line(log.file)}: {done:,} of {total:,} planned steps"),
        *wrap("rate", _rate(plan, log)),
    ]
    if log.loss is None:
        lines += wrap("loss", "none was logged")
    else:
        marks = "".join(f"{100 * part:.0f} %".ljust(14) for part in QUARTERS)
        losses = "".join(_loss_after(log, log.loss, part * total).ljust(14) for part in QUARTERS)
        lines += [*wrap("of the plan", marks), f"  {one_line(log.loss.name, 13):<13} {losses}".rstrip()]
    return "\n".join([*lines, *_held_out(log)])


def draw_overlay(plan: Plan, log: TrainingLog) -> "Figure":
    """Draw the planned and the logged rate, and below them the logged losses."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(STYLE):
        figure = Figure(figsize=(8.5, 6.0))
        above, below = figure.subplots(2, 1, sharex=True)
    if plan.schedule is not None:
        plot_schedule(plan.schedule, plan.total_steps, above, lr=plan.lr)
        above.lines[0].set_label("planned")
    above.plot(*_points(log, log.rate), color=COLOURS["lr"], ls="--", label=f"logged, {plain(log.rate.name)}")
    name_axes(above, "", "learning rate")
    for series, colour, mark in ((log.loss, COLOURS["raw"], ""), (log.held_out, COLOURS["runs"], "o")):
        if series is not None:
            below.plot(*_points(log, series), color=colour, marker=mark, markersize=4, label=plain(series.name))
    name_axes(below, "optimizer step", "loss")
    above.set(xlim=(0, max(plan.shown_steps, log.last - log.first + 1)))
    above.set_ylim(0, 1.08 * max(above.get_ylim()[1] / 1.08, *(v for v in log.rate.values if math.isfinite(v))))
    for ax in (above, below):
        add_legend(ax)
    return figure


def _points(log: TrainingLog, series: Series) -> tuple[list[int], tuple[float, ...]]:
    return [step - log.first for step in series.steps], series.values


def _rate(plan: Plan, log: TrainingLog) -> str:
    """How far the rate was from the plan, in parts of the peak, and since when."""
    name = one_line(log.rate.name, 24)
    deviations = _deviations(plan, log)
    most, at = max((away, -step) for step, away in deviations)
    left = next((step for step, away in deviations if away > AWAY), None)
    if left is None:
        return f"{name} followed the plan, at most {_percent(most)} of the peak away from it"
    return f"{name} left the plan at step {left:,}; at most {_percent(most)} of the peak away, at step {-at:,}"


def _deviations(plan: Plan, log: TrainingLog) -> list[tuple[int, float]]:
    """Each step with how far its rate was from the plan, in parts of the peak; a rate that is no number is infinitely.

    Parts of the planned rate would be nothing to compare by where that goes to zero.
    """
    schedule = plan.schedule
    if schedule is None:
        return []
    planned = [plan.lr * schedule(max(0, step - log.first)) for step in log.rate.steps]
    parts = [abs(seen - due) / plan.lr for seen, due in zip(log.rate.values, planned, strict=True)]
    return [(step, part if math.isfinite(part) else math.inf) for step, part in zip(log.rate.steps, parts, strict=True)]


def _percent(part: float) -> str:
    return f"{100 * part:.2g} %" if part < 1 else f"{100 * part:,.0f} %"


def _loss_after(log: TrainingLog, loss: Series, steps: float) -> str:
    """The last loss that was logged by then; a dash before the first, and where the training did not come so far."""
    until = log.first + steps - 1
    interval = max((b - a for a, b in zip(loss.steps, loss.steps[1:], strict=False)), default=0)
    so_far = [value for step, value in zip(loss.steps, loss.values, strict=True) if step <= until]
    is_reached = log.last >= until or loss.steps[-1] + interval > until
    return f"{so_far[-1]:.4g}" if so_far and is_reached else "-"


def _held_out(log: TrainingLog) -> list[str]:
    """The best loss on other data, where one was logged that is a number."""
    if log.held_out is None:
        return []
    pairs = zip(log.held_out.values, log.held_out.steps, strict=True)
    finite = [pair for pair in pairs if math.isfinite(pair[0])]
    name = one_line(log.held_out.name, 24)
    if not finite:
        return wrap("held out", f"{name} was never a finite number")
    loss, step = min(finite)
    return wrap("held out", f"{name} was best at step {step:,}, with {loss:.4g}")
