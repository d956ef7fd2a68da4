"""Compiled models: a search makes no graph that the training would not have made."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from twins import training, twins

from lrfinder import find_lr


class Counter:
    """A backend that runs a graph as it is and counts how many it was asked for."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, graph, inputs):
        self.graphs += 1
        return graph.forward


class Images(nn.Module):
    """What a guard of a graph may look at: batch norm, dropout, a buffer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm, self.drop, self.head = nn.BatchNorm2d(8), nn.Dropout(0.2), nn.Linear(8, 3)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x):
        return self.head(self.drop(self.norm(self.conv(x)).relu()).mean((2, 3)) * self.scale)


def batches(count=24, channels_last=False):
    """Small images of three classes."""
    x = torch.randn(8 * count, 3, 6, 6)
    x = x.to(memory_format=torch.channels_last) if channels_last else x
    return list(zip(x.split(8), x.mean((2, 3)).argmax(1).split(8), strict=True))


def trained(model, optimizer, data, autocast):
    """A pass of real training."""
    for x, y in data:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=autocast, enabled=autocast is not None):
            loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()


@pytest.fixture
def counter():
    """A fresh compiler with a counting backend.

    Yields:
        The backend.
    """
    torch._dynamo.reset()
    yield Counter()
    torch._dynamo.reset()


WAYS = {
    "plain": (None, False, {}),
    "foreach": (None, False, {"foreach": True}),
    "fused": (None, False, {"fused": True}),
    "bfloat16, channels last": (torch.bfloat16, True, {}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", [0, 4], ids=["fresh", "in mid-training"])
def test_a_search_compiles_nothing_that_the_training_does_not(counter, way, before):
    """Sweep, trials and the training after them take the very graphs of the training alone."""
    autocast, channels_last, fast = WAYS[way]
    model = Images().to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    compiled, optimizer = torch.compile(model, backend=counter), torch.optim.AdamW(model.parameters(), **fast)
    data = batches(channels_last=channels_last)
    trained(compiled, optimizer, data[:before], autocast)

    options = {"loss_fn": F.cross_entropy, "optimizer": optimizer, "progress": False}
    found = find_lr(compiled, data, autocast=autocast, channels_last=channels_last, **options)
    trained(compiled, optimizer, data[:4], autocast)

    assert found.evidence.edge_trials
    assert counter.graphs == 1


def test_measuring_on_validation_batches_compiles_their_graph_once(counter):
    """A forward in eval mode is a graph of its own; a second search finds it."""
    model = Images()
    compiled, optimizer = torch.compile(model, backend=counter), torch.optim.AdamW(model.parameters())
    options = {"loss_fn": F.cross_entropy, "optimizer": optimizer, "val_loader": batches(2), "progress": False}

    graphs = []
    for _ in range(2):
        find_lr(compiled, batches(), **options)
        graphs.append(counter.graphs)

    assert graphs == [2, 2]


def compiled(counter):
    """A training of a compiled model, with its compiler made anew."""
    torch._dynamo.reset()
    t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)))
    t.model = torch.compile(t.model, backend=counter)
    return t


def test_a_compiled_training_goes_on_as_if_nothing_had_been(counter):
    """Ten steps after a sweep equal those of a twin, but for the functions that were compiled for each."""
    swept, undisturbed = (s | {"attributes": None} for s in twins(lambda: compiled(counter), before=3))

    assert swept == undisturbed
