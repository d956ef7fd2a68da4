import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import Linear, Ramp, Staircase, describe


def test_a_ramp_stops_where_the_formula_goes_negative():
    """a0 - d t with a0 = 0.1 and d = 0.02 is negative from the sixth step on; the ramp is 0 there."""
    schedule = Ramp(0.2)

    assert [schedule(t) for t in range(8)] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0, 0.0])


def test_a_ramp_of_one_over_the_steps_is_the_line():
    """A ramp given by its slope is the line given by its end."""
    ramp, line = Ramp(1 / 30), Linear(30)

    assert [ramp(t) for t in range(40)] == pytest.approx([line(t) for t in range(40)], abs=1e-15)


def test_stairs_are_flat_between_their_edges():
    """A staircase changes at every `every`-th step alone, by the same amount."""
    schedule = Staircase(0.25, every=10, floor=0.4)

    assert [schedule(t) for t in (0, 9, 10, 19, 20, 29, 30, 99)] == [1, 1, 0.75, 0.75, 0.5, 0.5, 0.4, 0.4]


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (Ramp(0.001), "linear decay by 0.1 % of the peak per step, down to zero at step 1,000"),
        (Ramp(0.0), "linear decay by zero per step"),
        (Ramp(1e-310), "linear decay by 1e-308 % of the peak per step"),
        (
            Ramp(1e-7, floor=0.18),
            "linear decay by 1e-05 % of the peak per step, down to 18 % of the peak at step 8,200,000",
        ),
        (Ramp(0.3), "linear decay by 30 % of the peak per step, down to zero at step 4"),
        (
            Staircase(0.3, 100, floor=0.1),
            "stairs that lose 30 % of the peak every 100 steps, down to 10 % of the peak at step 300",
        ),
    ],
)
def test_words_say_where_a_descent_stops(schedule, text):
    """A description names the floor and the step that reaches it, rounding aside; one out of reach is not named."""
    assert describe(schedule) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ramp(2), r"`rate` must be a number in \[0, 1\], got 2"),
        (lambda: Ramp(0.1, floor=-1), r"`floor` must be a number in \[0, 1\], got -1"),
        (lambda: Staircase(-0.1, 3), r"`drop` must be a number in \[0, 1\], got -0.1"),
        (lambda: Staircase(0.1, 0), "`every` must be a positive whole number, got 0"),
    ],
)
def test_senseless_parameters_are_rejected(make, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        make()
