"""The printout: the answer first, in plain text of at most 100 columns and 25 lines."""

from collections.abc import Sequence
from typing import NamedTuple

from lrfinder.advice.plan import Estimate, Plan, Reason
from lrfinder.advice.recommend import OF_DECAY
from lrfinder.advice.snippet import code_of_result
from lrfinder.display.groups import group_lrs_in_words
from lrfinder.display.layout import LABEL, WIDTH, format_samples, one_line, sparkline, wrap, wrap_at
from lrfinder.display.words import best_trial, cost_in_words, not_finite
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.trials import Trials

__all__ = ["MOST_LINES", "answer", "rates", "text"]

MOST_LINES = 25

MOST_DENSE = 15
"""Lines up to which a report has no empty ones."""

MOST_REASONS = 3
"""Reasons in the report of a rescaled plan: the change is what its reader asks about."""

FAR_APART = 10.0
"""Ratio of what two sources say from which the report says that they disagree."""

SOURCES = {"edge": "the short trials", "pilots": "the pilots", "rules": "the rules on the curve", "peak": "the peak"}
"""Sources of the peak in words, but for what is usual."""


class _Block(NamedTuple):
    """Lines that are shown together, or left out where others matter more; 0 matters most."""

    rank: int
    lines: list[str]
    is_apart: bool = False
    """Whether an empty line comes before it."""


def text(
    evidence: Evidence,
    plan: Plan | None,
    *,
    done: str | None = None,
    code: str | None = None,
    who: str = "",
    whole: str = "found.explain()",
    most: int = MOST_LINES,
) -> str:
    """Write a result in words: the answer, the rates over the training, how to use it, how sure it is, warnings.

    Args:
        evidence: What was measured.
        plan: What to train with, or None where there is no reliable rate.
        done: What was done with it already, as a phrase, in place of how to use it.
        code: The lines to use it by; None: those that a result called `found` takes.
        who: What begins the first line, in a log of others.
        whole: What shows the whole of it.
        most: Lines at most; what matters least is left out, and stands in `explain`.
    """
    blocks = [_Block(0, answer(evidence, plan, f"{who}: " if who else ""))]
    if plan is not None:
        blocks.append(_Block(3, [*rates(plan), *group_lrs_in_words(evidence, plan)], is_apart=True))
    if done is not None:
        blocks.append(_Block(1, wrap("applied", done), is_apart=True))
    elif plan is not None:
        blocks.append(_Block(1, _code(code_of_result(plan) if code is None else code), is_apart=True))
    if plan is not None:
        blocks.append(_Block(2, wrap("how sure", _how_sure(evidence, plan)), is_apart=True))
        blocks += [_Block(4, wrap("but", warning)) for warning in plan.warnings]
        blocks += [_Block(5, wrap("why", reason.text)) for reason in _main_reasons(plan)]
    blocks += [_Block(4, lines) for lines in [not_finite(evidence)] if lines]
    blocks.append(_Block(6, wrap("measured", _measured(evidence)), is_apart=plan is None))
    shown = _fitting(blocks, most - 1)  # one for what comes last
    return "\n".join([*_lines(shown, most), *wrap("more", _more(blocks, shown, whole))])


def _lines(blocks: list[_Block], most: int) -> list[str]:
    """All lines, with empty ones between what stands apart where there is room for such."""
    is_airy = most > MOST_DENSE
    return [line for block in blocks for line in (["", *block.lines] if block.is_apart and is_airy else block.lines)]


def _fitting(blocks: list[_Block], most: int) -> list[_Block]:
    """The blocks that matter most, in their order, in so many lines; the answer stays whatever its length."""
    shown = list(blocks)
    while len(_lines(shown, most)) > most and len(shown) > 1:
        ranks = [block.rank for block in shown]
        shown.pop(len(ranks) - 1 - ranks[::-1].index(max(ranks)))
    return shown


def _more(blocks: list[_Block], shown: list[_Block], whole: str) -> str:
    """Where the rest is, with how many warnings are among it."""
    hidden = sum(block.rank == 4 for block in blocks) - sum(block.rank == 4 for block in shown)
    what = f"{hidden} more warning{'s' if hidden > 1 else ''}, and " if hidden else ""
    return f"{whole} has {what}every rule, trial, factor and reason"


