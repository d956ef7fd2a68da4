"""The parts of the page: the answer, code to copy, factors, trials, what it cost."""

from collections.abc import Iterable

from lrfinder.advice.plan import Plan
from lrfinder.advice.snippet import lightning_code, transformers_code
from lrfinder.display.groups import group_lrs_in_words
from lrfinder.display.layout import one_line
from lrfinder.display.page.markup import tag, words
from lrfinder.display.words import cost_in_words
from lrfinder.evidence.evidence import Evidence

__all__ = ["answer", "code", "measured", "schedule_drawn", "section", "trials_table", "warned"]

NO_LIGHTNING = (
    "Lightning's DecaySchedule takes one schedule for one optimizer, which this plan is not: let AutoLR search inside "
    "the Trainer, or use the lines for torch."
)
NO_TRANSFORMERS = (
    "No lr_scheduler_type of transformers has this shape: let AutoLRCallback put it in its place, or use the lines for "
    "torch with the Trainer's optimizers=(optimizer, scheduler)."
)


def section(name: str, title: str, *content: str, class_: str | None = None) -> str:
    """Return a part of the page under its title."""
    heading = tag("h2", words(title), id=f"{name}-heading")
    return tag("section", heading, *content, id=name, class_=class_, aria_labelledby=f"{name}-heading")


def answer(evidence: Evidence, plan: Plan | None) -> str:
    """Return the answer: peak and interval in large, schedule, length and cost below; or why there is none."""
    cost = cost_in_words(evidence, plan).removeprefix("cost ")
    if plan is None:
        why = tag("p", words(evidence.status.sentence), class_="why")
        head = tag("p", words(f"no suggestion ({evidence.status})"), class_="peak none")
        return head + why + _list([("cost", cost)] if cost else [])
    low, high = plan.interval
    rule = f", by your rule {one_line(plan.rule)}" if plan.rule else ""
    length = "not known; the peak is as for 1,000 steps"
    if plan.total_steps is not None:
        length = f"{plan.total_steps:,} steps"
    elif plan.schedule is not None:
        length = "without a known end"
    rows = [("80 % interval", f"{low:.1e} to {high:.1e}{rule}"), ("schedule", one_line(plan.schedule_text, 300))]
    rows += [("training", length), *([("cost", cost)] if cost else [])]
    groups = " ".join(" ".join(group_lrs_in_words(evidence, plan)).split()).removeprefix("by group ")
    rows += [("by group", groups)] if groups else []
    head = tag("p", tag("span", "peak learning rate", class_="label"), tag("strong", f"{plan.lr:.2e}"), class_="peak")
    return head + _list(rows)


def _list(rows: Iterable[tuple[str, str]]) -> str:
    cells = (tag("div", tag("dt", words(name)), tag("dd", words(value))) for name, value in rows)
    return tag("dl", *cells, class_="facts")


def schedule_drawn(plan: Plan, name: str) -> str:
    """Return the rate over the training as a small picture, empty where the shape is lost."""
    if plan.shape is None:
        return ""
    parts = [i / 120 for i in range(121)]
    rates = [plan.lr_at(part) for part in parts]
    top = max(rates) or 1.0
    line = " ".join(f"{300 * part:.1f},{64 - 60 * rate / top:.1f}" for part, rate in zip(parts, rates, strict=True))
    said = f"The rate over the training: {', '.join(f'{plan.lr_at(p):.2e} at {100 * p:.0f} %' for p in (0, 0.5, 1))}"
    title = tag("title", words(said), id=f"{name}-schedule")
    drawn = tag("polyline", points=line), tag("line", x1=0, x2=300, y1=64, y2=64, class_="axis")
    return tag(
        "svg", title, *drawn, viewBox="0 0 300 68", class_="spark", role="img", aria_labelledby=f"{name}-schedule"
    )


def warned(plan: Plan | None) -> str:
    """Return the warnings of a plan as a list, empty without any."""
    if plan is None or not plan.warnings:
        return ""
    return tag("ul", *(tag("li", words(one)) for one in plan.warnings), class_="warnings", aria_label="warnings")


