import math

import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import REX, Linear, LogAnneal


def test_rex_stays_above_the_line():
    """Half of the way REX is at two thirds, where the line is at one half, and it lies above it everywhere between."""
    rex, line = REX(100), Linear(100)

    assert rex(50) == pytest.approx(2 / 3)
    assert all(rex(t) > line(t) for t in range(1, 100))


def test_log_annealing_is_logarithmic():
    """Each doubling of the step number takes off the same amount, and the whole is log(1 / x) made finite."""
    schedule = LogAnneal(1023)

    falls = [schedule(2**k - 1) - schedule(2 ** (k + 1) - 1) for k in range(10)]

    assert falls == pytest.approx([0.1] * 10)
    assert schedule(511) == pytest.approx(math.log(2) / math.log(1024))


@pytest.mark.parametrize("family", [REX, LogAnneal])
def test_one_step_is_a_horizon(family):
    """Over a single step both are at the peak, then at zero."""
    assert [family(1)(t) for t in range(3)] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("family", [REX, LogAnneal])
def test_senseless_horizons_are_rejected(family):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match="`steps` must be a positive whole number, got 0"):
        family(0)
