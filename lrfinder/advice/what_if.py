"""The numbers by which a page computes another plan as Python does: read off the functions that Python uses."""

import math
from dataclasses import asdict
from itertools import product
from typing import Any, cast

from lrfinder.advice.calibration import FITTED
from lrfinder.advice.decision_table import decide
from lrfinder.advice.new_training import REFUSED
from lrfinder.advice.optimizers import kind_of, own_pace
from lrfinder.advice.peak import LOW, MIDDLE, factor_of, sources_of
from lrfinder.advice.plan import Plan
from lrfinder.advice.posterior import PER_DECADE, REACH, TAIL
from lrfinder.advice.recommend import make_plan
from lrfinder.advice.request import PlanOptions, Request
from lrfinder.advice.table_input import TableInput, table_input
from lrfinder.advice.warmup import warmup_for
from lrfinder.evidence.evidence import Evidence
from lrfinder.schedules import CATALOGUE, Schedule, Warmup

__all__ = ["what_if"]

LONGEST = 10**7
"""Steps up to which a table goes."""

PER_DECADE_OF_STEPS = 6
"""Rows of a table in a decade of the steps; factors of schedules hardly move between two of them."""


def what_if(evidence: Evidence, plan: Plan) -> dict[str, Any] | None:
    """Return plain numbers from which the peak for other steps, batches and schedules follows; None where it cannot.

    The constants are those of the calibration. A source of the peak moves with the steps as the function of the package
    moves it, read off at two lengths; a schedule has a table of its factor and warm-up, read off at lengths between
    which they hardly move. A plan that was rescaled, or follows a schedule of the user's own, has none.
    """
    options = None if plan.setting is not None else _options_of(evidence, plan)
    if options is None:
        return None
    facts, schedule = evidence.facts, options.pop("schedule", "recommended")
    finetune = bool(options.get("finetune"))
    suffix = "_sgd" if kind_of(facts) == "sgd" else ""
    constants = asdict(FITTED)
    change: tuple[str, ...] = ("critical_over_noise", "noise_power", "noise_spread", "batch_exponent", "batch_spread")
    change += ("samples_exponent", "samples_spread")
    general = ("stray_share", "stray_width", "regret_below", "regret_above", "worst_regret", "interval_deviations")
    return {
        "constants": {name: constants[name] for name in general} | {name: constants[name + suffix] for name in change},
        "grid": {"perDecade": PER_DECADE, "reach": REACH, "tail": TAIL, "low": LOW, "middle": MIDDLE},
        "sources": _sources(evidence, finetune=finetune),
        "schedules": {name: _table(evidence, name, options) for name in ("recommended", *CATALOGUE)},
        "schedule": schedule,
        "steps": plan.total_steps,
        "shortest": math.ceil(FITTED.shortest_catalogued),
        "longest": LONGEST,
        "batch": facts.batch_size,
        "ranks": facts.ranks,
        "most": REFUSED,
        "noise": evidence.gradient_noise,
        "ownPace": own_pace(facts) is not None,
        "lower": FITTED.finetune_factor if finetune and not evidence.has_pilot_peak else 1.0,
        "within": None if plan.rule is not None else evidence.lr_range,
        "rule": None if plan.rule is None else evidence.suggestions[plan.rule],
        "groups": evidence.reference_factor,
        "options": options,
    }


def _options_of(evidence: Evidence, plan: Plan) -> PlanOptions | None:
    """What a plan was asked for besides its length: what makes the same plan again; None where nothing does."""
    names = [name for name, entry in CATALOGUE.items() if type(_body(plan.shape)) is entry.family]
    length = {"total_steps": plan.total_steps, "steps_per_epoch": plan.steps_per_epoch}
    for name, purposes in product(("recommended", *names), product((False, True), repeat=3)):
        asked = dict(zip(("finetune", "may_extend", "early_stopping"), purposes, strict=True))
        given = {key: value for key, value in asked.items() if value}
        again = make_plan(evidence, Request(rule=plan.rule, schedule=name, **length, **given))  # type: ignore[arg-type]
        if again is not None and again.schedule == plan.schedule and math.isclose(again.lr, plan.lr, rel_tol=1e-9):
            return cast(PlanOptions, {"schedule": name, **given})
    return None


def _body(schedule: Schedule | None) -> Schedule | None:
    return schedule.body if isinstance(schedule, Warmup) else schedule


def _planned(given: TableInput, name: str) -> Schedule:
    """The schedule of a plan for such a training, without what a whole decision costs where a name says it."""
    return decide(given).schedule if name == "recommended" else CATALOGUE[name].build(given.steps, warmup_for(given)[0])


def _sources(evidence: Evidence, *, finetune: bool) -> list[dict[str, float]]:
    """Each source as a line over log10 of the steps, and its variance as a parabola about the steps it was measured at.

    So they are in `sources_of`: a source moves with the steps as a power, its variance with their squared decades.
    """
    measured = max((one.steps for one in evidence.pilots if one.best is not None), default=1)
    at, later = (
        sources_of(evidence, Request(measured * far).horizon(evidence.facts), finetune=finetune) for far in (1, 10)
    )
    rows = []
    for now, then in zip(at.estimates, later.estimates, strict=True):
        centers = [
            math.log10(one.measured * math.prod(f.value for f in found.factors if f.source == one.source))
            for one, found in ((now, at), (then, later))
        ]
        rows.append(
            {
                "steps": float(measured),
                "center": centers[0],
                "slope": centers[1] - centers[0],
                "variance": now.deviation**2,
                "grows": then.deviation**2 - now.deviation**2,
            }
        )
    return rows


def _table(evidence: Evidence, name: str, options: PlanOptions) -> dict[str, Any]:
    """Rows of log10 of the steps, log10 of the factor, its spread, and the warm-up as a part of the steps."""
    low, high = math.log10(FITTED.shortest_catalogued), math.log10(LONGEST)
    count = round((high - low) * PER_DECADE_OF_STEPS)
    rows, words = [], name
    for i in range(count + 1):
        steps = round(10 ** (low + (high - low) * i / count))
        request = Request(steps, schedule=name, **options)  # type: ignore[misc]
        schedule = _planned(table_input(evidence.facts, request, evidence), name)
        factor, spread = factor_of(evidence.facts, schedule, request.horizon(evidence.facts))
        body, warmup = type(_body(schedule)), schedule.steps if isinstance(schedule, Warmup) else 0
        words = next((key for key, entry in CATALOGUE.items() if entry.family is body), name)
        rows.append([math.log10(steps), math.log10(factor), spread, warmup / steps])
    return {"body": words.replace("_", " "), "rows": [[round(value, 6) for value in row] for row in rows]}