def code(plan: Plan) -> str:
    """Return the lines that use a plan, for torch, Lightning and transformers, each with a button that copies them."""
    blocks = (
        ("torch", plan.code, ""),
        ("Lightning", lightning_code(plan), NO_LIGHTNING),
        ("Hugging Face", transformers_code(plan), NO_TRANSFORMERS),
    )
    return tag("div", *(_block(*block) for block in blocks if block[1] or block[2]), class_="codes")


def _block(name: str, lines: str | None, without: str) -> str:
    if not lines:
        return tag("div", tag("h3", name), tag("p", words(without), class_="quiet"), class_="code")
    at = f"code-{name.lower().replace(' ', '-')}"
    button = tag("button", "Copy", type="button", data_copy=at, aria_label=f"Copy the lines for {name}")
    return tag("div", tag("h3", name), button, tag("pre", tag("code", words(lines)), id=at, tabindex=0), class_="code")


def trials_table(evidence: Evidence) -> str:
    """Return every trial and pilot in a table whose columns can be sorted, empty without any."""
    records = [("trial", one) for one in evidence.edge_trials] + [("pilot", one) for one in evidence.pilots]
    if not records:
        return ""
    names = ("kind", "record", "steps", "peak", "loss before", "loss after", "learned")
    head = "".join(tag("th", tag("button", name, type="button"), scope="col", aria_sort="none") for name in names)
    rows = []
    for number, (kind, one) in enumerate(records, 1):
        learned = one.learned or (None,) * len(one.lrs)
        for lr, loss, part in zip(one.lrs, one.losses, learned, strict=True):
            cells = [_cell(kind), _number(number, "d"), _number(one.steps, ",d"), _number(lr, ".2e")]
            cells += [_number(one.start, ".4g"), _number(loss, ".4g", "exploded"), _number(part, ".1%", "–")]
            rows.append(tag("tr", *cells))
    caption = tag("caption", "Every trial: its peak, and what it came to. A button of the head sorts.")
    table = tag("table", caption, tag("thead", tag("tr", head)), tag("tbody", *rows), class_="sortable")
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label="all trials")


def _cell(text: str) -> str:
    return tag("td", words(text), data_value=text)


def _number(value: float | None, shape: str, without: str = "") -> str:
    """A cell of a number; where there is none it sorts last."""
    shown = without if value is None else format(value, shape)
    return tag("td", words(shown), data_value="" if value is None else f"{value!r}", class_="number")


def measured(evidence: Evidence, plan: Plan | None) -> str:
    """Return what was trained and measured, and what it cost, as a list of names and values."""
    facts, curve = evidence.facts, evidence.curve
    rows = [("model", one_line(facts.model)), ("optimizer", one_line(facts.optimizer, 100))]
    rows += [("loss", one_line(facts.loss, 300)), ("precision", one_line(facts.precision))]
    rows += (
        [] if facts.batch_size is None else [("batch", f"{facts.batch_size:,} samples a step on {facts.ranks} rank(s)")]
    )
    rows += [] if facts.parameters is None else [("weights", f"{facts.parameters:,}")]
    if curve is not None and len(curve):
        rows.append(("sweep", f"{len(curve)} rates from {curve.lrs[0]:.1e} to {curve.lrs[-1]:.1e}, {curve.stopped}"))
    rows += [] if evidence.edge is None else [("edge of the trials", f"{evidence.edge:.2e}")]
    rows += [] if evidence.gradient_noise is None else [("noise of the gradient", f"{evidence.gradient_noise:.3g}")]
    cost = cost_in_words(evidence, plan).removeprefix("cost ")
    rows += [("cost", f"{cost}; a forward alone counts a third of a step")] if cost else []
    rows += [("made with", one_line(facts.versions, 300))] if facts.versions else []
    rows += [("command", one_line(facts.command, 300))] if facts.command else []
    return _list(rows)
