import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder.errors import InputError
from lrfinder.schedules import Custom, Linear, Warmup, from_plain, to_plain


@pytest.mark.parametrize("schedule", [Custom(abs, name="mine"), Warmup(Custom(abs, name="mine"), 5)])
def test_a_function_goes_out_as_its_name_and_stays_out(schedule):
    """A function is written as its name, which nothing can turn back into the function."""
    plain = to_plain(schedule)

    assert '"name": "mine"' in json.dumps(plain)
    with pytest.raises(InputError, match="got the function 'mine'; pass it as Custom"):
        from_plain(plain)


def test_a_foreign_function_is_written_by_its_name():
    """A callable that is no shape is written like `Custom`."""
    assert to_plain(abs) == {"family": "custom", "name": "abs"}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (7, "`mapping` must be a mapping with a `family`, got 7"),
        ({}, "`family` must be one of .*linear.*, got None"),
        ({"family": "os.system"}, "`family` must be one of .*, got 'os.system'"),
        ({"family": ["linear"]}, "`family` must be one of .*, got "),
        ({"family": "linear"}, "`linear` must have all of its parameters, got {}"),
        ({"family": "linear", "steps": 3, "stop": 1}, "`linear` must be given steps, floor, got 'stop'"),
        ({"family": "constant", "steps": 3}, "`constant` must be given nothing, got 'steps'"),
        ({"family": "linear", "steps": "3"}, "`steps` must be a positive whole number, got '3'"),
        (
            {"family": "linear", "steps": {"family": "constant"}},
            "`steps` must be a positive whole number, got Constant",
        ),
        ({"family": "warmup", "body": {"family": "?"}, "steps": 3}, "`family` must be one of"),
        ({"family": "warmup", "body": "linear", "steps": 3}, "`body` must be a schedule or a function .* got 'linear'"),
    ],
)
def test_malformed_data_is_rejected(mapping, message):
    """What `to_plain` cannot have written is rejected with the offending part shown."""
    with pytest.raises(InputError, match=message):
        from_plain(mapping)


def test_defaults_may_be_left_out():
    """A mapping written by hand needs only the parameters without a default."""
    assert from_plain({"family": "linear", "steps": 9}) == Linear(9)


malformed = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(["family", "steps", "floor", "body", "at", "first", "second", "every", "x"]),
            inside | st.sampled_from(["linear", "warmup", "then", "custom", "epochwise", "step_decay"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None)
@given(malformed)
def test_plain_data_gives_a_schedule_or_an_input_error(data):
    """Whatever is read back, it becomes a schedule that is written alike, or it is refused as input."""
    try:
        schedule = from_plain(data)
    except InputError:
        return
    assert from_plain(to_plain(schedule)) == schedule
