"""The peak and its interval: the sources, what each is multiplied by, and what the plan holds of them."""

import math
from dataclasses import replace

import pytest
from builders import EDGE, PILOT, evidence, horizon, measured, trials

from lrfinder import Facts
from lrfinder.advice.calibration import FITTED
from lrfinder.advice.factors import final_speed, length_factor
from lrfinder.advice.peak import peak, pilot_start, sources_of, swept_edge
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


def sources(steps=1000, finetune=False, **options):
    """What each source says: its estimate, and the peak for linear decay that it comes to."""
    found = evidence(**options)
    each = sources_of(found, horizon(steps), finetune=finetune)
    factor_of = {
        source: math.prod(factor.value for factor in each.factors if factor.source == source)
        for source in ("usual", "edge", "pilots", "rules")
    }
    return {one.source: (one, one.measured * factor_of[one.source]) for one in each.estimates}


def linear(steps=1000, **options):
    """The peak for linear decay."""
    return peak(evidence(**options), LINEAR, horizon(steps))


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)
def test_the_factors_and_estimates_of_a_plan_are_its_peak(facts, source, asked):
    """The middle of what the estimates with their factors say, times the factors of the peak, is `lr`."""
    found = evidence(facts=facts, **source)
    plan = make_plan(found, asked)

    middle = sources_of(found, asked.horizon(facts), finetune=asked.finetune).combine().quantile(0.5)
    corrections = math.prod(factor.value for factor in plan.factors_of("peak"))

    assert 10**middle * corrections == pytest.approx(plan.lr, rel=1e-6)
    assert plan.interval[0] < plan.lr < plan.interval[1]
    assert {factor.source for factor in plan.factors} <= {"peak", *(estimate.source for estimate in plan.estimates)}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_factor_of_a_plan_is_named_once(source):
    """No correction is counted twice, the schedule's always among them."""
    factors = make_plan(evidence(facts=KINDS["sgd"], **source), Request(2000)).factors

    names = [(factor.source, factor.name) for factor in factors]

    assert len(set(names)) == len(names)
    assert ("peak", "schedule") in names


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"suggestions": RULES}, {"rules"}),
        ({"edge_trials": [EDGE]}, {"edge"}),
        ({"edge_trials": [EDGE], "facts": ADAM}, {"usual", "edge"}),
        ({"edge_trials": [EDGE], "pilots": [PILOT], "facts": ADAM}, {"usual", "edge", "pilots"}),
        ({"edge_trials": [EDGE], "facts": ADAM, "finetune": True}, {"edge"}),
        ({"suggestions": RULES, "facts": ADAM}, {"rules"}),
    ],
)
def test_a_source_speaks_where_it_has_something_to_say(options, expected):
    """Nothing usual counts for fine-tuning, where it is not known, or without trials; rules count without trials."""
    assert set(sources(**options)) == expected


def test_the_edge_counts_as_fitted_and_for_momentum():
    """Its peak is the edge times a constant of the optimizer's kind, and the part of its speed that momentum has."""
    plain = Facts(optimizer="SGD", betas=(0.9, 0.0))

    (adam, for_adam), (sgd, for_sgd) = (sources(edge_trials=[EDGE], facts=f)["edge"] for f in (Facts(), plain))

    assert adam.measured == sgd.measured == EDGE.edge
    assert for_adam == pytest.approx(EDGE.edge * FITTED.edge_to_peak)
    assert for_sgd == pytest.approx(EDGE.edge * FITTED.edge_to_peak_sgd * final_speed(plain, EDGE.steps))


def test_the_edge_of_adagrad_counts_three_times():
    """Fourteen steps hardly show how Adagrad shrinks them."""
    adagrad, plain = (sources(edge_trials=[EDGE], facts=f)["edge"][1] for f in (ADAGRAD, Facts(optimizer="RMSprop")))

    assert adagrad == pytest.approx(FITTED.decaying_edge * plain)


def test_trials_that_improved_nothing_are_less_sure():
    """The deviation of the edge grows where no trial lowered the loss beyond chance."""
    sure, unsure = (sources(edge_trials=[replace(EDGE, is_sure=is_sure)])["edge"][0] for is_sure in (True, False))

    assert unsure.measured == sure.measured
    assert unsure.deviation == pytest.approx(FITTED.unsure * sure.deviation)


def test_trials_that_still_gain_at_the_highest_peak_say_little():
    """There is no edge then: their best peak counts with a wide deviation."""
    rising = trials((1e-3, 1.5), (1e-2, 1.0))

    (estimate, _) = sources(edge_trials=[rising])["edge"]

    assert (estimate.measured, estimate.deviation) == (1e-2, FITTED.open_spread)


