import pytest

from lrfinder.checks import check_choice, check_flag, check_number, check_whole
from lrfinder.errors import InputError


@pytest.mark.parametrize("value", [0, -3, 2.5, True, "7", None, float("nan")])
def test_whole_shows_what_it_rejects(value):
    """A length that is no positive whole number is rejected with the value shown."""
    with pytest.raises(InputError, match=r"`steps` must be a positive whole number, got .*; pass the length"):
        check_whole("steps", value, "pass the length")


@pytest.mark.parametrize(
    ("value", "interval"), [(0, "(0, 1]"), (1, "[0, 1)"), (1.5, "[0, 1]"), (float("nan"), "[0, 1]"), (True, "[0, 1]")]
)
def test_number_shows_the_interval_it_asks_for(value, interval):
    """A parameter outside its interval, an open end included, is rejected with the interval shown."""
    with pytest.raises(InputError, match=r"`x` must be a number in .*, got .*; do"):
        check_number("x", value, interval, "do")


@pytest.mark.parametrize("value", [float("inf"), 10**400])
@pytest.mark.parametrize(("interval", "text"), [("(0, inf)", "above 0"), ("[0, inf)", "of at least 0")])
def test_number_without_an_upper_end_must_be_finite(interval, text, value):
    """Infinity, and an int that no float can hold, are outside an interval that is open to them."""
    with pytest.raises(InputError, match=f"must be a finite number {text}, got {value}"):
        check_number("x", value, interval, "do")


@pytest.mark.parametrize(
    ("value", "remedy"), [("no", "write it without quotes"), (0, r"pass bool\(...\) of it"), (None, r"pass bool\(")]
)
def test_a_flag_is_true_or_false(value, remedy):
    """What merely counts as true or false is rejected, and the sentence names the way out."""
    with pytest.raises(InputError, match=f"`x` must be True or False, got {value!r}; {remedy}"):
        check_flag("x", value)


@pytest.mark.parametrize("value", ["autos", "True", 1, None, ["auto"]])
def test_a_choice_is_one_of_those_listed(value):
    """A misspelt choice, and a number that equals one, are rejected with all of them listed."""
    with pytest.raises(InputError, match=r"`x` must be one of auto, True, got .*; check the spelling"):
        check_choice("x", value, ("auto", True))


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_an_end_that_belongs_to_the_interval_passes(value):
    """Both ends of a closed interval are inside, and so is the least whole number."""
    assert check_number("x", value, "[0, 1]", "") == value
    assert check_whole("x", 5, "", least=5) == 5


def test_what_passes_is_returned():
    """A check returns the value: a whole number as an int, a number as a float."""
    checked = (
        check_whole("x", 3, ""),
        check_number("x", 3, "[0, inf)", ""),
        check_flag("x", False),
        check_choice("x", "auto", ("auto", True)),
    )

    assert repr(checked) == "(3, 3.0, False, 'auto')"
