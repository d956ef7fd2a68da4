"""A small training with every kind of state, and that state in a form that compares bit for bit."""

import copy
import random
import weakref
from collections import deque
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import InputError, find_lr

MACHINERY = ("_parameters", "_buffers", "_modules", "_hooks", "_hooks_with_kwargs", "_hooks_always_called")


class Meter:
    """An object with a running state, as a GradScaler or an average keeps it."""

    def __init__(self, inner=None):
        self.count, self.history, self.mean, self.inner = 0, [], torch.zeros(()), inner


class Teacher:
    """A moving average of a model, kept where `parameters()` does not see it."""

    def __init__(self, model):
        self.model, self.shadow, self.updates = copy.deepcopy(model), [], np.float32(0)

    def follow(self, model):
        self.updates += np.float32(1)
        self.shadow.append(self.updates)
        with torch.no_grad():
            for mine, its in zip(self.model.parameters(), model.parameters(), strict=True):
                mine.lerp_(its, 0.1)


class Centers(nn.Module):
    """A loss with a parameter and a buffer of its own."""

    def __init__(self):
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(3))
        self.norm = nn.BatchNorm1d(3)

    def forward(self, output, target):
        return F.cross_entropy(self.norm(output) - self.centers, target)


class Notes:
    """A list that no search finds and puts back, for what a test looks at from inside."""

    __slots__ = ("items",)

    def __init__(self):
        self.items = []

    def append(self, item):
        self.items.append(item)


STATEFUL = (Meter, Teacher, nn.Module)


class Net(nn.Module):
    """Every kind of state that a forward can change, and every random stream that it can draw from."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.fixed = nn.BatchNorm1d(8).eval()
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(8, 3)
        self.register_buffer("running", torch.zeros(8), persistent=False)
        self.calls, self.sizes, self.totals = 0, [], {"samples": 0, "by_size": {}}
        self.level, self.recent, self.table = torch.zeros(1), deque(maxlen=3), np.zeros(2)
        self.meter, self.meters = Meter(), [Meter(inner=Meter())]

    def forward(self, x):
        h = self.norm(self.stem(x)) + 0.01 * random.random() + 0.01 * float(np.random.rand())
        h = self.drop(self.fixed(self.frozen(h).relu() + h))
        self._count(h.detach())
        return self.head(h)

    def _count(self, h):
        self.calls += 1
        self.sizes.append(len(h))
        self.totals["samples"] += len(h)
        self.totals["by_size"][len(h)] = self.calls
        self.level.add_(h.mean())
        self.recent.append(h.sum())
        self.table += 1
        self.running = 0.9 * self.running + h.mean(0)
        self.last = h
        for meter in (self.meter, *self.meters, self.meters[0].inner):
            meter.count += 1
            meter.history.append(meter.count)
            meter.mean.add_(h.mean())


class Training:
    """A plain training loop that keeps what it saw; its stream of batches goes on between calls of `train`.

    Batches are pairs, unless `loss_of(model, batch)` or `update(model, batch)`, the whole step, says otherwise.
    """

    def __init__(self, model, optimizer, loader, loss_fn=F.cross_entropy, *, loss_of=None, update=None):
        self.model, self.optimizer, self.loader, self.loss_fn = model, optimizer, loader, loss_fn
        self.loss_of, self.update = loss_of, update
        self.seen, self._stream = [], _batches(loader)

    def train(self, steps):
        for batch in islice(self._stream, steps):
            self.seen.append((batch, self._step(batch) if self.update is None else self.update(self.model, batch)))
        return self

    def sweep_by_hand(self, lrs):
        """The losses of a range test written by hand: one group, one batch and one step per rate."""
        for lr in lrs:
            (group,) = self.optimizer.param_groups
            group["lr"] = torch.tensor(lr) if isinstance(group["lr"], torch.Tensor) else lr
            self.train(1)
        return [float(loss) for _, loss in self.seen]

    def _loss(self, batch):
        if self.loss_of is not None:
            return self.loss_of(self.model, batch)
        x, y = batch
        return self.loss_fn(self.model(x), y)

    def _step(self, batch):
        def closure():
            self.optimizer.zero_grad()
            loss = self._loss(batch)
            loss.backward()
            return loss

        if not isinstance(self.optimizer, list):
            return self.optimizer.step(closure).detach()
        loss = self._loss(batch)
        self.model.zero_grad()
        loss.backward()
        for each in self.optimizer:
            each.step()
        return loss.detach()


def _batches(loader):
    while True:
        yield from loader


def dataset(n=36):
    """Three noisy classes of four numbers."""
    x = torch.randn(n, 4)
    return TensorDataset(x, x[:, :3].argmax(1))


def training(model=None, optimizer=None, **loader):
    """A training on shuffled batches of eight, the last one smaller; `optimizer` takes the parameters."""
    net = Net() if model is None else model()
    made = (optimizer or torch.optim.AdamW)(net.parameters())
    return Training(net, made, DataLoader(dataset(), **{"batch_size": 8, "shuffle": True, **loader}))


def sweep(t, **options):
    """A range test over the whole training, its loss function and optimizer included."""
    given = {"loss_fn": t.loss_fn, "optimizer": t.optimizer, "steps": 12, "progress": False, **options}
    return find_lr(given.pop("model", t.model), given.pop("loader", t.loader), **given)


def sweep_by_step(t, **options):
    """A range test through the training's own step."""
    return sweep(t, **{"loss_fn": None, "train_step": t.update, **options})


