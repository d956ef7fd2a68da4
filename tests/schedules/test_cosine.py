import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder.errors import InputError
from lrfinder.schedules import Cosine, WarmRestarts, Warmup, describe


def test_cosine_is_half_a_period():
    """At half of the way a half period is at one half; a quarter period would be at 0.707."""
    assert Cosine(100)(50) == pytest.approx(0.5)


def test_hugging_face_starts_its_warm_up_at_zero():
    """Hugging Face's warm-up is t / W and its cosine starts at W; ours is one step ahead in the climb, equal after."""
    warmup, steps = 10, 100

    def hugging_face(t: int) -> float:
        if t < warmup:
            return t / warmup
        progress = (t - warmup) / (steps - warmup)
        return max(0.0, 0.5 * (1 + math.cos(math.pi * progress)))

    schedule = Warmup(Cosine(steps - warmup), warmup)

    assert [schedule(t) for t in range(warmup)] == pytest.approx([hugging_face(t + 1) for t in range(warmup)])
    assert [schedule(t) for t in range(warmup, steps + 1)] == pytest.approx(
        [hugging_face(t) for t in range(warmup, steps + 1)], abs=1e-12
    )
    assert hugging_face(steps + 40) > 0.4
    assert schedule(steps + 40) == 0


def test_keras_cosine_decay_is_the_same_curve():
    """Keras' CosineDecay(decay_steps=1000, alpha=0.1) is at 0.55 after 500 steps and held at 0.1 from 1,000 on."""
    schedule = Cosine(1000, floor=0.1)

    assert [schedule(t) for t in (500, 1000, 2000)] == pytest.approx([0.55, 0.1, 0.1])


def test_keras_restarts_scale_each_cycle():
    """Keras' CosineDecayRestarts(10, t_mul=2, m_mul=0.5, alpha=0.2): alpha + (1 - alpha) m_mul**i half a wave."""
    schedule = WarmRestarts(10, multiplier=2, floor=0.2, decay=0.5)

    assert [schedule(t) for t in (0, 5, 10, 20, 30, 50)] == pytest.approx([1.0, 0.6, 0.6, 0.4, 0.4, 0.3])


@pytest.mark.parametrize(
    ("steps", "cycles", "multiplier"), [(70, 3, 2), (100, 3, 1), (100, 4, 1.5), (7, 3, 2), (1, 1, 9)]
)
def test_fitted_cycles_end_with_the_training(steps, cycles, multiplier):
    """A fitted schedule's last cycle covers the last step, and the step after it starts again at the top."""
    schedule = WarmRestarts.fit(steps, cycles, multiplier)

    assert schedule._cycle_at(steps - 1)[0] == cycles - 1
    assert schedule(steps) == pytest.approx(1.0)


def test_cycles_are_alike_unless_told():
    """Each is as long as the first and starts at the peak."""
    schedule = WarmRestarts(10)

    assert [schedule(t) for t in (0, 5, 10, 15, 30, 35)] == pytest.approx([1.0, 0.5] * 3)
    assert WarmRestarts.fit(40, cycles=4) == schedule
    assert describe(schedule) == "cosines to zero over 10 steps"


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_cycles_of_whole_steps_begin_on_whole_steps(multiplier):
    """The k-th cycle begins exactly at the sum of the earlier ones, however late."""
    schedule, start = WarmRestarts(10, multiplier), 0
    for cycle in range(12):
        assert schedule._cycle_at(start) == (cycle, pytest.approx(0.0, abs=1e-12))
        assert start == 0 or schedule._cycle_at(start - 1)[0] == cycle - 1
        start += 10 * multiplier**cycle


def test_words_say_how_cycles_change():
    """A description names the length of the first cycle and what happens to the next ones."""
    text = describe(WarmRestarts(10, multiplier=2, decay=0.5))

    assert text == "cosines to zero over 10 steps, each 2 times as long as the one before, each from 0.5 times as high"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cosine(0), "`steps` must be a positive whole number, got 0"),
        (lambda: Cosine(10, floor=2), r"`floor` must be a number in \[0, 1\], got 2"),
        (lambda: WarmRestarts(0.5), "`first_cycle` must be a finite number of at least 1, got 0.5"),
        (lambda: WarmRestarts(10, multiplier=0.5), "`multiplier` must be a finite number of at least 1, got 0.5"),
        (lambda: WarmRestarts(10, decay=0), r"`decay` must be a number in \(0, 1\], got 0"),
        (lambda: WarmRestarts.fit(6, 3, 2), "`cycles` must leave a step for the first one, got 3 for 6 steps"),
        (lambda: WarmRestarts.fit(6, 0), "`cycles` must be a positive whole number, got 0"),
    ],
)
def test_senseless_parameters_are_rejected(make, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        make()


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
