"""Every kind of loader: what it yields after a sweep is what it would have yielded without."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Subset, WeightedRandomSampler
from torchdata.stateful_dataloader import StatefulDataLoader
from twins import Net, Training, dataset, plain, refused, sweep, training, twins

from lrfinder import InputError, TorchLoop
from lrfinder.training.feed import Feed

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")  # torchdata with a newer torch


class Stream(IterableDataset):
    """Samples without a length."""

    def __init__(self, epochs_differ=False):
        self.x, self.y = dataset().tensors
        self.epochs_differ, self.epoch = epochs_differ, 0

    def __iter__(self):
        self.epoch += self.epochs_differ
        return iter(zip(self.x + 0.1 * self.epoch, self.y, strict=True))


class Noisy(Dataset):
    """Samples with noise from a generator of their own."""

    def __init__(self, generator):
        self.x, self.y = dataset().tensors
        self.generator = generator

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index] + self._noise(), self.y[index]

    def _noise(self):
        if isinstance(self.generator, torch.Generator):
            return torch.randn((), generator=self.generator)
        return float(self.generator.random())


class Reshuffled:
    """A loader of the user's own that counts its epochs and shuffles by that count."""

    def __init__(self):
        self.data, self.epoch = dataset(), 0

    def __iter__(self):
        self.epoch += 1
        order = torch.randperm(36, generator=torch.Generator().manual_seed(self.epoch))
        return (self.data[rows] for rows in order.split(8))


class Anew:
    """A factory that the twin's loop, too, can iterate."""

    def __init__(self, factory):
        self.factory = factory

    def __iter__(self):
        return iter(self.factory())


def pairs():
    """Batches of eight and a last one of four."""
    x, y = dataset().tensors
    return list(zip(x.split(8), y.split(8), strict=True))


def seeded():
    """A generator of one's own."""
    return torch.Generator().manual_seed(7)


def batch_sampler(generator):
    """Weighted samples in batches of six."""
    return BatchSampler(WeightedRandomSampler(torch.ones(36), 30, generator=generator), 6, drop_last=False)


def in_order(length):
    """The loader's data set behind another."""
    return Subset(Noisy(seeded()), range(length))


