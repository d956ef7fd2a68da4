"""Miniature runs on quadratics, whose edge is known: annealed descent of curvature h blows up a little above 2 / h."""

import math

import pytest
from quadratic import QuadraticLoop

from lrfinder.arms import Arms, race
from lrfinder.evidence import Evidence, Status, raced


def arms(*pairs, start=2.0):
    """A record of arms: pairs of peak and loss."""
    lrs, losses = zip(*pairs, strict=True)
    return Arms(lrs, losses, steps=12, start=start, is_sure=True, cost=60.0)


def run(h=2.0, first=0.1, budget=500.0, bounds=(1e-6, 1e3), steps=12):
    """A race on a quadratic, and its loop."""
    loop = QuadraticLoop(h=h)
    with loop.preserved() as snapshot:
        return race(loop, snapshot, first=first, bounds=bounds, steps=steps, budget=budget), loop


def test_the_edge_is_where_half_of_the_best_win_is_lost():
    """Of a win of 1 half is left halfway between a win of 0.75 and one of 0.25."""
    edge = arms((0.1, 1.0), (1.0, 1.25), (10.0, 1.75)).edge

    assert edge == pytest.approx(10**0.5)


def test_a_run_that_exploded_is_lost():
    """The edge lies between the last good peak and the one that exploded."""
    assert 0.1 < arms((0.1, 1.0), (1.0, None)).edge < 1.0


def test_the_edge_is_at_least_the_highest_peak_where_nothing_is_lost():
    """Without a peak that was too high, the highest is all that is known."""
    assert arms((0.1, 1.5), (1.0, 1.0)).edge == 1.0


@pytest.mark.parametrize("losses", [(2.0, 2.5), (None, None), (3.0, None)])
def test_there_is_no_edge_where_nothing_is_won(losses):
    """Runs that do not lower the loss say nothing."""
    assert arms((0.1, losses[0]), (1.0, losses[1])).edge is None


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("shift", [-100.0, 0.0])
def test_the_edge_does_not_depend_on_the_scale_of_the_loss(scale, shift):
    """A loss in the millions below zero has the same edge."""
    pairs = ((0.1, 1.0), (1.0, 1.25), (10.0, 1.75))

    scaled = arms(*((lr, scale * (loss + shift)) for lr, loss in pairs), start=scale * (2.0 + shift))

    assert scaled.edge == pytest.approx(arms(*pairs).edge, rel=1e-4)


@pytest.mark.parametrize("first", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("h", [0.5, 2.0, 20.0])
def test_the_edge_scales_with_the_curvature(h, first):
    """Wherever the race begins, the edge on a quadratic is a few times 2 / h, since the peak is held only shortly."""
    found, _ = run(h=h, first=first)

    assert 1 < found.edge / (2 / h) < 8


def test_the_budget_is_kept():
    """A race stops before the arm that would cost more than is left."""
    found, _ = run(budget=30.0)

    assert len(found.lrs) == 2
    assert found.cost <= 30


def test_no_arm_is_beyond_the_bounds():
    """Every peak lies between the lowest and the highest that may be tried."""
    found, _ = run(bounds=(0.05, 0.4))

    assert all(0.05 <= lr <= 0.4 for lr in found.lrs)


def test_the_training_is_put_back_to_its_start():
    """After the race the parameter is where it was."""
    _, loop = run()

    assert loop.theta == 1.0


def test_a_sure_race_makes_up_for_a_curve_that_could_not_be_read():
    """A flat curve with runs that clearly lower the loss is no obstacle; the cost is that of both."""
    evidence = raced(Evidence(None, {}, Status.FLAT, cost_steps=34), arms((0.1, 1.0)))

    assert evidence.status is Status.OK
    assert evidence.cost_steps == 94


def test_a_race_without_a_sure_win_leaves_the_status():
    """Noise does not become a signal by being run."""
    unsure = Arms((0.1,), (1.9,), steps=12, start=2.0, is_sure=False, cost=13.0)

    assert raced(Evidence(None, {}, Status.FLAT), unsure).status is Status.FLAT


def test_a_race_is_sure_where_every_probe_fell_alike():
    """On a quadratic every probe falls by the same; uphill none does."""
    found, _ = run()
    uphill, _ = run(h=-1.0, budget=60.0)

    assert found.is_sure
    assert not math.isnan(uphill.start)
