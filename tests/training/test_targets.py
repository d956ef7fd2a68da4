"""What a batch's targets show: whether a model looks at its inputs, and how far from zero it has to reach."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrfinder import TorchLoop, find_lr, tune_lr
from lrfinder.schedules import Constant
from lrfinder.training.targets import exchange, offset_of

X = torch.randn(384, 4, generator=torch.Generator().manual_seed(0))
NEAR = X.sum(1, keepdim=True)
FAR = NEAR + 50.0


def batches(targets):
    """Thirty-two samples each."""
    return list(zip(X.split(32), targets.split(32), strict=True))


def line(targets, **options):
    """A loop over a linear model of these targets, and the model."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return TorchLoop(model, batches(targets), loss_fn=F.mse_loss, optimizer=optimizer, **options), model


@pytest.mark.parametrize(
    "labels",
    [[0] * 8 + [1] * 8, [0, 1] * 8, [0, 1, 2, 3] * 2 + [0, 1, 2, 3] * 2],
    ids=["in order", "alternating", "two views of one batch"],
)
def test_every_input_gets_the_target_of_another(labels):
    """Most of them one that differs, whatever the order; the batch itself stays as it was."""
    target = torch.tensor(labels)
    batch = (X[:16], X[16:32], target)

    exchanged = exchange(batch)

    assert int((exchanged[2] != target).sum()) >= 15
    assert sorted(exchanged[2].tolist()) == sorted(labels)
    assert (exchanged[0] is batch[0], exchanged[1] is batch[1], target.tolist()) == (True, True, labels)
    assert torch.equal(exchange({"x": X[:16], "labels": target}, "labels")["labels"], exchanged[2])


@pytest.mark.parametrize(
    "batch",
    [X, (X,), (X, 3), (X, torch.tensor(1.0)), (X[:15], NEAR[:15]), (X, torch.ones(384)), {"x": X}, "text"],
    ids=["inputs alone", "one thing", "a number", "no samples", "few samples", "one class", "no name", "text"],
)
def test_a_batch_without_other_targets_is_not_exchanged(batch):
    """Nobody knows then whether a model looks at its inputs."""
    assert exchange(batch) is None


@pytest.mark.parametrize("loss_fn", [F.mse_loss, F.l1_loss, nn.HuberLoss(), lambda a, b: (a - b).abs().max()])
def test_targets_far_from_zero_are_found(loss_fn):
    """The mean by column, and how far it is over the deviation."""
    offset, far = offset_of(batches(FAR), loss_fn)

    assert offset.tolist() == pytest.approx(FAR.mean(0).tolist())
    assert far == pytest.approx(float(FAR.mean() / FAR.std()), rel=1e-3)


@pytest.mark.parametrize(
    ("made", "loss_fn"),
    [
        (batches(NEAR), F.mse_loss),
        (batches(FAR), lambda a, b: ((a - b) / b).square().mean()),
        (batches(FAR), F.poisson_nll_loss),
        (batches(FAR), lambda a, b: 1 / 0),
        (batches(FAR.long()), F.mse_loss),
        (batches(torch.full_like(NEAR, 3.0)), F.mse_loss),
        ([(X, FAR), (X, FAR.expand(384, 2))], F.mse_loss),
        (list(X.split(32)), F.mse_loss),
        (batches(FAR)[:1][:0], F.mse_loss),
        ([(X[:15], FAR[:15])], F.mse_loss),
    ],
    ids=[
        "near",
        "relative errors",
        "counts",
        "a loss that fails",
        "classes",
        "one value",
        "shapes",
        "inputs",
        "none",
        "few",
    ],
)
def test_other_targets_are_left_alone(made, loss_fn):
    """So are those under a loss that changes where outputs and targets are shifted alike."""
    assert offset_of(made, loss_fn) == (None, 0.0)


def test_targets_are_centered_until_the_training_is_put_back():
    """The loss is that of the offset taken away, and afterwards what it was."""
    loop, _ = line(FAR)
    batch = loop.draw()
    before = loop.loss(batch)

    with loop.preserved():
        far = loop.center_targets([batch])
        inside = loop.loss(batch)

    assert far > 10
    assert inside < before / 100
    assert loop.loss(batch) == before


