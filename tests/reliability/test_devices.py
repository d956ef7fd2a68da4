"""Every precision on the CPU; CUDA and MPS where they are."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from twins import Training, sweep, twins

from lrfinder import Status

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
mps = pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no MPS device here")
DEVICES = [pytest.param("cuda", marks=cuda), pytest.param("mps", marks=mps)]


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
    """A sweep and a race of a training on whatever device."""
    return sweep(t, **{"loss_fn": F.cross_entropy, "steps": 100, "total_steps": 500, **options})


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_every_precision_leaves_no_trace(dtype):
    """The training goes on bit for bit in double and in brain precision."""
    swept, undisturbed = twins(partial(classes, dtype), partial(search, steps=75), before=3)

    assert swept == undisturbed


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_every_precision_finds_about_the_same(dtype):
    """What is found differs from single precision by less than a factor of three."""
    torch.manual_seed(1)
    single = search(classes())
    torch.manual_seed(1)
    found = search(classes(dtype))

    assert (found.status, found.facts.precision) == (Status.OK, str(dtype).removeprefix("torch."))
    assert 1 / 3 < found.lr / single.lr < 3


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_leaves_no_trace(device):
    """Parameters, moments, the device's own random stream and the host's are as before."""
    swept, undisturbed = twins(partial(classes, device=device), partial(search, steps=75), before=3)

    assert swept == undisturbed


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_finds_about_what_the_cpu_finds(device):
    """The rate is that of the CPU within a factor of three."""
    torch.manual_seed(1)
    host = search(classes())
    torch.manual_seed(1)
    found = search(classes(device=device))

    assert 1 / 3 < found.lr / host.lr < 3


@cuda
@pytest.mark.parametrize("options", [{"fused": True}, {"capturable": True}, {"foreach": True}], ids=str)
def test_every_kind_of_step_on_cuda_leaves_no_trace(options):
    """Fused, capturable and foreach steps keep their moments and counters on the device."""
    swept, undisturbed = twins(partial(classes, device="cuda", **options), partial(search, steps=75), before=3)

    assert swept == undisturbed


@cuda
def test_a_gradscaler_on_cuda_leaves_no_trace():
    """Float16 autocast with a scaler that overflows at first: its scale and growth are as before."""
    scaler = torch.amp.GradScaler("cuda", init_scale=2.0**40)
    t = classes(device="cuda")

    found = search(t, autocast=torch.float16, scaler=scaler)

    assert found.curve is not None
    assert scaler.state_dict()["scale"] == 2.0**40
