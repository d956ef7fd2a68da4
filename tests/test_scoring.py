"""The scores of the accuracy benchmark against cases made by hand."""

import statistics
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

scoring = pytest.importorskip("scoring")
Oracle, Run = scoring.Oracle, scoring.Run

BOWL = Oracle([(10.0**k, seed, 1.0 + k * k) for k in (-2, -1, 0, 1) for seed in (0, 1, 2)], untrained=6.0)
"""Best loss 1 at a rate of 1; one more for a decade to either side."""


def runs(*lrs, task="bowl"):
    """One answer for each rate, with seeds counted up."""
    return [Run(task, seed, lr) for seed, lr in enumerate(lrs)]


@pytest.mark.parametrize(
    ("trained", "losses"),
    [
        ([(1.0, 0, 1.0), (1.0, 1, 9.0), (1.0, 2, 2.0)], [2.0]),
        ([(1.0, 0, 1.0), (10.0, 0, None)], [1.0, 3.0]),
        ([(1.0, 0, 1.0), (10.0, 0, 1e9)], [1.0, 3.0]),
    ],
)
def test_an_oracle_takes_the_median_over_seeds(trained, losses):
    """A run that exploded, or ended in the billions, counts as the untrained net."""
    assert Oracle(trained, untrained=3.0).losses == losses


@pytest.mark.parametrize(("lr", "loss"), [(10**0.5, 1.5), (1e-9, 5.0), (1e9, 2.0)])
def test_the_loss_is_interpolated_between_neighbours_in_log_lr(lr, loss):
    """Half a decade above the best rate half of the neighbour's excess is lost; nothing is extrapolated."""
    assert BOWL.loss(lr) == pytest.approx(loss)


SOLVED = Oracle([(1.0, 0, 0.0), (10.0, 0, 0.1)], untrained=2.0)


@pytest.mark.parametrize(("oracle", "lr", "regret"), [(BOWL, 10.0, 1.0), (SOLVED, 10.0, 1.0), (BOWL, None, 5.0)])
def test_regret_is_relative_to_the_best_loss(oracle, lr, regret):
    """A best loss of zero is measured by a twentieth of the untrained loss; no answer counts as not training."""
    assert oracle.regret(lr) == pytest.approx(regret)


@pytest.mark.parametrize(("loss", "regret"), [(0.5, -0.5), (2.0, 1.0), (7.0, 5.0), (None, 5.0)])
def test_a_final_loss_has_the_regret_of_its_size(loss, regret):
    """Half of the best loss is better than the oracle; nothing is worse than the untrained loss of 6."""
    assert BOWL.regret_of(loss) == pytest.approx(regret)


def test_the_best_rate_lies_on_a_parabola_through_the_lowest_points():
    """Between equal neighbours it is the middle one; a lower left one moves it left; errors are in decades."""
    tilted = Oracle([(0.1, 0, 1.5), (1.0, 0, 1.0), (10.0, 0, 2.5)], untrained=3.0)
    falling = Oracle([(0.1, 0, 1.0), (1.0, 0, 2.0)], untrained=3.0)

    assert [one.best_lr for one in (BOWL, tilted, falling)] == pytest.approx([1.0, 10**-0.25, 0.1])
    assert BOWL.error(0.1) == pytest.approx(-1.0)


def test_the_score_counts_shares_of_runs():
    """Of regrets 0, 0.1, 1 and 5 a quarter is close and half is near."""
    score = scoring.score(runs(1.0, 10**0.1, 10.0, None), {"bowl": BOWL})

    assert (score["close"], score["near"], score["answered"]) == (0.25, 0.5, 0.75)
    assert (score["median"], score["worst"]) == (pytest.approx(0.55), pytest.approx(5.0))


