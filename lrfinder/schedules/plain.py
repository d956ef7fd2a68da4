"""Schedules as plain data: names and numbers that JSON can hold, and nothing that runs when read back."""

from collections.abc import Mapping
from typing import Any

from lrfinder.errors import InputError
from lrfinder.schedules.base import Schedule, Shape, name_of, parameters_of
from lrfinder.schedules.catalogue import CATALOGUE
from lrfinder.schedules.compose import Epochwise, Then
from lrfinder.schedules.custom import Custom
from lrfinder.schedules.warmup import Warmup

__all__ = ["from_plain", "to_plain"]

_FAMILIES: dict[str, type[Shape]] = {
    **{name: entry.family for name, entry in CATALOGUE.items()},
    "custom": Custom,
    "epochwise": Epochwise,
    "then": Then,
    "warmup": Warmup,
}
_NAMES: dict[type, str] = {family: name for name, family in _FAMILIES.items()}


def to_plain(schedule: Schedule) -> dict[str, object]:
    """Return a schedule as its family's name and its parameters.

    Args:
        schedule: a shape of this package; any other function goes out as its name, like `Custom`.

    Returns:
        A dict of strings, numbers, None, lists and such dicts.

    Example:
        >>> to_plain(Warmup(CATALOGUE["linear"].build(900), 100))
        {'family': 'warmup', 'body': {'family': 'linear', 'steps': 900, 'floor': 0.0}, 'steps': 100}
    """
    if isinstance(schedule, Custom):
        return {"family": "custom", "name": schedule.name}
    family = _NAMES.get(type(schedule))
    if family is None:
        return {"family": "custom", "name": name_of(schedule)}
    parameters = {name: _out(getattr(schedule, name)) for name in parameters_of(schedule)}
    return {"family": family, **parameters}


def from_plain(mapping: Mapping[str, object]) -> Schedule:
    """Return the schedule that `to_plain` wrote.

    Only names of this package are accepted; nothing is imported or executed.

    Args:
        mapping: what `to_plain` gave, also after a journey through JSON.

    Returns:
        A shape equal to the one written.

    Example:
        >>> from_plain({"family": "linear", "steps": 900})
        Linear(steps=900, floor=0.0)
    """
    if not isinstance(mapping, Mapping):
        raise InputError(f"`mapping` must be a mapping with a `family`, got {mapping!r}; pass what to_plain gave")
    parameters = {name: _in(value) for name, value in mapping.items() if name != "family"}
    family = mapping.get("family")
    if family == "custom":
        name = parameters.get("name")
        raise InputError(f"`mapping` must name a shape of this package, got the function {name!r}; pass it as Custom")
    if not isinstance(family, str) or family not in _FAMILIES:
        raise InputError(f"`family` must be one of {', '.join(sorted(_FAMILIES))}, got {family!r}; check the spelling")
    return _make(family, parameters)


def _make(family: str, parameters: dict[str, Any]) -> Shape:
    """Return a family's shape with these parameters."""
    known = parameters_of(_FAMILIES[family])
    for name in parameters:
        if name not in known:
            allowed = ", ".join(known) or "nothing"
            raise InputError(f"`{family}` must be given {allowed}, got {name!r}; check the spelling")
    try:
        return _FAMILIES[family](**parameters)
    except TypeError as error:
        raise InputError(f"`{family}` must have all of its parameters, got {parameters}; {error}") from error


def _out(value: object) -> object:
    """Return one parameter as plain data."""
    if isinstance(value, Shape):
        return to_plain(value)
    return list(value) if isinstance(value, tuple) else value


def _in(value: object) -> object:
    """Return one parameter from plain data."""
    return from_plain(value) if isinstance(value, Mapping) else value
