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


def test_an_oracle_takes_the_median_over_seeds():
    """Of 1, 2 and 9 the loss at a rate is 2."""
    oracle = Oracle([(1.0, 0, 1.0), (1.0, 1, 9.0), (1.0, 2, 2.0)], untrained=10.0)

    assert oracle.losses == [2.0]


@pytest.mark.parametrize("loss", [None, 1e9])
def test_no_run_is_worse_than_not_training(loss):
    """A run that exploded, or ended in the billions, counts as the untrained net."""
    oracle = Oracle([(1.0, 0, 1.0), (10.0, 0, loss)], untrained=3.0)

    assert oracle.losses == [1.0, 3.0]


def test_the_loss_is_a_line_between_neighbours_in_log_lr():
    """Half a decade above the best rate half of the neighbour's excess is lost."""
    assert BOWL.loss(10**0.5) == pytest.approx(1.5)


@pytest.mark.parametrize(("lr", "loss"), [(1e-9, 5.0), (1e9, 2.0)])
def test_beyond_the_grid_the_loss_is_that_of_its_end(lr, loss):
    """Nothing is extrapolated."""
    assert BOWL.loss(lr) == loss


def test_regret_is_a_share_of_the_best_loss():
    """A loss of 2 where 1 is possible is a regret of 1."""
    assert BOWL.regret(10.0) == pytest.approx(1.0)


def test_regret_has_a_scale_where_the_task_is_solved():
    """A best loss of zero is measured by a twentieth of the untrained loss."""
    oracle = Oracle([(1.0, 0, 0.0), (10.0, 0, 0.1)], untrained=2.0)

    assert oracle.regret(10.0) == pytest.approx(1.0)


def test_no_answer_counts_as_not_training():
    """None has the regret of the untrained loss."""
    assert BOWL.regret(None) == pytest.approx(5.0)


@pytest.mark.parametrize(("loss", "regret"), [(0.5, -0.5), (2.0, 1.0), (7.0, 5.0), (None, 5.0)])
def test_a_final_loss_has_the_regret_of_its_size(loss, regret):
    """Half of the best loss is better than the oracle; nothing is worse than the untrained loss of 6."""
    assert BOWL.regret_of(loss) == pytest.approx(regret)


def test_the_best_rate_lies_on_a_parabola_through_the_lowest_points():
    """Between two equal neighbours it is the middle one; with a lower left one it moves left."""
    tilted = Oracle([(0.1, 0, 1.5), (1.0, 0, 1.0), (10.0, 0, 2.5)], untrained=3.0)

    assert BOWL.best_lr == pytest.approx(1.0)
    assert tilted.best_lr == pytest.approx(10**-0.25)


def test_the_best_rate_at_an_end_is_that_end():
    """Nothing is known beyond it."""
    assert Oracle([(0.1, 0, 1.0), (1.0, 0, 2.0)], untrained=3.0).best_lr == 0.1


def test_an_error_is_in_decades_above_the_best():
    """A tenth of the best rate is an error of minus one."""
    assert BOWL.error(0.1) == pytest.approx(-1.0)


def test_the_score_counts_shares_of_runs():
    """Of regrets 0, 0.1, 1 and 5 a quarter is close and half is near."""
    score = scoring.score(runs(1.0, 10**0.1, 10.0, None), {"bowl": BOWL})

    assert (score["close"], score["near"], score["answered"]) == (0.25, 0.5, 0.75)
    assert (score["median"], score["worst"]) == (pytest.approx(0.55), pytest.approx(5.0))


def test_the_score_tells_bias_and_deviation_in_decades():
    """Rates of 1, 10 and 100 are one decade high, and deviate by one."""
    score = scoring.score(runs(1.0, 10.0, 100.0), {"bowl": BOWL})

    assert (score["bias"], score["deviation"]) == (pytest.approx(1.0), pytest.approx(1.0))


def test_the_score_tells_how_often_an_interval_holds_the_best():
    """One of two intervals does; a run without one is not asked."""
    asked = [Run("bowl", 0, 1.0, (0.5, 2.0)), Run("bowl", 1, 9.0, (5.0, 20.0)), Run("bowl", 2, 1.0)]

    assert scoring.score(asked, {"bowl": BOWL})["covered"] == 0.5


