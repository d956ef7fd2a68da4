"""Records from plain data of unknown origin: every field is checked against its annotation, nothing is executed."""

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from lrfinder.advice.plan import Plan
from lrfinder.errors import InputError
from lrfinder.evidence.evidence import Evidence

__all__ = ["check_evidence", "check_plan", "typed"]

Record = TypeVar("Record")


def typed(record: type[Record], data: object, **given: object) -> Record:
    """Make a record of a mapping.

    Args:
        record: A dataclass.
        data: What JSON made of one.
        **given: Fields that are taken as they are, whatever the mapping holds for them.

    Returns:
        The record, with lists as tuples where it holds those, and whole numbers as floats.

    Raises:
        InputError: A field that is missing, unknown or not of its kind.

    >>> from lrfinder.loop import Facts
    >>> typed(Facts, {"model": "Net", "bases": [1, 0.1]}).bases
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
        return typed(cast("type[Any]", hint), value)
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


def check_evidence(evidence: Evidence) -> Evidence:
    """Return evidence whose parts fit together, as a measurement leaves them.

    Args:
        evidence: What was read.

    Raises:
        InputError: Rates that are none, or lists that do not belong together.
    """
    for name, lr in {**evidence.suggestions, "diverged_at": evidence.diverged_at}.items():
        _check(lr is None or lr > 0, name, "a positive rate or None", lr)
    if evidence.smooth is not None:
        _check_ladder("smooth", evidence.smooth.lrs, evidence.smooth.losses, evidence.smooth.slopes)
    for name, runs in (("edge_trials", evidence.edge_trials), ("pilots", evidence.pilots)):
        for trials in runs:
            _check_ladder(name, trials.lrs, trials.losses)
            _check(trials.steps > 0, "steps", "positive", trials.steps)
            _check(trials.factor > 0, "factor", "positive", trials.factor)
            _check(trials.windows is None or trials.windows > 0, "windows", "positive or None", trials.windows)
    facts = evidence.facts
    _check(0 <= facts.reference < len(facts.bases), "reference", "the index of a base", facts.reference)
    return evidence


def check_plan(plan: Plan) -> Plan:
    """Return a plan that can be followed.

    Args:
        plan: What was read.

    Raises:
        InputError: A rate outside its interval, or a length that is none.
    """
    low, high = plan.interval
    _check(0 < low <= plan.lr <= high, "interval", f"positive and hold `lr`={plan.lr:g}", plan.interval)
    for name, steps in (("total_steps", plan.total_steps), ("steps_per_epoch", plan.steps_per_epoch)):
        _check(steps is None or steps > 0, name, "positive or None", steps)
    _check(plan.warmup >= 0, "warmup", "at least 0", plan.warmup)
    return plan


def _check_ladder(name: str, lrs: Sequence[float], *columns: Sequence[object]) -> None:
    lengths = [len(column) for column in (lrs, *columns)]
    _check(lengths[0] > 0 and len(set(lengths)) == 1, name, "lists of one length, not empty", lengths)
    _check(all(a < b for a, b in pairwise((0.0, *lrs))), name, "at rates that are positive and ascend", list(lrs))
