"""The laws of the schedules, each stated once and tried on members of every family, with settings that nobody chose."""

import copy
import inspect
import itertools
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lrfinder.schedules
from lrfinder.schedules import (
    CATALOGUE,
    REX,
    Constant,
    Cosine,
    Custom,
    Epochwise,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    LogAnneal,
    OneCycle,
    Polynomial,
    Ramp,
    ReduceOnPlateau,
    Shape,
    StableDecay,
    Staircase,
    StepDecay,
    Then,
    Triangular,
    WarmRestarts,
    Warmup,
    describe,
    from_plain,
    to_plain,
)
from lrfinder.schedules.base import parameters_of

HUGE = 10**9

horizons = st.integers(1, 500)
floors = st.floats(0, 1)
fractions = st.floats(0, 1, exclude_min=True)
inner = st.floats(0.001, 0.999)

MEMBERS = {
    Constant: st.builds(Constant),
    Linear: st.builds(Linear, horizons, floors),
    Polynomial: st.builds(Polynomial, horizons, st.floats(0.01, 20), floors),
    Ramp: st.builds(Ramp, floors, floors),
    Staircase: st.builds(Staircase, floors, horizons, floors),
    InverseTime: st.one_of(
        st.builds(InverseTime, st.floats(0, 100), horizons, st.booleans()),
        st.builds(InverseTime.to, fractions.filter(lambda ratio: ratio > 1e-300), horizons),
    ),
    InverseSqrt: st.one_of(
        st.builds(InverseSqrt, st.floats(1, 1e6), horizons), st.builds(InverseSqrt.shifted, st.floats(1, 1e6))
    ),
    Exponential: st.one_of(
        st.builds(Exponential, fractions, horizons, st.booleans()),
        st.builds(Exponential.to, fractions, horizons),
        st.builds(Exponential.half_life, horizons),
    ),
    StepDecay: st.one_of(
        st.builds(StepDecay, fractions, horizons),
        st.builds(StepDecay, fractions, milestones=st.lists(horizons, min_size=1, unique=True).map(sorted)),
    ),
    Cosine: st.builds(Cosine, horizons, floors),
    WarmRestarts: st.builds(WarmRestarts, st.floats(1, 500), st.floats(1, 10), floors, fractions),
    Triangular: st.one_of(
        st.builds(Triangular, horizons, fractions, st.sampled_from(["triangular", "triangular2"])),
        st.builds(Triangular, horizons, fractions, st.just("exp_range"), fractions),
    ),
    OneCycle: st.builds(OneCycle, horizons, inner, fractions, floors),
    StableDecay: st.builds(
        StableDecay, st.none() | horizons, fractions, st.sampled_from(["linear", "sqrt", "cosine"]), floors
    ),
    REX: st.builds(REX, horizons),
    LogAnneal: st.builds(LogAnneal, horizons),
    ReduceOnPlateau: st.builds(ReduceOnPlateau, inner, st.integers(0, 9)),
}
"""Members of each family of the catalogue."""

blind = st.one_of(*[members for family, members in MEMBERS.items() if family is not ReduceOnPlateau])
MEMBERS |= {
    Warmup: st.builds(Warmup, st.one_of(*MEMBERS.values()), st.integers(0, 500)),
    Then: st.builds(Then, blind, blind, st.integers(0, 500)),
    Epochwise: st.builds(Epochwise, blind, horizons),
}

ENDING = [family for family in MEMBERS if family._span is not Shape._span or "steps" in parameters_of(family)]
DECAYS = [entry.family for entry in CATALOGUE.values() if entry.direction in {"down", "constant"}]
steps = st.integers(0, 5000) | st.integers(0, HUGE)


def law(families=tuple(MEMBERS), **drawn):
    """Try a test on members of each family, and on what else it draws."""

    def on_each(test):
        @pytest.mark.parametrize("family", families, ids=lambda family: family.__name__)
        def tried(family):
            always = settings(derandomize=True, deadline=None, max_examples=30)
            always(given(schedule=MEMBERS[family], **drawn)(test))()

        tried.__doc__ = test.__doc__
        return tried

    return on_each


def test_every_family_is_tried():
    """The table of members holds every shape of the package but the user's own function."""
    public = [getattr(lrfinder.schedules, name) for name in lrfinder.schedules.__all__]
    shapes = {one for one in public if inspect.isclass(one) and issubclass(one, Shape)}

    assert set(MEMBERS) == shapes - {Shape, Custom}


