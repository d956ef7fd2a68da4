"""Known answers of every family, its words, and what its constructor refuses; the laws are in test_laws.py."""

import functools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder.errors import InputError
from lrfinder.schedules import (
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
    Schedule,
    StableDecay,
    Staircase,
    StepDecay,
    Then,
    Triangular,
    WarmRestarts,
    Warmup,
    cool_down,
    describe,
    from_plain,
    to_plain,
)

KERAS_CYCLES = WarmRestarts(10, multiplier=2, floor=0.2, decay=0.5)
ANSWERS = [
    (Linear(10), {9: 0.1, 10: 0}),
    (Linear(4, floor=0.5), {0: 1, 2: 0.75, 4: 0.5}),
    (Polynomial(4, power=2, floor=0.5), {0: 1, 2: 0.625, 4: 0.5}),
    (Ramp(0.2), {0: 1, 1: 0.8, 4: 0.2, 5: 0, 7: 0}),
    (Staircase(0.25, every=10, floor=0.4), {0: 1, 9: 1, 10: 0.75, 19: 0.75, 20: 0.5, 29: 0.5, 30: 0.4, 99: 0.4}),
    (REX(100), {50: 2 / 3}),
    (LogAnneal(1023), {2**k - 1: 1 - k / 10 for k in range(11)}),
    (REX(1), {0: 1, 1: 0, 2: 0}),
    (LogAnneal(1), {0: 1, 1: 0, 2: 0}),
    (Cosine(100), {50: 0.5}),
    (Cosine(1000, floor=0.1), {500: 0.55, 1000: 0.1, 2000: 0.1}),
    (WarmRestarts(10), {0: 1, 5: 0.5, 10: 1, 15: 0.5, 30: 1, 35: 0.5}),
    (KERAS_CYCLES, {0: 1, 5: 0.6, 10: 0.6, 20: 0.4, 30: 0.4, 50: 0.3}),
    (Triangular(2, base=0.2), {2: 1, 6: 1, 10: 1}),
    (Triangular(2, base=0.2, mode="triangular2"), {2: 1, 6: 0.6, 10: 0.4}),
    (Triangular(2, 0.2, "exp_range", 0.9), {t: 0.2 + 0.8 * 0.9**t for t in (2, 6, 10)}),
    (OneCycle(100, rise=0.999), {98: 1, 99: 4e-6}),
    (Exponential(0.5), {0: 1, 1: 0.5, 2: 0.25, 3: 0.125}),
    (Exponential(0.96, every=100_000), {50_000: 0.96**0.5, 200_000: 0.9216}),
    (Exponential(0.96, every=100_000, staircase=True), {99_999: 1, 100_000: 0.96, 250_000: 0.9216}),
    (Exponential.to(0.01, 77), {77: 0.01}),
    (StepDecay(0.1, milestones=[50]), {0: 1, 49: 1, 50: 0.1, 99: 0.1}),
    (InverseTime(0.5, every=10), {5: 0.8, 10: 2 / 3, 15: 4 / 7}),
    (InverseTime(0.5, every=10, staircase=True), {5: 1, 10: 2 / 3, 15: 2 / 3}),
    *((InverseTime.to(ratio, 77), {77: ratio}) for ratio in (1.0, 0.1, 0.003)),
    (InverseSqrt(k=3), {0: 1, 7: 1, 8: 1, 9: 3 / math.sqrt(10), 35: 0.5}),
    (InverseSqrt(every=10), {0: 1, 9: 1, 10: 1 / math.sqrt(2), 39: 0.5}),
    (StableDecay(50, cooldown=0.2), {40 + s: (10 - s) / 10 for s in range(11)}),
    (StableDecay(10, cooldown=0.001), {8: 1, 9: 1, 10: 0}),
    (Warmup(Custom(float, name="count"), 3), {3: 0, 4: 1}),
    (Then(Constant(), Custom(float, name="count"), at=3), {2: 1, 3: 0, 4: 1}),
    (Epochwise(Custom(float, name="count"), 10), {9: 0, 10: 1, 29: 2}),
    (cool_down(Warmup(StableDecay(None), 2), 4, at=2), {0: 0.5, 1: 1, 2: 1, 3: 0.75, 4: 0.5}),
]
EQUALS = [
    (Ramp(1 / 30), Linear(30)),
    (Polynomial(7, power=1, floor=0.2), Linear(7, floor=0.2)),
    (StableDecay(30, cooldown=1.0, floor=0.1), Linear(30, floor=0.1)),
    (Warmup(Linear(5), 0), Linear(5)),
    (Then(Linear(5), Cosine(5), at=0), Cosine(5)),
    (WarmRestarts.fit(40, cycles=4), WarmRestarts(10)),
]


