"""The sweep and its range: what is recorded, and what ends it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quadratic import QuadraticLoop
from torch import nn
from twins import Notes

from lrfinder import InputError, TorchLoop
from lrfinder.search.sweep import exponential_range, sweep

LRS = exponential_range(1e-4, 100.0, 60)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    low=st.floats(1e-12, 1e6),
    decades=st.floats(0.01, 12),
    steps=st.integers(10, 1000),
)
def test_a_range_has_exact_ends_and_one_ratio(low, decades, steps):
    """Both ends are the numbers asked for, and every ratio is the same, the first and the last included."""
    lrs = exponential_range(low, low * 10**decades, steps)

    ratios = np.diff(np.log(lrs))

    assert (lrs[0], lrs[-1], len(lrs)) == (low, low * 10**decades, steps)
    assert ratios == pytest.approx(np.full(steps - 1, ratios.mean()), rel=1e-6)


def test_a_range_spans_all_that_floats_hold():
    """Ends six hundred decades apart do not overflow, and NumPy's numbers leave plain floats behind."""
    assert exponential_range(1e-300, 1e300, 13)[6] == pytest.approx(1.0)
    assert {type(lr) for lr in exponential_range(np.float32(1e-3), np.float64(1.0), np.int64(10))} == {float}


def test_the_rate_recorded_is_the_rate_used():
    """Every rate of the curve is the one that the loop stepped at, and `on_step` gets it with its loss."""
    loop, seen = QuadraticLoop(), []

    curve = sweep(loop, LRS, on_step=lambda lr, loss: seen.append((lr, loss)))

    assert curve.lrs == loop.rates
    assert seen == list(zip(curve.lrs, curve.losses, strict=True))


def test_losses_are_raw_and_before_the_update():
    """The losses are those of gradient descent at the rates before, to the last bit."""
    curve = sweep(QuadraticLoop(h=2.0), LRS)

    theta, expected = 1.0, []
    for lr in curve.lrs:
        expected.append(2.0 * theta**2 / 2)
        theta -= lr * 2.0 * theta
    assert curve.losses == expected


@pytest.mark.parametrize(("h", "stopped"), [(2.0, "diverged"), (1e-3, "completed")])
def test_an_explosion_stops_the_sweep(h, stopped):
    """Above 2/h the loss grows, and the sweep ends before the range does; below it every rate is tried."""
    curve = sweep(QuadraticLoop(h=h), LRS)

    assert curve.stopped == stopped
    assert (curve.lrs == LRS) == (stopped == "completed")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e101])
def test_a_loss_that_is_not_finite_ends_the_sweep(bad):
    """NaN and infinity are not recorded, nor what is as good as infinite; the curve ends before them."""
    curve = sweep(QuadraticLoop(script=[1.0, 0.9, 0.8, bad]), LRS)

    assert (curve.stopped, curve.losses) == ("non_finite", [1.0, 0.9, 0.8])


def test_a_first_loss_that_is_not_finite_is_refused():
    """NaN on the very first batch has nothing to do with the learning rate."""
    with pytest.raises(InputError, match="the loss of the very first batch must be finite, got nan"):
        sweep(QuadraticLoop(script=[math.nan]), LRS)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, -1.0), (1.0, -1e3), (1.0, 1e3), (1e12, 0.0), (1e-12, 0.0)])
def test_the_scale_and_the_zero_of_the_loss_do_not_matter(scale, shift):
    """A negative loss, one of a trillion and one of a trillionth diverge at the same rate, and are plain floats."""
    plain = sweep(QuadraticLoop(), LRS)
    losses = [np.float64(scale * loss + shift) for loss in plain.losses[:-1]] + [torch.tensor(scale * plain.losses[-1])]

    moved = sweep(QuadraticLoop(script=[*losses, math.nan]), LRS)

    assert (moved.stopped, moved.lrs) == (plain.stopped, plain.lrs)
    assert {type(loss) for loss in moved.losses} == {float}


@pytest.mark.parametrize(("steps", "rates"), [(41, 6), (42, 7)])
def test_the_fall_must_stay_lost_for_six_tenths_of_a_decade(steps, rates):
    """That is six rates of ten per decade, seven of a few more; the median of three losses is one rate late."""
    script = [2.3 - 0.1 * i for i in range(15)] + [2.3] * 27

    curve = sweep(QuadraticLoop(script=script), exponential_range(1e-4, 1.0, steps))

    assert len(curve) == 15 + 1 + rates


def test_a_network_driven_to_death_counts_as_diverged():
    """A ReLU net killed by its rate stays at the loss of a zero output, never above its start, and the sweep stops."""
    x = torch.rand(64, 8)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1, bias=False))
    dead = Notes()
    model[1].register_forward_hook(lambda _, __, output: dead.append(not output.any()))
    loop = TorchLoop(model, [(x, x.sum(1, keepdim=True))], optimizer=torch.optim.Adam(model.parameters()))

    with loop.preserved():
        curve = sweep(loop, exponential_range(1e-5, 100.0, 100))

    assert dead.items[-1]
    assert (curve.stopped, max(curve.losses)) == ("diverged", curve.losses[0])


@pytest.mark.parametrize(("skips", "losses", "drawn"), [(8, [1.0, 0.9], 11), (9, [1.0], 10)])
def test_a_skipped_update_is_repeated_on_the_next_batch(skips, losses, drawn):
    """Eight skips in a row are not recorded, and the rate is tried again; the ninth ends the sweep."""
    loop = QuadraticLoop(script=[1.0, *[None] * skips, 0.9, math.nan])

    curve = sweep(loop, LRS)

    assert (curve.losses, curve.lrs, loop.drawn) == (losses, LRS[: len(losses)], drawn)
    assert curve.stopped == "non_finite"


def test_the_end_is_agreed_among_ranks():
    """Where another rank has diverged this one stops too, though its own losses are fine."""
    loop = QuadraticLoop(h=1e-3)
    loop.agree = lambda flag: flag or len(loop.rates) == 20

    curve = sweep(loop, LRS)

    assert (curve.stopped, len(curve)) == ("diverged", 20)
