"""Results as JSON: every field read is checked against its annotation, nothing is executed."""

import json
import math
import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from enum import Enum
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from lrfinder.advice.plan import Plan
from lrfinder.errors import InputError
from lrfinder.evidence.evidence import Evidence
from lrfinder.schedules import from_plain, to_plain

__all__ = ["SCHEMA", "read_json", "read_record", "write_json"]

Record = TypeVar("Record")

SCHEMA = 2

OLD_NAMES = {"races": "edge_trials", "rehearsals": "pilots", "small": "min_gain", "windows": "steps_per_epoch"}
"""What schema 1 called a field."""

SHAPES = ("schedule", "outline")
"""Fields of a plan that hold a schedule."""

LONGEST_NUMBER = 18
"""Digits of a whole number beyond which it counts nothing that was measured."""


def write_json(evidence: Evidence, plan: Plan | None) -> str:
    """Return evidence and plan as JSON."""
    return json.dumps(
        {"schema": SCHEMA, "evidence": asdict(evidence), "plan": None if plan is None else _plain_plan(plan)},
        allow_nan=False,
        indent=1,
    )


def read_json(text: str) -> tuple[Evidence, Plan | None]:
    """Read what `write_json` returned, or what the release before it did; InputError for anything else."""
    try:
        data = json.loads(text, parse_float=_finite, parse_constant=_finite, parse_int=_whole)
        if data["schema"] not in (1, SCHEMA):
            raise InputError(
                f"`schema` must be {SCHEMA}, or 1, got {data['schema']!r}; made by another version of lrfinder"
            )
        if data["schema"] == 1:
            data = _rename(data)
        return _check_evidence(read_record(Evidence, data["evidence"])), _plan(data["plan"])
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InputError(f"`text` must be a result that to_json returned, got {text[:40]!r}: {error}") from error


def _plain_plan(plan: Plan) -> dict[str, Any]:
    shapes = {name: getattr(plan, name) for name in SHAPES}
    rest = asdict(replace(plan, schedule=None, outline=None))
    return rest | {name: shape and to_plain(shape) for name, shape in shapes.items()}


def _plan(data: Any) -> Plan | None:
    if data is None:
        return None
    function = _function_in(data["schedule"])
    if function is None:
        return read_record(Plan, data, **{name: data.get(name) and from_plain(data[name]) for name in SHAPES})
    lost = f"The schedule was the function {function}, which a file cannot hold."
    plan = read_record(Plan, data, **dict.fromkeys(SHAPES))
    return replace(plan, warnings=(*plan.warnings, lost))


def _function_in(shape: Any) -> str | None:
    """The name of the function that a written schedule is or is built on, or None."""
    if isinstance(shape, list):
        return next((name for part in shape if (name := _function_in(part)) is not None), None)
    if not isinstance(shape, dict):
        return None
    return str(shape.get("name")) if shape.get("family") == "custom" else _function_in(list(shape.values()))


def _check_evidence(evidence: Evidence) -> Evidence:
    facts = evidence.facts
    _check(0 <= facts.reference < len(facts.bases), "reference", "the index of a base", facts.reference)
    _check(all(trials.lrs for trials in (*evidence.edge_trials, *evidence.pilots)), "lrs", "a peak at least", [])
    if evidence.groups is not None:
        groups = [group for one in evidence.groups.sets for group in one.groups]
        _check(all(0 <= group < len(facts.bases) for group in groups), "groups", "indices of bases", groups)
    return evidence


def _rename(data: Any) -> Any:
    """Data of schema 1 under the names of today."""
    if isinstance(data, list):
        return [_rename(part) for part in data]
    if not isinstance(data, dict):
        return data
    return {OLD_NAMES.get(name, name): _rename(part) for name, part in data.items()}


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds {text}, which is no finite number")
    return number


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"it holds a number of {len(text)} digits, which counts nothing")
    return int(text)


def read_record(record: type[Record], data: object, **given: object) -> Record:
    """Make a dataclass of what JSON made of one: lists become tuples where it holds those, whole numbers floats.

    The fields `given` are taken as they are, whatever the mapping holds for them.

    Raises:
        InputError: A field that is missing, unknown or not of its kind.

    >>> from lrfinder.loop import Facts
    >>> read_record(Facts, {"model": "Net", "bases": [1, 0.1]}).bases
    (1.0, 0.1)
    """
    data = _mapping(data, record.__name__)
    hints = get_type_hints(record)
    known = {field.name for field in fields(record)}  # type: ignore[arg-type]  # only dataclasses are asked for
    unknown = sorted(set(data) - known)
    if unknown:
        raise InputError(f"`{record.__name__}` must have the fields {', '.join(sorted(known))}, got {_shown(unknown)}")
    values = {name: _as(hints[name], value, name) for name, value in data.items() if name not in given}
    try:
        return record(**values, **given)
    except TypeError as error:
        raise InputError(f"`{record.__name__}` must be whole, got {', '.join(sorted(data))}: {error}") from error


def _as(hint: Any, value: object, name: str) -> Any:
    """A value as what an annotation says; raises InputError where it is something else."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (part for part in parts if part is not type(None))
        return None if value is None else _as(inner, value, name)
    if origin is Literal:
        _check(value in parts, name, f"one of {', '.join(map(repr, parts))}", value)
        return value
    if origin is dict:
        return {_as(parts[0], key, name): _as(parts[1], item, name) for key, item in _mapping(value, name).items()}
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            raise InputError(f"`{name}` must be a list, got {_shown(value)}")
        of_each = parts[:1] * len(value) if origin is list or parts[-1] is ... else parts
        _check(len(of_each) == len(value), name, f"a list of {len(of_each)}", value)
        return origin(_as(part, item, name) for part, item in zip(of_each, value, strict=True))
    if is_dataclass(hint):
        return read_record(cast("type[Any]", hint), value)
    return _plain(hint, value, name)


def _plain(kind: type, value: Any, name: str) -> Any:
    if issubclass(kind, Enum):
        return kind(value)
    if kind is float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        _check(is_number and math.isfinite(value), name, "a finite number", value)
        return float(value)
    _check(type(value) is kind, name, f"of type {kind.__name__}", value)
    return value


def _mapping(value: object, name: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"`{name}` must be a mapping, got {_shown(value)}")
    return value


def _check(is_fine: bool, name: str, wanted: str, value: object) -> None:
    if not is_fine:
        raise InputError(f"`{name}` must be {wanted}, got {_shown(value)}")


def _shown(value: object) -> str:
    return f"{value!r:.60}"