@pytest.mark.parametrize(("schedule", "factors"), ANSWERS, ids=lambda value: repr(value)[:60])
def test_a_member_has_its_known_factors(schedule, factors):
    """They are computed by hand, or by the formulas of Keras, TensorFlow and Hugging Face."""
    assert {step: schedule(step) for step in factors} == pytest.approx(factors, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("schedule", "other"), EQUALS, ids=repr)
def test_the_same_shape_under_two_names_has_the_same_factors(schedule, other):
    """A slope of 1 / T is a linear decay over T steps; a part of no steps is left out."""
    assert [schedule(t) for t in range(45)] == pytest.approx([other(t) for t in range(45)], abs=1e-15)


def test_rex_stays_above_linear_decay():
    """It does so at every step between the first and the last."""
    assert all(REX(100)(t) > Linear(100)(t) for t in range(1, 100))


@pytest.mark.parametrize(
    ("shape", "height"),
    [
        ("linear", lambda x: 1 - x),
        ("sqrt", lambda x: 1 - math.sqrt(x)),
        ("cosine", lambda x: (1 + math.cos(math.pi * x)) / 2),
    ],
)
def test_the_cooldown_has_its_shape(shape, height):
    """The rate is the peak until the cooldown, then the shape of its progress, scaled to end at the floor."""
    schedule = StableDecay(100, cooldown=0.25, shape=shape, floor=0.2)

    assert {schedule(t) for t in range(76)} == {1.0}
    assert [schedule(75 + s) for s in range(26)] == pytest.approx([0.2 + 0.8 * height(s / 25) for s in range(26)])


def test_hugging_face_starts_its_warm_up_at_zero():
    """Its warm-up is t / W and its cosine starts at W; ours is one step ahead in the warm-up, and equal after it."""
    schedule = Warmup(Cosine(90), 10)

    assert [schedule(t) for t in range(10)] == pytest.approx([(t + 1) / 10 for t in range(10)])
    assert [schedule(t) for t in range(10, 141)] == pytest.approx(
        [0.5 * (1 + math.cos(math.pi * min(1, (t - 10) / 90))) for t in range(10, 141)], abs=1e-12
    )