def pairs():
    """Four batches of eight and one of four."""
    x, y = dataset().tensors
    return list(zip(x.split(8), y.split(8), strict=True))


def seeded():
    """A generator of one's own."""
    return torch.Generator().manual_seed(7)


def check_no_trace(build, disturb=sweep, before=0, after=10):
    """Compare a training that was disturbed with its twin that was not, some steps later."""
    disturbed, undisturbed = twins(build, disturb, before, after)
    assert disturbed == undisturbed


def twins(build, disturb=sweep, before=0, after=10):
    """The states of a training that was disturbed and of its twin that was not, ten steps later."""
    states = []
    for disturbance in (disturb, lambda t: None):
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        t = build().train(before)
        disturbance(t)
        states.append(state_of(t.train(after)))
    return states


@contextmanager
def refused(t, sentence, error=InputError):
    """Expect that the block raises this sentence and leaves the training as before.

    Yields:
        What was caught.
    """
    before = state_of(t)
    with pytest.raises(error, match=sentence) as caught:
        yield caught
    assert state_of(t) == before


def state_of(training):
    """Everything that the guard promises to put back, in plain values that compare bit for bit."""
    modules = [m for m in (training.model, training.loss_fn) if isinstance(m, nn.Module)]
    optimizers = training.optimizer if isinstance(training.optimizer, list) else [training.optimizer]
    of_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    of_devices += [torch.mps.get_rng_state()] if torch.backends.mps.is_available() else []
    return {
        "parameters": [plain(dict(m.named_parameters())) for m in modules],
        "requires_grad": [[p.requires_grad for p in m.parameters()] for m in modules],
        "gradients": [[plain(p.grad) for p in m.parameters()] for m in modules],
        "buffers": [plain(dict(m.named_buffers())) for m in modules],
        "attributes": [{name: plain(_attributes(sub)) for name, sub in m.named_modules()} for m in modules],
        "optimizer": [plain(optimizer.state_dict()) for optimizer in optimizers],
        "streams": plain([random.getstate(), np.random.get_state(), torch.get_rng_state(), *of_devices]),
        "seen": plain(training.seen),
    }


def identities(training):
    """The objects that a user or a compiled step may hold on to."""
    parameters = list(training.model.parameters())
    owned = [*parameters, *(p.grad for p in parameters), *training.model.buffers()]
    moments = [value for state in training.optimizer.state.values() for value in state.values()]
    attributes = [value for m in training.model.modules() for value in _attributes(m).values()]
    return [id(thing) for thing in (*owned, *training.optimizer.param_groups, *moments, *attributes)]


def plain(value):
    """A value without objects that only compare by identity."""
    if isinstance(value, torch.Tensor) and value.is_sparse:
        return plain([value.coalesce().indices(), value.coalesce().values()])
    if isinstance(value, torch.Tensor):
        bits = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return str(value.dtype), tuple(value.shape), bits.numpy().tobytes()
    if isinstance(value, weakref.ref):
        return plain(value())
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, deque, set)):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return plain(vars(value)) if isinstance(value, STATEFUL) else value


def _attributes(module):
    return {name: value for name, value in vars(module).items() if not name.endswith(MACHINERY)}
