"""Every family against torch's own scheduler of the same settings, up to where torch's leaves the formula."""

import math
import random

import pytest
import torch
from torch.optim import lr_scheduler as torch_lr

from lrfinder.schedules import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    OneCycle,
    PlateauState,
    Polynomial,
    ReduceOnPlateau,
    StepDecay,
    Triangular,
    WarmRestarts,
)
from lrfinder.training.scheduler import attach

PEAK = 0.7


def sgd():
    """An optimizer that does nothing, at the peak."""
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=PEAK)


def rates(optimizer, scheduler, steps):
    """The rate of each of so many steps, as factors of the peak."""
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"] / PEAK)
        optimizer.step()
        scheduler.step()
    return used


def torchs(make, steps):
    """The factors of torch's own scheduler."""
    optimizer = sgd()
    return rates(optimizer, make(optimizer), steps)


CASES = [
    (StepDecay(0.3, every=7), lambda o: torch_lr.StepLR(o, 7, gamma=0.3), 60),
    (StepDecay(0.5, milestones=(3, 4, 30)), lambda o: torch_lr.MultiStepLR(o, [3, 4, 30], gamma=0.5), 60),
    (Exponential(0.93), lambda o: torch_lr.ExponentialLR(o, gamma=0.93), 200),
    (Polynomial(40, power=2.3), lambda o: torch_lr.PolynomialLR(o, 40, power=2.3), 60),
    (Polynomial(40, power=0.5), lambda o: torch_lr.PolynomialLR(o, 40, power=0.5), 60),
    (Linear(40, floor=0.1), lambda o: torch_lr.LinearLR(o, 1.0, 0.1, total_iters=40), 60),
    (Linear(40), lambda o: torch_lr.LinearLR(o, 1.0, 0.0, total_iters=40), 60),
    (Constant(), lambda o: torch_lr.ConstantLR(o, factor=1.0), 20),
    (Cosine(50, floor=0.1), lambda o: torch_lr.CosineAnnealingLR(o, 50, eta_min=0.1 * PEAK), 51),
    (Cosine(1), lambda o: torch_lr.CosineAnnealingLR(o, 1), 2),
    (WarmRestarts(10), lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 10), 200),
    (WarmRestarts(3, 2, floor=0.2), lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 3, 2, eta_min=0.2 * PEAK), 900),
    (WarmRestarts(7, 3), lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 7, 3), 900),
    (Triangular(9, base=0.1), lambda o: cyclic(o, 9, 0.1, "triangular", 1.0), 100),
    (Triangular(4, 0.05, "triangular2"), lambda o: cyclic(o, 4, 0.05, "triangular2", 1.0), 100),
    (Triangular(8, 0.3, "exp_range", 0.97), lambda o: cyclic(o, 8, 0.3, "exp_range", 0.97), 100),
    (OneCycle(100), lambda o: one_cycle(o, 100, 0.3, 25.0, 1e4), 100),
    (OneCycle(40, rise=0.25, start=0.1, end=0.001), lambda o: one_cycle(o, 40, 0.25, 10.0, 100.0), 40),
]


def cyclic(optimizer, half_cycle, base, mode, gamma):
    """Torch's triangles without momentum."""
    return torch_lr.CyclicLR(
        optimizer, base * PEAK, PEAK, step_size_up=half_cycle, mode=mode, gamma=gamma, cycle_momentum=False
    )


def one_cycle(optimizer, steps, rise, division, final_division):
    """Torch's single cycle without momentum."""
    return torch_lr.OneCycleLR(
        optimizer,
        PEAK,
        total_steps=steps,
        pct_start=rise,
        div_factor=division,
        final_div_factor=final_division,
        cycle_momentum=False,
    )


@pytest.mark.parametrize(("schedule", "make", "steps"), CASES, ids=[repr(schedule) for schedule, _, _ in CASES])
def test_the_same_settings_give_the_same_rates(schedule, make, steps):
    """The factors, and the rates through the adapter, are torch's to the twelfth digit."""
    expected = torchs(make, steps)
    optimizer = sgd()

    assert [schedule(t) for t in range(steps)] == pytest.approx(expected, abs=1e-12, rel=0)
    assert rates(optimizer, attach(optimizer, schedule), steps) == pytest.approx(expected, abs=1e-12, rel=0)


def test_after_the_end_torchs_cosine_rises_and_ours_does_not():
    """Fifty steps after its end torch's cosine is back at the peak; the schedule is at its floor."""
    factors = torchs(lambda o: torch_lr.CosineAnnealingLR(o, 50), 101)

    assert factors[100] > 0.9
    assert Cosine(50)(100) == 0.0


def metrics(seed, better):
    """A noisy metric that improves for a while and then stalls, with ties."""
    draw = random.Random(seed)
    return [round(better(math.exp(-t / 20) + 0.2 * draw.random() + 0.5), 2) for t in range(150)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("patience", [0, 1, 2, 7])
@pytest.mark.parametrize("cooldown", [0, 1, 4])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateaus_cut_exactly_when_torch_cuts(seed, patience, cooldown, mode):
    """On a noisy stalling metric each cut falls on the check on which torch cuts."""
    settings = {"factor": 0.7, "patience": patience, "threshold": 0.01, "mode": mode, "cooldown": cooldown}
    plateau, state, optimizer = ReduceOnPlateau(**settings, floor=0.01), PlateauState(), sgd()
    reference = torch_lr.ReduceLROnPlateau(optimizer, **settings, min_lr=0.01 * PEAK, eps=0.0)
    for metric in metrics(seed, lambda value: value if mode == "min" else 2 - value):
        factor, state = plateau.update(state, metric)
        reference.step(metric)

        assert factor * PEAK == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12, rel=0)
    assert state.cuts > 0
