"""The mode in which a loss without a step is computed: eval, or as in training where eval mode gives none."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from twins import dataset, state_of, training

from lrfinder import InputError, TorchLoop, find_lr, tune_lr


class Slope(nn.Module):
    """A network of which a loss needs the derivative by its input."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1))

    def forward(self, x):
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.net(x).sum(), x, create_graph=True)
        return slope


class Detector(nn.Module):
    """A model that returns its losses in train mode, and what it detects in eval mode."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))

    def forward(self, inputs, targets=None):
        scores = self.net(inputs)
        return {"scores": F.cross_entropy(scores, targets)} if self.training else [{"scores": s} for s in scores]


class Supervised(Detector):
    """A model with one more output in train mode."""

    def forward(self, inputs, targets=None):
        return (self.net(inputs), self.net(inputs)) if self.training else self.net(inputs)


def of_slope(model, batch):
    """The distance of the slope from 1."""
    return (model(batch[0]) - 1).square().mean()


def of_detector(model, batch):
    """The sum of the losses."""
    return sum(model(*batch).values())


def of_both(model, batch):
    """The loss of both outputs."""
    first, second = model(batch[0])
    return F.cross_entropy(first, batch[1]) + 0.3 * F.cross_entropy(second, batch[1])


def of_model(model, batch):
    """The loss of the only output."""
    return F.cross_entropy(model(batch[0]), batch[1])


KINDS = {
    "a gradient by the inputs": (Slope, of_slope),
    "losses in train mode": (Detector, of_detector),
    "several outputs in train mode": (Supervised, of_both),
}
SEARCHES = {
    "tune_lr": (tune_lr, lambda: {"budget": 250}),
    "find_lr on validation batches": (find_lr, lambda: {"val_loader": [dataset(36).tensors]}),
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_that_eval_mode_cannot_give_is_evaluated_as_in_training(kind, search):
    """The search has an answer, the report says in which mode, and the training is as before."""
    (make, loss_step), (verb, options_of) = KINDS[kind], SEARCHES[search]
    t, options = training(make), options_of()
    before = state_of(t)

    found = verb(
        t.model, t.loader, loss_step=loss_step, optimizer=t.optimizer, total_steps=1_000, progress=False, **options
    )

    assert found.lr is not None
    assert "evaluated in train mode" in found.explain()
    assert state_of(t) == before


def loop_of(evaluate_in=None, make=Detector, loss_step=of_detector):
    """A loop over a detector, or over another model."""
    t = training(make)
    return TorchLoop(t.model, t.loader, loss_step=loss_step, optimizer=t.optimizer, evaluate_in=evaluate_in)


def test_the_mode_is_that_of_the_option():
    """With dropout a loss in train mode is another one than in eval mode, and the same one each time."""
    losses = {}
    for mode in (None, "eval", "train"):
        torch.manual_seed(1)
        loop = loop_of(mode, lambda: nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 3)), of_model)
        with loop.preserved():
            batch = loop.draw()
            losses[mode] = [loop.loss(batch), loop.loss(batch)]
            assert loop.facts.evaluated_in == (mode or "eval")

    assert losses[None] == losses["eval"] != losses["train"]
    assert losses["train"][0] == losses["train"][1]


def test_an_error_in_both_modes_is_that_of_eval_mode():
    """What would end the training too is raised."""

    def loss_step(model, batch):
        raise RuntimeError("in train mode" if model.training else "in eval mode")

    loop = loop_of(loss_step=loss_step)

    with loop.preserved(), pytest.raises(RuntimeError, match="in eval mode"):
        loop.loss(loop.draw())


def test_eval_mode_that_is_asked_for_is_kept():
    """Then its error is raised."""
    loop = loop_of("eval", Detector, of_detector)

    with loop.preserved(), pytest.raises(AttributeError, match="no attribute 'values'"):
        loop.loss(loop.draw())


def test_a_mode_that_does_not_exist_is_refused():
    """By its name and the modes that there are."""
    with pytest.raises(InputError, match='`evaluate_in` must be "eval", "train" or None, got \'test\''):
        loop_of("test")


def test_a_range_test_says_in_which_mode_it_evaluated():
    """Its trials on validation batches are the first to evaluate; the report names train mode."""
    t = training(Detector)

    found = find_lr(t.model, t.loader, loss_step=of_detector, val_loader=t.loader, progress=False)

    assert found.facts.evaluated_in == "train"
    assert ", evaluated in train mode" in found.explain()
