"""Every precision on the CPU; CUDA and MPS where they are."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from twins import Training, check_no_trace, sweep

from lrfinder import Status

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
mps = pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no MPS device here")


def classes(dtype=torch.float32, device="cpu", **options):
    """A training with batch norm and dropout on a device; the batches come from the host."""
    x = torch.randn(256, 8)
    data = TensorDataset(x.to(dtype), x[:, :3].argmax(1))
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))
    model.to(device, dtype)
    optimizer = torch.optim.AdamW(model.parameters(), **options)
    loss = lambda model, batch: F.cross_entropy(model(batch[0].to(device)), batch[1].to(device))  # noqa: E731
    return Training(model, optimizer, DataLoader(data, 32, shuffle=True), loss_of=loss)


def search(t, **options):
    """A sweep and trials of a training on whatever device."""
    return sweep(t, **{"loss_fn": F.cross_entropy, "steps": 100, "total_steps": 500, **options})


WAYS = [
    *({"dtype": dtype} for dtype in (torch.float64, torch.bfloat16)),
    pytest.param({"device": "cuda"}, marks=cuda),
    pytest.param({"device": "mps"}, marks=mps),
]
STEPS = [pytest.param({"device": "cuda", kind: True}, marks=cuda) for kind in ("fused", "capturable", "foreach")]


@pytest.mark.parametrize("way", WAYS + STEPS, ids=str)
def test_every_precision_and_device_leaves_no_trace(way):
    """The training goes on bit for bit; moments, counters and random streams are as before on any device."""
    check_no_trace(partial(classes, **way), partial(search, steps=75), before=3)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_precision_and_device_finds_about_the_same(way):
    """What is found differs from single precision on the CPU by less than a factor of three."""
    found = []
    for options in ({}, way):
        torch.manual_seed(1)
        found.append(search(classes(**options)))

    single, found = found
    assert (found.status, found.facts.precision) == (Status.OK, str(way.get("dtype", torch.float32))[6:])
    assert 1 / 3 < found.lr / single.lr < 3


@cuda
def test_a_gradscaler_on_cuda_leaves_no_trace():
    """Float16 autocast with a scaler that overflows at first: its scale and growth are as before."""
    scaler = torch.amp.GradScaler("cuda", init_scale=2.0**40)
    t = classes(device="cuda")

    found = search(t, autocast=torch.float16, scaler=scaler)

    assert found.curve is not None
    assert scaler.state_dict()["scale"] == 2.0**40
