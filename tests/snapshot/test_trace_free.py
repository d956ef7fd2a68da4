"""The promise of the library: a training that swept equals, bit for bit, its twin that never did."""

import copy
import gc
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.data import BatchSampler, DataLoader, RandomSampler
from twins import Centers, Net, Teacher, Training, dataset, identities, state_of, sweep, training, twins

from lrfinder import TorchLoop, find_lr

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw-amsgrad": partial(torch.optim.AdamW, amsgrad=True),
    "sgd": partial(torch.optim.SGD, lr=0.05),
    "sgd-momentum": partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "radam-foreach": partial(torch.optim.RAdam, foreach=True),
    "asgd": torch.optim.ASGD,
    "rprop": torch.optim.Rprop,
    "adafactor": torch.optim.Adafactor,
    "lbfgs": partial(torch.optim.LBFGS, lr=0.1, max_iter=3),
    "adam-tensor-lr": lambda parameters: torch.optim.Adam(parameters, lr=torch.tensor(1e-3)),
}


def failing(error, calls=5):
    """Cross-entropy that raises in the given call."""
    count = 0

    def loss_fn(output, target):
        nonlocal count
        count += 1
        if count == calls:
            raise error
        return F.cross_entropy(output, target)

    return loss_fn


def sweep_that_fails(t):
    """A range test that an error of the loss function ends."""
    with pytest.raises(RuntimeError, match="boom in the loss"):
        sweep(t, loss_fn=failing(RuntimeError("boom in the loss")))


def sweep_that_is_interrupted(t):
    """A range test that Ctrl-C ends."""
    with pytest.raises(KeyboardInterrupt, match="by hand"):
        sweep(t, loss_fn=failing(KeyboardInterrupt("by hand")))


def edge_trials(t):
    """Two sets of trials after a range test."""
    assert len(sweep(t, steps=200).evidence.edge_trials) == 2


class BlownFuse(Exception):
    """Raised in the middle of a trial."""


def trials_that_fail(t):
    """Trials that an error ends: the model is called more often than a sweep of 28 steps does, by some."""
    calls = iter(range(50))
    hook = t.model.register_forward_hook(partial(_burn, calls=calls))
    with pytest.raises(BlownFuse, match="in a trial"):
        sweep(t, steps=100)
    hook.remove()


def _burn(*_, calls):
    if next(calls, None) is None:
        raise BlownFuse("in a trial")


def nested_sweep(t):
    """A range test within a measurement within another."""
    loop = TorchLoop(t.model, t.loader, loss_fn=t.loss_fn, optimizer=t.optimizer)
    with loop.preserved():
        loop.step(loop.draw())
        with loop.preserved() as inner:
            loop.step(loop.draw())
            inner.restore()
            sweep(t)
        loop.step(loop.draw())


DISTURBANCES = {
    "success": sweep,
    "error": sweep_that_fails,
    "interrupt": sweep_that_is_interrupted,
    "nested": nested_sweep,
    "edge trials": edge_trials,
    "error in a trial": trials_that_fail,
}


@pytest.mark.parametrize("before", [0, 7])
@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_the_training_goes_on_as_if_nothing_had_been(disturb, before):
    """Ten steps after a sweep equal those of a twin that never swept, at the start and in mid-training."""
    swept, undisturbed = twins(training, disturb, before)

    assert swept == undisturbed


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_goes_on_as_if_nothing_had_been(optimizer, before):
    """State that exists is put back, state that does not exist yet stays absent."""
    swept, undisturbed = twins(partial(training, optimizer=optimizer), before=before, after=4)

    assert swept == undisturbed


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_everything_is_as_before_at_once(disturb):
    """Right after the sweep every value, flag and stream is what it was, not only after the next step."""
    t = training().train(6)
    before = state_of(t)

    disturb(t)

    assert state_of(t) == before


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_objects_stay_the_same_objects(disturb):
    """Parameters, gradients, moments, group dictionaries and attributes are put back in place, not replaced."""
    t = training().train(6)
    before = identities(t)

    disturb(t)

    assert identities(t) == before


@pytest.mark.parametrize("grad", [None, 3.0], ids=["none", "given"])
def test_gradients_survive(grad):
    """A gradient of None stays None; one that waits for its step keeps object and content."""
    t = training()
    weight = t.model.head.weight
    weight.grad = held = None if grad is None else torch.full_like(weight, grad)

    sweep(t)

    assert weight.grad is held
    assert held is None or bool((held == grad).all())


