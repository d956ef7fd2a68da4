"""The printout: plain text, at most 100 columns."""

import textwrap
from collections.abc import Mapping

from lrfinder.advice.plan import Estimate, Factor, FactorName, Grade, Plan, Reason
from lrfinder.display.groups import group_lrs_in_words, groups_in_words
from lrfinder.display.layout import WIDTH, one_line, wrap, wrap_at
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import RULES
from lrfinder.evidence.trials import Trials
from lrfinder.schedules import Entry

__all__ = ["catalogue", "sparkline", "text"]

COLUMNS = (17, 14, 13, 16)
"""Widths of the catalogue's columns but the last."""

RUNS_TO_THE_LINE = 8

BARS_OF = 60
"""Steps that one bar of the catalogue stands for."""

BARS = "▁▂▃▄▅▆▇█"
ENDED = {
    "completed": "the whole range, nothing diverged",
    "diverged": "diverged from {at:.2g} on, stopped after {steps} steps",
    "non_finite": "the loss was no longer finite after {steps} steps",
}

FACTORS: dict[FactorName, str] = {
    "fitted": "as fitted on other trainings",
    "momentum": "for momentum, which a short trial hardly builds up",
    "steps": "for {wanted} steps",
    "own_decay": "for the steps that {optimizer} shrinks itself",
    "divergence": "to stay below where the sweep diverged",
    "caution": "since too high a peak costs more than too low",
    "schedule": "for the schedule",
    "finetune": "for fine-tuning",
    "groups": "for the ratio between groups",
    "batch": "for another batch",
    "samples": "for another length",
    "parameters": "for another size of the model",
}
"""What each factor is for."""


def text(evidence: Evidence, plan: Plan | None, done: str | None = None) -> str:
    """Write a result in words, at most 100 columns: what was measured, the peak, the schedule, and how to use them.

    Where `done` says as a phrase what was done with it already, that stands in place of how to do it by hand.
    """
    kind = "tuning" if evidence.pilots else "range test"
    kind += "" if plan is None or plan.setting is None else ", rescaled,"
    lines = [f"lrfinder: {kind} of {one_line(evidence.facts.model)}", *_sweep(evidence), *_spent(evidence, plan), ""]
    lines += [*_suggestions(evidence), *_edge_trials(evidence), *_pilots(evidence), *groups_in_words(evidence), ""]
    if plan is None:
        lines += wrap("no suggestion", f"{evidence.status}: {evidence.status.sentence}")
    else:
        lines += [
            *_peak(plan),
            *group_lrs_in_words(evidence, plan),
            "",
            *_schedule(plan, _reasons_of_peak(evidence, plan)),
        ]
        if done is None:
            lines += ["", "  to use it", *(f"    {line}" for line in plan.code.splitlines())]
    return "\n".join(lines if done is None else [*lines, "", *wrap("applied", done)])


def _reasons_of_peak(evidence: Evidence, plan: Plan) -> list[Reason]:
    """How the peak was computed, a sentence for each estimate and for what corrects the middle of all."""
    reasons = [Reason(*_estimate_in_words(evidence, plan, estimate)) for estimate in plan.estimates]
    corrections = {factor.name: factor.value for factor in plan.factors_of("peak")}
    if len(plan.estimates) > 1 and f"{corrections.get('caution', 1):.2g}" != "1":
        caution = corrections["caution"]
        words = f"The suggestion is {caution:.2g} of the middle of these, since too high costs more than too low"
        shape = corrections.get("schedule", 1.0)
        words += "." if f"{shape:.2g}" == "1" else f", times {shape:.2g} for the schedule."
        reasons.append(Reason(words, "moderate"))
    if "finetune" in corrections:
        lower = corrections["finetune"]
        words = f"For fine-tuning the peak is {lower:.2g} of what was measured, which does not see what is forgotten."
        reasons.append(Reason(words, "weak"))
    return reasons


def _estimate_in_words(evidence: Evidence, plan: Plan, estimate: Estimate) -> tuple[str, Grade]:
    """What one source says of the peak for linear decay, and how good that is as evidence."""
    lr, optimizer = plan.peak_of(estimate), one_line(evidence.facts.optimizer)
    about = f"{lr:.1e}, give or take a factor of {10**estimate.deviation:.2g}"
    if estimate.source == "usual":
        return f"Usual for {optimizer} with weights of this size: {about}.", "weak"
    shown = [factor for factor in plan.factors_of(estimate.source) if f"{factor.value:.2g}" != "1"]
    product = ", ".join(_factor_in_words(factor, optimizer) for factor in shown) or "1"
    if estimate.source == "rules":
        words = "the geometric mean of what they read, brought to one speed of the sweep"
        return f"The rules say {about}: {words}, times {product}.", "weak"
    if estimate.source == "edge":
        return f"The trials say {about}: their edge, {estimate.measured:.1e}, times {product}.", "moderate"
    best = "their best" if all(one.factor == 1 for one in evidence.pilots) else "their best, as for linear decay"
    return f"The pilots say {about}: {best}, {estimate.measured:.1e}, times {product}.", "moderate"


