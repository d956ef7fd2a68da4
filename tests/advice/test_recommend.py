"""From evidence and a request to a plan: the laws of every plan, the rule that was asked for, the warnings."""

import math
from dataclasses import replace

import pytest
from builders import EDGE, PILOT, evidence, measured
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder import Facts
from lrfinder.advice.recommend import make_plan, schedule_for
from lrfinder.advice.request import Request
from lrfinder.schedules import CATALOGUE

ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.999), steps_per_epoch=100)
SEVERAL = (ADAM, Facts(optimizer="SGD", betas=(0.9, 0.0)), Facts(optimizer="Muon"), Facts(optimizer="LBFGS"))
RULES = {"steepest": 0.01, "minimum": 0.05}

SITUATIONS = [
    *((facts, flags) for facts in SEVERAL for flags in ({}, *({f: True} for f in ("finetune", "may_extend")))),
    *((facts, {"early_stopping": True}) for facts in SEVERAL),
    *((ADAM, {"schedule": name}) for name in CATALOGUE),
]


@pytest.mark.parametrize("steps", [1, 2, 4, 5, 49, 50, 10**6])
@pytest.mark.parametrize(
    ("facts", "options"), SITUATIONS, ids=[f"{facts.optimizer} {options}" for facts, options in SITUATIONS]
)
def test_every_schedule_keeps_the_laws(facts, options, steps):
    """Its factors are finite, from 0 to 1, also beyond the end; the first is not 0; the warm-up lies inside."""
    plan = make_plan(evidence(facts=facts, suggestions=RULES, diverged_at=1.0), Request(steps, **options))

    factors = [plan.schedule(t) for t in {*range(0, steps, max(1, steps // 97)), steps - 1, steps, 10 * steps}]

    assert all(math.isfinite(factor) and 0 <= factor <= 1 for factor in factors)
    assert plan.lr_at(0.0) > 0
    assert 0 <= plan.warmup < steps
    assert plan.total_steps == steps


@pytest.mark.parametrize("total_steps", [5, 19, 20, 1000, 10**6])
def test_the_recommended_schedule_ends_at_zero(total_steps):
    """The factor after the last step of the training is 0."""
    assert make_plan(measured(), Request(total_steps)).schedule(total_steps) == 0


@settings(max_examples=6 * settings.default.max_examples)
@given(
    exponents=st.lists(st.floats(-12, 12), min_size=1, max_size=4),
    rule=st.sampled_from([None, "steepest"]),
    schedule=st.sampled_from([*CATALOGUE, "recommended"]),
    total_steps=st.one_of(st.none(), st.integers(1, 10**7)),
    finetune=st.booleans(),
)
def test_the_interval_holds_the_peak(exponents, rule, schedule, total_steps, finetune):
    """Whatever the rules say, 0 < low <= lr <= high, all finite."""
    names = ("steepest", "valley", "minimum", "divergence")
    found = evidence(suggestions=dict(zip(names, (10**e for e in exponents), strict=False)))

    plan = make_plan(found, Request(total_steps, schedule, rule, finetune=finetune))

    low, high = plan.interval
    assert 0 < low <= plan.lr <= high < math.inf


@pytest.mark.parametrize("finetune", [False, True])
@pytest.mark.parametrize("name", ["steepest", "valley", "minimum", "divergence"])
def test_a_named_rule_is_taken_unscaled(name, finetune):
    """The peak is the rule's own rate for any schedule and purpose, and the plan names the rule and no estimate."""
    found = measured()

    plan = make_plan(found, Request(500, "constant", name, finetune=finetune))

    assert (plan.lr, plan.rule) == (found.suggestions[name], name)
    assert (plan.estimates, plan.factors) == ((), ())


NOTHING = {"steepest": None, "divergence": None}


@pytest.mark.parametrize(
    ("options", "rule", "has_plan"),
    [
        ({"suggestions": NOTHING}, None, False),
        ({"suggestions": {**NOTHING, "valley": 1e-2}}, None, True),
        ({"suggestions": NOTHING, "edge_trials": [EDGE]}, None, True),
        ({"suggestions": {**NOTHING, "steepest": 1e-2}}, "divergence", False),
    ],
)
def test_a_plan_takes_an_answer(options, rule, has_plan):
    """A single rule or the edge of short trials is one; no other rule answers for the one that was asked for."""
    assert (make_plan(evidence(**options), Request(500, rule=rule)) is not None) == has_plan


def test_without_a_length_there_is_no_schedule():
    """The peak is that for a thousand steps, and the outline is their schedule."""
    without, thousand = (make_plan(measured(), Request(steps)) for steps in (None, 1000))

    assert (without.schedule, without.total_steps) == (None, None)
    assert (without.lr, without.outline) == (thousand.lr, thousand.schedule)
    assert (without.shape, thousand.outline) == (thousand.schedule, None)


def halves(step):
    """A schedule of the user's own, which needs no length."""
    return 0.5**step


REQUESTS = [Request(700), Request(700, "cosine"), Request(), Request(open_ended=True), Request(None, halves)]


@pytest.mark.parametrize("asked", REQUESTS, ids=["steps", "named", "default", "open", "own"])
def test_the_schedule_of_a_plan_is_known_before_its_peak(asked):
    """Pilots are run along the schedule that the plan will have, which is that of the user where there is one."""
    plan = make_plan(measured(), asked)

    assert schedule_for(measured(), asked) == plan.shape
    assert asked.schedule is not halves or plan.schedule is halves


def test_rules_far_apart_are_warned_of_where_there_are_no_trials():
    """Two decades between the rules are worth a look, unless short trials have found the edge."""
    apart = {"steepest": 1e-4, "valley": 1e-2}

    alone, tried = (
        make_plan(evidence(suggestions=apart, edge_trials=edge_trials), Request(500)).warnings
        for edge_trials in ([], [EDGE])
    )

    assert "2.0 decades apart" in alone[0]
    assert tried == ()


def test_the_warnings_of_the_evidence_stand_before_those_of_the_schedule():
    """A noise of half the drop and a search that cost more than the training are named before early stopping is."""
    found = evidence(suggestions={"steepest": 1e-2}, noise=0.5, cost_steps=3_000)

    noise, cost, stopping = make_plan(found, Request(2_000, early_stopping=True)).warnings

    assert "noisy" in noise
    assert cost == "The search cost 3,000 steps, more than the 2,000 of the training itself."
    assert "Early stopping" in stopping


OVER_FITTED = replace(PILOT, losses=(0.4, 0.5, 0.7), learned=(0.8, 0.8, 0.8))


@pytest.mark.parametrize(
    ("pilots", "steps_per_epoch", "words"),
    [
        ([OVER_FITTED], 1_000, "The pilots over-fit, which nothing else sees"),
        ([PILOT], 50, "Short trials see nothing of over-fitting"),
        ([], 50, "Short trials see nothing of over-fitting"),
        ([], 100, None),
        ([PILOT], 1_000, None),
    ],
)
def test_a_plan_says_what_to_do_where_the_validation_loss_turns_up(pilots, steps_per_epoch, words):
    """From twenty epochs on, and wherever a pilot over-fits."""
    facts = Facts(steps_per_epoch=steps_per_epoch)

    plan = make_plan(evidence(edge_trials=[EDGE], pilots=pilots, facts=facts), Request(1_000))

    said = [reason.text for reason in plan.reasons if "where the validation loss turns up" in reason.text]
    assert [text.startswith(words) for text in said] == ([True] if words else [])


@pytest.mark.parametrize(("learned", "is_said"), [((0.0, 0.05, None), True), ((0.0, 0.3, None), False), ((), False)])
def test_a_plan_says_that_nothing_was_learned(learned, is_said):
    """Trials that only came to what a constant prediction attains say little of the peak."""
    plan = make_plan(evidence(edge_trials=[replace(EDGE, learned=learned)]), Request(1_000))

    assert any("No trial learned anything from its inputs" in text for text in plan.warnings) == is_said


def test_a_plan_says_that_an_offset_was_taken_away():
    """And what to do about it."""
    plan = make_plan(evidence(edge_trials=[EDGE], facts=Facts(offset=15.6)), Request(1_000))

    assert any("their mean is 16 times their deviation" in text for text in plan.warnings)
