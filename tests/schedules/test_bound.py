import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder.errors import InputError
from lrfinder.schedules import (
    REX,
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    OneCycle,
    Polynomial,
    StableDecay,
    StepDecay,
    Triangular,
    WarmRestarts,
    Warmup,
)
from lrfinder.schedules.bound import bound, predict, sample

T = 1000

# Cost and peak beside the line's at 1,000 steps: the reference values.
TABLE = [
    (Linear(T), 1.000, 1.00),
    (StableDecay(T, 0.8), 1.001, 0.83),
    (Warmup(Linear(950), 50), 1.008, 0.99),
    (StableDecay(T, 0.6), 1.009, 0.71),
    (REX(T), 1.010, 0.81),
    (StableDecay(T, 0.4, "sqrt"), 1.02, 0.67),
    (Cosine(T), 1.03, 0.97),
    (StableDecay(T, 0.4), 1.03, 0.61),
    (Cosine(T, floor=0.1), 1.06, 0.86),
    (Linear(T, floor=0.1), 1.06, 0.86),
    (Polynomial(T, power=2), 1.06, 1.42),
    (StableDecay(T, 0.2, "sqrt"), 1.06, 0.54),
    (StableDecay(T, 0.2), 1.08, 0.51),
    (OneCycle(T), 1.09, 0.91),
    (Exponential.to(0.1, T), 1.10, 1.17),
    (Exponential.to(0.01, T), 1.13, 2.05),
    (StableDecay(T, 0.1), 1.15, 0.46),
    (InverseTime.to(0.1, T), 1.17, 1.66),
    (WarmRestarts.fit(T, 3), 1.21, 0.83),
    (StepDecay(0.1, milestones=(500, 750)), 1.24, 0.76),
    (InverseSqrt.shifted(10), 1.25, 2.11),
    (InverseSqrt(), 1.28, 6.32),
    (Triangular(125, base=0.1), 1.30, 0.70),
    (InverseTime.to(0.01, T), 1.44, 7.38),
    (Constant(), 1.45, 0.345),
]


def brute_force(factors):
    """The bound's best value and rate for D = G = 1, summed as the formula is written."""
    total = sum(factors)
    drift = sum(s * s for s in factors) / total
    for k in range(len(factors) - 1):
        drift += factors[k] / sum(factors[k + 1 :]) * sum(s * s for s in factors[k:]) / sum(factors[k:])
    return math.sqrt(drift / total), 1 / math.sqrt(total * drift)


@pytest.mark.parametrize(("schedule", "cost", "peak"), TABLE, ids=lambda value: repr(value))
def test_costs_and_peaks_are_those_of_the_published_bound(schedule, cost, peak):
    """Cost and best peak relative to the line are the reference's, to its digits."""
    found = bound(map(schedule, range(T)))

    assert found.cost == pytest.approx(cost, abs=0.0055)
    assert found.peak == pytest.approx(peak, abs=0.0055)


@pytest.mark.parametrize("steps", [400, 1000, 5000])
def test_the_lines_best_rate_is_known(steps):
    """The line's best rate is D / (G sqrt(T)), to a hundredth."""
    assert bound(map(Linear(steps), range(steps))).lr == pytest.approx(1 / math.sqrt(steps), rel=0.01)


@pytest.mark.parametrize(
    ("schedule", "steps", "peak"),
    [(Constant(), 50_000, 0.28), (Cosine(50_000, floor=0.1), 50_000, 0.80)],
    ids=["constant", "cosine to a tenth"],
)
def test_long_trainings_move_the_peak(schedule, steps, peak):
    """At 50,000 steps the shapes that do not end at zero want even lower peaks."""
    assert bound(map(schedule, range(steps))).peak == pytest.approx(peak, abs=0.01)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.just(0.0) | st.floats(0.001, 1), max_size=30), st.floats(0.001, 1))
def test_the_sums_are_those_of_the_formula(factors, last):
    """The cumulated sums give what the formula, written out, gives for any factors."""
    found = bound([*factors, last])

    assert (found.loss, found.lr) == pytest.approx(brute_force([*factors, last]))


def test_at_most_a_thousand_steps_are_asked_at_every_phase_of_a_cycle():
    """All are asked up to a thousand; of more the first, then one of every thousandth, each at another phase of it."""
    asked = sample(float, 10_000)

    assert all(sample(float, steps) == list(range(steps)) for steps in (1, 10, 1000))
    assert [step // 10 for step in asked] == list(range(1000))
    assert asked[0] == 0
    assert {step % 10 for step in asked[:20]} == set(range(10))


def test_a_sample_ranks_schedules_as_all_steps_do():
    """Also a cycle that is as long as a thousandth of the training."""
    steps = 10_000
    ranked = [Linear(steps), StableDecay(steps, 0.4), Cosine(steps, 0.1), REX(steps), Constant(), Triangular(5, 0.1)]

    by_sample = sorted(ranked, key=lambda schedule: predict(schedule, steps).cost)

    assert by_sample == sorted(ranked, key=lambda schedule: bound(map(schedule, range(steps))).cost)


def test_only_the_product_of_rate_and_factors_counts():
    """Factors twice as large halve the best rate and change nothing else."""
    small, large = bound([0.5, 0.4, 0.1]), bound([1.0, 0.8, 0.2])

    assert small.lr == pytest.approx(2 * large.lr)
    assert (small.cost, small.peak) == pytest.approx((large.cost, large.peak))


def test_zeros_at_the_end_are_steps_that_were_not_used():
    """Steps at rate 0 leave the bound alone, but not the comparison with a line that would have used them."""
    short, idle = bound([1.0, 0.5]), bound([1.0, 0.5, 0.0, 0.0])

    assert (short.loss, short.lr) == (idle.loss, idle.lr)
    assert idle.cost > short.cost


@pytest.mark.parametrize("factors", [[], [0.0, 0.0], [1.0, float("nan")], [1.0, -0.5, 0.1], [float("inf")]])
def test_factors_that_are_no_schedule_are_rejected(factors):
    """Nothing, all zeros, and values that are no rates are rejected with the values shown."""
    with pytest.raises(InputError, match="`factors` must be finite, not negative and not all zero, got"):
        bound(factors)
