"""The laws over parameters that nobody chose."""

import itertools
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder.errors import InputError
from lrfinder.schedules import (
    REX,
    Constant,
    Cosine,
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

always = settings(derandomize=True, deadline=None, max_examples=100)

horizons = st.integers(1, 500)
floors = st.floats(0, 1)
fractions = st.floats(0, 1, exclude_min=True)
inner = st.floats(0.001, 0.999)
rates = st.floats(0, 100)

ending = st.one_of(
    st.builds(Linear, horizons, floors),
    st.builds(Polynomial, horizons, st.floats(0.01, 20), floors),
    st.builds(Cosine, horizons, floors),
    st.builds(StableDecay, horizons, fractions, st.sampled_from(["linear", "sqrt", "cosine"]), floors),
    st.builds(REX, horizons),
    st.builds(LogAnneal, horizons),
)
endless = st.one_of(
    st.builds(Constant),
    st.builds(InverseTime, rates, horizons, st.booleans()),
    st.builds(InverseTime.to, fractions.filter(lambda ratio: ratio > 1e-300), horizons),
    st.builds(Exponential, fractions, horizons, st.booleans()),
    st.builds(Exponential.to, fractions, horizons),
    st.builds(InverseSqrt, st.floats(1, 1e6), horizons),
    st.builds(InverseSqrt.shifted, st.floats(1, 1e6)),
    st.builds(Ramp, floors, floors),
    st.builds(Staircase, floors, horizons, floors),
    st.builds(StepDecay, fractions, horizons),
    st.builds(StepDecay, fractions, milestones=st.lists(horizons, min_size=1, unique=True).map(sorted)),
    st.just(StableDecay(None)),
    st.builds(ReduceOnPlateau, inner, st.integers(0, 9)),
)
decays = ending | endless
moving = st.one_of(
    st.builds(WarmRestarts, st.floats(1, 500), st.floats(1, 10), floors, fractions),
    st.builds(Triangular, horizons, fractions, st.sampled_from(["triangular", "triangular2"])),
    st.builds(Triangular, horizons, fractions, st.just("exp_range"), fractions),
    st.builds(OneCycle, horizons, inner, fractions, floors),
)
blind = (decays | moving).filter(lambda schedule: not isinstance(schedule, ReduceOnPlateau))
schedules = st.one_of(
    decays,
    moving,
    st.builds(Warmup, decays | moving, st.integers(0, 500)),
    st.builds(Then, blind, blind, st.integers(0, 500)),
    st.builds(Epochwise, blind, horizons),
)
steps = st.integers(0, 5000) | st.integers(0, 10**9)


@always
@given(schedules, steps)
def test_every_factor_is_a_fraction(schedule, step):
    """Whatever the parameters and the step, the factor is a plain float from 0 to 1."""
    factor = schedule(step)

    assert type(factor) is float
    assert 0 <= factor <= 1


@always
@given(decays, st.lists(steps, min_size=2))
def test_decays_start_at_the_peak_and_never_rise(schedule, at):
    """A decay is 1 at first, and a later step never runs higher, but for rounding."""
    factors = [schedule(t) for t in [0, *sorted(at)]]

    assert factors[0] == 1.0
    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(factors))


@always
@given(ending, st.integers(0, 10**9))
def test_decays_with_an_end_hold_it(schedule, beyond):
    """From its horizon on a decay is at its floor."""
    assert schedule(schedule.steps + beyond) == pytest.approx(getattr(schedule, "floor", 0.0), abs=1e-15)
    assert schedule(schedule.steps + beyond) == schedule(schedule.steps)


@always
@given(schedules)
def test_schedules_survive_their_copies(schedule):
    """Pickle, JSON and repr give back an equal schedule that describes itself alike."""
    plain = json.loads(json.dumps(to_plain(schedule)))

    assert pickle.loads(pickle.dumps(schedule)) == from_plain(plain) == eval(repr(schedule)) == schedule
    assert describe(from_plain(plain)) == describe(schedule)


@always
@given(st.integers(1, 500), st.integers(1, 8), st.floats(1, 5))
def test_fitted_cycles_end_with_the_training_or_are_refused(total, cycles, multiplier):
    """The step after a fitted training starts a new cycle at the top; too many cycles are refused."""
    if total / sum(multiplier**i for i in range(cycles)) < 0.999:
        with pytest.raises(InputError, match="`cycles` must leave a step for the first one, got"):
            WarmRestarts.fit(total, cycles, multiplier)
    elif total >= 1.001 * sum(multiplier**i for i in range(cycles)):
        schedule = WarmRestarts.fit(total, cycles, multiplier)
        assert schedule(total) == pytest.approx(1.0, abs=1e-6)
        assert schedule(total - 1) < 1


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


@always
@given(malformed)
def test_plain_data_gives_a_schedule_or_an_input_error(data):
    """Whatever is read back, it becomes a schedule that is written alike, or it is refused as input."""
    try:
        schedule = from_plain(data)
    except InputError:
        return
    assert from_plain(to_plain(schedule)) == schedule
