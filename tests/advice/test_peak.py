"""The peak and its interval: one formula, whose factors are in the plan."""

import math
from dataclasses import replace

import pytest
from builders import EDGE, PILOT, evidence, horizon, measured, trials

from lrfinder import Facts
from lrfinder.advice.peak import linear_peak, peak, pilot_start, spread_of, swept_edge
from lrfinder.advice.recommend import make_plan
from lrfinder.advice.request import Request
from lrfinder.schedules import Constant, Linear

LINEAR = Linear(1000)
PLAIN = Facts(optimizer="SGD", batch_size=32, steps_per_epoch=100)
ADAGRAD = replace(PLAIN, optimizer="Adagrad")
ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.999), weights=0.1)
RULES = {"steepest": 1e-2, "minimum": 3e-2}

KINDS = {
    "adam": replace(ADAM, batch_size=2, steps_per_epoch=50),
    "sgd": Facts(optimizer="SGD", betas=(0.9, 0.0), batch_size=2, steps_per_epoch=50, weights=0.1),
    "muon": Facts(optimizer="Muon", betas=(0.95, 0.0), batch_size=64, steps_per_epoch=50, weights=0.1),
    "other": Facts(optimizer="RMSprop", betas=(0.9, 0.0), weights=0.1),
    "adagrad": Facts(optimizer="Adagrad", batch_size=64, steps_per_epoch=50),
    "own pace": Facts(optimizer="Prodigy", betas=(0.9, 0.999), weights=0.1),
}
SOURCES = {
    "edge": {"edge_trials": [EDGE]},
    "pilots": {"pilots": [PILOT]},
    "pilots along another schedule": {"pilots": [replace(PILOT, factor=0.5), PILOT]},
    "both": {"edge_trials": [EDGE], "pilots": [PILOT]},
    "rules": {"suggestions": RULES},
    "rules beyond divergence": {"suggestions": RULES, "diverged_at": 1e-2},
}
REQUESTS = {
    "default": Request(2000),
    "fine-tuning": Request(2000, finetune=True),
    "a higher peak": Request(2000, "log_anneal"),
    "no length": Request(),
}


def lr_of(facts, steps=1000, **options):
    """The peak for a linear decay to zero, as the trials have it."""
    found = evidence(facts=facts, **options)
    return 10 ** linear_peak(found, horizon(steps, facts.steps_per_epoch)).center


def reach(**options):
    """How far the interval of a linear decay reaches above the peak, as a ratio."""
    found = peak(evidence(**options), LINEAR, horizon())
    return found.interval[1] / found.lr


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)
def test_the_factors_and_estimates_of_a_plan_are_its_peak(facts, source, asked):
    """The weighted geometric mean of all estimates with their factors, each once, times those of the peak, is `lr`."""
    plan = make_plan(evidence(facts=facts, **source), asked)

    mean = math.prod(plan.peak_of(estimate) ** estimate.weight for estimate in plan.estimates)
    corrections = math.prod(factor.value for factor in plan.factors_of("peak"))

    assert mean * corrections == pytest.approx(plan.lr)
    assert sum(estimate.weight for estimate in plan.estimates) == pytest.approx(1)
    names = [(factor.source, factor.name) for factor in plan.factors]
    assert len(set(names)) == len(names)
    assert ("peak", "schedule") in names
    assert {factor.source for factor in plan.factors} <= {"peak", *(estimate.source for estimate in plan.estimates)}


def test_the_rules_are_weighed_in_log_space():
    """Without trials the peak is the geometric mean of the rules that have an answer."""
    found = evidence(suggestions={"steepest": 1e-3, "valley": 1e-1, "minimum": None, "divergence": None})

    assert peak(found, LINEAR, horizon()).lr == pytest.approx(1e-2)


@pytest.mark.parametrize("schedule", [LINEAR, lambda step: 0.1 * LINEAR(step)], ids=["linear", "a tenth of it"])
def test_the_peak_of_the_rules_is_at_most_half_of_the_divergence(schedule):
    """A mean of the rules beyond the divergence is held below it, whatever the schedule's factor."""
    found = evidence(suggestions={"steepest": 1.0}, diverged_at=0.1)

    assert peak(found, schedule, horizon()).lr == pytest.approx(0.05)


