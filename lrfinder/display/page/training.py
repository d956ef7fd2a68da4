"""The log of a training over its plan, as a part of the page."""

import math
from collections.abc import Sequence

from lrfinder.advice.plan import Plan
from lrfinder.display.overlay import overlay_in_words
from lrfinder.display.page.markup import tag, words
from lrfinder.display.page.parts import section
from lrfinder.display.page.scale import LEFT, MOST_POINTS, RIGHT, Up, thinned
from lrfinder.display.training_log import Series, TrainingLog

__all__ = ["training"]

HEIGHT, GAP, TOP = 170, 56, 30
"""Sizes in units of the picture."""


def training(plan: Plan, log: TrainingLog) -> str:
    """Return a section with the planned and the logged rate, the logged losses below, and both in words."""
    last = max(plan.shown_steps, log.last - log.first + 1)
    end = max(1, plan.shown_steps - 1)
    steps = range(0, plan.shown_steps, max(1, plan.shown_steps // MOST_POINTS))
    due = [(float(step), plan.lr_at(step / end)) for step in steps]
    rates = [("planned", due), ("logged", _points(log, log.rate))]
    losses = [(kind, _points(log, one)) for kind, one in (("loss", log.loss), ("held", log.held_out)) if one]
    drawn = [_panel("learning rate", rates, last, TOP)]
    if losses:
        names = " and ".join(one.name for one in (log.loss, log.held_out) if one)
        drawn.append(_panel(names, losses, last, TOP + HEIGHT + GAP))
    bottom = TOP + HEIGHT + (HEIGHT + GAP if losses else 0)
    drawn.append(tag("text", "optimizer step", x=RIGHT, y=bottom + 40, class_="name end"))
    title = tag("title", "The training over its plan", id="training-title")
    key = "The solid line is the plan, the dashed one what was logged."
    picture = tag(
        "svg", title, *drawn, viewBox=f"0 0 760 {bottom + 48}", class_="drawn", role="img",
        aria_labelledby="training-title",
    )  # fmt: skip
    told = tag("pre", words(overlay_in_words(plan, log)), tabindex=0)
    return section("training", "The training over its plan", picture, tag("p", key, class_="quiet"), told)


def _points(log: TrainingLog, series: Series) -> list[tuple[float, float]]:
    """Steps from the first of the training on and their finite values, spread over what was logged."""
    pairs = zip(series.steps, series.values, strict=True)
    return thinned((step - log.first, value) for step, value in pairs if math.isfinite(value))


def _panel(name: str, lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], last: float, top: float) -> str:
    """Lines over the steps between two heights, with their axes."""
    values = [value for _, points in lines for _, value in points] or [0.0, 1.0]
    bottom = top + HEIGHT
    up = Up(min(0.0, *values), max(values) or 1.0, bottom, top)
    ticks = "".join(
        tag("text", f"{part * last:,.0f}", x=_across(part * last, last), y=bottom + 20, class_="tick across")
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    shapes = "".join(
        tag(
            "g",
            tag("polyline", points=" ".join(f"{_across(x, last)},{up(y)}" for x, y in points)),
            class_=f"line {kind}",
        )
        for kind, points in lines
    )
    return up.draw(words(name)) + tag("line", x1=LEFT, x2=RIGHT, y1=bottom, y2=bottom, class_="axis") + ticks + shapes


def _across(step: float, last: float) -> float:
    return round(LEFT + step / last * (RIGHT - LEFT), 1)