def held(task, *holds):
    """One interval for each, which holds the best rate of 1 or misses it."""
    return [Run(task, seed, 1.0, (0.5, 2.0) if hold else (5.0, 20.0)) for seed, hold in enumerate(holds)]


def test_the_error_bar_of_the_coverage_is_over_tasks():
    """Two tasks, all held and none held: half, and every share from none to all is possible."""
    answers = held("a", *[True] * 50) + held("b", *[False] * 50)

    assert scoring.coverage(answers, {"a": BOWL, "b": BOWL}) == (0.5, 0.0, 1.0)


def test_tasks_that_agree_leave_the_coverage_no_error():
    """Three of four held in every task: that share, and no spread, though the runs differ."""
    tasks = ["a", "b", "c"]
    answers = [run for task in tasks for run in held(task, True, True, False, True)]

    assert scoring.coverage(answers, dict.fromkeys(tasks, BOWL)) == (0.75, 0.75, 0.75)


def test_a_run_without_an_interval_is_not_asked_for_its_coverage():
    """Nothing is said of a method that has none; one run of several without leaves the share to the others."""
    assert scoring.coverage(runs(1.0, 10.0), {"bowl": BOWL}) is None
    assert scoring.coverage([*runs(1.0), *held("bowl", True, False)], {"bowl": BOWL})[0] == 0.5


def test_a_summary_counts_shares_and_quantiles():
    """Of eleven regrets from 0 to 1 one is within 5 %, three within 20 %."""
    summary = scoring.summary(np.linspace(0, 1, 11))

    assert summary == pytest.approx({"close": 1 / 11, "near": 3 / 11, "median": 0.5, "p90": 0.9, "worst": 1.0})


def test_calibration_mends_a_constant_factor():
    """Answers a hundred times too high everywhere are right after calibration."""
    oracles = dict.fromkeys("abc", BOWL)
    answers = [run for task in "abc" for run in runs(100.0, task=task)]

    mended = scoring.calibrated(answers, oracles)

    assert statistics.fmean(run.lr for run in mended) == pytest.approx(1.0, rel=0.3)


def test_calibration_never_sees_the_task_it_is_judged_on():
    """The one task whose answers are a hundred times too high gets the factor of the others."""
    oracles = dict.fromkeys("abc", BOWL)
    answers = [*runs(1.0, task="a"), *runs(1.0, task="b"), *runs(100.0, task="c")]

    mended = {run.task: run.lr for run in scoring.calibrated(answers, oracles)}

    assert mended["c"] == pytest.approx(100.0, rel=0.3)


def test_a_comparison_with_oneself_is_nothing():
    """The difference and both ends of its interval are zero."""
    answers = runs(1.0, 10.0, task="a") + runs(1.0, task="b")

    assert scoring.compare(answers, answers, len, draws=50) == (0, 0.0, 0.0)


def test_a_comparison_is_paired_over_tasks():
    """A lead of one step on every task has no spread, however much the tasks differ."""
    theirs = [Run(task, 0, 1.0, steps=steps) for task, steps in zip("abcd", (10, 200, 3000, 5), strict=True)]
    ours = [Run(run.task, 0, 1.0, steps=run.steps + 1) for run in theirs]

    found = scoring.compare(ours, theirs, lambda some: statistics.fmean(run.steps for run in some), draws=50)

    assert found == pytest.approx((1.0, 1.0, 1.0))


def test_a_profile_is_the_share_of_runs_within_each_level():
    """Of regrets 0, 1 and 5 two thirds are within 1."""
    assert scoring.profile(runs(1.0, 10.0, None), {"bowl": BOWL}, [0.0, 1.0, 9.0]) == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_equals_share_their_rank():
    """One task is won, one is shared."""
    medians = {("a", "x"): 0.1, ("a", "y"): 0.2, ("b", "x"): 0.5, ("b", "y"): 0.5}

    assert scoring.ranks(medians) == {("a", "x"): 1, ("a", "y"): 2, ("b", "x"): 1.5, ("b", "y"): 1.5}