def answer(evidence: Evidence, plan: Plan | None, head: str = "") -> list[str]:
    """Return the answer after a head, and what it cost, on one line where both fit."""
    cost = cost_in_words(evidence, plan)
    if plan is None:
        lines = wrap_at("", f"{head}no suggestion ({evidence.status}): {evidence.status.sentence}")
        return [*lines, *([cost] if cost else [])]
    low, high = plan.interval
    by = f", by your rule {one_line(plan.rule)}" if plan.rule else ""
    length = "" if plan.schedule is not None else ", as for 1,000 steps"
    words = f"{head}peak {plan.lr:.2e} ({low:.1e} to {high:.1e}){by}{length}, {one_line(plan.schedule_text, 300)}"
    whole = f"{words} · {cost}" if cost else words
    return [whole] if len(whole) <= WIDTH else [*wrap_at("", words), *([cost] if cost else [])]


def rates(plan: Plan) -> list[str]:
    """Return the rates at five moments of the training above a line of bars; nothing where the shape is lost."""
    if plan.shape is None:
        return []
    parts = (0.0, 0.25, 0.5, 0.75, 1.0)
    return [
        f"  training      {''.join(f'{100 * part:.0f} %'.ljust(14) for part in parts).rstrip()}",
        f"  LR            {''.join(f'{plan.lr_at(part):.2e}'.ljust(14) for part in parts).rstrip()}",
        f"                {sparkline([plan.lr_at(i / 59) for i in range(60)])}",
    ]


def _main_reasons(plan: Plan) -> list[Reason]:
    """Why this schedule, or what a rescaled plan stands on; and what there is to say of weight decay."""
    first, others = (1, plan.reasons[1:]) if plan.setting is None else (MOST_REASONS, ())
    return [*plan.reasons[:first], *(reason for reason in others if reason.text.startswith(OF_DECAY))]


def _code(code: str) -> list[str]:
    """Lines of code, which are not wrapped: below their label where they are long."""
    first, *others = code.splitlines()
    if max(map(len, (first, *others))) > WIDTH - LABEL:
        return ["  use it", *(f"    {line}" for line in (first, *others))]
    return [f"  {'use it':<13} {first}", *(f"{'':<16}{line}" for line in others)]


def _how_sure(evidence: Evidence, plan: Plan) -> str:
    """What the interval means, and how far the sources of the peak agree."""
    holds = "In 8 of 10 such trainings the best peak lies in the interval."
    if plan.rule is not None:
        return f"{holds} The rate is what your rule reads off the curve; nothing else was weighed."
    peaks = {_source(evidence, one): peak for one in plan.estimates if (peak := plan.peak_of(one)) > 0}
    if not peaks:
        return holds
    words = ", ".join(f"{source}: {lr:.0e}" for source, lr in peaks.items())
    apart = max(peaks.values()) / min(peaks.values())
    how = f"they disagree by a factor of {apart:.2g}" if apart > FAR_APART else f"within a factor of {apart:.2g}"
    return f"{holds} {words[0].upper()}{words[1:]}{f'; {how}' if len(peaks) > 1 else ', and nothing else'}."


def _source(evidence: Evidence, estimate: Estimate) -> str:
    if estimate.source == "usual":
        return f"usual for {one_line(evidence.facts.optimizer)} with weights of this size"
    return SOURCES[estimate.source]


def _measured(evidence: Evidence) -> str:
    """What was trained, where the sweep went and what the trials came to, in one sentence."""
    facts, curve = evidence.facts, evidence.curve
    batch = "" if not facts.batch_size else f", {format_samples(facts.batch_size)} a step"
    ranks = f" on each of {facts.ranks} ranks" if facts.ranks > 1 else ""
    words = [f"{one_line(facts.model)} with {one_line(facts.optimizer)}{batch}{ranks}"]
    if curve is not None and len(curve):
        end = curve.lrs[-1] if evidence.diverged_at is None else evidence.diverged_at
        how = "" if curve.stopped == "completed" else ", where it diverged"
        words.append(f"the loss from {curve.lrs[0]:.0e} to {end:.1e}{how}")
    for kind, records in (("short trials", evidence.edge_trials), ("pilots", evidence.pilots)):
        words += [] if not records else [_trials(kind, records)]
    return "; ".join(words)


def _trials(kind: str, records: Sequence[Trials]) -> str:
    """How many trials there were, of what length, and what the best one came to."""
    losses, steps = [loss for one in records for loss in one.losses], sorted({one.steps for one in records})
    count, exploded = len(losses), losses.count(None)
    head = f"{count} {kind if count > 1 else kind.removesuffix('s')} of {' and '.join(map(str, steps))} steps"
    best = best_trial(records)
    if best is None:
        return f"{head}, which all exploded"
    loss, lr, one = best
    beside = f", {exploded} exploded" if exploded else ""
    return f"{head}, the best from a loss of {one.start:.4g} to {loss:.4g} at {lr:.1e}{beside}"
