import pytest

from lrfinder.schedules import (
    Constant,
    Cosine,
    Epochwise,
    Linear,
    ReduceOnPlateau,
    StableDecay,
    Then,
    Warmup,
    cool_down,
)
from lrfinder.schedules.base import span_of
from lrfinder.schedules.compose import plateau_in


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
    """The steps of the warm-ups before it add up."""
    plateau = ReduceOnPlateau()

    assert plateau_in(plateau) == (plateau, 0)
    assert plateau_in(Warmup(Warmup(plateau, 5), 3)) == (plateau, 8)
    assert plateau_in(Warmup(Linear(5), 3)) is None


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
