"""The distribution of the best peak: what several sources say of it, multiplied."""

import numpy as np
import pytest

from lrfinder.advice.calibration import FITTED
from lrfinder.advice.posterior import combine


def width(sources, within=None):
    """Decades between the ends of an 80 % interval."""
    found = combine(sources, within)
    return found.quantile(0.9) - found.quantile(0.1)


def test_one_source_is_the_middle_itself():
    """Its centre is the median, and the weights are probabilities."""
    found = combine([(-2.0, 0.5)])

    assert found.quantile(0.5) == pytest.approx(-2.0, abs=0.02)
    assert found.weights.sum() == pytest.approx(1.0)


def test_two_sources_that_agree_are_surer_than_one():
    """The product of both is narrower; the middle lies between, nearer to the surer one."""
    one, two = width([(-2.0, 0.5)]), width([(-2.0, 0.5), (-2.2, 0.5)])
    middle = combine([(-2.0, 0.2), (-2.4, 0.5)]).quantile(0.5)

    assert two < 0.8 * one
    assert -2.2 < middle < -2.0


@pytest.mark.parametrize("away", [2.0, 3.0, 4.0])
def test_two_sources_that_disagree_widen_the_interval(away):
    """Two that lie decades apart leave it open which of them is right."""
    assert width([(-2.0, 0.4), (-2.0 - away, 0.4)]) > 2 * width([(-2.0, 0.4), (-2.0, 0.4)])


def test_a_source_far_from_all_others_counts_for_little():
    """Beside two that agree, one five decades away moves the middle by a fifth of a decade at most."""
    near, far = combine([(-2.0, 0.4)] * 2), combine([(-2.0, 0.4), (-2.0, 0.4), (3.0, 0.4)])

    assert far.quantile(0.5) == pytest.approx(near.quantile(0.5), abs=0.2)


@pytest.mark.parametrize("shift", [-3.0, 1.7])
def test_rates_in_another_unit_move_the_distribution_as_a_whole(shift):
    """Every quantile and the peak of least regret are shifted by as much as the centres."""
    here = combine([(-2.0, 0.4), (-2.5, 0.8)])
    there = combine([(-2.0 + shift, 0.4), (-2.5 + shift, 0.8)])

    for probability in (0.1, 0.5, 0.9):
        assert there.quantile(probability) == pytest.approx(here.quantile(probability) + shift, abs=0.03)
    assert there.least_regret() == pytest.approx(here.least_regret() + shift, abs=0.06)


def test_the_peak_of_least_regret_is_below_the_middle_and_the_more_the_less_sure():
    """Too high a peak costs more than one that is too low."""
    sure, unsure = (combine([(-2.0, deviation)]) for deviation in (0.2, 0.8))

    assert unsure.least_regret() < sure.least_regret() < sure.quantile(0.5)


def test_the_peak_of_least_regret_has_the_least_of_all():
    """No point of the distribution has a lower expected regret."""
    found = combine([(-2.0, 0.4), (-3.0, 0.6)])

    def regret(choice):
        away = choice - found.points
        each = np.where(away > 0, FITTED.regret_above, FITTED.regret_below) * away**2
        return float(np.minimum(each, FITTED.worst_regret) @ found.weights)

    assert regret(found.least_regret()) <= min(map(regret, found.points)) + 1e-4


def test_nothing_lies_outside_the_bounds():
    """Within bounds the distribution is cut there, and still sums to 1."""
    found = combine([(-2.0, 1.0)], within=(-2.5, -1.5))

    assert found.weights[(found.points < -2.5) | (found.points > -1.5)].sum() == 0
    assert found.weights.sum() == pytest.approx(1.0)
    assert -2.5 <= found.quantile(0.01) < found.quantile(0.99) <= -1.5
