"""Tuning on trainings whose best peak is known exactly: pilots find it, and the suggestion is near it."""

import math
import statistics
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from builders import horizon
from least_squares import LeastSquares, Recursion, best_peak, error_after
from quadratic import QuadraticLoop
from torch import nn

from lrfinder.schedules import Constant, Cosine, Linear
from lrfinder.search.explore import explore
from lrfinder.search.pilot import draw_pilot, next_about_best
from lrfinder.search.trial import warmup_and_linear
from lrfinder.tune import tune_loop, tune_lr

COLUMNS, KAPPA, NOISE = 20, 3.625, 0.3
ONE_NOISY = {"slope": 2.0, "bend": 4.0, "noise": 0.5}
SHAPES = {"constant": lambda steps: Constant(), "linear": Linear, "cosine": Cosine}
SHORT = 51
"""Steps of the one pilot that 300 steps pay for: a training as short needs no correction for its length."""


FAR = pytest.mark.xfail(
    reason="One exponent carries the peak to every length, 0.2; where noise has taken over it is 0.9.",
    raises=AssertionError,
    strict=True,
)


def tuned(loop, schedule, total_steps, **options):
    """What tuning finds, in 300 steps unless another budget is given."""
    return tune_loop(
        loop, **{"total_steps": total_steps, "schedule": schedule, "budget": 300, "progress": False, **options}
    )


def is_near(found, best):
    """Whether a suggestion is at most a little above a best peak, and no more than a decade and a bit below.

    What turns trials into a peak was learned from networks, whose trainings are longer and noisier than these, and too
    low costs less than too high.
    """
    return found.lr is not None and best / 15 <= found.lr <= 2 * best


def piloted(loop, steps, shape, first_peak, budget=math.inf):
    """A pilot of one epoch, with as many trials as it wants."""
    with loop.preserved() as snapshot:
        batches, about = (
            draw_pilot(loop, steps, horizon(steps)),
            {"first_peak": first_peak, "next_peak": next_about_best},
        )
        return explore(loop, snapshot, batches, **about, shape=shape, budget=budget)


