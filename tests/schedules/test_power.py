import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import Linear, Polynomial


def test_the_last_of_the_steps_still_moves():
    """The last of T steps runs at 1 / T of the peak; the floor itself belongs to the step after it."""
    schedule = Linear(10)

    assert [schedule(9), schedule(10)] == pytest.approx([0.1, 0.0])


def test_a_floor_lifts_the_end_and_leaves_the_start():
    """Half of the way to half of the peak is three quarters of it."""
    assert [Linear(4, floor=0.5)(t) for t in (0, 2, 4)] == [1.0, 0.75, 0.5]
    assert [Polynomial(4, power=2, floor=0.5)(t) for t in (0, 2, 4)] == [1.0, 0.625, 0.5]


def test_power_one_is_the_line():
    """A polynomial of power 1 is the line."""
    line, polynomial = Linear(7, floor=0.2), Polynomial(7, power=1, floor=0.2)

    assert [line(t) for t in range(9)] == [polynomial(t) for t in range(9)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": -3, "power": 1}, "`steps` must be a positive whole number, got -3"),
        ({"steps": 3, "power": 0}, "`power` must be a finite number above 0, got 0"),
        ({"steps": 3, "power": 1, "floor": 1.5}, r"`floor` must be a number in \[0, 1\], got 1.5"),
    ],
)
def test_senseless_parameters_are_rejected(arguments, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        Polynomial(**arguments)
