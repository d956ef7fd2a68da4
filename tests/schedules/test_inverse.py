import math

import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import InverseSqrt, InverseTime, describe


def test_inverse_time_is_keras_inverse_time_decay():
    """Keras divides the step by its decay_steps; at decay_rate 0.5 and 10 steps the rate is 2/3 after one interval."""
    smooth, stairs = InverseTime(0.5, every=10), InverseTime(0.5, every=10, staircase=True)

    assert [smooth(t) for t in (5, 10, 15)] == pytest.approx([0.8, 2 / 3, 4 / 7])
    assert [stairs(t) for t in (5, 10, 15)] == pytest.approx([1.0, 2 / 3, 2 / 3])


@pytest.mark.parametrize("ratio", [1.0, 0.1, 0.003])
def test_inverse_time_arrives_at_its_final_ratio(ratio):
    """`to` is at the ratio after the steps, and goes on falling."""
    schedule = InverseTime.to(ratio, 77)

    assert schedule(77) == pytest.approx(ratio)
    assert schedule(700) <= schedule(77)


def test_inverse_sqrt_never_runs_above_the_peak():
    """With k above 1 the formula exceeds the peak at first; the schedule stays at it."""
    schedule = InverseSqrt(k=3)

    assert [schedule(t) for t in (0, 7, 8, 9, 35)] == pytest.approx([1, 1, 1, 3 / math.sqrt(10), 0.5])


def test_inverse_sqrt_by_epoch_changes_once_per_epoch():
    """With `every` the count is that of the intervals: 1 / sqrt(epoch + 1)."""
    schedule = InverseSqrt(every=10)

    assert [schedule(t) for t in (0, 9, 10, 39)] == pytest.approx([1, 1, 1 / math.sqrt(2), 0.5])


@pytest.mark.parametrize(
    ("schedule", "step"),
    [
        (InverseSqrt(), 1),
        (InverseSqrt(3.3, every=100), 1_000),
        (InverseSqrt.shifted(1000), 1_000),
        (InverseSqrt.shifted(1000.9), 1_000),
        (InverseSqrt.shifted(4_194_346), 4_194_346),
    ],
)
def test_words_name_the_first_lower_step(schedule, step):
    """A description says from which step on the rate falls, and it does, also where the root of k squared is not k."""
    assert describe(schedule) == f"an inverse square root that falls from step {step:,} on"
    assert schedule(step - 1) == 1.0 > schedule(step)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InverseTime(-1), "`rate` must be a finite number of at least 0, got -1"),
        (lambda: InverseTime(1, every=9, staircase="no"), "`staircase` must be True or False, got 'no'"),
        (lambda: InverseTime(1, every=0), "`every` must be a positive whole number, got 0"),
        (lambda: InverseTime.to(0, 10), r"`final_ratio` must be a number in \(0, 1\], got 0"),
        (lambda: InverseTime.to(0.1, 0.5), "`every` must be a positive whole number, got 0.5"),
        (lambda: InverseSqrt(0.5), "`k` must be a finite number of at least 1, got 0.5; below 1 the peak is never"),
        (lambda: InverseSqrt.shifted(0), "`timescale` must be a finite number of at least 1, got 0"),
    ],
)
def test_senseless_parameters_are_rejected(make, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        make()
