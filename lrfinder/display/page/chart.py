"""The chart of the page: the sweep above, the trials below, on one axis of rates."""

from collections.abc import Sequence

from lrfinder.advice.plan import Plan
from lrfinder.display.layout import one_line
from lrfinder.display.page.markup import tag, words
from lrfinder.display.page.scale import LEFT, RIGHT, Across, Up, thinned
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import RULES
from lrfinder.evidence.smoothing import SmoothCurve
from lrfinder.evidence.trials import Trials

__all__ = ["LAYERS", "chart", "layers_of"]

LAYERS = {
    "peak": "suggested peak and interval",
    "raw": "losses after each step",
    "smooth": "smoothed",
    "rules": "what rules read",
    "diverged": "where it diverged",
    "trials": "short trials",
    "pilots": "pilots",
}
"""Layers of the chart, and what each is called."""

ROOM_BELOW, ROOM_ABOVE = 0.15, 0.3
"""Of the smooth curve's height: losses further away lie at the edge of the picture."""

WIDTH, TOP, CURVE, TRIALS, GAP = 760, 30, 250, 150, 66
"""Sizes in units of the chart."""


def chart(evidence: Evidence, plan: Plan | None, name: str) -> str:
    """Return the chart as SVG, empty where nothing was measured; `name` begins the ids in it."""
    kinds = [("trials", evidence.edge_trials), ("pilots", evidence.pilots)]
    shown = [(layer, records) for layer, records in kinds if records]
    heights = [CURVE] * bool(evidence.curve) + [TRIALS] * len(shown)
    if not heights:
        return ""
    across, places = Across.over(_rates(evidence, plan)), _places(heights)
    parts = [across.draw(top, bottom, labelled=bottom == places[-1][1]) for top, bottom in places]
    parts.append(_peak(plan, across, places))
    if evidence.curve:
        parts.append(_curve(evidence, evidence.curve, across, *places.pop(0)))
    parts += [_trials(layer, records, across, *place) for (layer, records), place in zip(shown, places, strict=True)]
    bottom = sum(heights) + GAP * (len(heights) - 1) + TOP
    parts.append(tag("text", "learning rate", x=RIGHT, y=bottom + 40, class_="name end"))
    label, told = tag("title", "Losses by learning rate", id=f"{name}-title"), _told(evidence, plan)
    return tag(
        "svg", label, tag("desc", words(told), id=f"{name}-desc"), *parts,
        viewBox=f"0 0 {WIDTH} {bottom + 48}", class_="chart", role="img", aria_labelledby=f"{name}-title {name}-desc",
    )  # fmt: skip


def layers_of(evidence: Evidence, plan: Plan | None) -> list[str]:
    """Return the names of the layers that a chart of this has."""
    has_curve = bool(evidence.curve)
    there = {
        "peak": plan is not None,
        "raw": has_curve,
        "smooth": has_curve and evidence.smooth is not None,
        "rules": has_curve and evidence.smooth is not None and any(evidence.suggestions.values()),
        "diverged": has_curve and evidence.diverged_at is not None,
        "trials": bool(evidence.edge_trials),
        "pilots": bool(evidence.pilots),
    }
    return [layer for layer, is_there in there.items() if is_there]


def _told(evidence: Evidence, plan: Plan | None) -> str:
    """What the chart shows, for who does not see it."""
    answer = "There is no suggestion."
    if plan is not None:
        low, high = plan.interval
        answer = f"The suggested peak is {plan.lr:.2e}, its 80 % interval {low:.1e} to {high:.1e}."
    count = sum(len(one.lrs) for one in (*evidence.edge_trials, *evidence.pilots))
    swept = f" {len(evidence.curve)} rates were swept." if evidence.curve else ""
    return f"{answer}{swept} {count} trials were made; the table has their losses."


def _rates(evidence: Evidence, plan: Plan | None) -> list[float]:
    tried = [lr for one in (*evidence.edge_trials, *evidence.pilots) for lr in one.lrs]
    return [*(evidence.curve.lrs if evidence.curve else ()), *tried, *(plan.interval if plan else ())]


def _places(heights: Sequence[int]) -> list[tuple[float, float]]:
    """Top and bottom of each panel."""
    places, at = [], float(TOP)
    for height in heights:
        places.append((at, at + height))
        at += height + GAP
    return places


def _layer(name: str, *content: str) -> str:
    return tag("g", *content, class_=f"layer {name}", data_layer=name)