def test_the_gradient_of_a_parameter_that_the_optimizer_does_not_hold_survives():
    """Nobody zeroes it, so every step of the sweep adds to it, in place."""
    t = training()
    t.optimizer = torch.optim.SGD(t.model.stem.parameters(), lr=0.1)
    weight = t.model.head.weight
    weight.grad = held = torch.ones_like(weight)

    sweep(t)

    assert weight.grad is held
    assert bool((held == 1).all())


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_modes_survive(mode):
    """Every submodule keeps its train/eval flag, one that was left in eval mode included."""
    t = training()
    t.model.train(mode)
    t.model.still.eval()
    before = [m.training for m in t.model.modules()]

    sweep(t)

    assert [m.training for m in t.model.modules()] == before


def test_a_submodule_in_eval_mode_stays_so_during_the_sweep():
    """A frozen BatchNorm is swept as it will be trained."""
    t = training()
    seen = []
    t.model.still.register_forward_hook(lambda module, *_: seen.append(module.training))

    sweep(t)

    assert not any(seen)


def test_a_model_in_eval_mode_is_swept_in_train_mode():
    """The sweep measures training, whatever mode the model is found in."""
    t = training()
    t.model.eval()
    seen = []
    t.model.norm.register_forward_hook(lambda module, *_: seen.append(module.training))

    sweep(t)

    assert all(seen)


@pytest.mark.parametrize("before", [0, 7])
def test_a_loader_with_its_own_generator_shuffles_the_same(before):
    """The generator of the loader is put back, in mid-epoch too."""
    swept, undisturbed = twins(lambda: training(generator=torch.Generator().manual_seed(5)), before=before)

    assert swept == undisturbed


def test_a_sampler_with_its_own_generator_samples_the_same():
    """The generator of a sampler is put back."""

    def build():
        sampler = RandomSampler(range(36), generator=torch.Generator().manual_seed(5))
        return training(sampler=sampler, shuffle=None)

    swept, undisturbed = twins(build)

    assert swept == undisturbed


def test_a_batch_sampler_samples_the_same():
    """The generator behind a batch sampler is put back."""

    def build():
        sampler = RandomSampler(range(36), generator=torch.Generator().manual_seed(5))
        batches = BatchSampler(sampler, batch_size=6, drop_last=False)
        return training(batch_sampler=batches, batch_size=1, shuffle=None)

    swept, undisturbed = twins(build)

    assert swept == undisturbed


class Skipping(torch.utils.data.Sampler):
    """A sampler around another, with a count of its own."""

    def __init__(self, inner):
        self.inner, self.epoch = inner, 0

    def __iter__(self):
        self.epoch += 1
        return (index for index in self.inner if index % 7 != self.epoch % 7)

    def __len__(self):
        return len(self.inner)


def test_a_sampler_within_a_sampler_samples_the_same():
    """The count of a wrapping sampler and the generator of the wrapped one are put back."""

    def build():
        inner = RandomSampler(dataset(), generator=torch.Generator().manual_seed(5))
        return training(sampler=Skipping(inner), shuffle=None)

    swept, undisturbed = twins(build)

    assert swept == undisturbed


class Augmented(torch.utils.data.Dataset):
    """A data set that counts what it gives and adds noise of its own, in the main process."""

    def __init__(self):
        self.inner, self.given, self.rng = dataset(), 0, np.random.default_rng(4)

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        self.given += 1
        x, y = self.inner[i]
        return x + 0.01 * self.given + float(self.rng.normal()), y


def test_a_data_set_with_a_counter_and_a_generator_gives_the_same():
    """The attributes and random generators of a data set are put back."""

    def build():
        net = Net()
        return Training(net, torch.optim.AdamW(net.parameters()), DataLoader(Augmented(), batch_size=8, shuffle=True))

    swept, undisturbed = twins(build)

    assert swept == undisturbed


class Shuffled:
    """A loader that is no DataLoader, with a random generator of its own."""

    def __init__(self):
        self.x, self.y = dataset().tensors
        self.rng = np.random.default_rng(3)

    def __iter__(self):
        for rows in np.split(self.rng.permutation(36), 6):
            yield self.x[rows], self.y[rows]


def test_a_loader_of_the_users_own_shuffles_the_same():
    """A random generator that a hand-made loader holds is put back."""

    def build():
        net = Net()
        return Training(net, torch.optim.AdamW(net.parameters()), Shuffled())

    swept, undisturbed = twins(build)

    assert swept == undisturbed


