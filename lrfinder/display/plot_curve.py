"""The picture of a sweep: its losses, the smooth curve, and small on it what the rules read."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lrfinder.advice.plan import Plan
from lrfinder.display.layout import plain
from lrfinder.display.look import COLOURS
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import RULES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curve"]

ROOM_BELOW, ROOM_ABOVE = 0.15, 0.3
"""Of the smooth curve's height: losses that are further away from it lie outside of the picture."""

MANY = 1e4
"""On a wider axis only the powers of ten have a tick; the others would take half of the time of the whole picture."""


def draw_curve(evidence: Evidence, plan: Plan | None, ax: "Axes") -> None:
    """Draw losses, smooth curve, where it diverged, and the rules: hollow and small where they do not decide."""
    curve, smooth = evidence.curve, evidence.smooth
    if curve is None or not len(curve):
        return
    _show_rates(evidence, plan, ax)
    grey, pairs = COLOURS["raw"], _columns(curve.pairs())
    ax.plot(*pairs, ".", ms=4, color=grey, label="loss after a step")
    if evidence.coarse is not None:
        ax.plot(*_columns(evidence.coarse.pairs()), ".", ms=4, color=grey, alpha=0.4, label="in the coarse pass")
    if smooth is not None:
        ax.plot(smooth.lrs, smooth.losses, color=COLOURS["smooth"], lw=2.5, label="smoothed", zorder=2.5)
        low, high = min(smooth.losses), max(smooth.losses)
        room = high - low or abs(high) or 1.0
        ax.set_ylim(low - ROOM_BELOW * room, high + ROOM_ABOVE * room)
    if evidence.diverged_at is not None:
        at = evidence.diverged_at
        ax.axvline(at, color=COLOURS["diverged"], ls=":", lw=1.2, label=f"diverges at {at:.2g}")
    _draw_rules(evidence, plan, ax)


def _columns(pairs: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    points = list(pairs)
    return [x for x, _ in points], [y for _, y in points]


def _show_rates(evidence: Evidence, plan: Plan | None, ax: "Axes") -> None:
    """Every rate that was swept, tried or suggested lies inside the picture."""
    from matplotlib.ticker import NullLocator

    tried = [lr for trials in evidence.edge_trials for lr in trials.lrs]
    rates = [*(evidence.curve.lrs if evidence.curve else ()), *tried, *(plan.interval if plan else ())]
    ax.set_xlim(min(rates) / 1.5, max(rates) * 1.5)
    if max(rates) > MANY * min(rates):
        ax.xaxis.set_minor_locator(NullLocator())


def _draw_rules(evidence: Evidence, plan: Plan | None, ax: "Axes") -> None:
    """What each rule reads, at the height of the curve there."""
    if evidence.smooth is None:
        return
    points = list(zip(evidence.smooth.lrs, evidence.smooth.losses, strict=True))
    if any(evidence.suggestions.values()) and not any(_decides(name, plan) for name in evidence.suggestions):
        ax.plot([], [], " ", label="rules, for comparison:")
    for name, lr in evidence.suggestions.items():
        if lr is None:
            continue
        height = min(points, key=lambda point: abs(point[0] / lr - 1))[1]
        label, colour, marker = plain(name), COLOURS["diverged"], "o"
        if name in RULES:
            label, colour, marker = RULES[name].label, RULES[name].colour, RULES[name].marker
        size, inside = (8, colour) if _decides(name, plan) else (4.5, "white")
        ax.plot([lr], [height], marker, ms=size, color=colour, mfc=inside, mew=1, label=f"{label}: {lr:.2g}", zorder=4)


def _decides(rule: str, plan: Plan | None) -> bool:
    """Whether the peak was read off by this rule, or computed from what all rules read."""
    return plan is not None and (plan.rule == rule or any(one.source == "rules" for one in plan.estimates))