LOADERS = {
    "shuffled": lambda: DataLoader(dataset(), batch_size=8, shuffle=True),
    "unequal last batch": lambda: DataLoader(dataset(34), batch_size=8),
    "own generator": lambda: DataLoader(dataset(), batch_size=8, shuffle=True, generator=seeded()),
    "weighted sampler": lambda: DataLoader(
        dataset(), batch_size=8, sampler=WeightedRandomSampler(torch.ones(36), 30, generator=seeded())
    ),
    "batch sampler": lambda: DataLoader(dataset(), batch_sampler=batch_sampler(seeded())),
    "batch sampler as sampler": lambda: DataLoader(dataset(), batch_size=None, sampler=batch_sampler(seeded())),
    "no length": lambda: DataLoader(Stream(), batch_size=8),
    "no length, epochs differ": lambda: DataLoader(Stream(epochs_differ=True), batch_size=8),
    "noise of torch": lambda: DataLoader(Noisy(seeded()), batch_size=8),
    "noise of numpy": lambda: DataLoader(Noisy(np.random.default_rng(3)), batch_size=8),
    "noise within a subset": lambda: DataLoader(in_order(30), batch_size=8),
    "list": pairs,
    "own loader that counts": Reshuffled,
    "generator factory": lambda: Anew(lambda: (pair for pair in pairs())),
    "stateful": lambda: StatefulDataLoader(dataset(), batch_size=8, shuffle=True),
    "stateful, own generator": lambda: StatefulDataLoader(dataset(), batch_size=8, shuffle=True, generator=seeded()),
    "stateful, no length": lambda: StatefulDataLoader(Stream(epochs_differ=True), batch_size=8),
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
    swept, undisturbed = twins(partial(over, loader), before=before, after=12)

    assert swept == undisturbed


class Unmeasured:
    """A loader that inherits a length which it does not know."""

    def __init__(self, error):
        self.batches, self.error = pairs(), error

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        raise self.error


@pytest.mark.parametrize("error", [NotImplementedError, TypeError, AttributeError])
def test_a_loader_that_cannot_tell_its_length_is_swept(error):
    """The curve is that of the same batches in a list; the length of an epoch is not known."""
    listed = sweep(over(pairs))

    found = sweep(over(lambda: Unmeasured(error("no length"))))

    assert found.curve == listed.curve
    assert (found.facts.steps_per_epoch, listed.facts.steps_per_epoch) == (None, 5)


def test_a_factory_is_called_for_every_pass():
    """A function that makes generators is as good as a loader."""
    calls = []

    def factory():
        calls.append(1)
        yield from pairs()

    sweep(over(pairs), loader=factory)

    assert len(calls) == 3


@pytest.mark.parametrize("persistent", [False, True], ids=["fresh", "persistent"])
def test_two_workers_go_on_as_if_nothing_had_been(persistent):
    """Batches that the user's own workers have prefetched are not lost."""

    def build():
        return training(num_workers=2, persistent_workers=persistent, generator=seeded())

    swept, undisturbed = twins(build, before=2, after=6)

    assert swept == undisturbed


def test_a_pool_of_persistent_workers_is_not_touched():
    """The user's iterator is the same object with the same living processes."""
    t = training(num_workers=2, persistent_workers=True).train(2)
    iterator = t.loader._iterator
    workers = [worker.pid for worker in iterator._workers]

    sweep(t)

    assert t.loader._iterator is iterator
    assert [worker.pid for worker in iterator._workers] == workers
    assert all(worker.is_alive() for worker in iterator._workers)


@pytest.mark.parametrize("before", [0, 3])
def test_the_state_of_a_stateful_loader_is_as_before(before):
    """What it would save in a checkpoint is the same, in mid-epoch too."""
    t = over(LOADERS["stateful, own generator"]).train(before)
    held = plain(t.loader.state_dict())

    sweep(t)

    assert plain(t.loader.state_dict()) == held


def test_a_resumed_stateful_loader_goes_on_where_it_was():
    """A state that was loaded and not yet used is still there after a sweep."""
    saved = over(LOADERS["stateful, own generator"]).train(3).loader.state_dict()

    def resumed():
        t = over(LOADERS["stateful, own generator"])
        t.loader.load_state_dict(saved)
        return t

    swept, undisturbed = twins(resumed)

    assert swept == undisturbed


def test_a_stateful_loader_with_workers_goes_on_as_if_nothing_had_been():
    """Its own workers are not shared with the sweep."""
    build = partial(
        over, lambda: StatefulDataLoader(dataset(), batch_size=8, shuffle=True, generator=seeded(), num_workers=1)
    )

    swept, undisturbed = twins(build, before=2, after=6)

    assert swept == undisturbed


def test_a_small_last_batch_counts_by_its_samples():
    """In an accumulated window of eight and one, the mean is over nine samples."""
    torch.manual_seed(1)
    model, (x, y) = nn.Linear(4, 3), dataset(9).tensors
    loop = TorchLoop(model, DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8), accumulate=2)

    loss = loop.loss(loop.draw())

    assert loss == pytest.approx(nn.functional.cross_entropy(model(x), y).item())


def test_the_validation_loader_is_named_where_it_is_empty():
    """The sentence says which of the two loaders yields nothing."""
    t = training().train(2)

    with refused(t, "`val_loader` must yield at least one batch, got none from this list"):
        sweep(t, val_loader=[])


def test_the_validation_loader_is_named_where_it_ends_for_good():
    """An iterator is refused by its own name."""
    t, once = training().train(2), iter([1])

    with refused(t, "`val_loader` must be something that can be iterated anew, got a list_iterator"):
        sweep(t, val_loader=once)


@pytest.mark.parametrize("name", ["loader", "val_loader"])
def test_a_factory_that_returns_the_finished_iterator_is_refused(name):
    """The sentence says which loader it is, and to make the iterator inside the function."""
    once = iter([1, 2])
    feed = Feed(lambda: once, name=name)
    feed.draw(), feed.draw()

    with pytest.raises(InputError, match=f"`{name}` must return a fresh iterator at each call, got the finished one"):
        feed.draw()
