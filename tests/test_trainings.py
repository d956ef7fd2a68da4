"""The wide suite of benchmark trainings: what each of them is, and how their best rates are made and resumed."""

import math
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import lrfinder

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

best_rates, suite = map(pytest.importorskip, ("best_rates", "suite"))
grid, optimizers = map(pytest.importorskip, ("suite.grid", "suite.optimizers"))
base, rates_report = map(pytest.importorskip, ("suite.base", "rates_report"))

ALL = list(suite.TRAININGS.values())


@pytest.fixture(params=ALL, ids=[training.name for training in ALL])
def training(request):
    """Each training whose data are here."""
    reason = request.param.absent()
    if reason:
        pytest.skip(reason)
    return request.param


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A line through noiseless data in forty steps; its runs are kept in a folder of the test."""
    monkeypatch.setattr(best_rates, "FOLDER", tmp_path)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(96, 4, generator=generator)
    split = base.Split(inputs[32:], inputs[32:].sum(1, keepdim=True), inputs[:32], inputs[:32].sum(1, keepdim=True))
    made = base.of_source("a line", "tiny")
    return made(
        "line", "linear", lambda: split, partial(nn.Linear, 4, 1), torch.optim.SGD, nn.MSELoss(), 8, 40, (0.1, 1)
    )


def two_steps(training, seed=0):
    """The losses of two steps at a low rate, the inputs of both, and the weights after them."""
    model, loader, optimizer = training.build(seed)
    losses = [float(loss) for loss, _ in zip(steps_of(training, model, loader, optimizer), range(2), strict=False)]
    return losses, torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def steps_of(training, model, loader, optimizer):
    """Steps at a rate that changes little."""
    return best_rates.steps(training, model, loader, optimizer, lambda step: 1e-5)


def test_the_suite_is_wide():
    """Seventy trainings of twelve named sources, ten of them of 5,000 to 20,000 steps, with optimizers of each kind."""
    assert len(ALL) >= 70
    assert len({training.family.source for training in ALL}) >= 12
    assert sum(5000 <= training.total_steps <= 20_000 for training in ALL) >= 10
    assert {training.optimizer_kind for training in ALL} == {"sgd", "momentum", "adaptive"}
    assert all(isinstance(training.family, suite.Family) and all(training.family) for training in ALL)


def test_a_training_takes_two_steps(training):
    """From the same seed with the same losses to the same weights; from another seed to others."""
    losses, weights = two_steps(training)
    again, same = two_steps(training)
    _, others = two_steps(training, seed=1)

    assert all(map(math.isfinite, losses))
    assert losses == again
    assert torch.equal(weights, same)
    assert not torch.equal(weights, others)


def test_held_out_data_give_a_finite_loss(training):
    """Before training, at no loss of the training mode, and the same twice."""
    model, *_ = training.build(0)

    loss = training.validation_loss(model)

    assert math.isfinite(loss)
    assert loss == training.validation_loss(model)
    assert model.training


@pytest.mark.parametrize(
    ("loss_fn", "targets", "expected"),
    [
        (nn.functional.cross_entropy, torch.tensor([0, 1, 1, 1]), 0.5623),
        (nn.functional.mse_loss, torch.tensor([[49.0], [51.0]]), 1.0),
        (nn.functional.l1_loss, torch.tensor([[1.0], [2.0], [9.0]]), 8 / 3),
        (nn.functional.binary_cross_entropy_with_logits, torch.tensor([[0.0], [1.0]]), math.log(2)),
        (nn.functional.huber_loss, torch.tensor([[49.0], [51.0]]), None),
    ],
)
def test_the_best_constant_prediction_has_its_loss(tiny, loss_fn, targets, expected):
    """Entropy of the classes, variance, distance from the median; None where there is no formula."""
    split = base.Split(targets, targets, targets, targets)
    training = base.Training("constant", lambda: split, None, None, loss_fn, 1, 1, (1, 1), tiny.family)

    assert training.trivial_loss() == (None if expected is None else pytest.approx(expected, rel=1e-3))


def test_missing_data_are_named(monkeypatch, tmp_path):
    """A training on a file that is not there is left out, with the path that was looked for."""
    monkeypatch.setenv("LRFINDER_DATA", str(tmp_path))

    runnable, left_out = suite.available()

    assert str(tmp_path / "mnist.npz") in left_out["handwriting-mlp-muon"]
    assert suite.TRAININGS["spirals-mlp-sgd-long"] in runnable


# The grid


def record_of(losses, ends=(-8, 0), trivial=1.0):
    """What would be stored of one seed, by quarter decade."""
    runs = [[grid.rate_at(quarter), 0, loss, loss, loss, []] for quarter, loss in losses.items()]
    return {"ends": list(ends), "trivial": trivial, "untrained": 2.0, "runs": runs}


BOWL = {-8: 0.9, -6: 0.3, -4: 0.11, -2: 0.1, 0: None}


def quarters(record, depth):
    """What is missing, by quarter decade and seed."""
    return [(grid.exponent(lr), seed) for lr, seed in grid.missing_runs(record, depth)]


WHOLE = BOWL | {-5: 0.15, -3: 0.1, -1: 0.5}
MISSING = {
    "half decades come first": ({-8: 0.9}, "seeds", [(-6, 0), (-4, 0), (-2, 0), (0, 0)]),
    "the best lies between": (BOWL, "half", []),
    "near the low end": ({-8: 0.1, -6: 0.3, -4: 0.9, -2: 0.9, 0: None}, "half", [(-10, 0)]),
    "near the high end": ({-8: 0.9, -6: 0.9, -4: 0.9, -2: 0.3, 0: 0.2}, "half", [(2, 0)]),
    "every rate exploded": (dict.fromkeys(BOWL), "half", [(-10, 0)]),
    "quarter decades near the best": (BOWL, "quarter", [(-5, 0), (-3, 0), (-1, 0)]),
    "further seeds near the best": (WHOLE, "seeds", [(q, seed) for seed in (1, 2) for q in (-5, -4, -3, -2)]),
}


@pytest.mark.parametrize(("losses", "depth", "missing"), MISSING.values(), ids=MISSING)
def test_runs_are_wanted_where_the_best_may_lie(losses, depth, missing):
    """The grid is extended by half a decade, then refined and repeated beside losses of at most twice the least."""
    assert quarters(record_of(losses), depth) == missing


def test_what_has_learned_nothing_is_a_constant_or_the_untrained_model():
    """The better of both is the ceiling, and a loss is near the best within a quarter of the gain below it."""
    pairs = [(10.0, 2500.0), (3.3, 2.9), (None, 0.8)]

    assert [grid.ceiling_of({"trivial": a, "untrained": b}) for a, b in pairs] == [10.0, 2.9, 0.8]
    assert grid.near_best({0: 1.5, 1: 1.6, 2: 1.9}, ceiling=2.3) == {0, 1}


# Runs that are kept


def test_a_stopped_pass_goes_on(tiny, monkeypatch):
    """After one run nothing is lost, the next call starts with the second rate, and a third makes nothing."""
    stops = iter([False, False, True])
    best_rates.build(tiny, "half", "primary", enough=lambda: next(stops))
    stored, train, made = best_rates.read(tiny, "primary"), best_rates.train, []
    monkeypatch.setattr(best_rates, "train", lambda *run: made.append(run[2:]) or train(*run))

    whole = best_rates.build(tiny, "half", "primary")

    assert [row[:2] for row in stored["runs"]] == [[0.1, 0]]
    assert made[0] == (0.3162, 0)
    assert stored["runs"][0] in whole["runs"]
    count = len(made)
    assert best_rates.build(tiny, "half", "primary") == whole
    assert len(made) == count


def test_a_run_records_the_losses_along_the_way(tiny):
    """Twenty of them, whose least is the best and whose last is the final one; one that explodes has no final one."""
    final, best, late, along = best_rates.train(tiny, lambda step: 1.0, 0.1, 0)
    exploded = best_rates.train(tiny, lambda step: 1.0, 100.0, 0)

    assert len(along) == 20
    assert (along[-1], min(along)) == (pytest.approx(final, rel=1e-4), pytest.approx(best, rel=1e-4))
    assert late > 0
    assert exploded[0] is None


def test_runs_of_a_changed_training_are_refused(tiny):
    """Another start of the same length is another training."""
    stops = iter([False, False, True])
    best_rates.build(tiny, "half", "primary", enough=lambda: next(stops))
    object.__setattr__(tiny, "model", partial(nn.Linear, 4, 1, bias=False))

    with pytest.raises(ValueError, match="is of another training"):
        best_rates.build(tiny, "half", "primary")


def test_the_report_counts_what_is_whole(tiny, monkeypatch, capsys):
    """A row for the training and a line for all of them."""
    best_rates.build(tiny, "seeds", "primary")
    monkeypatch.setattr(rates_report, "TRAININGS", {tiny.name: tiny})

    rates_report.report([tiny.name])

    printed = capsys.readouterr().out
    assert "tiny-line | 40 |" in printed
    assert "whole: 1 (half, primary), 1 (quarter, primary), 0 (quarter, constant), 1 (seeds, primary)" in printed


# Optimizers


def test_lion_moves_every_weight_by_the_rate():
    """Whatever the size of the gradient."""
    weights = nn.Parameter(torch.tensor([1.0, -1.0]))
    weights.grad = torch.tensor([1e-3, -1e3])

    optimizers.Lion([weights], lr=0.1).step()

    assert weights.tolist() == pytest.approx([0.9, -0.9])


def test_muon_steps_a_matrix_in_all_directions_alike():
    """The singular values of a step lie near each other, where those of the gradient are far apart."""
    matrix, gradient = nn.Parameter(torch.zeros(6, 4)), torch.randn(6, 4) @ torch.diag(torch.tensor([1.0, 2, 4, 8]))
    matrix.grad = gradient

    optimizers.Muon([matrix], lr=1.0).step()

    values = torch.linalg.svdvals(matrix.detach()) / (0.2 * 6**0.5)
    assert values.min() > 0.5
    assert values.max() < 1.5


@pytest.mark.parametrize("make", [optimizers.Lion, optimizers.Muon])
def test_find_lr_drives_the_optimizers_of_the_suite(make):
    """They call the closure that a search gives them, and their rate is found."""
    inputs = torch.randn(256, 4)
    loader = [(rows, rows.sum(1, keepdim=True)) for rows in inputs.split(16)]
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    options = {"loss_fn": nn.functional.mse_loss, "total_steps": 500, "progress": False}

    found = lrfinder.find_lr(model, loader, optimizer=make(model.parameters(), lr=1e-3), **options)

    assert found.lr > 0
