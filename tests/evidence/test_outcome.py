"""What the losses of the same batches before and after a trial say of it: exact values at every bound."""

import math

import pytest

from lrfinder.evidence.outcome import (
    blind,
    dead,
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
    """The losses of `START`, each moved by as much."""
    return [loss + by for loss in START]


@pytest.mark.parametrize(
    ("before", "losses", "after"),
    [
        ([1.0, math.nan, 3.0], [9.0, 0.5, 7.0, None], [0.5, 3.0]),
        ([1.0, 2.0], [0.5, math.inf], None),
        ([1.0, 2.0], [math.inf, 0.5], None),
        ([1.0, 2.0], [], None),
    ],
    ids=["not finite before, and skipped", "last not finite", "first not finite", "no loss"],
)
def test_the_losses_after_a_trial_are_those_of_batches_that_had_one_before(before, losses, after):
    """A skipped step leaves the loss before; one loss that is not finite, or none at all, means that it diverged."""
    assert losses_after(before, losses) == after


@pytest.mark.parametrize(
    ("start", "loss_scale", "limit"), [(START, 0.5, 33.0), (START, 5.0, 53.0), ([-4.0, 1.0], 0.5, 41.0)]
)
def test_a_trial_is_ended_ten_scales_above_its_start(start, loss_scale, limit):
    """The scale is the largest loss, whatever its sign, or how far the sweep fell where that is more."""
    assert divergence_limit(start, loss_scale) == limit


def test_the_gain_is_the_mean_fall():
    """Where a trial diverged it is minus infinity."""
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
        ([0.5, 1.5], 0.0, True),
    ],
)
def test_a_few_losses_must_all_fall_by_more_than_the_least_gain(losses, min_gain, is_sure):
    """Three losses cannot be sure by their ranks; fewer after a trial are compared with the last before it."""
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
def test_many_losses_may_rise_where_their_signed_ranks_are_sure(falls, is_sure):
    """Of eight the least may rise (by chance in 2 of 256 draws), not one of the largest (in 14, above 1 in 20)."""
    start = [10.0] * len(falls)

    assert improved(start, [before - by for before, by in zip(start, falls, strict=True)]) is is_sure


@pytest.mark.parametrize(("start", "loss_scale"), [(2.0, 0.5), (-2.0, 0.5), (0.5, 2.0)])
def test_a_plateau_is_left_by_a_hundredth_of_the_scale(start, loss_scale):
    """The scale is the loss at the start, whatever its sign, or how far the sweep fell."""
    assert min_gain_off_plateau(start, loss_scale) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("by", "loss_scale", "has"), [(0.05, 0.0, False), (0.07, 0.0, True), (0.07, 10.0, False), (0.3, 10.0, True)]
)
def test_a_trial_has_worsened_that_rises_by_more_than_a_fiftieth_of_the_scale(by, loss_scale, has):
    """So has one that diverged."""
    assert worsened(START, moved(by), loss_scale) is has
    assert worsened(START, None, loss_scale)


@pytest.mark.parametrize(
    ("start", "after", "min_gain", "loss_scale", "is_unchanged"),
    [
        (START, moved(0.05), 0.0, 0.0, True),
        (START, moved(0.07), 0.0, 0.0, False),
        (START, moved(0.0), 0.0, 0.0, True),
        (START, moved(-0.05), 0.0, 0.0, False),
        (START, moved(-0.05), 0.06, 0.0, True),
        (START, moved(-0.05), 0.04, 0.0, False),
        (START, [1.01, 1.95, 2.75], 0.0, 0.0, True),
        (START, [1.01, 1.95, 2.55], 0.0, 0.0, False),
        (START, None, 0.0, 0.0, False),
        ([2.0] * 4, [1.9, 2.1, 2.1, 2.1], 0.0, 0.0, False),
        ([2.0] * 4, [1.9, 2.1, 2.1, 2.1], 0.0, 5.0, True),
        ([0.0, 0.0], [0.0, 0.0], 0.0, 0.0, False),
        ([0.0, 0.0], [0.0, 0.0], 0.0, 1.0, True),
    ],
)
def test_a_trial_that_hardly_moves_the_loss_leaves_it_unchanged(start, after, min_gain, loss_scale, is_unchanged):
    """The loss rises by at most a fiftieth of its scale, or falls by at most a twenty-fifth and not beyond chance.

    A sure fall below `min_gain` is none; a loss of zero without a scale says nothing.
    """
    assert unchanged(start, after, min_gain, loss_scale) is is_unchanged


@pytest.mark.parametrize(
    ("learned", "dead_ones", "is_blind"),
    [
        ([None, None, None], [False, False, False], False),
        ([0.05, 0.09, 0.0], [False, False, False], True),
        ([0.0, 0.1, 0.0], [False, False, True], False),
        ([0.0, 0.5, 0.06], [False, False, False], False),
        ([0.0, 0.5, 0.04], [False, False, True], False),
        ([0.5, None, 0.04], [False, False, True], False),
        ([0.05, 0.09, 0.9], [False, False, False], True),
    ],
    ids=["unknown", "blind", "just alive", "a tenth of the most", "less", "one unknown", "the best one gained nothing"],
)
def test_a_model_that_looks_at_its_inputs_shows_where_others_are_dead(learned, dead_ones, is_blind):
    """A peak above one that gained and learned is dead where it learned less than a tenth of that; a lower is slow."""
    gains = [1.0, 2.0, -1.0]

    assert dead(gains, learned) == dead_ones
    assert blind(gains, learned) == is_blind
