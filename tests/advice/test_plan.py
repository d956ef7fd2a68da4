"""The records of a plan: what they refuse, what they read off themselves, how they print."""

from dataclasses import replace

import pytest

from lrfinder import InputError
from lrfinder.advice.plan import Estimate, Factor, Plan, Reason
from lrfinder.schedules import Linear, Warmup, describe

PLAN = Plan(
    lr=0.02,
    interval=(0.01, 0.05),
    schedule=Warmup(Linear(480), 20),
    total_steps=500,
    warmup=20,
    estimates=(Estimate("edge", 0.1, 0.2), Estimate("pilots", 0.3, 0.8)),
    factors=(Factor("edge", "fitted", 0.5), Factor("edge", "steps", 0.4), Factor("peak", "schedule", 2.0)),
)


def test_a_plan_prints_as_one_line():
    """The line holds the peak, its interval and the schedule in words; a reason has its grade in brackets."""
    assert str(PLAN) == f"peak 2.00e-02 (1e-02 to 5e-02), {describe(PLAN.schedule)}"
    assert str(Reason("It was measured.", "strong")) == "It was measured. [strong evidence]"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"interval": (0.03, 0.05)}, "`interval` must be positive and hold `lr`=0.02, got"),
        ({"interval": (0.0, 0.05)}, "`interval` must be positive and hold `lr`=0.02, got"),
        ({"total_steps": 0}, "`total_steps` must be positive or None, got 0"),
        ({"steps_per_epoch": -1}, "`steps_per_epoch` must be positive or None, got -1"),
        ({"warmup": -1}, "`warmup` must be at least 0, got -1"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(fields, message):
    """A peak outside its interval and a length that is none have one sentence each."""
    with pytest.raises(InputError, match=message):
        replace(PLAN, **fields)


def test_the_rate_at_a_part_of_the_training_is_that_of_the_schedule():
    """`lr_at` reads the schedule from its first to its last step."""
    rates = [PLAN.lr_at(part) for part in (0.0, 0.5, 1.0)]

    assert rates == [PLAN.lr * PLAN.schedule(t) for t in (0, round(0.5 * 499), 499)]


def test_the_rates_of_a_lost_function_are_not_invented():
    """A plan whose function a file could not hold says so, and refuses to name a rate."""
    lost = replace(PLAN, schedule=None)

    assert lost.schedule_text == "a function that the file could not hold"
    with pytest.raises(InputError, match=r"`schedule` must be known for the LR at 0\.5 of the training, got None"):
        lost.lr_at(0.5)


@pytest.mark.parametrize(
    ("fields", "steps"), [({}, 500), ({"total_steps": None}, 1_000), ({"total_steps": None, "warmup": 300}, 3_000)]
)
def test_an_open_end_is_shown_to_ten_times_its_warm_up(fields, steps):
    """A known length is shown whole; an unknown one to a thousand steps at least, a tenth of them warm-up at most."""
    assert replace(PLAN, **fields).shown_steps == steps


def test_an_estimate_comes_to_its_rate_times_its_own_factors():
    """Factors of another source, and those of the peak, leave it alone."""
    edge, pilots = PLAN.estimates

    assert (PLAN.peak_of(edge), PLAN.peak_of(pilots)) == (pytest.approx(0.1 * 0.5 * 0.4), 0.3)
    assert [factor.name for factor in PLAN.factors_of("peak")] == ["schedule"]
