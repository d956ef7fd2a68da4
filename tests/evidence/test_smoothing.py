"""The smooth curve: no lag, no bias, the right deviation, and whether it falls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import descent, noise, recorded

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.smoothing import smooth
from lrfinder.search.sweep import exponential_range


def after_each_step(losses):
    """A completed curve whose losses were measured after each step, so that no pairing shifts it."""
    return Curve(exponential_range(1e-7, 10.0, len(losses)), losses, after=losses)


def ramp(seed, knee, noise, steps=100):
    """One, then from the knee on a straight fall (in log LR) to zero; noise as a part of the fall."""
    fall = np.clip((np.arange(steps) - knee) / (steps - 1 - knee), 0, None)
    return (1 - fall + noise * np.random.default_rng(seed).normal(size=steps)).tolist()


def knee_of(slopes):
    """Where the slope in the middle third is nearest to the mean of the slopes of the two outer thirds."""
    third = len(slopes) // 3
    middle = (np.median(slopes[:third]) + np.median(slopes[-third:])) / 2
    return third + int(np.argmin(np.abs(np.asarray(slopes[third:-third]) - middle)))


@pytest.mark.parametrize("knee", [45, 50, 55])
def test_the_knee_of_a_ramp_is_recovered_to_one_grid_step_without_lag(knee):
    """With noise of a fiftieth it lies within one rate of the true one in 95 %, too late as often as too early."""
    errors = [knee_of(smooth(after_each_step(ramp(seed, knee, 1 / 50))).slopes) - knee for seed in range(50)]

    assert sum(abs(error) <= 1 for error in errors) >= 0.95 * len(errors)
    assert abs(np.mean(errors)) < 0.3


def test_a_mirrored_curve_gives_the_mirrored_answer():
    """The smoother has no direction: neither lag nor a bias at the start."""
    losses = ramp(0, 50, 1 / 50)

    there, back = smooth(after_each_step(losses)), smooth(after_each_step(losses[::-1]))

    assert back.losses[::-1] == pytest.approx(there.losses, abs=1e-9)
    assert [-slope for slope in back.slopes[::-1]] == pytest.approx(there.slopes, abs=1e-9)


def test_a_straight_line_passes_unchanged():
    """On a line in log LR the smooth losses are the losses and the slope is per unit of ln(lr)."""
    losses = [3.0 - 0.02 * i for i in range(100)]

    s = smooth(after_each_step(losses))

    assert s.losses == pytest.approx(losses, abs=1e-9)
    assert s.slopes == pytest.approx([-0.02 * 99 / np.log(1e8)] * 100, rel=1e-6)


def test_slopes_are_the_derivative_of_the_smooth_losses():
    """A finite difference of the smooth losses against ln(lr) gives the slopes between."""
    s = smooth(recorded(descent()))

    numeric = np.diff(s.losses) / np.diff(np.log(s.lrs))

    assert numeric == pytest.approx((np.array(s.slopes[1:]) + np.array(s.slopes[:-1])) / 2, abs=0.01)


def test_noise_is_averaged_away():
    """The smooth curve has less than half of the noise that was put in, and its `deviation` is that noise."""
    truth = descent(noise=0.0)[1:41]

    s = smooth(recorded(descent(noise=0.05)))

    assert np.std(np.array(s.losses[:40]) - truth) < 0.025
    assert s.deviation == pytest.approx(0.05, rel=0.25)


def test_one_spike_hardly_moves_the_curve():
    """A batch with a loss of a thousand does not pull the smooth curve up."""
    losses = descent(noise=0.01)
    spiked = [*losses[:40], 1000.0, *losses[41:]]

    assert smooth(recorded(spiked)).losses == pytest.approx(smooth(recorded(losses)).losses, abs=0.05)


def test_the_blow_up_is_not_smoothed():
    """The smooth curve ends where the loss last stood below half of its fall."""
    curve = recorded(descent())

    assert curve.stopped == "diverged"
    assert max(smooth(curve).losses) < 2.4


@pytest.mark.parametrize(("losses", "enough"), [(8, False), (9, True)])
def test_fewer_than_eight_pairs_are_not_smoothed(losses, enough):
    """Eight pairs of rate and result take nine losses; with fewer there is no smooth curve."""
    curve = Curve(exponential_range(1e-3, 1.0, 10)[:losses], [1.0 - 0.1 * i for i in range(losses)])

    assert (smooth(curve) is not None) is enough


def test_a_trend_is_a_fall_beyond_the_noise():
    """A constant loss is flat, a drop of many deviations falls, and of fifty curves of noise at most three do."""
    trends = [smooth(recorded(noise(seed))).trend for seed in range(50)]

    assert smooth(after_each_step([0.25] * 50)).trend == "flat"
    assert smooth(recorded(descent())).trend == "falling"
    assert trends.count("falling") <= 3


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    losses=st.lists(st.floats(-1e12, 1e12), min_size=10, max_size=60),
    scale=st.sampled_from([1e-12, 1.0, 1e12, 1e60]),
)
def test_any_finite_losses_are_smoothed_to_finite_ones(losses, scale):
    """Huge, tiny, negative and wild losses give finite smooth losses, slopes and deviation."""
    s = smooth(after_each_step([loss * scale for loss in losses]))

    assert np.isfinite([*s.losses, *s.slopes, s.deviation, s.drop]).all()
