"""Checks of what a caller passed: each returns the value, or raises InputError with what it must be."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TypeVar

from lrfinder.errors import InputError  # what every check raises, so that errors come before checks

__all__ = ["check_choice", "check_flag", "check_number", "check_whole"]

T = TypeVar("T")


def check_whole(name: str, value: object, remedy: str, *, least: int = 1) -> int:
    """Return `value` as a plain int of at least `least`, or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        kind = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        raise InputError(f"`{name}` must be {kind}, got {value!r}; {remedy}")
    return int(value)


def check_number(name: str, value: object, interval: str, remedy: str) -> float:
    """Return `value` as a plain float inside an interval written like "(0, 1]", or raise InputError."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    x = _as_float(value)
    above = low < x if interval[0] == "(" else low <= x
    below = x < high if interval[-1] == ")" else x <= high
    if above and below:
        return x
    bounds = f"a number in {interval}"
    if math.isinf(high):
        bounds = f"a finite number {'above' if interval[0] == '(' else 'of at least'} {low:g}"
    raise InputError(f"`{name}` must be {bounds}, got {value!r}; {remedy}")


def check_flag(name: str, value: object) -> bool:
    """Return `value` if it is True or False, or raise InputError: a word like "no" would count as True."""
    if not isinstance(value, bool):
        remedy = "write it without quotes" if isinstance(value, str) else "pass bool(...) of it"
        raise InputError(f"`{name}` must be True or False, got {value!r}; {remedy}")
    return value


def check_choice(name: str, value: T, choices: Sequence[object], remedy: str = "check the spelling") -> T:
    """Return `value` if it is one of `choices`, or raise InputError."""
    # The types are compared because 1 == True: 1 is not the choice True.
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise InputError(f"`{name}` must be one of {', '.join(map(str, choices))}, got {value!r}; {remedy}")
    return value


def _as_float(value: object) -> float:
    """Return a number as a plain float; what is none, or too large for one, as NaN."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan
