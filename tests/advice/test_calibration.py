"""The calibration: every constant says what it does and what chose it, and every one of them moves an answer."""

from dataclasses import fields, replace
from functools import cache

import pytest
from builders import EDGE, PILOT, evidence, horizon, measured
from quadratic import QuadraticLoop

from lrfinder import Curve, Facts, tune_loop
from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.advice.change import Change, change_factors
from lrfinder.advice.decision_table import decide
from lrfinder.advice.peak import peak, pilot_start
from lrfinder.advice.request import Request
from lrfinder.advice.table_input import table_input
from lrfinder.schedules import Constant, Linear

ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.999), batch_size=2, steps_per_epoch=100, weights=0.1)
SGD = Facts(optimizer="SGD", batch_size=1, steps_per_epoch=10, weights=0.1)
ADAGRAD = Facts(optimizer="Adagrad", weights=0.1)
LION = Facts(optimizer="Lion", weights=0.1)
MUON = Facts(optimizer="Muon")
OPEN = replace(EDGE, lrs=EDGE.lrs[:2], losses=EDGE.losses[:2])
LONG_PILOT = replace(PILOT, steps=4_000)

FALL = (2.0, 2.0, 2.0, 1.8, 1.6, 1.4, 1.2, 1.1, 1.0, 1.05, 1.1, 1.08, 1.06)
RISE = (1.2, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5)
LRS = tuple(10 ** (i / 4 - 4) for i in range(len(FALL + RISE)))
SWEEPS = (
    measured().curve,
    Curve(LRS[: len(FALL)], FALL),
    Curve(LRS, FALL + RISE, stopped="diverged"),
)
"""Sweeps whose edge is read off each of the three rates: the last, the lowest, and where the divergence began."""

SEARCHES = (
    (evidence(edge_trials=[EDGE], facts=ADAM), horizon(5_000, 100)),
    (evidence(edge_trials=[EDGE], facts=SGD), horizon(5_000, 10)),
    (evidence(edge_trials=[replace(EDGE, learned_before=0.21)], facts=ADAM), horizon(5_000)),
    (evidence(edge_trials=[EDGE], facts=ADAGRAD), horizon(5_000)),
    (evidence(edge_trials=[replace(EDGE, is_sure=False)], facts=LION), horizon(5_000)),
    (evidence(edge_trials=[OPEN], pilots=[PILOT], facts=ADAGRAD), horizon(5_000)),
    (evidence(edge_trials=[EDGE], pilots=[PILOT], facts=ADAM), horizon(5_000, 100)),
    (evidence(pilots=[PILOT], facts=ADAM), horizon(500, 100)),
    (evidence(pilots=[LONG_PILOT], facts=SGD), horizon(5_000, 100)),
    (evidence(suggestions={"steepest": 1e-3, "valley": 1e3}, diverged_at=0.5), horizon()),
    (measured(), horizon()),
)
"""Evidence of every kind, and the length that a peak is wanted for."""

PLANS = (
    *((Request(steps), ADAM) for steps in (5, 52, 2_000, 10**6)),
    (Request(2_000, finetune=True), ADAM),
    (Request(2_000, may_extend=True), ADAM),
    (Request(2_000, early_stopping=True), ADAM),
    (Request(2_000), MUON),
    (Request(2_000), SGD),
)
"""Requests that take every row of the decision table and of the warm-up's that holds a number."""


def answers(calibration):
    """Everything that the package computes with the calibration, but for the first peak of a pilot without company."""
    peaks = [
        peak(found, schedule, length, finetune=finetune, calibration=calibration)
        for found, length in SEARCHES
        for schedule, finetune in ((Linear(length.steps), False), (Linear(length.steps), True))
    ]
    peaks += [peak(measured(), Constant(), horizon(52), calibration=calibration)]
    peaks += [peak(measured(), lambda step: 0.5, horizon(), calibration=calibration)]
    starts = [pilot_start(evidence(facts=SGD), curve, (), 60, horizon(), calibration=calibration) for curve in SWEEPS]
    near = {"suggestions": {"minimum": 0.032}, "diverged_at": 1.0}
    decisions = [
        decide(replace(table_input(facts, request, evidence(facts=facts, **near)), calibration=calibration))
        for request, facts in PLANS
    ]
    changes = [
        change_factors(kind, Change(2, 3, 4), noise, calibration) for kind in ("adam", "sgd") for noise in (None, 1.0)
    ]
    plans = [(one.schedule, one.warmup) for one in decisions]
    return [(one.lr, one.interval) for one in peaks], starts, plans, changes


fitted_answers = cache(lambda: answers(FITTED))


@pytest.mark.parametrize("name", [one.name for one in fields(Calibration) if one.name != "lone_pilot"])
def test_a_constant_moves_an_answer(name):
    """A tenth more of any constant changes a peak, an interval, a pilot's start, a schedule or what a change does."""
    moved = replace(FITTED, **{name: 1.1 * getattr(FITTED, name)})

    assert answers(moved) != fitted_answers()


def test_a_pilot_without_company_begins_as_much_lower_as_the_calibration_says(monkeypatch):
    """On a plateau that leaves steps for a single pilot, half of `lone_pilot` begins it at half of the peak."""
    first = []
    for lone_pilot in (FITTED.lone_pilot, FITTED.lone_pilot / 2):
        monkeypatch.setattr("lrfinder.search.pilot.FITTED", replace(FITTED, lone_pilot=lone_pilot))
        plateau = QuadraticLoop(h=0.0, offset=1.0)
        (pilot,) = tune_loop(plateau, total_steps=1_000, budget=120, progress=False).evidence.pilots
        first.append(pilot.lrs[0])

    assert first[1] == pytest.approx(first[0] / 2)


@pytest.mark.parametrize("constant", fields(Calibration), ids=lambda constant: constant.name)
def test_a_constant_says_what_it_does_and_what_chose_it(constant):
    """Its meaning is a sentence, its origin is named, and its value is positive."""
    assert constant.metadata["does"].endswith(".")
    assert constant.metadata["chosen_by"]
    assert constant.default > 0