@pytest.mark.parametrize("every", [1, 2, 7, 30])
def test_step_decay_is_the_formula_counted_from_one(every):
    """The n-th step, counted from 1, runs at gamma ** (ceil(n / every) - 1)."""
    assert all(StepDecay(0.5, every=every)(n - 1) == 0.5 ** (-(-n // every) - 1) for n in range(1, 100))


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_cycles_of_whole_steps_begin_on_whole_steps(multiplier):
    """The k-th cycle begins exactly at the sum of the earlier ones, however late."""
    schedule, start = WarmRestarts(10, multiplier), 0
    for cycle in range(12):
        assert schedule(start) == pytest.approx(1.0, abs=1e-12)
        assert start == 0 or schedule(start - 1) < 0.03
        start += 10 * multiplier**cycle


@settings(derandomize=True, deadline=None)
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


def test_milestones_are_kept_as_a_tuple():
    """A list of milestones makes the same schedule as a tuple, also when read back from plain data."""
    schedule = StepDecay(0.1, milestones=[3, 5])

    assert schedule == StepDecay(0.1, milestones=(3, 5)) == from_plain(to_plain(schedule))
    assert to_plain(schedule)["milestones"] == [3, 5]


def test_a_function_of_the_step_is_a_schedule():
    """Shapes and plain functions both satisfy the protocol; a number does not."""
    assert [isinstance(one, Schedule) for one in (Linear(3), lambda step: 1.0, 0.1)] == [True, True, False]


def test_a_custom_schedule_keeps_the_function_and_its_name():
    """The name is the function's own unless another is given; objects go by their class."""
    named = [Custom(abs), Custom(abs, name="size"), Custom(functools.partial(pow, 0.5))]

    assert named[0].function is abs
    assert [schedule.name for schedule in named] == ["abs", "size", "partial"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_a_factor_that_is_no_rate_is_refused(value):
    """A value that is not finite or is negative raises and names the function and the step."""
    with pytest.raises(InputError, match=r"got .* from broken at step 7; bound it"):
        Custom(lambda step: value, name="broken")(7)


WORDS = [
    (Warmup(Linear(1900), 100), "warm-up over 100 steps, then linear decay to zero at step 2,000"),
    (Warmup(Cosine(90), 1), "warm-up over 1 step, then a cosine to zero at step 91"),
    (Warmup(Linear(5), 0), describe(Linear(5))),
    (Then(Linear(5), Cosine(5), at=0), describe(Cosine(5))),
    (Then(Constant(), Linear(50), at=100), "a constant rate until step 100, then linear decay to zero at step 150"),
    (Epochwise(Linear(90), 391), "linear decay to zero at step 90, each step an epoch of 391 steps"),
    (abs, "the function abs"),
    (WarmRestarts(10), "cosines to zero over 10 steps"),
    (
        WarmRestarts(10, multiplier=2, decay=0.5),
        "cosines to zero over 10 steps, each 2 times as long as the one before, each from 0.5 times as high",
    ),
    (Triangular(10, base=0.5), "triangles up from 50 % of the peak over 20 steps"),
    (
        Warmup(OneCycle(100), 1000),
        "warm-up over 1,000 steps, then one cycle: from 4 % of the peak up to step 1,029, down to 0.0004 % of the "
        "peak at step 1,099",
    ),
    (StepDecay(0.1, every=30), "the rate times 0.1 every 30 steps"),
    (
        Warmup(StepDecay(0.1, milestones=[3, 5]), 100),
        "warm-up over 100 steps, then the rate times 0.1 at steps 103 and 105",
    ),
    (Ramp(0.001), "linear decay by 0.1 % of the peak per step, down to zero at step 1,000"),
    (Ramp(0.0), "linear decay by zero per step"),
    (Ramp(1e-310), "linear decay by 1e-308 % of the peak per step"),
    (
        Ramp(1e-7, floor=0.18),
        "linear decay by 1e-05 % of the peak per step, down to 18 % of the peak at step 8,200,000",
    ),
    (Ramp(0.3), "linear decay by 30 % of the peak per step, down to zero at step 4"),
    (
        Staircase(0.3, 100, floor=0.1),
        "stairs that lose 30 % of the peak every 100 steps, down to 10 % of the peak at step 300",
    ),
    (StableDecay(None), "a constant rate until a cooldown is begun"),
    (StableDecay(10, 1.0, "sqrt"), "a square-root cooldown over 10 steps to zero at step 10"),
    (StableDecay(10), "a constant rate until step 8, then a linear cooldown over 2 steps to zero at step 10"),
    (ReduceOnPlateau(0.5, 1), "the rate times 0.5 whenever the metric has not improved for more than 1 check"),
    (ReduceOnPlateau(0.5, 2), "the rate times 0.5 whenever the metric has not improved for more than 2 checks"),
]


@pytest.mark.parametrize(("schedule", "text"), WORDS, ids=lambda value: repr(value)[:60])
def test_a_member_is_described_in_steps_of_the_training(schedule, text):
    """Steps count from the start of the training; an end that is out of reach is not named."""
    assert describe(schedule) == text


@pytest.mark.parametrize(
    ("schedule", "step"),
    [
        (InverseSqrt(), 1),
        (InverseSqrt(3.3, every=100), 1_000),
        (InverseSqrt.shifted(1000), 1_000),
        (InverseSqrt.shifted(1000.9), 1_000),
        (InverseSqrt.shifted(4_194_346), 4_194_346),
    ],
)
def test_the_words_of_an_inverse_square_root_name_the_first_lower_step(schedule, step):
    """The rate falls from that step on, also where the root of k squared is not k."""
    assert describe(schedule) == f"an inverse square root that falls from step {step:,} on"
    assert schedule(step - 1) == 1.0 > schedule(step)


COUNT = "must be a positive whole number, got"
NUMBER = "must be a number in"
OPEN = StableDecay(None)
REFUSED = [
    (lambda: Polynomial(-3, 1), f"`steps` {COUNT} -3"),
    (lambda: Polynomial(3, 0), "`power` must be a finite number above 0, got 0"),
    (lambda: Polynomial(3, 1, 1.5), rf"`floor` {NUMBER} \[0, 1\], got 1.5"),
    (lambda: Ramp(2), rf"`rate` {NUMBER} \[0, 1\], got 2"),
    (lambda: Ramp(0.1, floor=-1), rf"`floor` {NUMBER} \[0, 1\], got -1"),
    (lambda: Staircase(-0.1, 3), rf"`drop` {NUMBER} \[0, 1\], got -0.1"),
    (lambda: Staircase(0.1, 0), f"`every` {COUNT} 0"),
    (lambda: REX(0), f"`steps` {COUNT} 0"),
    (lambda: LogAnneal(0), f"`steps` {COUNT} 0"),
    (lambda: Cosine(0), f"`steps` {COUNT} 0"),
    (lambda: Cosine(10, floor=2), rf"`floor` {NUMBER} \[0, 1\], got 2"),
    (lambda: WarmRestarts(0.5), "`first_cycle` must be a finite number of at least 1, got 0.5"),
    (lambda: WarmRestarts(10, multiplier=0.5), "`multiplier` must be a finite number of at least 1, got 0.5"),
    (lambda: WarmRestarts(10, decay=0), rf"`decay` {NUMBER} \(0, 1\], got 0"),
    (lambda: WarmRestarts.fit(6, 3, 2), "`cycles` must leave a step for the first one, got 3 for 6 steps"),
    (lambda: WarmRestarts.fit(6, 0), f"`cycles` {COUNT} 0"),
    (lambda: Triangular(0, base=0.1), f"`half_cycle` {COUNT} 0"),
    (lambda: Triangular(5, base=0), rf"`base` {NUMBER} \(0, 1\], got 0"),
    (lambda: Triangular(5, base=0.1, mode="sine"), "`mode` must be one of triangular, .*, got 'sine'"),
    (lambda: Triangular(5, base=0.1, gamma=0.9), "`gamma` must be 1 for mode 'triangular', got 0.9"),
    (lambda: Triangular(5, 0.1, "exp_range", 1.1), rf"`gamma` {NUMBER} \(0, 1\], got 1.1"),
    (lambda: OneCycle(0), f"`steps` {COUNT} 0"),
    (lambda: OneCycle(10, rise=1), rf"`rise` {NUMBER} \(0, 1\), got 1"),
    (lambda: OneCycle(10, start=0), rf"`start` {NUMBER} \(0, 1\], got 0"),
    (lambda: OneCycle(10, end=-1), rf"`end` {NUMBER} \[0, 1\], got -1"),
    (lambda: Exponential(1.5), rf"`gamma` {NUMBER} \(0, 1\], got 1.5"),
    (lambda: Exponential(0), rf"`gamma` {NUMBER} \(0, 1\], got 0"),
    (lambda: Exponential(0.5, staircase="no"), "`staircase` must be True or False, got 'no'"),
    (lambda: Exponential.half_life(0), f"`every` {COUNT} 0"),
    (lambda: Exponential.to(2, 10), rf"`final_ratio` {NUMBER} \(0, 1\], got 2"),
    (lambda: StepDecay(0.1), "`every` or `milestones` must be given and not both, got every=None, milestones=None"),
    (lambda: StepDecay(0.1, 3, (4,)), r"must be given and not both, got every=3, milestones=\(4,\)"),
    (lambda: StepDecay(0.1, milestones=()), r"`milestones` must be a list of steps, got \(\)"),
    (lambda: StepDecay(0.1, milestones="12"), "`milestones` must be a list of steps, got '12'"),
    (lambda: StepDecay(0.1, milestones=(5, 5)), r"`milestones` must increase, got \(5, 5\)"),
    (lambda: StepDecay(0.1, milestones=(0, 5)), f"`milestones` {COUNT} 0"),
    (lambda: StepDecay(-0.1, every=3), rf"`gamma` {NUMBER} \(0, 1\], got -0.1"),
    (lambda: InverseTime(-1), "`rate` must be a finite number of at least 0, got -1"),
    (lambda: InverseTime(1, every=9, staircase="no"), "`staircase` must be True or False, got 'no'"),
    (lambda: InverseTime(1, every=0), f"`every` {COUNT} 0"),
    (lambda: InverseTime.to(0, 10), rf"`final_ratio` {NUMBER} \(0, 1\], got 0"),
    (lambda: InverseTime.to(0.1, 0.5), f"`every` {COUNT} 0.5"),
    (lambda: InverseSqrt(0.5), "`k` must be a finite number of at least 1, got 0.5; below 1 the peak is never"),
    (lambda: InverseSqrt.shifted(0), "`timescale` must be a finite number of at least 1, got 0"),
    (lambda: StableDecay(0), f"`steps` {COUNT} 0"),
    (lambda: StableDecay(10, cooldown=0), rf"`cooldown` {NUMBER} \(0, 1\], got 0"),
    (lambda: StableDecay(10, shape="exp"), "`shape` must be one of linear, sqrt, cosine, got 'exp'"),
    (lambda: StableDecay(10, floor=1.1), rf"`floor` {NUMBER} \[0, 1\], got 1.1"),
    (lambda: ReduceOnPlateau(1), rf"`factor` {NUMBER} \(0, 1\), got 1"),
    (lambda: ReduceOnPlateau(patience=-1), "`patience` must be a whole number of at least 0, got -1"),
    (lambda: ReduceOnPlateau(threshold=-0.1), rf"`threshold` {NUMBER} \[0, 1\), got -0.1"),
    (lambda: ReduceOnPlateau(mode="auto"), "`mode` must be 'min' or 'max', got 'auto'"),
    (lambda: ReduceOnPlateau(cooldown=0.5), "`cooldown` must be a whole number of at least 0, got 0.5"),
    (lambda: ReduceOnPlateau(floor=2), rf"`floor` {NUMBER} \[0, 1\], got 2"),
    (lambda: Custom(3), "`function` must be callable with the step, got 3"),
    (lambda: Warmup(Linear(5), -1), "`steps` must be a whole number of at least 0, got -1"),
    (lambda: Warmup(Linear, 5), "`body` must be a schedule or a function of the step, got <class"),
    (lambda: Then(Linear(5), None, at=5), "`second` must be a schedule or a function of the step, got None"),
    (lambda: Then(Then(Linear(5), Constant(), at=9), Constant(), at=9), "`at` must exceed .* own `at`=9, got 9"),
    (lambda: Then(Warmup(ReduceOnPlateau(), 5), Constant(), at=9), "`first` must follow the step alone, got Warmup"),
    (lambda: Then(Constant(), lambda step: -1, at=1)(1), "must give finite factors of at least 0, got -1"),
    (lambda: Epochwise(ReduceOnPlateau(), 5), "`body` must follow the step alone, got ReduceOnPlateau"),
    (lambda: Epochwise(Linear(5), 0), f"`steps_per_epoch` {COUNT} 0"),
    (lambda: cool_down(Linear(5), 3, at=1), "`schedule` must be open-ended to cool down, got Linear"),
    (lambda: cool_down(Warmup(OPEN, 9), 3, at=8), "`at` must be at least 9, where the flat part"),
    (lambda: cool_down(Then(Linear(9), OPEN, at=9), 3, at=8), "`at` must be at least 9, where"),
    (lambda: cool_down(OPEN, 0, at=8), f"`steps` {COUNT} 0"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_parameters_that_make_no_sense_are_refused(make, message):
    """The constructor shows the parameter, what it must be and what it was."""
    with pytest.raises(InputError, match=message):
        make()