def test_the_score_has_bias_and_deviation_in_decades_and_the_coverage():
    """Rates of 1, 10 and 100 are one decade high, and deviate by one; one of two intervals holds the best rate."""
    score = scoring.score(runs(1.0, 10.0, 100.0), {"bowl": BOWL})
    asked = [*held("bowl", True, False), Run("bowl", 2, 1.0)]

    assert (score["bias"], score["deviation"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert scoring.score(asked, {"bowl": BOWL})["covered"] == 0.5


def held(task, *holds):
    """One interval for each, which holds the best rate of 1 or misses it."""
    return [Run(task, seed, 1.0, (0.5, 2.0) if hold else (5.0, 20.0)) for seed, hold in enumerate(holds)]


@pytest.mark.parametrize(
    ("tasks", "coverage"),
    [
        ({"a": [True] * 50, "b": [False] * 50}, (0.5, 0.0, 1.0)),
        ({task: [True, True, False, True] for task in "abc"}, (0.75, 0.75, 0.75)),
    ],
)
def test_the_error_bar_of_the_coverage_is_over_tasks(tasks, coverage):
    """Every part from none to all is possible where two tasks differ, and tasks that agree leave no spread."""
    answers = [run for task, holds in tasks.items() for run in held(task, *holds)]

    assert scoring.coverage(answers, dict.fromkeys(tasks, BOWL)) == coverage


def test_a_run_without_an_interval_is_not_asked_for_its_coverage():
    """Nothing is said of a method that has none; one run of several without leaves the share to the others."""
    assert scoring.coverage(runs(1.0, 10.0), {"bowl": BOWL}) is None
    assert scoring.coverage([*runs(1.0), *held("bowl", True, False)], {"bowl": BOWL})[0] == 0.5


def test_a_summary_counts_shares_and_quantiles():
    """Of eleven regrets from 0 to 1 one is within 5 %, three within 20 %."""
    summary = scoring.summary(np.linspace(0, 1, 11))

    assert summary == pytest.approx({"close": 1 / 11, "near": 3 / 11, "median": 0.5, "p90": 0.9, "worst": 1.0})


@pytest.mark.parametrize(("rates", "mended"), [((100.0,) * 3, 1.0), ((1.0, 1.0, 100.0), 100.0)])
def test_calibration_mends_a_constant_factor_of_the_other_tasks(rates, mended):
    """Answers too high everywhere are right afterwards; a task that alone is too high gets the factor of the others."""
    answers = [run for task, lr in zip("abc", rates, strict=True) for run in runs(lr, task=task)]

    found = {run.task: run.lr for run in scoring.calibrated(answers, dict.fromkeys("abc", BOWL))}

    assert found["c"] == pytest.approx(mended, rel=0.3)


def test_tasks_of_one_family_are_left_out_together():
    """Three tasks that are too high get no factor from each other, only that of the fourth, which is right."""
    answers = [run for task, lr in zip("abcd", (100.0,) * 3 + (1.0,), strict=True) for run in runs(lr, task=task)]
    families = dict.fromkeys("abc", "high") | {"d": "right"}

    alone, together = (
        scoring.calibrated(answers, dict.fromkeys("abcd", BOWL), some)[0].lr for some in (None, families)
    )

    assert (alone, together) == (pytest.approx(1.0, rel=0.3), pytest.approx(100.0, rel=0.3))


def test_tasks_of_one_family_are_drawn_together():
    """Where all intervals that miss are of one of two families, the share may be none or all."""
    asked = [*held("a", True), *held("b", True), *held("c", False)]
    families = {"a": "x", "b": "x", "c": "y"}

    share, low, high = scoring.coverage(asked, dict.fromkeys("abc", BOWL), families=families)

    assert (share, low, high) == (pytest.approx(2 / 3), 0.0, 1.0)


def test_a_comparison_is_paired_over_tasks():
    """A lead of one step on every task has no spread, however much the tasks differ."""
    theirs = [Run(task, 0, 1.0, steps=steps) for task, steps in zip("abcd", (10, 200, 3000, 5), strict=True)]
    ours = [Run(run.task, 0, 1.0, steps=run.steps + 1) for run in theirs]

    found = scoring.compare(ours, theirs, lambda some: statistics.fmean(run.steps for run in some), draws=50)

    assert found == pytest.approx((1.0, 1.0, 1.0))
    assert scoring.compare(ours, ours, len, draws=50) == (0, 0.0, 0.0)


def test_a_profile_is_the_share_of_runs_within_each_level():
    """Of regrets 0, 1 and 5 two thirds are within 1."""
    assert scoring.profile(runs(1.0, 10.0, None), {"bowl": BOWL}, [0.0, 1.0, 9.0]) == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_equals_share_their_rank():
    """One task is won, one is shared."""
    medians = {("a", "x"): 0.1, ("a", "y"): 0.2, ("b", "x"): 0.5, ("b", "y"): 0.5}

    assert scoring.ranks(medians) == {("a", "x"): 1, ("a", "y"): 2, ("b", "x"): 1.5, ("b", "y"): 1.5}