def test_pilots_count_for_their_length():
    """The best peak of sixty steps counts times (60 / 1000)**0.2, and as for linear decay whatever their schedule."""
    (_, plain), (_, other) = (sources(pilots=[p])["pilots"] for p in (PILOT, replace(PILOT, factor=0.5)))

    assert plain == pytest.approx(PILOT.best * (60 / 1000) ** FITTED.steps_exponent)
    assert other == pytest.approx(2 * plain)


def test_a_longer_training_wants_a_lower_peak_but_not_of_adagrad():
    """Adagrad shrinks its steps as 1 / sqrt(step), so its exponent of the steps is that of the others less a half."""
    grown = [
        length_factor(facts, 60, horizon(16_000)).value / length_factor(facts, 60, horizon(1_000)).value
        for facts in (ADAM, PLAIN, ADAGRAD)
    ]

    exponents = FITTED.steps_exponent, FITTED.steps_exponent_sgd, FITTED.steps_exponent - 0.5
    assert grown == pytest.approx([16**-exponent for exponent in exponents])


def test_pilots_that_disagree_are_less_sure_and_so_are_those_of_a_longer_training():
    """Two that agree are as sure as one: what separates a pilot from the training is common to both."""
    one, two = (sources(pilots=[PILOT] * n)["pilots"][0].deviation for n in (1, 2))
    far = sources(steps=10_000, pilots=[PILOT])["pilots"][0].deviation
    apart = replace(PILOT, lrs=tuple(10 * lr for lr in PILOT.lrs))

    assert one == two < far
    assert sources(pilots=[PILOT, apart])["pilots"][0].deviation == pytest.approx(math.hypot(one, 0.5))


@pytest.mark.parametrize("losses", [(0.6, 0.5, 0.4), (0.4, 0.6, 1.2), (0.4, 0.6), (0.4,)])
def test_a_best_pilot_at_an_end_is_less_sure(losses):
    """Where no trial lies beyond the best one the peak may; another pilot that encloses its best makes up for it."""
    ends = replace(PILOT, losses=losses, lrs=PILOT.lrs[: len(losses)])
    near = replace(PILOT, lrs=tuple(lr * ends.best / PILOT.best for lr in PILOT.lrs))

    alone, enclosed, both = (sources(pilots=p)["pilots"][0].deviation for p in ([ends], [PILOT], [ends, near]))

    assert alone == pytest.approx(FITTED.unsure * enclosed)
    assert both == pytest.approx(enclosed)


BLIND, ALIVE = (0.0, 0.04, 0.02), (0.1, 0.3, 0.2)


@pytest.mark.parametrize("source", ["edge", "pilots"])
def test_trials_that_learned_nothing_from_their_inputs_are_hardly_a_source(source):
    """What a model attains that does not look at its inputs says little of the rate that it learns at."""
    every = {"edge": EDGE, "pilots": PILOT}
    kinds = {words: replace(every[source], learned=learned) for words, learned in (("blind", BLIND), ("alive", ALIVE))}

    found = {
        words: sources(**{"edge_trials" if source == "edge" else "pilots": [one]})[source][0].deviation
        for words, one in kinds.items()
    }

    assert found["blind"] == FITTED.open_spread > found["alive"]


def test_a_pilot_that_over_fits_outweighs_what_does_not_see_it():
    """A higher peak that learned as much with a much higher loss makes every other source less sure, not the pilot."""
    over_fitted = replace(PILOT, learned=(0.8, 0.85, 0.9), losses=(0.4, 0.5, 0.7), lrs=PILOT.lrs[:3])
    sound = replace(over_fitted, learned=(0.8, 0.7, 0.5))

    risen, plain = (sources(edge_trials=[EDGE], pilots=[one], facts=ADAM) for one in (over_fitted, sound))

    assert (over_fitted.over_fits, sound.over_fits) == (True, False)
    for name in ("usual", "edge"):
        assert risen[name][0].deviation == pytest.approx(FITTED.unsure * plain[name][0].deviation)
    assert risen["pilots"][0].deviation == plain["pilots"][0].deviation


def test_what_agrees_narrows_the_interval_and_what_disagrees_widens_it():
    """An edge that comes to the usual peak is surer than one that comes to a thousandth of it."""
    alone = EDGE.edge * FITTED.edge_to_peak
    usual = [replace(ADAM, weights=alone * times / FITTED.usual_normalised) for times in (1.0, 1e3)]

    unknown, agreed, apart = (
        found.interval[1] / found.interval[0]
        for found in (linear(edge_trials=[EDGE], facts=facts) for facts in (replace(ADAM, weights=None), *usual))
    )

    assert agreed < unknown < apart
    assert apart > agreed**1.5


