import math

import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import Linear, StableDecay, describe


@pytest.mark.parametrize(
    ("shape", "height"),
    [
        ("linear", lambda x: 1 - x),
        ("sqrt", lambda x: 1 - math.sqrt(x)),
        ("cosine", lambda x: (1 + math.cos(math.pi * x)) / 2),
    ],
)
def test_the_cooldown_has_its_shape(shape, height):
    """The peak until the cooldown, then the shape of its progress, scaled to end at the floor."""
    schedule = StableDecay(100, cooldown=0.25, shape=shape, floor=0.2)

    assert {schedule(t) for t in range(76)} == {1.0}
    assert [schedule(75 + s) for s in range(26)] == pytest.approx([0.2 + 0.8 * height(s / 25) for s in range(26)])


def test_a_cooldown_over_everything_is_the_line():
    """With a cooldown of 1 nothing is flat."""
    stable, line = StableDecay(30, cooldown=1.0, floor=0.1), Linear(30, floor=0.1)

    assert [stable(t) for t in range(40)] == [line(t) for t in range(40)]


def test_hugging_face_warmup_stable_decay_is_the_same_after_its_climb():
    """Hugging Face's decay type linear over D steps is (D - s) / D at the s-th step of the decay."""
    schedule = StableDecay(50, cooldown=0.2)

    assert [schedule(40 + s) for s in range(11)] == pytest.approx([(10 - s) / 10 for s in range(11)])


def test_a_cooldown_lasts_a_step_at_least():
    """A tiny fraction is one step, not none."""
    assert StableDecay(10, cooldown=0.001).cooldown_steps == 1
    assert StableDecay(None).cooldown_steps == 0


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (StableDecay(None), "a constant rate until a cooldown is begun"),
        (StableDecay(10, 1.0, "sqrt"), "a square-root cooldown over 10 steps to zero at step 10"),
        (StableDecay(10), "a constant rate until step 8, then a linear cooldown over 2 steps to zero at step 10"),
    ],
)
def test_words_name_the_cooldown(schedule, text):
    """A description names where the cooldown begins and ends."""
    assert describe(schedule) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StableDecay(0), "`steps` must be a positive whole number, got 0"),
        (lambda: StableDecay(10, cooldown=0), r"`cooldown` must be a number in \(0, 1\], got 0"),
        (lambda: StableDecay(10, shape="exp"), "`shape` must be one of linear, sqrt, cosine, got 'exp'"),
        (lambda: StableDecay(10, floor=1.1), r"`floor` must be a number in \[0, 1\], got 1.1"),
    ],
)
def test_senseless_parameters_are_rejected(make, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        make()
