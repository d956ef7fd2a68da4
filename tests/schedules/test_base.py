import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import Linear, Schedule, Warmup, describe
from lrfinder.schedules.base import number, whole


def test_a_function_of_the_step_is_a_schedule():
    """Shapes and plain functions both satisfy the protocol; a number does not."""
    assert isinstance(Linear(3), Schedule)
    assert isinstance(lambda step: 1.0, Schedule)
    assert not isinstance(0.1, Schedule)


def test_words_count_from_the_start_of_the_training():
    """The end named in a description is the step of the training, whatever comes before."""
    text = describe(Warmup(Linear(1900), 100))

    assert text == "warm-up over 100 steps, then a line to zero at step 2,000"


def test_words_of_a_foreign_function_are_its_name():
    """A function that is no shape is described by its name."""

    def halving(step: int) -> float:
        return 0.5**step

    assert describe(halving) == "the function halving"


@pytest.mark.parametrize("value", [0, -3, 2.5, True, "7", None, float("nan")])
def test_whole_shows_what_it_rejects(value):
    """A length that is no positive whole number is rejected with the value shown."""
    with pytest.raises(InputError, match=r"`steps` must be a positive whole number, got .*; pass the length"):
        whole("steps", value, "pass the length")


@pytest.mark.parametrize(
    ("value", "interval"), [(0, "(0, 1]"), (1, "[0, 1)"), (1.5, "[0, 1]"), (float("nan"), "[0, 1]"), (True, "[0, 1]")]
)
def test_number_shows_the_interval_it_asks_for(value, interval):
    """A parameter outside its interval, an open end included, is rejected with the interval shown."""
    with pytest.raises(InputError, match=r"`x` must be a number in .*, got .*; do"):
        number("x", value, interval, "do")


@pytest.mark.parametrize("value", [float("inf"), 10**400])
@pytest.mark.parametrize(("interval", "text"), [("(0, inf)", "above 0"), ("[0, inf)", "of at least 0")])
def test_number_without_an_upper_end_must_be_finite(interval, text, value):
    """Infinity, and an int that no float can hold, are outside an interval that is open to them."""
    with pytest.raises(InputError, match=f"must be a finite number {text}, got {value}"):
        number("x", value, interval, "do")
