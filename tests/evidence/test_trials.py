"""What a record of trials shows: the best peak, the edge above it, and how sure both are."""

import math

import numpy as np
import pytest
from builders import trials

from lrfinder import InputError
from lrfinder.evidence.trials import record_trials


@pytest.mark.parametrize(
    ("pairs", "decades"),
    [
        (((0.1, 1.0), (1.0, 2.0)), -0.5),
        (((1.0, 1.0), (10.0, 1.5), (100.0, 2.0)), (0.4 + 0.8 + 1.2 + 1.6) / 4),
        (((0.1, 1.0), (1.0, 3.0)), -0.75),
        (((0.1, 1.0), (1.0, None)), -0.75),
        (((0.1, 1.5), (1.0, 1.0)), 0.0),
    ],
    ids=["half of the gain", "each level between its own trials", "risen", "diverged", "nothing lost"],
)
def test_the_edge_is_where_half_of_the_best_gain_is_lost(pairs, decades):
    """It is read in log LR as the mean over 20, 40, 60 and 80 % of the gain; the highest peak where none is lost.

    A trial that diverged counts as one that rose by as much as the best one fell.
    """
    assert math.log10(trials(*pairs).edge) == pytest.approx(decades, abs=1e-9)


@pytest.mark.parametrize("losses", [(2.0, 2.5), (None, None), (3.0, None)])
def test_trials_that_gain_nothing_have_neither_edge_nor_best_peak(losses):
    """A loss that stays, rises or diverges is no gain."""
    found = trials((0.1, losses[0]), (1.0, losses[1]))

    assert (found.edge, found.best, found.fit) == (None, None, ())


def test_a_gain_must_exceed_the_least_one():
    """A gain of 0.5 is one beside a `min_gain` of 0.4 and none beside one of 0.5."""
    small, large = (trials((0.1, 1.5), min_gain=least) for least in (0.4, 0.5))

    assert (small.best, small.edge) == (0.1, pytest.approx(0.1))
    assert (large.best, large.edge) == (None, None)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("shift", [-100.0, 0.0])
