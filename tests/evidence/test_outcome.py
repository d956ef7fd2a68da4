"""What the judges of a run say: exact cases of every bound."""

import math

import pytest

from lrfinder.evidence.outcome import (
    divergence_limit,
    gain,
    improved,
    losses_after,
    min_gain_off_plateau,
    unchanged,
    worsened,
)

START = [1.0, 2.0, 3.0]


def moved(by):
    """The judges of `START`, each moved by as much."""
    return [loss + by for loss in START]


def test_judges_without_a_loss_before_judge_nothing():
    """One that was no number is left out, a skipped step leaves the loss before, one that exploded counts for all."""
    assert losses_after([1.0, math.nan, 3.0], [9.0, 0.5, 7.0, None]) == [0.5, 3.0]
    assert losses_after([1.0, 2.0], [0.5, math.inf]) is None
    assert losses_after([1.0, 2.0], [math.inf, 0.5]) is None
    assert losses_after([1.0, 2.0], []) is None


@pytest.mark.parametrize(
    ("start", "loss_scale", "limit"), [(START, 0.5, 33.0), (START, 5.0, 53.0), ([-4.0, 1.0], 0.5, 41.0)]
)
def test_an_arm_is_ended_ten_scales_above_the_start(start, loss_scale, limit):
    """The scale is the loss, whatever its sign, or what the sweep won of it."""
    assert divergence_limit(start, loss_scale) == limit


def test_a_win_is_the_mean_fall():
    """And as bad as can be where a trial exploded."""
    assert gain(START, [0.5, 1.0, 3.0]) == 0.5
    assert gain(START, None) == -math.inf


@pytest.mark.parametrize(
    ("losses", "min_gain", "is_sure"),
    [
        (moved(-0.5), 0.0, True),
        (moved(-0.5), 0.49, True),
        (moved(-0.5), 0.5, False),
        (moved(0.0), 0.0, False),
        (moved(0.1), 0.0, False),
        ([0.9, 1.9, 3.0], 0.0, False),
        ([0.0, 1.0, 3.1], 0.0, False),
    ],
)
def test_few_judges_must_all_fall(losses, min_gain, is_sure):
    """By more than what says nothing; three cannot be sure by their ranks."""
    assert improved(START, losses, min_gain) is is_sure


@pytest.mark.parametrize(
    ("falls", "is_sure"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], True),
        ([-0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], True),
        ([0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], True),
        ([0.0] * 8, False),
        ([0.1, 0.2, 0.3, 0.4, 0.5, -0.6, 0.7, 0.8], False),
        ([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, 0.8], False),
    ],
)
def test_many_judges_fall_by_their_signed_ranks(falls, is_sure):
    """Of eight the least may rise (by chance in 2 of 256 cases), not one of the largest (in 14, above 1 in 20)."""
    start = [10.0] * len(falls)

    assert improved(start, [before - by for before, by in zip(start, falls, strict=True)]) is is_sure


def test_what_is_small_is_a_share_of_the_scale():
    """A hundredth of the loss at the start, or of what the sweep won."""
    assert min_gain_off_plateau(2.0, 0.5) == pytest.approx(0.02)
    assert min_gain_off_plateau(-2.0, 0.5) == pytest.approx(0.02)
    assert min_gain_off_plateau(0.5, 2.0) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("by", "loss_scale", "has"), [(0.05, 0.0, False), (0.07, 0.0, True), (0.07, 10.0, False), (0.3, 10.0, True)]
)
def test_an_arm_has_lost_that_rises_by_a_fiftieth(by, loss_scale, has):
    """Of the largest loss at the start, or of what the sweep won; one that exploded has too."""
    assert worsened(START, moved(by), loss_scale) is has
    assert worsened(START, None, loss_scale)


@pytest.mark.parametrize(
    ("by", "still"), [(0.05, True), (0.07, False), (0.0, True), (-0.05, False), (-0.05 - 1e-9, False)]
)
def test_an_arm_is_still_that_hardly_moves(by, still):
    """It may rise by a fiftieth of the scale; one that falls beyond doubt is no plateau."""
    assert unchanged(START, moved(by), 0.0, 0.0) is still


@pytest.mark.parametrize(("last", "still"), [(2.75, True), (2.55, False)])
def test_an_unsure_fall_is_still_up_to_a_twenty_fifth(last, still):
    """Of the scale, here 0.12 of the mean."""
    assert unchanged(START, [1.01, 2.0 - 0.05, last], 0.0, 0.0) is still


def test_what_exploded_or_has_no_scale_is_not_still():
    """A loss of zero that stays zero says nothing."""
    assert not unchanged(START, None, 0.0, 0.0)
    assert not unchanged([0.0, 0.0], [0.0, 0.0], 0.0, 0.0)
    assert unchanged([0.0, 0.0], [0.0, 0.0], 0.0, 1.0)


def test_small_wins_are_still_where_they_say_nothing():
    """A sure fall by less than what says nothing leaves the loss where it was."""
    assert unchanged(START, moved(-0.05), 0.06, 0.0)
    assert not unchanged(START, moved(-0.05), 0.04, 0.0)
