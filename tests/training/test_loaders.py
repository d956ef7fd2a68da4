"""Every kind of loader: what it yields after a sweep is what it would have yielded without."""

import gc
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    Subset,
    WeightedRandomSampler,
)
from torchdata.stateful_dataloader import StatefulDataLoader
from twins import Net, Training, check_no_trace, dataset, pairs, plain, refused, seeded, sweep, training

from lrfinder import TorchLoop

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")  # torchdata with a newer torch


class Stream(IterableDataset):
    """Samples without a length, other ones in each epoch if asked for."""

    def __init__(self, epochs_differ=False):
        self.x, self.y = dataset().tensors
        self.epochs_differ, self.epoch = epochs_differ, 0

    def __iter__(self):
        self.epoch += self.epochs_differ
        return iter(zip(self.x + 0.1 * self.epoch, self.y, strict=True))


class Jitter:
    """A transform with a generator and a counter; it collates too, and holds its own method."""

    def __init__(self, generator=None):
        self.generator, self.count, self.itself = generator or np.random.default_rng(4), 0, self.collate

    def __call__(self, x):
        if isinstance(x, list):
            return self.collate(x)
        self.count += 1
        if isinstance(self.generator, torch.Generator):
            return x + 0.01 * self.count + torch.randn((), generator=self.generator)
        return x + 0.01 * self.count + float(self.generator.normal())

    def collate(self, rows):
        x, y = (torch.stack(column) for column in zip(*rows, strict=True))
        return self(x), y


class Transformed(Dataset):
    """A data set with a counter, whose samples pass through an object."""

    def __init__(self, transform):
        self.inner, self.transform, self.given = dataset(), transform, 0

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        self.given += 1
        x, y = self.inner[i]
        return self.transform(x) + 0.01 * self.given, y


class Skipping(Sampler):
    """A sampler around another, with a count of its own."""

    def __init__(self, inner):
        self.inner, self.epoch = inner, 0

    def __iter__(self):
        self.epoch += 1
        return (index for index in self.inner if index % 7 != self.epoch % 7)

    def __len__(self):
        return len(self.inner)


class Drawing:
    """A loader written by hand, with an epoch, a generator and an order that it shuffles in place."""

    def __init__(self):
        self.data, self.epoch, self.order = dataset(), 0, list(range(36))
        self.rng = np.random.default_rng(3)

    def __iter__(self):
        self.epoch += 1
        np.random.default_rng(self.epoch).shuffle(self.order)
        self.rng.shuffle(self.order)
        return (self.data[self.order[at : at + 8]] for at in range(0, 36, 8))


def weighted():
    """A sampler with a generator of its own."""
    return WeightedRandomSampler(torch.ones(36), 30, generator=seeded())


def batches_of_six():
    """A batch sampler over one with a generator of its own."""
    return BatchSampler(RandomSampler(range(36), generator=seeded()), 6, drop_last=False)


def loaded(data=dataset, kind=DataLoader, **options):
    """What makes a loader of eight samples a batch anew at each call; options that are functions are called."""

    def made():
        given = {name: value() if callable(value) else value for name, value in options.items()}
        size = {} if "batch_sampler" in given else {"batch_size": 8}
        return kind(data(), **{**size, **given})

    return made


def resumed():
    """A state that was loaded and not yet used."""
    saved = over(LOADERS["stateful, own generator"]).train(3).loader.state_dict()
    loader = LOADERS["stateful, own generator"]()
    loader.load_state_dict(saved)
    return loader


shuffled = partial(loaded, shuffle=True)
stateful = partial(loaded, kind=StatefulDataLoader)
LOADERS = {
    "shuffled": shuffled(),
    "unequal last batch": loaded(lambda: dataset(34)),
    "own generator": shuffled(generator=seeded),
    "weighted sampler": loaded(sampler=weighted),
    "sampler within a sampler": loaded(sampler=lambda: Skipping(RandomSampler(range(36), generator=seeded()))),
    "batch sampler": loaded(batch_sampler=batches_of_six),
    "batch sampler as sampler": loaded(batch_size=None, sampler=batches_of_six),
    "no length": loaded(Stream),
    "no length, epochs differ": loaded(lambda: Stream(epochs_differ=True)),
    "noise of torch": shuffled(lambda: Transformed(Jitter(seeded()))),
    "noise of numpy": loaded(lambda: Transformed(Jitter())),
    "noise within a subset": loaded(lambda: Subset(Transformed(Jitter()), range(30))),
    "collate object": loaded(collate_fn=Jitter),
    "collate method": loaded(collate_fn=lambda: Jitter().collate),
    "list": pairs,
    "written by hand": Drawing,
    "two workers": shuffled(num_workers=2, generator=seeded),
    "two persistent workers": shuffled(num_workers=2, persistent_workers=True, generator=seeded),
    "stateful": stateful(shuffle=True),
    "stateful, own generator": stateful(shuffle=True, generator=seeded),
    "stateful, no length": stateful(lambda: Stream(epochs_differ=True)),
    "stateful, resumed": resumed,
    "stateful, a worker": stateful(shuffle=True, generator=seeded, num_workers=1),
}


def over(loader):
    """A training over a loader."""
    torch.manual_seed(2)
    net = Net()
    return Training(net, torch.optim.AdamW(net.parameters()), loader())


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_every_loader_goes_on_as_if_nothing_had_been(loader, before):
    """The batches, the losses and the weights of twelve steps equal those of a twin that never swept."""
    check_no_trace(partial(over, loader), before=before, after=12)


def test_a_pool_of_persistent_workers_is_not_touched():
    """The user's iterator is the same object with the same living processes."""
    t = training(num_workers=2, persistent_workers=True).train(2)
    iterator = t.loader._iterator
    workers = [worker.pid for worker in iterator._workers]

    sweep(t)

    assert t.loader._iterator is iterator
    assert [worker.pid for worker in iterator._workers] == workers
    assert all(worker.is_alive() for worker in iterator._workers)


def test_no_worker_outlives_the_sweep():
    """The sweep ends its own workers and makes none persist in the user's loader."""
    t = training(num_workers=1, persistent_workers=True)
    gc.collect()
    others = {child.pid for child in torch.multiprocessing.active_children()}

    sweep(t)

    assert t.loader._iterator is None
    assert {child.pid for child in torch.multiprocessing.active_children()} <= others


@pytest.mark.parametrize("before", [0, 3])
def test_the_state_of_a_stateful_loader_is_as_before(before):
    """What it would save in a checkpoint is the same, in mid-epoch too."""
    t = over(LOADERS["stateful, own generator"]).train(before)
    held = plain(t.loader.state_dict())

    sweep(t)

    assert plain(t.loader.state_dict()) == held


def test_a_small_last_batch_counts_by_its_samples():
    """In an accumulated batch of eight and one, the mean is over nine samples."""
    model, (x, y) = nn.Linear(4, 3), dataset(9).tensors
    loop = TorchLoop(model, list(zip(x.split(8), y.split(8), strict=True)), accumulate=2)

    loss = loop.loss(loop.draw())

    assert loss == pytest.approx(nn.functional.cross_entropy(model(x), y).item())


@pytest.mark.parametrize(
    ("loader", "sentence"),
    [
        ([], "`val_loader` must yield at least one batch, got none from this list"),
        (iter([1]), "`val_loader` must be something that can be iterated anew, got a list_iterator"),
    ],
    ids=["empty", "iterator"],
)
def test_a_validation_loader_that_cannot_be_used_is_named(loader, sentence):
    """The sentence says which of the two loaders it is about."""
    t = training().train(2)

    with refused(t, sentence):
        sweep(t, val_loader=loader)