def _peak(plan: Plan | None, across: Across, places: Sequence[tuple[float, float]]) -> str:
    if plan is None:
        return ""
    left, right = map(across, plan.interval)
    marks = [
        tag("rect", x=left, width=round(right - left, 1), y=top, height=bottom - top, class_="interval")
        + tag("line", x1=across(plan.lr), x2=across(plan.lr), y1=top, y2=bottom, class_="peak-line")
        for top, bottom in places
    ]
    end = "end" if across(plan.lr) > (LEFT + RIGHT) / 2 else "start"
    name = tag("text", f"peak {plan.lr:.2e}", x=across(plan.lr), y=places[0][0] - 8, class_=f"peak-name {end}")
    return _layer("peak", *marks, name)


def _curve(evidence: Evidence, curve: Curve, across: Across, top: float, bottom: float) -> str:
    smooth = evidence.smooth
    raw = thinned([*(evidence.coarse.pairs() if evidence.coarse else ()), *curve.pairs()])
    levels = [loss for _, loss in raw] if smooth is None else smooth.losses
    low, high = min(levels, default=0.0), max(levels, default=1.0)
    room = (high - low) or abs(high) or 1.0
    up = Up(low - ROOM_BELOW * room, high + ROOM_ABOVE * room, bottom, top)
    name = "loss after a step" if curve.after is None else "validation loss after a step"
    parts = [up.draw(name), _layer("raw", *(_dot(lr, loss, across, up) for lr, loss in raw if up.holds(loss)))]
    if smooth is not None:
        line = " ".join(f"{across(lr)},{up(loss)}" for lr, loss in thinned(zip(smooth.lrs, smooth.losses, strict=True)))
        parts.append(_layer("smooth", tag("polyline", points=line)))
        parts.append(_layer("rules", *_rules(evidence, smooth, across, up)))
    if evidence.diverged_at is not None:
        at = across(evidence.diverged_at)
        said = f"diverges at {evidence.diverged_at:.2e}"
        line = tag("line", x1=at, x2=at, y1=top, y2=bottom, data_say=said)
        parts.append(_layer("diverged", line, tag("text", "diverges", x=at - 6, y=top + 14, class_="end")))
    return "".join(parts)


def _dot(lr: float, loss: float, across: Across, up: Up) -> str:
    return tag("circle", cx=across(lr), cy=up(loss), r=2.5, data_s=f"{lr:.3g} {loss:.5g}")


def _rules(evidence: Evidence, smooth: SmoothCurve, across: Across, up: Up) -> list[str]:
    """What each rule reads, at the height of the smooth curve there."""
    points, marks = list(zip(smooth.lrs, smooth.losses, strict=True)), []
    for name, lr in evidence.suggestions.items():
        if lr is None:
            continue
        x, y = across(lr), up(min(points, key=lambda point: abs(point[0] / lr - 1))[1])
        label = RULES[name].label if name in RULES else one_line(name)
        marks.append(tag("path", d=f"M{x},{y - 6}l6,6l-6,6l-6,-6z", data_say=f"{label} {lr:.2e}", data_x=x, data_y=y))
    return marks


def _trials(layer: str, records: Sequence[Trials], across: Across, top: float, bottom: float) -> str:
    """The losses of trials joined by record, those without a loss in the picture at its upper edge."""
    start = max(one.start for one in records)
    ended = [loss for one in records for loss in one.losses if loss is not None]
    low, high = min([start, *ended]), max([start, *(loss for loss in ended if loss <= start)])
    room = (high - low) or 0.05 * abs(high) or 1.0
    up = Up(low - 0.15 * room, high + 0.3 * room, bottom, top)
    name = "loss after a short trial" if layer == "trials" else "loss after a pilot"
    before = tag("line", x1=LEFT, x2=RIGHT, y1=up(start), y2=up(start), class_="before", data_say=f"before {start:.4g}")
    marks = [_record(one, layer, across, up) for one in records]
    return up.draw(name) + _layer(layer, before, *marks)


def _record(trials: Trials, layer: str, across: Across, up: Up) -> str:
    pairs = [(lr, loss) for lr, loss in zip(trials.lrs, trials.losses, strict=True)]
    inside = [(lr, loss) for lr, loss in pairs if loss is not None and up.holds(loss)]
    line = tag("polyline", points=" ".join(f"{across(lr)},{up(loss)}" for lr, loss in inside))
    kind = "trial" if layer == "trials" else "pilot"
    marks = []
    for lr, loss in pairs:
        came = "exploded" if loss is None else f"loss {loss:.4g}"
        said = f"{kind} of {trials.steps} steps to {lr:.2e}: {came}"
        if loss is not None and up.holds(loss):
            marks.append(tag("circle", cx=across(lr), cy=up(loss), r=5, data_say=said))
        else:
            x, y = across(lr), up.top + 4
            cross = f"M{x - 5},{y - 5}l10,10m0,-10l-10,10"
            marks.append(tag("path", d=cross, class_="exploded", data_say=said, data_x=x, data_y=y))
    return line + "".join(marks)
