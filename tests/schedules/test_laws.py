"""The laws that every family keeps, over a table of members with a horizon of 40 steps where they have one."""

import copy
import itertools
import json
import math
import pickle

import numpy as np
import pytest

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

HORIZON = 40
HUGE = 10**9

ENDING = [
    Linear(40),
    Linear(40, floor=0.1),
    Polynomial(40, power=0.5),
    Polynomial(40, power=3, floor=0.7),
    Ramp(1 / 40),
    Ramp(0.1, floor=0.25),
    Staircase(0.25, every=10),
    Staircase(0.3, every=7, floor=0.05),
    StepDecay(0.5, milestones=(20, 30)),
    Cosine(40),
    Cosine(40, floor=0.1),
    StableDecay(40),
    StableDecay(40, cooldown=1.0, shape="sqrt"),
    StableDecay(40, cooldown=0.01, shape="cosine", floor=0.1),
    REX(40),
    LogAnneal(40),
    Then(Constant(), Linear(30), at=10),
    Epochwise(Linear(4), steps_per_epoch=10),
]
ENDLESS = [
    Constant(),
    InverseTime(0.1),
    InverseTime(2.0, every=7, staircase=True),
    InverseTime.to(0.01, 40),
    Exponential(0.9),
    Exponential(0.5, every=10, staircase=True),
    Exponential.to(0.1, 40),
    Exponential.half_life(10),
    InverseSqrt(),
    InverseSqrt(every=10),
    InverseSqrt.shifted(10.5),
    StepDecay(0.5, every=9),
    StableDecay(None),
    ReduceOnPlateau(),
]
RISING = [OneCycle(40), OneCycle(40, rise=0.5, start=0.1, end=0.0)]
CYCLIC = [
    WarmRestarts(10),
    WarmRestarts(3, multiplier=2, floor=0.1, decay=0.7),
    WarmRestarts.fit(40, cycles=3, multiplier=1.5),
    Triangular(10, base=0.1),
    Triangular(7, base=0.2, mode="triangular2"),
    Triangular(7, base=0.2, mode="exp_range", gamma=0.99),
]
DECAYS = [*ENDING, *ENDLESS]
CLIMBING = [Warmup(decay, 5) for decay in DECAYS]
ALL = [*DECAYS, *CLIMBING, *RISING, *CYCLIC]


def every(schedules):
    """A test over a table of schedules, each named by its repr."""
    return pytest.mark.parametrize("schedule", schedules, ids=repr)


@every(ALL)
def test_a_schedule_holds_its_settings_alone(schedule):
    """Nothing can be hung on a schedule that its copies would not have."""
    assert not hasattr(schedule, "__dict__")


@every(ALL)
def test_words_count_from_the_first_step_unless_told(schedule):
    """A schedule that is asked itself says the same as `describe`."""
    assert schedule.in_words() == describe(schedule)


@every([*DECAYS, *[cyclic for cyclic in CYCLIC if isinstance(cyclic, WarmRestarts)]])
def test_a_decay_starts_at_its_peak(schedule):
    """The first step runs at the peak, exactly."""
    assert schedule(0) == 1.0


@every(CLIMBING)
def test_a_warm_up_climbs_to_the_peak_from_above_zero(schedule):
    """The climb is a straight line whose first step is a fraction of the peak and whose last is the peak."""
    assert [schedule(t) for t in range(5)] == [0.2, 0.4, 0.6, 0.8, 1.0]


@every(RISING)
def test_one_cycle_reaches_the_peak_once(schedule):
    """A single cycle starts low, is at the peak at its top step alone, and ends at its last step."""
    factors = [schedule(t) for t in range(HORIZON)]

    assert factors[0] == pytest.approx(schedule.start)
    assert [t for t in range(HORIZON) if factors[t] == 1.0] == [schedule.top]
    assert factors[-1] == pytest.approx(schedule.end)


@every(ALL)
def test_factors_are_plain_fractions(schedule):
    """Every factor to ten times the horizon, and a very late one, is a plain float from 0 to 1."""
    factors = [schedule(t) for t in [*range(10 * HORIZON), HUGE]]

    assert all(type(factor) is float and 0 <= factor <= 1 for factor in factors)


@every(DECAYS)
def test_a_decay_never_rises(schedule):
    """No step of a decay runs higher than the one before, but for rounding."""
    factors = [schedule(t) for t in range(10 * HORIZON)]

    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(factors))


@every([*ENDING, *RISING, *[Warmup(ending, 5) for ending in ENDING]])
def test_the_end_is_held(schedule):
    """From the end on, nothing changes any more."""
    last = schedule(HORIZON + 5)

    assert {schedule(t) for t in [*range(HORIZON + 5, 10 * HORIZON), HUGE]} == {last}


@every(ALL)
def test_numpy_steps_give_the_same_plain_floats(schedule):
    """A NumPy integer is a step like any other, without overflow."""
    for t in (0, 3, 39, 2_000_000_000):
        factor = schedule(np.int32(t))
        assert type(factor) is float
        assert factor == schedule(t)


@every(ALL)
def test_a_schedule_equals_its_copies(schedule):
    """A schedule equals its pickle, its deep copy, its JSON and what its repr evaluates to, and hashes alike."""
    copies = [
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
        from_plain(json.loads(json.dumps(to_plain(schedule)))),
        eval(repr(schedule)),
    ]

    assert all(made == schedule and hash(made) == hash(schedule) for made in copies)


@every(ALL)
def test_a_schedule_is_frozen(schedule):
    """Nothing can be set on a schedule."""
    with pytest.raises((AttributeError, TypeError), match=r"cannot assign|super\(type, obj\)"):
        schedule.steps = 3


@every(ALL)
def test_a_schedule_is_one_line_of_words(schedule):
    """A description is one line without a full stop."""
    text = describe(schedule)

    assert text
    assert "\n" not in text
    assert not text.endswith(".")


def test_custom_keeps_the_laws_that_any_function_can():
    """A custom schedule pickles, says its name, and gives plain floats."""
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