@pytest.mark.parametrize("family", MEMBERS)
def test_help_explains_every_public_member(family):
    """Each method and property of a family is documented, by the family itself or by `Shape`."""
    public = [getattr(family, name) for name in dir(family) if not name.startswith("_")]
    methods = [member for member in public if not inspect.ismemberdescriptor(member)]

    assert all(inspect.getdoc(method) for method in [family.__call__, *methods])


@law(step=steps)
def test_factors_are_plain_fractions(schedule, step):
    """Every factor is a plain float from 0 to 1, at a step that is a NumPy integer too, without overflow."""
    factors = [schedule(t) for t in [*range(100), step]]

    assert all(type(factor) is float and 0 <= factor <= 1 for factor in factors)
    assert type(schedule(np.int32(step))) is float
    assert schedule(np.int32(step)) == factors[-1]


@law([*DECAYS, WarmRestarts])
def test_a_decay_starts_at_its_peak(schedule):
    """The first step runs at the peak, exactly."""
    assert schedule(0) == 1.0


@law(DECAYS, late=st.lists(steps))
def test_a_decay_never_rises(schedule, late):
    """No step of a decay runs higher than the one before, but for rounding."""
    factors = [schedule(t) for t in [*range(100), *sorted(100 + step for step in late)]]

    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(factors))


@law(ENDING, beyond=st.integers(0, HUGE))
def test_an_end_is_held(schedule, beyond):
    """From the end of its span on a schedule changes no more, and a decay is at its floor, 0 where it has none."""
    assume(schedule.span is not None)
    last = schedule(schedule.span)

    assert {schedule(schedule.span + t) for t in [*range(50), beyond]} == {last}
    if type(schedule) in DECAYS:
        assert last == pytest.approx(getattr(schedule, "floor", 0.0), abs=1e-15)


@law([Warmup])
def test_a_warm_up_rises_to_the_peak_from_above_zero(schedule):
    """The first of its steps is a fraction of the peak, the last is the peak, and all are equally far apart."""
    factors = [schedule(t) for t in range(schedule.steps)]

    assert factors == [(t + 1) / schedule.steps for t in range(schedule.steps)]


@law([OneCycle])
def test_one_cycle_reaches_the_peak_at_its_top(schedule):
    """A single cycle rises to the peak at its top step, falls from there, and ends at its last step."""
    factors = [schedule(t) for t in range(schedule.steps)]

    assert factors[schedule.top] == 1.0
    assert factors[0] == pytest.approx(schedule.start if schedule.top else 1.0)
    assert factors[: schedule.top + 1] == sorted(factors[: schedule.top + 1])
    assert factors[schedule.top :] == sorted(factors[schedule.top :], reverse=True)
    assert factors[-1] == pytest.approx(schedule.end if schedule.steps > 1 else 1.0)


@law()
def test_a_schedule_equals_its_copies(schedule):
    """A schedule equals its pickle, its deep copy, its JSON and what its repr evaluates to, and hashes alike."""
    copies = [
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
        from_plain(json.loads(json.dumps(to_plain(schedule)))),
        eval(repr(schedule)),
    ]

    assert all(made == schedule and hash(made) == hash(schedule) for made in copies)
    assert {describe(made) for made in copies} == {describe(schedule)}


@law()
def test_a_schedule_is_a_frozen_value(schedule):
    """Nothing can be set on a schedule, nor hung on one that its copies would not have."""
    assert not hasattr(schedule, "__dict__")
    with pytest.raises((AttributeError, TypeError), match=r"cannot assign|super\(type, obj\)"):
        schedule.steps = 3


@law()
def test_a_schedule_is_one_line_of_words(schedule):
    """A description is one line without a full stop, and counts from step 0 by default."""
    text = describe(schedule)

    assert text
    assert "\n" not in text
    assert not text.endswith(".")
    assert text == schedule.in_words() == schedule.in_words(0)


def test_custom_keeps_the_laws_that_any_function_can():
    """A custom schedule pickles, gives its name, and gives plain floats."""
    schedule = Custom(math.exp, name="rising")

    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert describe(schedule) == "the function rising"
    assert type(schedule(np.int64(2))) is float


@pytest.mark.parametrize("steps", [1, 2, 3, 1000])
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_family_builds_for_any_horizon(name, steps):
    """A member for very few steps peaks within them and stays a fraction of the peak."""
    schedule = CATALOGUE[name].build(steps)
    factors = [schedule(t) for t in range(2 * steps)]

    assert max(factors[:steps]) == pytest.approx(1.0 if (name, steps) != ("triangular", 1) else 0.1)
    assert all(0 <= factor <= 1 for factor in factors)
