"""When a sweep has diverged, and at which rate that began."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import descent, noise, recorded

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import Divergence, before_blow_up, noise_of, onset

DENSITY = 12.5


def diverged_after(losses, density=DENSITY):
    """How many losses it takes until the sweep has diverged, or None."""
    divergence = Divergence(density)
    return next((i + 1 for i, loss in enumerate(losses) if divergence.add(loss)), None)


@pytest.mark.parametrize(
    ("scale", "shift"), [(1e12, 0), (10.0, 0), (1e-6, 0), (1e-12, 0), (1.0, 100.0), (1.0, -2.3), (1.0, -100.0)]
)
def test_divergence_depends_neither_on_the_scale_of_the_loss_nor_on_its_sign(scale, shift):
    """A loss in the trillions, one of a trillionth and one below zero diverge at the same rate."""
    losses = descent()

    assert diverged_after([scale * loss + shift for loss in losses]) == diverged_after(losses)


HUMP = [2.0] * 10 + [2.0 - 0.1 * i for i in range(15)] + [1.6] * 4 + [0.5 - 0.01 * i for i in range(20)]
SPIKED = [*descent()[:40], 1000.0, *descent()[41:60]]
SWEPT = {"a constant": [0.7] * 200, "one outlier": SPIKED, "a hump of a third of a decade": HUMP}
SWEPT |= {f"noise {seed}": noise(seed) for seed in range(50)}


@pytest.mark.parametrize("losses", SWEPT.values(), ids=SWEPT)
def test_what_is_no_divergence_is_swept_to_its_end(losses):
    """Neither noise nor a flat loss, a single high loss or half of the descent lost for a moment ends a sweep."""
    assert diverged_after(losses) is None


@pytest.mark.parametrize("density", [6.25, DENSITY, 25.0])
def test_a_dead_plateau_counts_as_diverged(density):
    """A loss that fell and then stays where it began, without exploding, has diverged within a decade."""
    fall = [2.3 - 0.05 * i for i in range(30)]

    ended = diverged_after(fall + [2.29 + 1e-3 * math.sin(i) for i in range(200)], density)

    assert ended is not None
    assert 30 < ended <= 30 + density + 3


def test_noise_is_measured_about_the_trend():
    """A straight line has the deviation of its slope, not of its range; noise of 0.1 has that of 0.1."""
    assert noise_of([2.0 - 1e-3 * i for i in range(2000)]) < 2e-3
    assert noise_of(noise(0, 2000)) == pytest.approx(0.1, rel=0.1)


def test_a_curve_without_divergence_has_no_onset():
    """Where nothing diverged, or there is no finite loss, there is no rate that began it."""
    curve = Curve([1e-3, 1e-2, 1e-1], [3.0, 2.0, 9.0])

    assert (onset(curve), before_blow_up(curve)) == (None, 3)
    assert onset(Curve([], [], stopped="non_finite")) is None


def test_the_onset_is_the_foot_of_the_rise():
    """The rate whose update led from the last low loss to the first higher one began the blow-up."""
    lrs = [10.0 ** (i - 7) for i in range(8)]

    assert onset(Curve(lrs, [5, 5, 4, 2, 1, 2, 9, 99], stopped="diverged")) == lrs[4]


def test_the_onset_on_a_noisy_flat_curve_is_near_the_blow_up():
    """Where the loss did not fall, the lowest of many noisy losses does not pass for the last good one."""
    onsets = [onset(recorded(noise(s)[:80] + [1.0 + 2.0**i / 50 for i in range(20)])) for s in range(50)]

    assert min(onsets) > 0.05


@settings(derandomize=True, deadline=None, max_examples=200)
@given(losses=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60))
def test_any_finite_losses_have_an_onset_in_the_range(losses):
    """Whatever the losses, the onset is one of the rates that were used, or None."""
    lrs = [10.0 ** (-7 + i / 10) for i in range(len(losses))]
    curve = Curve(lrs, losses, stopped="diverged")

    diverged_after(losses)

    assert onset(curve) in lrs
    assert 0 < before_blow_up(curve) <= len(losses)