@pytest.mark.parametrize("schedule", [Constant(), Linear(1_000)], ids=["constant", "linear"])
@pytest.mark.parametrize("theta", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("h", [1e-3, 1.0, 1e3])
def test_the_answer_scales_with_the_curvature(h, theta, schedule):
    """Neither the start nor the curvature moves lr x h, but for rounding where several trials end at zero.

    At a constant rate 1 / h is best and 2 / h too much.
    """
    loop = QuadraticLoop(h=h)
    loop.theta = theta

    found = tuned(loop, schedule, 1_000, lr_min=1e-4 / h, lr_max=1e4 / h)

    unit = tuned(QuadraticLoop(h=1.0), schedule, 1_000, lr_min=1e-4, lr_max=1e4)
    assert found.lr * h == pytest.approx(unit.lr, rel=0.1)
    assert schedule != Constant() or is_near(found, 1 / h)


def test_a_pilot_follows_the_recursion_with_noise():
    """At a constant rate e the error settles at e c / (h (2 - e h)): h = 2, c = 0.5, e = 0.3 come to 0.0535714."""
    trials = piloted(Recursion(**ONE_NOISY), 100, lambda part: 1.0, first_peak=0.3)

    assert 2 * dict(zip(trials.lrs, trials.losses, strict=True))[0.3] == pytest.approx(0.0535714, rel=1e-5)


RECURSIONS = {
    "one noisy curvature": ONE_NOISY,
    "noisy least squares": {"bend": KAPPA, "noise": NOISE},
    "a little noise": {"bend": 22.0, "noise": 0.03},
    "single rows": {"bend": 22.0},
}


@pytest.mark.parametrize("first_peak", [0.02, 1.0])
@pytest.mark.parametrize("steps", [50, 200, 1_000])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("recursion", RECURSIONS.values(), ids=RECURSIONS)
def test_a_pilot_finds_the_best_peak_of_its_own_length(recursion, name, steps, first_peak):
    """Within a sixth of a decade of the exact one, for any shape, wherever it begins."""
    schedule = SHAPES[name](steps)

    found = piloted(Recursion(**recursion), steps, lambda part: schedule(part * steps - 0.5), first_peak).best

    assert math.log10(found / best_peak(schedule, steps, **recursion)) == pytest.approx(0, abs=1 / 6)


def greedy(steps, h=2.0, c=0.5):
    """The best rate of every step, h m / (h**2 m + c), after those before it; no schedule ends lower."""
    rates, error = [], 1.0
    for _ in range(steps):
        rates.append(h * error / (h * h * error + c))
        error = error_after([rates[-1]], slope=h, bend=h * h, noise=c / error) * error
    return rates


def test_the_greedy_rates_are_the_best():
    """1 / m grows by h**2 / c at every step: 0.00124844 after a hundred."""
    assert error_after(greedy(100), **ONE_NOISY) == pytest.approx(0.00124844, rel=1e-5)


def test_a_pilot_of_one_step_finds_the_greedy_rate():
    """At the start h m / (h**2 m + c) is 4 / 9."""
    best = piloted(Recursion(**ONE_NOISY), 1, lambda part: 1.0, first_peak=0.1).best

    assert best == pytest.approx(4 / 9, rel=0.1)


@pytest.mark.parametrize("steps", [SHORT, 100])
def test_the_answer_is_near_the_peak_of_the_greedy_schedule(steps):
    """For that schedule its own first rate is the best peak."""
    rates = greedy(steps)

    found = tuned(Recursion(**ONE_NOISY), lambda step: rates[min(step, steps - 1)] / rates[0], steps)

    assert is_near(found, rates[0])


@pytest.mark.parametrize("total_steps", [SHORT, 200, 1_000])
@pytest.mark.parametrize("name", SHAPES)
def test_the_answer_is_near_the_best_peak_of_least_squares(name, total_steps):
    """Without noise the best constant rate is 1 / 3.625 at any length, whatever 1 / lambda_max = 1 may say."""
    schedule = SHAPES[name](total_steps)
    best = best_peak(schedule, total_steps, bend=KAPPA)

    assert all(is_near(tuned(LeastSquares(seed), schedule, total_steps), best) for seed in range(5))


@pytest.mark.parametrize("name", ["constant", "linear"])
@pytest.mark.parametrize("size", [1, 4, 16, 64, 1_024])
def test_the_answer_follows_the_batch_size(size, name):
    """The best constant rate is 1 / (1 + (d + 1) / B)."""
    bend, schedule = 1 + (COLUMNS + 1) / size, SHAPES[name](200)
    best = best_peak(schedule, 200, bend=bend)

    assert name != "constant" or best == pytest.approx(1 / bend, rel=0.01)
    assert is_near(tuned(LeastSquares(size=size), schedule, 200), best)


@pytest.mark.parametrize(
    ("name", "total_steps", "best"),
    [
        ("constant", 200, 0.0198),
        ("linear", 200, 0.0459),
        ("cosine", 200, 0.0462),
        ("constant", 1_000, 0.0047),
        ("linear", 1_000, 0.0108),
        ("cosine", 1_000, 0.0110),
    ],
)
def test_the_recursion_gives_peaks_that_were_computed_elsewhere(name, total_steps, best):
    """The best peaks of noisy least squares agree within 1.5 %."""
    assert best_peak(SHAPES[name](total_steps), total_steps, bend=KAPPA, noise=NOISE) == pytest.approx(best, rel=0.015)


@pytest.mark.parametrize(
    ("name", "total_steps"),
    [
        ("constant", SHORT),
        ("linear", SHORT),
        ("cosine", SHORT),
        pytest.param("linear", 200, marks=FAR),
        pytest.param("linear", 1_000, marks=FAR),
    ],
)
def test_the_interval_holds_the_best_peak_of_noisy_least_squares(name, total_steps):
    """It does so in at least 70 % of 50 seeds."""

    def holds(found, lr):
        return found.interval is not None and found.interval[0] <= lr <= found.interval[1]

    schedule = SHAPES[name](total_steps)
    best = best_peak(schedule, total_steps, bend=KAPPA, noise=NOISE)

    held = [holds(tuned(LeastSquares(seed, noise=NOISE), schedule, total_steps), best) for seed in range(50)]

    assert statistics.fmean(held) >= 0.7


@pytest.mark.parametrize("total_steps", [200, 1_000])
@pytest.mark.parametrize("name", SHAPES)
def test_noise_that_has_taken_over_costs_little(name, total_steps):
    """Too high a peak is suggested, but noisy least squares end hardly above the least with it."""
    schedule, noise_alone = SHAPES[name](total_steps), LeastSquares(noise=NOISE).deviation ** 2 / 2

    def ends_at(lr):
        rates = [lr * schedule(step) for step in range(total_steps)]
        return noise_alone + error_after(rates, bend=KAPPA, noise=NOISE) / 2

    suggested = [tuned(LeastSquares(seed, noise=NOISE), schedule, total_steps).lr for seed in range(5)]

    least = ends_at(best_peak(schedule, total_steps, bend=KAPPA, noise=NOISE))
    assert max(map(ends_at, suggested)) < (1.08 if name == "constant" else 1.03) * least


@pytest.mark.parametrize("seed", range(4))
def test_a_part_of_the_loss_that_training_cannot_change_does_not_matter(seed):
    """Offsets of the batches ten times the signal leave the best peak where it was: the same batches are compared."""
    plain, hidden = (
        piloted(LeastSquares(seed, offset=offset), SHORT, warmup_and_linear, first_peak=0.2, budget=250)
        for offset in (0.0, 5.0)
    )

    assert hidden.lrs == plain.lrs
    assert hidden.best == pytest.approx(plain.best, rel=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_trials_find_a_signal_that_a_sweep_cannot_see(seed):
    """The suggestion is near the best peak although single losses are ten times as noisy as the signal."""
    found = tuned(LeastSquares(seed, offset=5.0), Linear(200), 200)

    assert str(found.status) == "ok"
    assert is_near(found, best_peak(Linear(200), 200, bend=KAPPA))


class Exploding(nn.Module):
    """The loss exp(|theta|), so steep that every rate is too high."""

    def __init__(self, start):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(start))

    def forward(self, _):
        return self.theta.abs().exp()


@pytest.mark.parametrize("start", [40.0, 80.0])
def test_a_model_that_always_diverges_has_no_number(start):
    """The status says what to try instead."""
    model = Exploding(start)

    found = tune_lr(model, [torch.zeros(1)] * 20, optimizer=torch.optim.SGD(model.parameters()), total_steps=1_000)

    assert found.lr is None
    assert "lr_min" in found.status.sentence
    assert model.theta.item() == start


def test_a_loss_that_is_no_number_after_the_third_step_has_no_rate():
    """At no rate does a trial come to its end, so there is no number."""

    class Brief(LeastSquares):
        steps = 0

        def step(self, batch):
            self.steps += 1
            return super().step(batch) if self.steps <= 3 else math.nan

        @contextmanager
        def preserved(self):
            with super().preserved() as start:
                yield SimpleNamespace(restore=lambda: start.restore() or setattr(self, "steps", 0))

    found = tuned(Brief(), Linear(1_000), 1_000)

    assert found.lr is None
    assert all(trials.is_blank for trials in found.evidence.pilots)


def test_a_network_that_dies_at_high_rates_is_not_sent_there():
    """Its loss returns to that of a constant guess, a plateau; the chosen rate trains it."""
    x = torch.randn(512, 8)
    y = (x[:, :4].argmax(1) + 4 * (x[:, 4] > 0)).long() % 8
    batches = list(zip(x.split(16), y.split(16), strict=True))
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    found = tune_lr(model, batches, loss_fn=F.cross_entropy, optimizer=optimizer, total_steps=320, lr_max=100.0)
    found.apply(optimizer)

    for step in range(320):
        optimizer.param_groups[0]["lr"] = found.lr * found.plan.schedule(step)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batches[step % 32][0]), batches[step % 32][1])
        loss.backward()
        optimizer.step()

    assert F.cross_entropy(model(x), y).item() < math.log(8) / 3
