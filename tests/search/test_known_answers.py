"""Trainings whose answer is known on paper, through the verb itself (float64, no noise)."""

import math

import pytest
import torch
from quadratic import Quadratic, swept
from torch import nn

SGD, ADAM = torch.optim.SGD, torch.optim.Adam


def ratio(found):
    """The ratio of neighbouring rates where the sweep diverges."""
    return found.curve.lrs[-1] / found.curve.lrs[-2]


@pytest.mark.parametrize("steps", [50, 100, 400])
@pytest.mark.parametrize("h", [1e-3, 0.7, 2.0, 1e3])
def test_one_curvature_diverges_within_one_rate_of_its_limit(h, steps):
    """Gradient descent on h theta**2 / 2 is unstable above 2/h: the onset is the first rate above it."""
    found = swept(Quadratic(h), steps=steps, lr_min=1e-5 / h, lr_max=1e3 / h)

    assert 1 <= found.evidence.diverged_at / (2 / h) <= ratio(found)


@pytest.mark.parametrize("steps", [50, 100, 400])
@pytest.mark.parametrize("curvatures", [(1e-3, 1.0), (0.01, 0.1, 1.0), (0.1, 0.3, 0.6, 1.0), (0.5, 1.0)])
def test_many_curvatures_show_their_limit_late_but_within_a_factor_eight(curvatures, steps):
    """The stiffest mode has decayed to nothing when the rate passes 2/L, and first has to grow back into sight."""
    found = swept(Quadratic(*curvatures), steps=steps, lr_min=1e-5, lr_max=1e3)

    assert 1 <= found.evidence.diverged_at / (2 / max(curvatures)) <= 8


@pytest.mark.parametrize("steps", [100, 200, 400])
@pytest.mark.parametrize(
    ("h", "dampening", "limit"), [(0.5, 0, 7.6), (2.0, 0, 1.9), (30.0, 0, 3.8 / 30), (1.0, 0.9, 38)]
)
def test_the_heavy_ball_limit_is_found_within_a_factor_of_one_and_a_half(h, dampening, limit, steps):
    """Momentum 0.9 is unstable above 2 (1 + 0.9) / h = 3.8/h; with dampening 0.9, an average as Adam's, above 38/h.

    Below it the ball swings, so the foot of the last rise lies up to one swing under the limit, or, since a swing may
    pass zero just above it, a little over. A range of fewer than 12 rates per decade is too coarse to follow a swing.
    """
    options = {"momentum": 0.9, "dampening": dampening}

    found = swept(Quadratic(h), options=options, steps=steps, lr_min=1e-5 / h, lr_max=1e3 / h, rule="divergence")

    assert 1 / 1.5 <= found.evidence.diverged_at / limit <= 1.5


class Tanh(nn.Module):
    """A small non-convex regression, its loss multiplied by `factor` and its weights stored as phi = theta / scale."""

    def __init__(self, factor=1.0, scale=1.0):
        super().__init__()
        streams = torch.Generator().manual_seed(3)
        self.x = torch.randn(32, 4, dtype=torch.float64, generator=streams)
        self.y = torch.sin(self.x.sum(1))
        self.inner = nn.Parameter(torch.randn(4, 6, dtype=torch.float64, generator=streams) / scale)
        self.outer = nn.Parameter(torch.randn(6, dtype=torch.float64, generator=streams) / scale)
        self.factor, self.scale = factor, scale

    def forward(self, _):
        output = torch.tanh(self.x @ (self.scale * self.inner)) @ (self.scale * self.outer)
        return self.factor * ((output - self.y) ** 2).mean()


def tanh_lr(optimizer, *, lr_factor=1.0, options=None, **model):
    """The rate found for `Tanh`, its sweep's ends scaled along."""
    return swept(Tanh(**model), optimizer, options=options, lr_min=1e-7 * lr_factor, lr_max=100.0 * lr_factor).lr


EXACT = {"eps": 0.0}
SCALED = [
    (SGD, {}, {"factor": 10.0}, 0.1),
    (SGD, {"momentum": 0.9}, {"factor": 10.0}, 0.1),
    (SGD, {}, {"scale": 4.0}, 1 / 16),
    (SGD, {}, {"scale": 0.1}, 100.0),
    (ADAM, EXACT, {"factor": 100.0}, 1.0),
    (ADAM, EXACT, {"factor": 1e-3}, 1.0),
    (ADAM, EXACT, {"scale": 4.0}, 1 / 4),
    (ADAM, EXACT, {"scale": 0.1}, 10.0),
]


@pytest.mark.parametrize(("optimizer", "options", "model", "lr_factor"), SCALED)
def test_the_rate_scales_as_the_steps_of_the_optimizer_do(optimizer, options, model, lr_factor):
    """A loss f -> c f gives lr / c, and theta = s phi gives lr / s**2, for gradient descent; lr and lr / s for Adam."""
    plain = tanh_lr(optimizer, options=options)

    scaled = tanh_lr(optimizer, options=options, lr_factor=lr_factor, **model)

    assert scaled == pytest.approx(plain * lr_factor, rel=1e-3)


DENSITIES = (12.5, 25, 50)


def at_density(points_per_decade, **options):
    """A sweep over the eight decades about the limit of h = 2, so many rates to the decade."""
    return swept(Quadratic(2.0), steps=round(8 * points_per_decade) + 1, lr_min=1e-6, lr_max=100.0, **options)


@pytest.mark.parametrize("density", DENSITIES)
def test_the_steepest_point_follows_the_speed_of_the_sweep(density):
    """It lies at ln(r) / (2 h), up to half a step and to what the smoothing takes towards the gentler side."""
    expected = math.log(10) / density / (2 * 2.0)

    found = at_density(density, rule="steepest").suggestions["steepest"]

    assert math.log10(found / expected) == pytest.approx(0, abs=0.1 + 0.5 / density)


def test_the_suggestion_does_not_follow_the_speed_of_the_sweep():
    """From 12.5 to 50 rates per decade `lr` stays within 0.1 decades."""
    rates = [math.log10(at_density(density).lr) for density in DENSITIES]

    assert max(rates) - min(rates) <= 0.1
