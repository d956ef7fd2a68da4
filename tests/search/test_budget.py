"""What a tuning may cost, and what its steps are spent on: arithmetic alone."""

import math

import numpy as np
import pytest

from lrfinder import InputError
from lrfinder.search.budget import (
    FEWEST_STEPS,
    budget_for,
    check_budget,
    least_for_a_pilot,
    pilot_steps,
    pilot_steps_on_plateau,
    spend,
)


@pytest.mark.parametrize(
    ("total_steps", "steps"), [(30, 10), (300, 100), (900, 300), (6_000, 300), (6_020, 301), (100_000, 5_000)]
)
def test_the_default_budget_is_a_twentieth_of_the_training(total_steps, steps):
    """It is 300 steps where that is more, and at most a third of the training."""
    assert budget_for(total_steps) == steps


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        (10, 10),
        (0.1, 500),
        (0.999, 4_995),
        (7_000, 7_000),
        (1e3, 1_000),
        (10.0, 10),
        (np.int64(80), 80),
        (np.float32(0.5), 2_500),
    ],
)
def test_a_budget_is_whole_steps_or_a_part_of_the_training(budget, steps):
    """NumPy's numbers are numbers, and steps may exceed the training."""
    check_budget(budget)

    assert (budget_for(5_000, budget), type(budget_for(5_000, budget))) == (steps, int)


@pytest.mark.parametrize("check", [check_budget, lambda budget: budget_for(5_000, budget)], ids=["check", "resolve"])
@pytest.mark.parametrize("budget", [1.0, 2.5, 300.5, 0.0, -0.1, math.nan, math.inf, True, "300", [300]])
def test_a_budget_that_is_neither_is_refused(check, budget):
    """A float from 1 on must be whole and at least 10, since 1.0 may be meant as all of the training."""
    with pytest.raises(
        InputError, match=r"must be whole steps, or a share .* below 1, got .* 0\.05 is 5 % of the training"
    ):
        check(budget)


@pytest.mark.parametrize("budget", [0, 9, -300])
def test_a_budget_without_a_sweep_is_refused(budget):
    """Ten steps are the least that a sweep makes."""
    with pytest.raises(InputError, match="`budget` must be a whole number of at least 10, got"):
        check_budget(budget)


def test_a_part_of_the_training_that_pays_for_no_sweep_is_refused():
    """The sentence shows what was given and what it comes to; ten steps are enough."""
    with pytest.raises(
        InputError, match=r"must come to at least 10 steps, got 0\.001, which is 5 of a training of 5,000"
    ):
        budget_for(5_000, 0.001)
    assert budget_for(10_000, 0.001) == 10


def test_a_training_whose_third_is_no_sweep_is_refused():
    """Thirty steps are the shortest training that can be tuned without naming a budget."""
    with pytest.raises(InputError, match="`total_steps` must be a whole number of at least 30, got 29"):
        budget_for(29)


@pytest.mark.parametrize(
    ("steps", "total_steps", "search", "pilots", "length"),
    [
        (99, 1_000, 99, 0, 0),
        (100, 1_000, 100, 0, 0),
        (239, 1_000, 100, 0, 0),
        (240, 1_000, 100, 1, 36),
        (300, 1_000, 100, 1, 51),
        (600, 60, 100, 1, 60),
        (1_340, 10**6, 100, 1, 318),
        (1_345, 10**6, 100, 2, 160),
        (1_970, 10**6, 100, 3, 160),
        (2_589, 10**6, 100, 4, 160),
        (5_000, 10**6, 100, 4, 315),
    ],
)
def test_a_budget_is_spent_on_a_search_and_then_on_pilots(steps, total_steps, search, pilots, length):
    """A hundred steps search; what pays for trials of 36 steps is a pilot, of 160 steps several, at most four.

    No trial is longer than the training.
    """
    spending = spend(steps, total_steps)

    assert (spending.steps, spending.search, spending.pilots, spending.length) == (steps, search, pilots, length)


def test_the_least_budget_with_a_pilot_is_the_one_that_the_pages_name():
    """240 steps pay for a pilot and 239 do not."""
    assert least_for_a_pilot() == 240


@pytest.mark.parametrize(
    ("left", "total_steps", "planned", "steps"),
    [
        (172, 1_000, 0, 72),
        (171, 1_000, 0, 71),
        (46, 300, 0, 36),
        (45, 300, 0, 0),
        (242, 80, 51, 80),
        (4_900, 10**6, 314, 4 * 314),
        (39, 300, 0, 0),
        (140, 300, 140, 0),
        (140, 300, 109, 109),
    ],
)
def test_trials_on_a_plateau_are_few_and_long(left, total_steps, planned, steps):
    """Two, or a single one where two would be short, as long as what is left pays for.

    None is longer than the training or than four trials without a plateau; there are none below 36 steps, or below
    what was planned without a plateau.
    """
    assert pilot_steps_on_plateau(left, total_steps, planned) == steps


@pytest.mark.parametrize(("pilots", "peaks"), [(1, 3.5), (2, 3.5), (1, 2.15), (4, 1.15)])
def test_a_pilot_leaves_a_tenth_of_its_budget_for_evaluations(pilots, peaks):
    """So many trials of the length that it gives, each evaluated for a ninth of its steps, fit into the budget."""
    steps = pilot_steps(1_000, pilots, peaks)

    assert 0.98 * 1_000 < pilots * peaks * steps * 10 / 9 <= 1_000
    assert steps >= FEWEST_STEPS