@pytest.mark.parametrize("persistent", [False, True], ids=["fresh", "persistent"])
def test_a_loader_with_workers_yields_the_same(persistent):
    """Workers of the user's own iteration, persistent ones too, go on undisturbed."""
    build = partial(training, num_workers=1, persistent_workers=persistent)

    swept, undisturbed = twins(build, before=2, after=6)

    assert swept == undisturbed


def test_no_worker_outlives_the_sweep():
    """The sweep ends its own workers and makes none persist in the user's loader."""
    t = training(num_workers=1, persistent_workers=True)
    gc.collect()
    others = {child.pid for child in torch.multiprocessing.active_children()}

    sweep(t)

    assert t.loader._iterator is None
    assert {child.pid for child in torch.multiprocessing.active_children()} <= others


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(4, 3), nn.Linear(4, 3)
        self.down.weight = self.up.weight

    def forward(self, x):
        return self.up(x) - 2 * self.down(x)


def weight_norm():
    """A network with a weight in two factors."""
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 8)), nn.Tanh(), nn.Linear(8, 3))


def spectral_norm():
    """A network with a weight whose norm buffers estimate."""
    return nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 8)), nn.Tanh(), nn.Linear(8, 3))


@pytest.mark.parametrize("model", [Tied, weight_norm, spectral_norm])
def test_shared_and_parametrized_weights_survive(model):
    """Tied weights stay tied, parametrized ones come back with their buffers."""
    swept, undisturbed = twins(partial(training, model=model), before=2, after=4)

    assert swept == undisturbed


class Hidden(nn.Module):
    """A recurrent state that each forward carries on, in place and with its graph."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("state", torch.zeros(3))

    def forward(self, x):
        self.state.detach_().mul_(0.5)
        self.state += self.linear(x).mean(0)
        return self.linear(x) + self.state


@pytest.mark.parametrize("before", [0, 3])
def test_a_recurrent_state_survives(before):
    """A buffer that every forward writes to in place comes back, also where it is part of a graph."""
    swept, undisturbed = twins(partial(training, model=Hidden), before=before)

    assert swept == undisturbed


def test_a_buffer_that_joined_the_graph_leaves_it_again():
    """A buffer that a forward writes to in place is a leaf without gradient again."""
    t = training(model=Hidden)

    sweep(t)

    assert t.model.state.grad_fn is None
    assert not t.model.state.requires_grad


class Distilled(nn.Module):
    def __init__(self):
        super().__init__()
        self.student = nn.Linear(4, 3)
        self.teacher = Teacher(self.student)

    def forward(self, x):
        self.teacher.follow(self.student)
        return self.student(x) + 0.1 * self.teacher.model(x).detach()


def test_a_teacher_outside_the_parameters_survives():
    """A plain object that holds a module and numbers comes back with both."""
    swept, undisturbed = twins(partial(training, model=Distilled))

    assert swept == undisturbed


@pytest.mark.parametrize("disturb", [sweep, nested_sweep], ids=["success", "nested"])
def test_a_loss_that_is_a_module_survives(disturb):
    """Parameters and buffers of the loss function are put back with those of the model."""

    def build():
        net, loss_fn = Net(), Centers()
        optimizer = torch.optim.AdamW([*net.parameters(), *loss_fn.parameters()])
        return Training(net, optimizer, training().loader, loss_fn)

    swept, undisturbed = twins(build, disturb, before=3)

    assert swept == undisturbed


def test_a_scheduler_of_the_training_does_not_step():
    """A scheduler that is attached stays where it is, and so do the rates that it has set."""
    t = training().train(3)
    scheduler = torch.optim.lr_scheduler.StepLR(t.optimizer, 2)
    before = copy.deepcopy(scheduler.state_dict())

    sweep(t)

    assert scheduler.state_dict() == before


def test_two_sweeps_give_the_same_result():
    """A result depends on the state of the training alone, which the first sweep has left as it was."""
    t = training().train(3)

    first, second = sweep(t, steps=30), sweep(t, steps=30)

    assert first == second


def test_a_sweep_without_optimizer_leaves_no_trace():
    """The AdamW that is made where none is given takes no hold of the model."""
    swept, undisturbed = twins(training, lambda t: find_lr(t.model, t.loader, steps=12, progress=False))

    assert swept == undisturbed


OPTIONS = [{"accumulate": 2}, {"clip_grad_norm": 0.1}, {"snapshot": "all"}, {"snapshot_device": "cpu"}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_leaves_no_trace(options):
    """Accumulation, clipping, a full snapshot and one on another device change nothing in the promise."""
    swept, undisturbed = twins(training, partial(sweep, **options), before=3)

    assert swept == undisturbed