def test_neither_edge_nor_best_peak_depend_on_the_scale_of_the_loss(scale, shift):
    """A loss in the millions below zero has the same edge and the same best peak."""
    pairs = ((0.1, 1.5), (1.0, 1.0), (10.0, 1.75))

    scaled = trials(*((lr, scale * (loss + shift)) for lr, loss in pairs), start=scale * (2.0 + shift))

    assert scaled.edge == pytest.approx(trials(*pairs).edge, rel=1e-4)
    assert scaled.best == pytest.approx(trials(*pairs).best, rel=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_the_best_peak_is_the_lowest_point_of_a_parabola(seed):
    """It goes through the best trial and its neighbours in log LR, as in numpy.polyfit, at most half way to them."""
    stream = np.random.default_rng(seed)
    x = np.cumsum(stream.uniform(0.2, 2.0, size=5))
    losses = np.abs(x - x[2]) * stream.uniform(0.1, 3.0, size=5)
    a, b, c = np.polyfit(x[1:4], losses[1:4], 2)
    vertex = np.clip(-b / (2 * a), (x[1] + x[2]) / 2, (x[2] + x[3]) / 2)

    found = trials(*zip(np.exp(x).tolist(), losses.tolist(), strict=True), start=10.0)

    assert math.log(found.best) == pytest.approx(vertex, rel=1e-9)
    assert [loss for _, loss in found.fit] == pytest.approx(
        [a * np.log(lr) ** 2 + b * np.log(lr) + c for lr, _ in found.fit]
    )
    assert (found.fit[0][0], found.fit[-1][0]) == (pytest.approx(found.lrs[1]), pytest.approx(found.lrs[3]))


@pytest.mark.parametrize("loss", [None, 1e30])
def test_a_neighbour_loses_at_most_twice_the_best_gain(loss):
    """One that diverged counts on the parabola as far above the start as the best is below it."""
    at = (0.1, 8.0), (1.0, 4.0)

    assert trials(*at, (10.0, loss), start=10.0).best == pytest.approx(trials(*at, (10.0, 16.0), start=10.0).best)


@pytest.mark.parametrize(("losses", "best"), [((1.0, 2.0, 3.0), 0.1), ((3.0, 2.0, 1.0), 10.0), ((5.0, 5.0, 5.0), 0.1)])
def test_the_best_of_the_outermost_trials_is_that_trial(losses, best):
    """There is no parabola beyond the lowest and the highest peak."""
    found = trials(*zip((0.1, 1.0, 10.0), losses, strict=True), start=10.0)

    assert (found.best, found.fit) == (best, ())


@pytest.mark.parametrize(
    ("losses", "claims"),
    [
        ((), (False, False, True)),
        ((None, None), (False, False, True)),
        ((1.0,), (True, False, False)),
        ((1.5, 1.0), (True, False, False)),
        ((1.0, 1.5), (True, False, False)),
        ((1.0, 1.6), (False, False, False)),
        ((None, 1.0, 1.6), (False, True, False)),
        ((1.5, 1.0, None), (False, True, False)),
    ],
)
def test_a_record_says_where_its_best_trial_lies(losses, claims):
    """It is open where the highest keeps half of the best gain, enclosed where the best lies between others."""
    found = trials(*((10.0**i, loss) for i, loss in enumerate(losses)))

    assert (found.is_open, found.is_enclosed, found.is_blank) == claims


def test_a_record_holds_mean_losses_by_ascending_peak():
    """Whatever the order of the trials, None stays where one diverged, and all else is kept."""
    found = record_trials(
        {1.0: None, 0.1: [1.0, 2.0], 0.3: [0.5, 1.5]},
        [2.0, 3.0],
        9,
        cost=31.5,
        min_gain=0.2,
        factor=0.5,
        steps_per_epoch=3,
    )

    assert (found.lrs, found.losses, found.start, found.is_sure) == ((0.1, 0.3, 1.0), (1.5, 1.0, None), 2.5, True)
    assert (found.steps, found.cost, found.min_gain, found.factor, found.steps_per_epoch) == (9, 31.5, 0.2, 0.5, 3)


@pytest.mark.parametrize(
    ("losses", "before", "min_gain"),
    [
        ({0.1: [2.0, 3.0]}, [2.0, 3.0], 0.0),
        ({0.1: [1.5, 2.5]}, [2.0, 3.0], 0.5),
        ({0.1: None}, [2.0], 0.0),
        ({}, [], 0.0),
    ],
)
def test_a_record_without_a_gain_is_not_sure(losses, before, min_gain):
    """Neither a loss that stays or falls by too little is sure, nor one that diverged, nor a record of nothing."""
    assert not record_trials(losses, before, 9, cost=0.0, min_gain=min_gain).is_sure


@pytest.mark.parametrize(
    ("pairs", "fields", "message"),
    [
        (((0.1, 1.0), (0.1, 1.0)), {}, "`lrs` must be at rates that are positive and ascend, got"),
        (((0.0, 1.0),), {}, "`lrs` must be at rates that are positive and ascend, got"),
        (((0.1, 1.0),), {"steps": 0}, "`steps` must be positive, got 0"),
        (((0.1, 1.0),), {"factor": -1.0}, "`factor` must be positive, got -1.0"),
        (((0.1, 1.0),), {"steps_per_epoch": 0}, "`steps_per_epoch` must be positive, got 0"),
        (((0.1, 1.0),), {"learned": (0.5, 0.5)}, "`learned` must be as many as `lrs`, 1, or none, got 2"),
    ],
)
def test_what_no_trial_records_is_refused(pairs, fields, message):
    """Peaks that do not ascend and counts that are not positive have one sentence each."""
    with pytest.raises(InputError, match=message):
        trials(*pairs, **fields)


def test_a_dead_trial_has_lost_all_of_its_gain():
    """The edge is that of a trial that ended at its start, and the best is one that learned, whatever its loss."""
    alive = ((0.1, 1.5), (1.0, 1.0)), {"learned": (0.5, 0.6, 0.0)}
    dead = trials(*alive[0], (10.0, 0.9), **alive[1])

    assert dead.best < 10.0
    assert dead.edge == trials(*alive[0], (10.0, 2.0)).edge
    assert trials(*alive[0], (10.0, 0.9)).best == 10.0


@pytest.mark.parametrize(
    ("losses", "learned", "over_fits"),
    [
        ((0.5, 0.4, 0.51), (0.7, 0.8, 0.8), True),
        ((0.5, 0.4, 0.49), (0.7, 0.8, 0.8), False),
        ((0.5, 0.4, 0.51), (0.7, 0.8, 0.7), False),
        ((0.51, 0.4, None), (0.8, 0.8, None), False),
        ((0.5, 0.4, 0.51), (), False),
        ((0.5, 0.4, 0.51), (0.0, 0.05, 0.05), False),
        ((2.0, 2.1, 2.6), (0.8, 0.8, 0.8), False),
    ],
    ids=["much higher", "a little", "less learned", "lower peaks", "unknown", "nothing learned", "no gain"],
)
def test_a_pilot_over_fits_where_a_higher_peak_learned_as_much_and_lost(losses, learned, over_fits):
    """Its loss is more than a quarter above the best one."""
    assert trials(*zip((0.1, 1.0, 10.0), losses, strict=True), learned=learned).over_fits == over_fits


BEFORE, LOWER, SAME = [2.0, 3.0, 4.0], [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("losses", "learned", "is_sure"),
    [
        ({0.1: LOWER}, {0.1: 0.9}, False),
        ({0.1: LOWER, 1.0: SAME}, {}, True),
        ({0.1: LOWER, 1.0: None}, {}, True),
        ({0.1: SAME, 1.0: LOWER}, {}, False),
        ({0.1: SAME, 1.0: LOWER}, {1.0: 0.3}, True),
        ({0.1: [1.5, 2.5, 3.5], 1.0: LOWER}, {}, True),
        ({0.1: LOWER, 1.0: LOWER}, {}, False),
    ],
    ids=["single", "lowest", "the other exploded", "highest alone", "it learned", "two fell", "alike"],
)
def test_a_record_is_sure_of_a_trial_that_did_better_than_another(losses, learned, is_sure):
    """A single one was compared with nothing; the highest needs another that fell, or to have learned."""
    assert record_trials(losses, BEFORE, 9, cost=0.0, learned=learned).is_sure == is_sure
