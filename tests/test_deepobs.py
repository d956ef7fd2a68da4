"""The problems of DeepOBS that `make bench-deepobs` asks about, and the published trainings that score them."""

import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

deepobs, problems = map(pytest.importorskip, ("deepobs", "deepobs_problems"))
base = pytest.importorskip("suite.base")


@pytest.fixture
def published(monkeypatch):
    """Two rates of one optimizer, one of them with two seeds, one of which was not finite."""
    row = {"problem": "quadratic_deep", "optimizer": "AdamOptimizer", "steps": 700, "untrained_test": 8.0}
    rows = [
        row | {"lr": 0.01, "seed": 0, "final_test": 2.0, "best_test": 2.0},
        row | {"lr": 1.0, "seed": 0, "final_test": 4.0, "best_test": 3.0},
        row | {"lr": 1.0, "seed": 1, "final_test": None, "best_test": 3.0},
    ]
    monkeypatch.setattr(deepobs, "published", lambda: rows)


@pytest.fixture(params=problems.PROBLEMS, ids=str)
def problem(request):
    """Each problem whose data are here."""
    found = problems.PROBLEMS[request.param]
    if found.absent():
        pytest.skip(found.absent())
    return found


def test_losses_between_published_rates_are_read_off(published):
    """Half way in log rate between 2 and the median of 4 and the untrained 8."""
    assert deepobs.oracle("quadratic_deep", "Adam").loss(0.1) == pytest.approx(4.0)
    assert deepobs.oracle("quadratic_deep", "Adam", "best_test").loss(0.1) == pytest.approx(2.5)
    assert deepobs.steps_of("quadratic_deep") == 700


def test_a_problem_trains(problem):
    """Its first loss is finite and has a gradient for every parameter."""
    model, loader = problem.build(0)

    loss = problem.loss(model, next(iter(loader)))
    loss.backward()

    assert math.isfinite(loss.detach())
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_loss_before_training_is_the_published_one(problem, request):
    """Within three hundredths on one batch: model, start and loss are those of the published trainings."""
    if base.on_disk("deepobs.json"):
        pytest.skip(base.on_disk("deepobs.json"))
    model, loader = problem.build(0)
    name = request.node.callspec.params["problem"]

    with torch.no_grad():
        loss = float(problem.loss(model.eval(), next(iter(loader))))

    assert loss == pytest.approx(deepobs.oracle(name, "Adam").untrained, rel=0.03)


def test_an_epoch_goes_over_fewer_data_several_times():
    """Five batches of four out of ten rows: every row once, and then again."""
    epoch = list(problems.Epochs((torch.arange(10),), 4, 5, seed=0))

    assert [len(rows) for (rows,) in epoch] == [4] * 5
    assert torch.cat([rows for (rows,) in epoch]).bincount().tolist() == [2] * 10


def test_an_answer_is_kept_with_its_rate(published):
    """One search on the bowl."""
    answer = deepobs.ask("quadratic_deep", "Adam", "find_lr", seed=100)

    assert answer["lr"] > 0
    assert answer["status"] == "ok"
