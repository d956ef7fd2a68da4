import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import (
    Constant,
    Cosine,
    Custom,
    Epochwise,
    Linear,
    ReduceOnPlateau,
    StableDecay,
    Then,
    Warmup,
    cool_down,
    describe,
)
from lrfinder.schedules.base import span_of
from lrfinder.schedules.compose import plateau_in


def test_a_body_starts_at_its_own_zero():
    """After a warm-up and after another schedule, a body is called with the steps since its start."""
    body = Custom(float, name="count")

    assert [Warmup(body, 3)(t) for t in (3, 4)] == [0.0, 1.0]
    assert [Then(Constant(), body, at=3)(t) for t in (2, 3, 4)] == [1.0, 0.0, 1.0]
    assert [Epochwise(body, 10)(t) for t in (9, 10, 29)] == [0.0, 1.0, 2.0]


def test_no_steps_of_warm_up_are_no_warm_up():
    """A warm-up over 0 steps is its body."""
    schedule = Warmup(Linear(5), 0)

    assert [schedule(t) for t in range(7)] == [Linear(5)(t) for t in range(7)]
    assert describe(schedule) == describe(Linear(5))


def test_a_first_part_of_no_steps_is_left_out():
    """What takes over at step 0 is all there is."""
    schedule = Then(Linear(5), Cosine(5), at=0)

    assert [schedule(t) for t in range(7)] == [Cosine(5)(t) for t in range(7)]
    assert describe(schedule) == describe(Cosine(5))


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        (Warmup(Cosine(90), 10), 100),
        (Then(Constant(), Linear(50), at=100), 150),
        (Epochwise(Linear(90), 391), 90 * 391),
        (Warmup(Constant(), 10), None),
        (Then(Linear(50), Constant(), at=100), None),
        (Epochwise(Constant(), 391), None),
        (float, None),
    ],
)
def test_the_span_is_that_of_the_last_part_from_its_start(schedule, steps):
    """In optimizer steps of the whole training; what holds no last value has none."""
    assert span_of(schedule) == steps


def test_a_plateau_is_found_behind_all_of_its_warm_up():
    """The climbs before it add up."""
    plateau = ReduceOnPlateau()

    assert plateau_in(plateau) == (plateau, 0)
    assert plateau_in(Warmup(Warmup(plateau, 5), 3)) == (plateau, 8)
    assert plateau_in(Warmup(Linear(5), 3)) is None


def test_a_cooldown_may_begin_with_the_flat_part():
    """The peak is reached, and the descent begins at once."""
    assert [cool_down(Warmup(StableDecay(None), 2), 4, at=2)(t) for t in range(5)] == [0.5, 1.0, 1.0, 0.75, 0.5]


def test_plain_functions_are_wrapped():
    """A function as a part is wrapped in `Custom`, so that its values are checked."""
    assert isinstance(Warmup(lambda step: 1.0, 3).body, Custom)
    with pytest.raises(InputError, match="must give finite factors of at least 0, got -1"):
        Then(Constant(), lambda step: -1, at=1)(1)


@pytest.mark.parametrize(
    "schedule",
    [
        StableDecay(None, shape="sqrt", floor=0.1),
        Warmup(StableDecay(None, shape="sqrt", floor=0.1), 10),
        Then(Linear(10), StableDecay(None, shape="sqrt", floor=0.1), at=10),
    ],
    ids=repr,
)
def test_an_open_end_cools_down_with_its_own_shape(schedule):
    """A begun cooldown keeps what was before it and takes shape and floor from the open-ended part."""
    cooled = cool_down(schedule, 20, at=50)

    assert [cooled(t) for t in range(50)] == [schedule(t) for t in range(50)]
    assert [cooled(50 + s) for s in (0, 5, 20, 99)] == pytest.approx([1.0, 0.1 + 0.9 * 0.5, 0.1, 0.1])


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (Warmup(Cosine(90), 1), "warm-up over 1 step, then a cosine to zero at step 91"),
        (Then(Constant(), Linear(50), at=100), "a constant rate until step 100, then linear decay to zero at step 150"),
        (Epochwise(Linear(90), 391), "linear decay to zero at step 90, each step an epoch of 391 steps"),
    ],
)
def test_words_follow_the_parts(schedule, text):
    """A description of a composition is that of its parts in order."""
    assert describe(schedule) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Warmup(Linear(5), -1), "`steps` must be a whole number of at least 0, got -1"),
        (lambda: Warmup(Linear, 5), "`body` must be a schedule or a function of the step, got <class"),
        (lambda: Then(Linear(5), None, at=5), "`second` must be a schedule or a function of the step, got None"),
        (lambda: Then(Then(Linear(5), Constant(), at=9), Constant(), at=9), "`at` must exceed .* own `at`=9, got 9"),
        (
            lambda: Then(Warmup(ReduceOnPlateau(), 5), Constant(), at=9),
            "`first` must follow the step alone, got Warmup",
        ),
        (lambda: Epochwise(ReduceOnPlateau(), 5), "`body` must follow the step alone, got ReduceOnPlateau"),
        (lambda: Epochwise(Linear(5), 0), "`steps_per_epoch` must be a positive whole number, got 0"),
        (lambda: cool_down(Linear(5), 3, at=1), "`schedule` must be open-ended to cool down, got Linear"),
        (lambda: cool_down(Warmup(StableDecay(None), 9), 3, at=8), "`at` must be at least 9, where the flat part"),
        (lambda: cool_down(Then(Linear(9), StableDecay(None), at=9), 3, at=8), "`at` must be at least 9, where"),
        (lambda: cool_down(StableDecay(None), 0, at=8), "`steps` must be a positive whole number, got 0"),
    ],
)
def test_senseless_parts_are_rejected(make, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        make()