@pytest.mark.parametrize("search", [find_lr, tune_lr])
def test_a_search_sees_through_an_offset_that_the_warm_up_learns(search):
    """Its rate is that of the centered targets, it says so, and the model is what it was."""
    found = {}
    for name, targets in (("near", NEAR - NEAR.mean()), ("far", FAR)):
        _, model = line(targets)
        start = [p.clone() for p in model.parameters()]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        options = {"loss_fn": F.mse_loss, "optimizer": optimizer, "total_steps": 1_000, "progress": False}
        torch.manual_seed(1)
        found[name] = search(model, batches(targets), **options)
        assert all(map(torch.equal, start, model.parameters()))

    assert found["far"].lr == pytest.approx(found["near"].lr, rel=0.3)
    assert any("The targets lie far from zero" in text for text in found["far"].plan.warnings)
    assert not any("far from zero" in text for text in found["near"].plan.warnings)


def test_a_schedule_that_begins_at_its_peak_has_the_offset_to_learn():
    """The first step would meet it: nothing is taken away."""
    loop_options = {"loss_fn": F.mse_loss, "total_steps": 1_000, "schedule": Constant(), "progress": False}
    _, model = line(FAR)

    found = find_lr(model, batches(FAR), **loop_options)

    assert found.evidence.facts.offset == 0


def test_outputs_that_are_at_the_offset_already_are_left_there():
    """A bias that was set to the mean of the targets has nothing to learn of it."""
    _, model = line(FAR)
    nn.init.constant_(model.bias, 50.0)
    options = {"loss_fn": F.mse_loss, "optimizer": torch.optim.SGD(model.parameters()), "progress": False}

    found = find_lr(model, batches(FAR), total_steps=1_000, **options)

    assert found.evidence.facts.offset == 0
    assert found.curve.losses[0] < 20


class Judge(nn.Module):
    """Returns its loss, whatever batches hold besides."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(4, 4)

    def forward(self, inputs, targets):
        return F.mse_loss(self.line(inputs), inputs)


@pytest.mark.parametrize("options", [{}, {"loss_fn": lambda output, target: output.square().mean()}])
def test_a_loss_without_use_for_the_targets_says_nothing_of_what_was_learned(options):
    """Nor is anything taken away from targets that it does not look at."""
    model = Judge() if not options else nn.Linear(4, 4)
    found = find_lr(model, batches(FAR), total_steps=1_000, progress=False, **options)

    (trials,) = found.evidence.edge_trials
    assert set(trials.learned) == {None}
    assert (trials.is_blind, trials.learned_before, found.evidence.facts.offset) == (False, None, 0.0)


def test_trials_say_what_they_have_learned_from_their_inputs():
    """Most of it where the model learns, hardly anything where the inputs say nothing of the targets."""
    noise = torch.randn(NEAR.shape, generator=torch.Generator().manual_seed(1))
    shares = {}
    for name, targets in (("signal", NEAR), ("noise", noise)):
        _, model = line(targets)
        options = {"loss_fn": F.mse_loss, "optimizer": torch.optim.SGD(model.parameters()), "progress": False}
        (trials,) = find_lr(model, batches(targets), **options).evidence.edge_trials
        best = min(range(len(trials.lrs)), key=lambda i: trials.losses[i] or math.inf)
        shares[name] = trials.learned[best]

    assert shares["signal"] > 0.9
    assert shares["noise"] < 0.3


def test_a_loss_of_ones_own_shows_no_targets():
    """What a `loss_step` makes of a batch is its own business."""
    model = nn.Linear(4, 1)
    loop = TorchLoop(model, batches(FAR), loss_step=lambda model, batch: F.mse_loss(model(batch[0]), batch[1]))
    batch = loop.draw()

    assert loop.exchange_targets(batch) is None
    assert loop.center_targets([batch]) == 0
