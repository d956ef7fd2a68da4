"""Everything that a result holds in words: the answer, why, and all that was measured; at most 100 columns."""

from lrfinder.advice.plan import Plan
from lrfinder.display.groups import group_lrs_in_words, groups_in_words
from lrfinder.display.layout import format_samples, one_line, wrap
from lrfinder.display.report import answer, rates
from lrfinder.display.words import not_finite, percent, reasons_of_peak
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import RULES
from lrfinder.evidence.trials import Trials

__all__ = ["explain"]

RUNS_TO_THE_LINE = 8
ENDED = {
    "completed": "the whole range, without a divergence",
    "diverged": "diverged from {at:.2g} on, stopped after {steps} steps",
    "non_finite": "the loss was no longer finite after {steps} steps",
}


def explain(evidence: Evidence, plan: Plan | None) -> str:
    """Write all of a result: the answer, its schedule and code, every reason and factor, rules, trials and pilots."""
    lines = answer(evidence, plan)
    if plan is not None:
        lines += ["", *_plan(evidence, plan)]
    kind = "tuning" if evidence.pilots else "range test"
    lines += ["", f"{kind} of {one_line(evidence.facts.model)}", *_sweep(evidence), ""]
    lines += [*_suggestions(evidence), *_edge_trials(evidence), *_pilots(evidence), *groups_in_words(evidence)]
    return "\n".join(lines)


def _plan(evidence: Evidence, plan: Plan) -> list[str]:
    """The length, the rates, the code; then every warning, reason and factor with the grade of its evidence."""
    lines = [line for warning in plan.warnings for line in wrap("but", warning)]
    lines += [*wrap("for", _horizon(plan)), *rates(plan), *group_lrs_in_words(evidence, plan)]
    lines += ["", "  by hand", *(f"    {line}" for line in plan.code.splitlines()), ""]
    for reason in (*plan.reasons, *reasons_of_peak(evidence, plan)):
        lines += wrap("why", str(reason))
    return lines + (wrap("or", plan.runner_up) if plan.runner_up else [])


def _horizon(plan: Plan) -> str:
    if plan.total_steps is None and plan.schedule is None:
        return "a training of unknown length: the peak is as for 1,000 steps; pass total_steps= for yours"
    if plan.total_steps is None:
        return f"a training without a known end, of which the first {plan.shown_steps:,} steps are shown"
    epochs = ""
    if plan.steps_per_epoch:
        number = plan.total_steps / plan.steps_per_epoch
        count = f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
        epochs = f" ({count} epoch{'' if count == '1' else 's'} of {plan.steps_per_epoch:,})"
    return f"a training of {plan.total_steps:,} steps{epochs}"


def _sweep(evidence: Evidence) -> list[str]:
    facts, curve = evidence.facts, evidence.curve
    base = facts.bases[facts.reference]
    trained = f"{one_line(facts.optimizer)} (base LR {base:g}" + (
        f", {len(facts.bases)} groups)" if len(facts.bases) > 1 else ")"
    )
    trained += f", {format_samples(facts.batch_size)} a step" if facts.batch_size else ""
    trained += f", {facts.ranks} ranks" if facts.ranks > 1 else ""
    mode = ", evaluated in train mode" if facts.evaluated_in == "train" else ""
    lines = wrap("trained with", trained) + wrap("loss", one_line(facts.loss, 300) + mode)
    if curve is not None and len(curve):
        at = evidence.diverged_at or curve.lrs[-1]
        coarse = evidence.coarse
        ended = ENDED[curve.stopped].format(at=at, steps=curve.steps + (coarse.steps if coarse else 0))
        passes = " in two passes" if coarse else ""
        lines += wrap("swept", f"{curve.lrs[0]:.2g} to {curve.lrs[-1]:.2g}{passes}: {ended}")
        noise = "" if evidence.noise is None else f", noise {percent(evidence.noise)} of the drop"
        kind = "" if curve.after is None else "on validation batches, "
        levels = curve.levels
        lines += wrap("losses", f"{kind}{levels[0]:.4g} at the start, lowest {min(levels):.4g}{noise}")
    lines += not_finite(evidence)
    lines += wrap("made with", one_line(facts.versions, 300)) if facts.versions else []
    return [*lines, *(wrap("command", one_line(facts.command, 300)) if facts.command else [])]


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
        lines += _block("trials", evidence, trials, "a short warm-up, a linear decay to zero")
    if evidence.edge is not None:
        meaning = "above it most of the best gain is lost; mostly the peak lies below"
        lines.append(f"    their edge      {evidence.edge:.2e}: {meaning}")
    return lines


def _block(label: str, evidence: Evidence, trials: Trials, shape: str) -> list[str]:
    """One record of trials: what they were, and what each came to."""
    size = evidence.facts.batch_size
    of = f" of {format_samples(size)}" if size else ""
    head = f"{trials.steps} steps{of} each, all from the same start: {shape}"
    return ["", *wrap(label, head), *_runs(trials)]


def _pilots(evidence: Evidence) -> list[str]:
    """The pilots: their peaks, what each came to, and the best of them."""
    lines = []
    for trials in evidence.pilots:
        lines += _block("pilots", evidence, trials, "the schedule and the epochs in small")
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
