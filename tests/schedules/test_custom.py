import functools

import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import Custom


def test_a_custom_schedule_keeps_the_function_and_its_name():
    """The name is the function's own unless another is given; objects go by their class."""
    assert Custom(abs).function is abs
    assert Custom(abs).name == "abs"
    assert Custom(abs, name="size").name == "size"
    assert Custom(functools.partial(pow, 0.5)).name == "partial"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_a_factor_that_is_no_rate_is_refused(value):
    """A value that is not finite or is negative raises and names the function and the step."""
    schedule = Custom(lambda step: value, name="broken")

    with pytest.raises(InputError, match=r"got .* from broken at step 7; bound it"):
        schedule(7)


def test_only_functions_are_wrapped():
    """What cannot be called is no schedule."""
    with pytest.raises(InputError, match="`function` must be callable with the step, got 3"):
        Custom(3)
