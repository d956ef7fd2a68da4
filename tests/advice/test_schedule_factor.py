"""The factor of a schedule: its best peak over that of a linear decay to zero."""

import pytest
from builders import evidence, horizon

from lrfinder.advice.peak import peak
from lrfinder.advice.schedule_factor import peak_factor
from lrfinder.schedules import CATALOGUE, Constant, Custom, Linear, StableDecay, Triangular, WarmRestarts, Warmup
from lrfinder.schedules.bound import bound


@pytest.mark.parametrize("warmup", [0, 100])
@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_a_member_of_the_catalogue_has_the_factor_of_its_entry(entry, warmup):
    """What the catalogue builds has its prior and its spread, with warm-up or without."""
    assert peak_factor(entry.build(2000, warmup), 2000) == (entry.peak_factor, entry.spread)


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        (StableDecay(2000, cooldown=0.8), 0.83),
        (Custom(lambda step: 1 - step / 2000), 1.0),
        (lambda step: 0.5 * (1 - step / 2000), 2.0),
        (WarmRestarts.fit(2000, 3), 0.83),
    ],
)
def test_a_schedule_of_ones_own_has_the_factor_of_the_bound(schedule, factor):
    """Another member than the catalogue's, and any function, has the ratio that the last-iterate bound gives."""
    assert peak_factor(schedule, 2000)[0] == pytest.approx(factor, rel=0.02)


@pytest.mark.parametrize("steps", [1500, 10_000, 1_000_000])
def test_the_factor_of_the_bound_does_not_depend_on_the_length(steps):
    """Seven cycles over a longer training, of which a thousand steps are sampled, have the factor of the shorter."""
    shorter, longer = (peak_factor(Triangular(total // 14, base=0.2), total)[0] for total in (1000, steps))

    assert longer == pytest.approx(shorter, abs=0.03)


def test_a_short_training_takes_the_factor_of_the_bound():
    """Below 50 steps the catalogue's prior, which is that of long trainings, is not used; an open end has it."""
    assert peak_factor(Constant(), 50) == (0.28, 0.4) == peak_factor(Warmup(Constant(), 25), 500)
    assert peak_factor(Constant(), 49)[0] == pytest.approx(bound([1.0] * 49).peak)
    assert peak_factor(StableDecay(None), 2000)[0] == CATALOGUE["stable_decay"].peak_factor


def test_a_schedule_of_ones_own_is_less_sure():
    """The spread of the bound widens the interval beyond that of the same schedule from the catalogue."""
    found = evidence(suggestions={"steepest": 0.01})

    own, known = (peak(found, schedule, horizon()) for schedule in (lambda step: 1 - step / 1000, Linear(1000)))

    assert own.interval[1] / own.lr > known.interval[1] / known.lr