def test_rules_that_disagree_widen_the_interval():
    """Rules four decades apart are less sure than a single one, and a single one than two that agree."""
    agreed, one, apart = (
        reach(suggestions=suggestions)
        for suggestions in ({"steepest": 1e-2, "valley": 1e-2}, {"steepest": 1e-2}, {"steepest": 1e-4, "valley": 1.0})
    )

    assert agreed < one < apart


def test_trials_that_improved_nothing_are_averaged_with_the_sweep():
    """Where no trial lowered the loss beyond chance the edge is its geometric mean with what the sweep shows of it."""
    found = measured(edge_trials=[replace(EDGE, is_sure=False)])

    (estimate,) = linear_peak(found, horizon()).estimates

    assert estimate.measured == pytest.approx(math.sqrt(EDGE.edge * swept_edge(found.curve)))


def test_the_estimates_of_trials_are_carried_to_the_peak():
    """Pilots of as many epochs are corrected for their steps alone and count four fifths in the mean of decades.

    A constant rate has 0.28 times the peak of a linear decay, and the edge of Adagrad counts three times, since
    fourteen steps hardly show how it shrinks them.
    """
    edge, pilots, both = (lr_of(PLAIN, **SOURCES[name]) for name in ("edge", "pilots", "both"))
    linear, constant = (peak(evidence(**SOURCES["both"]), one, horizon()).lr for one in (LINEAR, Constant()))

    assert pilots == pytest.approx(PILOT.best * (60 / 1000) ** 0.2)
    assert both == pytest.approx(edge**0.2 * pilots**0.8)
    assert constant == pytest.approx(0.28 * linear)
    assert lr_of(ADAGRAD, edge_trials=[EDGE]) == pytest.approx(3 * edge)


@pytest.mark.parametrize(
    ("steps_per_epoch", "ratio"), [(6, 1.0), (12, 0.5**0.4), (60, 0.1**0.4), (1, 1.0), (None, 1.0)]
)
def test_epochs_that_the_pilots_did_not_have_lower_the_peak(steps_per_epoch, ratio):
    """It falls as epochs**-0.4; more epochs than the training has, or an unknown number, change nothing."""
    pilot = replace(PILOT, steps_per_epoch=steps_per_epoch)

    assert lr_of(PLAIN, pilots=[pilot]) == pytest.approx(ratio * lr_of(PLAIN, pilots=[PILOT]))


@pytest.mark.parametrize("source", [{"edge_trials": [EDGE]}, {"pilots": [replace(PILOT, steps_per_epoch=None)]}])
def test_a_longer_training_wants_a_higher_peak_of_adagrad_alone(source):
    """Adagrad shrinks its steps as 1 / sqrt(step), so its exponent of the steps is that of the others less a half."""
    endless = [replace(facts, steps_per_epoch=None) for facts in (PLAIN, ADAGRAD)]

    grown = [lr_of(facts, 16_000, **source) / lr_of(facts, **source) for facts in endless]

    assert grown == pytest.approx([16**-0.2, 16**0.3])


@pytest.mark.parametrize(("away", "drawn"), [(0.0, 0.0), (0.1, 0.0399), (1.0, 0.32), (6.0, 0.24)])
def test_the_peak_is_drawn_less_the_further_the_usual_one_is(away, drawn):
    """In decades it is drawn by two fifths of a small distance, by a third of one, and by a quarter of six."""
    alone = lr_of(replace(ADAM, weights=None), edge_trials=[EDGE])
    usual = replace(ADAM, weights=alone * 10**away / 0.16)

    assert math.log10(lr_of(usual, edge_trials=[EDGE]) / alone) == pytest.approx(drawn, abs=1e-3)


@pytest.mark.parametrize("source", [SOURCES["edge"], SOURCES["both"]], ids=["edge", "both"])
def test_fine_tuning_is_not_drawn_to_the_usual_peak(source):
    """What is usual is so for training from scratch; a pretrained model wants less."""
    known, unknown = (
        peak(evidence(facts=replace(ADAM, weights=weights), **source), LINEAR, horizon(), finetune=True)
        for weights in (0.1, None)
    )

    assert known.lr == unknown.lr


