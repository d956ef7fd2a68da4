import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import CATALOGUE, Linear, OneCycle, Warmup


def test_warm_up_lies_inside_the_horizon():
    """A build with warm-up ends where a build without one ends."""
    schedule = CATALOGUE["linear"].build(100, warmup=20)

    assert schedule == Warmup(Linear(80), 20)


def test_a_family_that_climbs_needs_no_warm_up():
    """One cycle already rises, so that a warm-up before it is left out."""
    assert CATALOGUE["one_cycle"].build(100, warmup=20) == OneCycle(100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "`total_steps` must be a positive whole number, got 0"),
        ((10, -1), "`warmup` must be a whole number of at least 0, got -1"),
        ((10, 10), "`warmup` must be below `total_steps`=10, got 10"),
    ],
)
def test_senseless_horizons_are_rejected(arguments, message):
    """A horizon without a step after the warm-up is rejected with the numbers shown."""
    with pytest.raises(InputError, match=message):
        CATALOGUE["linear"].build(*arguments)
