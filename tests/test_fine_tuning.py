"""Fine-tuning: a pretrained network gets a rate that does not wreck it, or an honest refusal."""

import copy
from itertools import islice

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import find_lr

SEEDS = range(6)
DEGREES = {"two epochs": 2, "twelve epochs": 12}
LR_MIN = 1e-7
OPTIMIZERS = {
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-3),
    "SGD": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
}


@pytest.fixture(scope="session")
def digits():
    """1,400 digits to train on and 397 held out."""
    pixels, classes = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(classes)
    return TensorDataset(x[:1400], y[:1400]), TensorDataset(x[1400:], y[1400:])


def train(net, optimizer, batches):
    """Plain training steps."""
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()


@pytest.fixture(scope="session")
def pretrained(digits):
    """The networks of all seeds after each degree of training."""
    nets = {}
    for seed in SEEDS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
            optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
            loader = DataLoader(digits[0], batch_size=32, shuffle=True)
            for epoch in range(1, max(DEGREES.values()) + 1):
                train(net, optimizer, loader)
                if epoch in DEGREES.values():
                    nets[seed, epoch] = copy.deepcopy(net)
    return nets


@torch.no_grad()
def measured(net, data):
    """Loss and accuracy on all samples."""
    x, y = data.tensors
    output = net(x)
    return F.cross_entropy(output, y).item(), (output.argmax(1) == y).float().mean().item()


def searched(net, digits, optimizer, *, validation):
    """What `find_lr` finds for going on with this network, and the means to do so."""
    net = copy.deepcopy(net)
    made = OPTIMIZERS[optimizer](net.parameters())
    loader = DataLoader(digits[0], batch_size=32, shuffle=True)
    x, y = digits[1].tensors
    options = {"val_loader": [(x[:256], y[:256])]} if validation else {}
    found = find_lr(
        net, loader, loss_fn=F.cross_entropy, optimizer=made, lr_min=LR_MIN, total_steps=200, progress=False, **options
    )
    return found, net, made, loader


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("validation", [False, True], ids=["training loss", "validation loss"])
@pytest.mark.parametrize("epochs", DEGREES.values(), ids=DEGREES)
def test_the_answer_wrecks_no_pretrained_network(pretrained, digits, epochs, validation, optimizer, seed):
    """Either no rate and a status that says why, or one that 50 steps without warm-up or decay survive.

    Survive: the loss on all training data is at most 1.5 times what it was, the held-out accuracy at most three points
    lower. A rate within a factor of ten of the start of the sweep is no answer. Where every trial gains next to
    nothing the best may lie beyond them: on some processors one seed comes to that.
    """
    found, net, made, loader = searched(pretrained[seed, epochs], digits, optimizer, validation=validation)
    if found.lr is None:
        assert str(found.status) in ("flat", "too_noisy", "out_of_range")
        return
    before, held_out = measured(net, digits[0])[0], measured(net, digits[1])[1]

    found.apply(made)
    train(net, made, islice((batch for _ in range(2) for batch in loader), 50))

    assert found.lr > 10 * LR_MIN
    assert measured(net, digits[0])[0] <= 1.5 * before
    assert measured(net, digits[1])[1] >= held_out - 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_a_little_trained_network_is_given_a_rate(pretrained, digits, seed):
    """With held-out batches the noise of training hides nothing, and 50 steps at the rate halve the loss."""
    found, net, made, loader = searched(pretrained[seed, 2], digits, "AdamW", validation=True)
    before = measured(net, digits[0])[0]

    found.apply(made)
    train(net, made, islice((batch for _ in range(2) for batch in loader), 50))

    assert measured(net, digits[0])[0] < before / 1.4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_loss_that_rises_at_once_is_refused(pretrained, digits, optimizer, seed):
    """On wrong labels every step harms what the network has just learned: no rate, and a sentence on what to try."""
    x, y = digits[0].tensors
    wrong = TensorDataset(x, (y + 1) % 10)

    found, *_ = searched(pretrained[seed, 2], (wrong, digits[1]), optimizer, validation=True)

    assert found.lr is None
    assert "the loss rose from the start" in " ".join(found.status.sentence.split())