@pytest.mark.parametrize(("source", "factor"), [("edge", 1 / 3), ("rules", 1 / 3), ("both", 1)])
def test_fine_tuning_takes_a_third_of_the_peak(source, factor):
    """The peak and the lower end go down and the upper end stays, unless pilots ran on the pretrained model itself."""
    found = evidence(**SOURCES[source])

    scratch, tuned = (peak(found, LINEAR, horizon(), finetune=finetune) for finetune in (False, True))

    assert tuned.lr == pytest.approx(factor * scratch.lr)
    assert tuned.interval == pytest.approx((factor * scratch.interval[0], scratch.interval[1]))


def test_the_spread_of_pilots_falls_with_their_length_and_grows_with_the_trainings():
    """Longer pilots are surer, but not those of a training that is longer by as much again."""
    lengths = [(40, 400), (40, 7_200), (400, 4_000), (400, 72_000)]

    spreads = [spread_of([replace(PILOT, steps=steps)], horizon(total)) for steps, total in lengths]

    assert spreads == pytest.approx([0.36, 0.66, 0.283, 0.66], abs=1e-3)


def test_more_pilots_of_one_length_bring_a_long_training_no_nearer():
    """They lessen the noise and not the distance to the training; pilots twice as long do both."""
    one, long = replace(PILOT, steps=160), horizon(50_000)

    assert spread_of([one, one], long) == spread_of([one], long) > spread_of([replace(one, steps=320)], long)
    assert spread_of([one, one], horizon(500)) < spread_of([one], horizon(500))


@pytest.mark.parametrize(("steps", "spread"), [(300, 0.41), (1_000, 0.41), (10_000, 0.71)])
def test_short_trials_are_less_sure_of_a_long_training(steps, spread):
    """Their spread grows beyond the thousand steps or so of the trainings that they were fitted on."""
    assert linear_peak(evidence(edge_trials=[EDGE]), horizon(steps)).spread == pytest.approx(spread)


@pytest.mark.parametrize("losses", [(0.6, 0.5, 0.4), (0.4, 0.6, 1.2), (0.4, 0.6), (0.4,)])
def test_a_best_pilot_at_an_end_is_less_sure(losses):
    """Where no trial lies beyond the best one the peak may; another pilot that encloses its best makes up for it."""
    ends = replace(PILOT, losses=losses, lrs=PILOT.lrs[: len(losses)])

    assert spread_of([ends], horizon(900)) > spread_of([PILOT], horizon(900))
    assert spread_of([ends, PILOT], horizon(900)) < spread_of([ends], horizon(900))


def start_of(edge_trials=(), earlier=(), facts=None, **options):
    """The first peak of pilots of sixty steps in one epoch."""
    found = measured(edge_trials=edge_trials, facts=facts)
    return pilot_start(found, found.curve, earlier, 60, 1.0, horizon(), **options)


CARRIED = 10 ** linear_peak(measured(edge_trials=[EDGE]), horizon()).center * (60 / 1000) ** -0.2


@pytest.mark.parametrize(
    ("edge_trials", "earlier", "first"),
    [
        ([EDGE], [replace(PILOT, factor=0.5)], PILOT.best / 0.5),
        ([EDGE], [], CARRIED),
        ([trials((1e-3, 1.5), (1e-2, 1.0))], [], 5e-3),
    ],
    ids=["the best of an earlier pilot", "where short trials point", "half of the highest, which was the best"],
)
def test_pilots_begin_where_earlier_trials_point(edge_trials, earlier, first):
    """A peak is taken as for a linear decay, and sixty steps want a higher one than the thousand of the training."""
    assert start_of(edge_trials, earlier) == pytest.approx(first)


def test_pilots_without_trials_begin_between_the_sweeps_peak_and_the_usual_one():
    """Their geometric mean is the start, the sweep's alone for fine-tuning, and the usual one after trials in vain."""
    vain = trials((1e-2, 2.1), is_sure=False)

    between, swept, usual = start_of(facts=ADAM), start_of(facts=ADAM, finetune=True), start_of([vain], facts=ADAM)

    assert between == pytest.approx(math.sqrt(swept * usual))
    assert usual == pytest.approx(0.016 * (60 / 1000) ** -0.2)