def _factor_in_words(factor: Factor, optimizer: str) -> str:
    wanted = "" if factor.wanted_at is None else _count(factor.wanted_at)
    words = FACTORS[factor.name].format(wanted=wanted, optimizer=optimizer)
    if factor.measured_at is not None:
        words += f" instead of {_count(factor.measured_at)}"
    return f"{factor.value:.2g} {words}"


def _count(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 or quantity == int(quantity) else f"{quantity:.3g}"


def catalogue(entries: Mapping[str, Entry]) -> str:
    """Write the families of schedules as a table: kind, parameters, a picture, and below its use and its tip."""
    heads = ("name", "frequency", "quantity", "shape", "parameters")
    lines = [_row(heads)]
    for entry in entries.values():
        bars = sparkline(entry.factors(BARS_OF * COLUMNS[3])[BARS_OF // 2 :: BARS_OF])
        row = _row((entry.name, entry.frequency, entry.quantity, bars, ", ".join(entry.parameters) or "none"))
        lines += [
            "",
            row,
            *textwrap.wrap(f"{entry.when} {entry.tip}", WIDTH, initial_indent="  ", subsequent_indent="  "),
        ]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    """Cells in columns, the last one on as many lines as it takes."""
    head = "".join(f"{cell:<{width}}  " for cell, width in zip(cells, COLUMNS, strict=False))
    last = textwrap.wrap(cells[-1], WIDTH - len(head))
    return "\n".join([head + last[0], *(" " * len(head) + line for line in last[1:])])


def sparkline(values: list[float]) -> str:
    """Write values as one line of bars, the highest bar for the largest, the lowest for what is not above zero.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    top = max(values)
    return "".join(BARS[min(len(BARS) - 1, int(len(BARS) * value / top))] if value > 0 else BARS[0] for value in values)


def _sweep(evidence: Evidence) -> list[str]:
    facts, curve = evidence.facts, evidence.curve
    base = facts.bases[facts.reference]
    trained = f"{one_line(facts.optimizer)} (base LR {base:g}" + (
        f", {len(facts.bases)} groups)" if len(facts.bases) > 1 else ")"
    )
    trained += f", {facts.batch_size} samples a step" if facts.batch_size else ""
    trained += f", {facts.ranks} ranks" if facts.ranks > 1 else ""
    mode = ", evaluated in train mode" if facts.evaluated_in == "train" else ""
    lines = wrap("trained with", trained) + wrap("loss", one_line(facts.loss, 300) + mode)
    if curve is not None and len(curve):
        at = evidence.diverged_at or curve.lrs[-1]
        coarse = evidence.coarse
        ended = ENDED[curve.stopped].format(at=at, steps=curve.steps + (coarse.steps if coarse else 0))
        passes = " in two passes" if coarse else ""
        lines += wrap("swept", f"{curve.lrs[0]:.2g} to {curve.lrs[-1]:.2g}{passes}: {ended}")
        noise = "" if evidence.noise is None else f", noise {_percent(evidence.noise)} of the drop"
        kind = "" if curve.after is None else "on validation batches, "
        levels = curve.levels
        lines += wrap("losses", f"{kind}{levels[0]:.4g} at the start, lowest {min(levels):.4g}{noise}")
    if evidence.not_finite:
        places = ", ".join(map(str, evidence.not_finite[:8])) + (", ..." if len(evidence.not_finite) > 8 else "")
        words = f"the loss of {len(evidence.not_finite)} of {evidence.looked_at} batches before any step"
        lines += wrap("not finite", f"{words}, in the order of the search: {places}")
    return lines


def _spent(evidence: Evidence, plan: Plan | None) -> list[str]:
    """What all of the search cost, validation batches and trials included."""
    if not evidence.cost_steps:
        return []
    total = None if plan is None else plan.total_steps
    share = "" if total is None else f", {_percent(evidence.cost_steps / total)} of the training"
    return wrap("spent", f"the cost of {evidence.cost_steps:,} steps{share}")


def _suggestions(evidence: Evidence) -> list[str]:
    """What each rule reads off the sweep; where there are trials they decide, and these are for comparison."""
    if not evidence.suggestions:
        return []
    lines = ["  read off the sweep" + (", for comparison:" if evidence.has_trial_peak else ":")]
    labels = {name: RULES[name].label if name in RULES else one_line(name) for name in evidence.suggestions}
    lines += [f"    {labels[name]:<18} {lr:.2e}" for name, lr in evidence.suggestions.items() if lr is not None]
    without = [labels[name] for name, lr in evidence.suggestions.items() if lr is None]
    return lines + ([f"    no answer by {', '.join(without)}"] if without else [])


def _edge_trials(evidence: Evidence) -> list[str]:
    """The short trials: their peaks, what each came to, and the edge."""
    lines = []
    for trials in evidence.edge_trials:
        head = f"{trials.steps} steps each, all from the same start: a short warm-up, a linear decay to zero"
        lines += ["", *wrap("trials", head), *_runs(trials)]
    if evidence.edge is not None:
        meaning = "above it most of the best gain is lost; mostly the peak lies below"
        lines.append(f"    their edge      {evidence.edge:.2e}: {meaning}")
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def _pilots(evidence: Evidence) -> list[str]:
    """The pilots: their peaks, what each came to, and the best of them."""
    lines = []
    for trials in evidence.pilots:
        head = f"{trials.steps} steps each, all from the same start: the schedule and the epochs in small"
        lines += ["", *wrap("pilots", head), *_runs(trials)]
        how = "on a parabola through the best trial and its neighbours" if trials.fit else "of those that were tried"
        found = "none: no trial lowered the loss" if trials.best is None else f"{trials.best:.2e}: {how}"
        lines.append(f"    the best        {found}")
    return lines


def _runs(trials: Trials) -> list[str]:
    """Runs in columns: their peaks, and what each came to."""
    losses = ["exploded" if loss is None else f"{loss:.4g}" for loss in trials.losses]
    lines = [f"    loss before     {trials.start:.4g}"]
    for i in range(0, len(losses), RUNS_TO_THE_LINE):
        some = slice(i, i + RUNS_TO_THE_LINE)
        lines.append(f"    to a peak of    {''.join(f'{lr:<10.1e}' for lr in trials.lrs[some]).rstrip()}")
        lines.append(f"    loss after      {''.join(f'{loss:<10}' for loss in losses[some]).rstrip()}")
    return lines


def _peak(plan: Plan) -> list[str]:
    low, high = plan.interval
    source = f"   (by your rule {one_line(plan.rule)})" if plan.rule else ""
    line = f"suggested peak LR  {plan.lr:.2e}   80 % interval {low:.1e} to {high:.1e}{source}"
    lines = wrap_at("  ", line)
    for warning in plan.warnings:
        lines += wrap("  but", warning)
    return lines


def _schedule(plan: Plan, of_peak: list[Reason]) -> list[str]:
    lines = _shape(plan)
    for reason in (*plan.reasons, *of_peak):
        lines += wrap("  why", str(reason))
    return lines + (wrap("  or", plan.runner_up) if plan.runner_up else [])


def _shape(plan: Plan) -> list[str]:
    """The schedule in words, its rates at five moments, and a line of bars."""
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    head, words = _horizon(plan), one_line(plan.schedule_text, 300)
    if plan.total_steps is not None:
        lines = wrap_at("  ", f"{head}: {words}")
    else:
        lines = wrap_at("  ", head) + wrap_at("    ", words)
    if plan.shape is None:
        return lines
    return [
        *lines,
        f"    training  {''.join(f'{100 * share:.0f} %'.ljust(14) for share in shares).rstrip()}",
        f"    LR        {''.join(f'{plan.lr_at(share):.2e}'.ljust(14) for share in shares).rstrip()}",
        f"              {sparkline([plan.lr_at(i / 59) for i in range(60)])}",
    ]


def _horizon(plan: Plan) -> str:
    if plan.total_steps is None and plan.schedule is None:
        return "suggested schedule, in parts of the training (peak as for 1,000 steps; pass total_steps= for yours)"
    if plan.total_steps is None:
        return f"suggested schedule, of which the first {plan.shown_steps:,} steps are shown"
    epochs = ""
    if plan.steps_per_epoch:
        number = plan.total_steps / plan.steps_per_epoch
        count = f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
        epochs = f" ({count} epoch{'' if count == '1' else 's'} of {plan.steps_per_epoch:,})"
    return f"suggested schedule for {plan.total_steps:,} steps{epochs}"