def test_rules_that_disagree_widen_the_interval():
    """Rules four decades apart are less sure than a single one, and a single one than two that agree."""
    agreed, one, apart = (
        sources(suggestions=suggestions)["rules"][0].deviation
        for suggestions in ({"steepest": 1e-2, "valley": 1e-2}, {"steepest": 1e-2}, {"steepest": 1e-4, "valley": 1.0})
    )

    assert agreed < one < apart


def test_the_rules_are_weighed_in_log_space_and_held_below_the_divergence():
    """Without trials they count by their geometric mean, at most a half of the rate that diverged."""
    found = {"suggestions": {"steepest": 1e-3, "valley": 1e-1, "minimum": None, "divergence": None}}

    assert sources(**found)["rules"][1] == pytest.approx(1e-2)
    assert sources(**found, diverged_at=1e-3)["rules"][1] == pytest.approx(5e-4)


def test_a_schedule_moves_the_peak_by_its_factor():
    """A constant rate has 0.28 times the peak of linear decay, after the same trials, and a wider interval."""
    found = evidence(edge_trials=[EDGE], pilots=[PILOT])

    straight, constant = (peak(found, schedule, horizon()) for schedule in (LINEAR, Constant()))

    assert constant.lr == pytest.approx(0.28 * straight.lr)
    assert constant.interval[1] / constant.interval[0] > straight.interval[1] / straight.interval[0]


def test_nothing_suggested_leaves_the_rates_that_were_asked_for():
    """The interval is cut at them, the peak lies inside; where the best peak probably lies beyond there is none."""
    found = evidence(edge_trials=[EDGE])
    free = peak(found, LINEAR, horizon())

    cut = peak(found, LINEAR, horizon(), within=(free.lr / 2, 2 * free.lr))

    assert free.lr / 2 <= cut.interval[0] < cut.lr < cut.interval[1] <= 2 * free.lr
    assert peak(found, LINEAR, horizon(), within=(1e-7, free.lr / 10)) is None
    assert peak(found, LINEAR, horizon(), within=(10 * free.lr, 100.0)) is None


@pytest.mark.parametrize(("source", "factor"), [("edge", 1 / 3), ("rules", 1 / 3), ("both", 1)])
def test_fine_tuning_takes_a_third_of_the_peak(source, factor):
    """The peak and the lower end go down and the upper end stays, unless pilots ran on the pretrained model itself."""
    found = evidence(**SOURCES[source])

    scratch, tuned = (peak(found, LINEAR, horizon(), finetune=finetune) for finetune in (False, True))

    assert tuned.lr == pytest.approx(factor * scratch.lr)
    assert tuned.interval == pytest.approx((factor * scratch.interval[0], scratch.interval[1]))


def start_of(edge_trials=(), earlier=(), facts=None, **options):
    """The first peak of pilots of sixty steps."""
    found = measured(edge_trials=edge_trials, facts=facts)
    return pilot_start(found, found.curve, earlier, 60, horizon(), **options)


def test_a_second_pilot_begins_at_the_best_of_the_first():
    """Its best peak is taken as for linear decay, whatever schedule it had."""
    assert start_of([EDGE], [replace(PILOT, factor=0.5)]) == pytest.approx(PILOT.best / 0.5)


def test_pilots_begin_where_the_short_trials_point():
    """Sixty steps want a higher peak than the thousand of the training, by the factor that carries it back."""
    suggested = peak(measured(edge_trials=[EDGE]), LINEAR, horizon()).lr

    assert start_of([EDGE]) == pytest.approx(suggested * (60 / 1000) ** -FITTED.steps_exponent)


def test_pilots_without_trials_begin_between_the_sweeps_peak_and_the_usual_one():
    """The sweep's edge alone decides where nothing is known of the optimizer, or for fine-tuning."""
    usual = FITTED.usual_normalised * ADAM.weights * (60 / 1000) ** -FITTED.steps_exponent
    swept = swept_edge(measured().curve) * FITTED.sweep_edge_to_peak * (60 / 1000) ** -FITTED.steps_exponent

    assert start_of() == start_of(facts=ADAM, finetune=True)
    assert swept / 4 < start_of() < swept
    assert sorted([start_of(), start_of(facts=ADAM), usual])[1] == start_of(facts=ADAM)


def test_nothing_that_is_suggested_for_fine_tuning_leaves_the_range():
    """What lowers the peak for fine-tuning does not lower it, or the interval, beyond the rates that were asked for."""
    found = evidence(edge_trials=[EDGE], facts=PLAIN)
    free = peak(found, LINEAR, horizon(), finetune=True)
    within = (2 * free.interval[0], 10.0)

    held = peak(found, LINEAR, horizon(), finetune=True, within=within)

    assert within[0] <= held.interval[0] <= held.lr <= held.interval[1]
