"""Plateau decay: when a metric cuts the factor. test_torch_agreement.py compares it with torch's."""

import math

import pytest

from lrfinder.schedules import PlateauState, ReduceOnPlateau
from lrfinder.schedules.bound import bound

NAN, INF = math.nan, math.inf
HALF = {"factor": 0.5, "patience": 0}
TENTH = {**HALF, "threshold": 0.1}
MAX = {**HALF, "mode": "max"}

TABLE = {
    "patience 2 cuts at the third bad check": ({**HALF, "patience": 2}, [1] * 7, [1, 1, 1, 0.5, 0.5, 0.5, 0.25]),
    "checks in the cooldown do not count": ({**HALF, "cooldown": 2}, [1] * 5, [1, 0.5, 0.5, 0.5, 0.25]),
    "a larger metric is better in mode max": (MAX, [0.1, 0.2, 0.3, 0.2], [1, 1, 1, 0.5]),
    "min, better by less than the threshold": (TENTH, [-10, -10.9], [1, 0.5]),
    "min, better by more": (TENTH, [-10, -11.1], [1, 1]),
    "max, better by less than the threshold": ({**TENTH, "mode": "max"}, [-10, -9.1], [1, 0.5]),
    "max, better by more": ({**TENTH, "mode": "max"}, [-10, -8.9], [1, 1]),
    "without a threshold any gain counts": ({**HALF, "threshold": 0}, [1, 1 - 1e-9, 1 - 1e-9], [1, 1, 0.5]),
    **{
        f"{bad} is bad in mode {mode}, and leaves the best": (
            {**HALF, "mode": mode},
            [bad, 1.0, bad, 1.0],
            [0.5, 0.5, 0.25, 0.125],
        )
        for bad in (NAN, INF, -INF)
        for mode in ("min", "max")
    },
    "the first bad check is the first of the patience": ({**HALF, "patience": 1}, [NAN, NAN], [1, 0.5]),
    "ten bad checks are ignored by default": ({}, [1] * 12, [1] * 11 + [0.1]),
    "cuts end at the floor": ({"factor": 0.1, "patience": 0, "floor": 0.05}, [1] * 4, [1, 0.1, 0.05, 0.05]),
}


@pytest.mark.parametrize(("options", "metrics", "factors"), TABLE.values(), ids=TABLE)
def test_a_metric_that_is_bad_too_often_cuts_the_factor(options, metrics, factors):
    """A check is bad where the metric is not better than the best one by the threshold."""
    plateau, state, given = ReduceOnPlateau(**options), PlateauState(), []
    for metric in metrics:
        factor, state = plateau.update(state, metric)
        given.append(factor)

    assert given == pytest.approx(factors)


def test_before_any_metric_the_factor_is_one():
    """Called with a step alone, a plateau is constant."""
    assert {ReduceOnPlateau()(t) for t in range(100)} == {1.0}


@pytest.mark.parametrize(("record", "field"), [(PlateauState(), "cuts"), (bound([1.0]), "loss")])
def test_a_record_is_frozen(record, field):
    """Nothing in a state or a bound can be set, and nothing be hung on it."""
    with pytest.raises(AttributeError, match=f"cannot assign to field '{field}'"):
        setattr(record, field, 1)
    assert not hasattr(record, "__dict__")
