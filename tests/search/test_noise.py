"""The noise of the gradient: what it is, where it is not seen, and that seeing it changes nothing."""

import pytest
import torch
from quadratic import QuadraticLoop
from torch import nn

from lrfinder import LRResult, StepLoop, find_lr
from lrfinder.search.noise import LEAST, MOST, STEPS, GradientNoise


class Gradients:
    """A loop of which only the gradients are known: a mean of ones, and noise of known variance."""

    def __init__(self, variance, size=50_000):
        self.generator = torch.Generator().manual_seed(0)
        self.variance, self.size = variance, size

    def gradients(self):
        noise = torch.randn(self.size, generator=self.generator)
        return 1 + self.variance**0.5 * noise


def seen(loop, rates=(1e-7,) * STEPS, edge=1.0):
    """The ratio after steps at these rates."""
    noise = GradientNoise(loop)
    on_step = noise.watching(None)
    for lr in rates:
        on_step(lr, 1.0)
    return noise.ratio(edge)


@pytest.mark.parametrize("variance", [0.1, 1.0, 10.0])
def test_it_is_the_variance_over_the_squared_mean(variance):
    """The estimate is that of the distribution which the gradients are drawn from."""
    assert seen(Gradients(variance)) == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize(("variance", "bound"), [(1e6, MOST), (0.0, LEAST)])
def test_it_is_kept_where_gradients_tell_something_apart(variance, bound):
    """Noise alone, and none at all, are the ends of the scale."""
    assert seen(Gradients(variance)) == pytest.approx(bound)


def test_the_scale_of_the_loss_has_no_part_in_it():
    """Gradients a million times as large give the same ratio."""
    large = Gradients(1.0)
    small = large.gradients
    large.gradients = lambda: 1e6 * small()

    assert seen(large) == pytest.approx(seen(Gradients(1.0)), rel=1e-4)


@pytest.mark.parametrize(
    ("rates", "edge"), [((1e-7,) * (STEPS - 1), 1.0), ((1e-3,) * STEPS, 1e-3)], ids=["few", "moving"]
)
def test_too_few_steps_or_steps_that_move_give_none(rates, edge):
    """A sweep that ended early, or that began near the edge, says nothing of the noise at the start."""
    assert seen(Gradients(1.0), rates, edge) is None


def test_a_loop_without_gradients_gives_none():
    """The method is not part of what a loop must have."""
    assert seen(QuadraticLoop()) is None


def samples():
    """Inputs and noisy targets, the model and the batches."""
    torch.manual_seed(0)
    inputs = torch.randn(1024, 10)
    return torch.nn.Linear(10, 1), inputs, inputs @ torch.ones(10, 1) + torch.randn(1024, 1)


def exact(size):
    """The ratio of a batch of a size, from the gradient of every sample."""
    model, inputs, targets = samples()
    errors = (model(inputs) - targets).detach()
    each = 2 * errors * torch.cat([inputs, torch.ones(1024, 1)], 1)
    return float(each.var(0).sum() / each.mean(0).square().sum() / size)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_a_search_sees_it(optimizer, tmp_path):
    """`find_lr` measures what all samples say, and a file holds it."""
    model, inputs, targets = samples()
    batches = list(zip(inputs.split(16), targets.split(16), strict=True))
    result = find_lr(model, batches, optimizer=optimizer(model.parameters(), lr=1e-3), progress=False)
    result.to_json(tmp_path / "found.json")

    assert result.evidence.gradient_noise == pytest.approx(exact(16), rel=0.5)
    assert LRResult.from_json(tmp_path / "found.json") == result


def test_seeing_it_leaves_everything_as_it_is():
    """Gradients that are read are copies, and the next step is the same as without reading."""
    model, inputs, targets = samples()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def update(batch):
        optimizer.zero_grad()
        loss = (model(batch[0][0]) - batch[0][1]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    loop = StepLoop(update=update, modules=[model], optimizers=optimizer, loader=[(inputs, targets)])
    loop.step(loop.draw())
    before = [p.grad.clone() for p in model.parameters()]
    loop.gradients().fill_(7.0)

    assert all(torch.equal(p.grad, grad) for p, grad in zip(model.parameters(), before, strict=True))


def test_no_gradient_left_is_none_seen():
    """An update that clears its gradients leaves none to read."""
    model, inputs, targets = samples()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loop = StepLoop(update=lambda batch: 1.0, modules=[model], optimizers=optimizer, loader=[(inputs, targets)])

    assert loop.gradients() is None


def test_many_entries_are_thinned(monkeypatch):
    """Of a large gradient every k-th entry is copied."""
    monkeypatch.setattr("lrfinder.training.param_groups.MOST_ENTRIES", 4)
    model, inputs, targets = samples()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    (model(inputs) - targets).square().mean().backward()
    loop = StepLoop(update=lambda batch: 1.0, modules=[model], optimizers=optimizer, loader=[(inputs, targets)])

    assert loop.gradients().tolist() == [*model.weight.grad[0, ::3].tolist(), *model.bias.grad.tolist()]


class Switching(nn.Module):
    """A network that uses one of two layers, by the batch."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 1)])

    def forward(self, x):
        return self.layers[int(x[0, 0] > 0)](x)


def test_parameters_that_a_batch_does_not_use_count_as_zeros():
    """A search runs where batches train other parts of the model, as experts and layers that are dropped."""
    torch.manual_seed(0)
    batches = [(x, x.sum(1, keepdim=True)) for x in torch.randn(40, 8, 4)]

    found = find_lr(Switching(), batches, loss_fn=nn.functional.mse_loss, progress=False)

    assert found.evidence.gradient_noise is not None
