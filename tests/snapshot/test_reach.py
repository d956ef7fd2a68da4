"""What a training reaches beside its model and optimizer: it is put back as well."""

import copy
import logging
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import StepLR
from twins import Meter, plain, sweep, training

from lrfinder import InputError
from lrfinder.snapshot.snapshot import preserved

SHADOW = nn.Linear(1, 1)
METER = Meter()
COUNTS = {"calls": 0}
SIDE = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
DECAY = StepLR(SIDE, 1)


def trained(first, second):
    """The loss of output and target, or of model and batch; a model with optimizers of its own is stepped as well."""
    if isinstance(first, torch.Tensor):
        return F.cross_entropy(first, second)
    loss = F.cross_entropy(first(second[0]), second[1])
    for optimizer in getattr(first, "updates", []):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss


class Trainer:
    def __init__(self):
        self.count, self.history, self.average = 0, [], nn.Linear(2, 1)

    def loss(self, first, second):
        self.count += 1
        self.history.append(self.count)
        with torch.no_grad():
            self.average.weight.mul_(0.5)
        return trained(first, second)

    __call__ = loss

    def read(self):
        return [self.count, self.history, self.average.weight]


def by_method(is_bound=True):
    """A bound method, or a callable object that is no module."""
    trainer = Trainer()
    return trainer.loss if is_bound else trainer, trainer.read


def by_attribute():
    """A function that counts in an attribute of itself."""

    def loss(first, second):
        loss.count += 1
        return trained(first, second)

    loss.count = 0
    return loss, lambda: loss.count


def by_closure():
    """A function that closes over an optimizer, its scheduler and a list."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = StepLR(optimizer, 1)
    history = []

    def loss(first, second):
        optimizer.step()
        scheduler.step()
        history.append(1)
        return trained(first, second)

    return loss, lambda: [scheduler.state_dict(), optimizer.param_groups[0]["lr"], history]


def by_globals():
    """A function that changes a module, a meter, a dictionary, an optimizer and its scheduler of its file."""

    def loss(first, second):
        METER.count += 1
        COUNTS["calls"] += 1
        SIDE.step()
        DECAY.step()
        with torch.no_grad():
            SHADOW.weight.mul_(0.5)
        return trained(first, second)

    return loss, lambda: [METER.count, COUNTS, SHADOW.weight, DECAY.state_dict(), SIDE.param_groups[0]["lr"]]


def by_partial():
    """A function with arguments that are bound in front and by name."""
    history, meter = [], Meter()

    def loss(history, first, second, meter):
        history.append(1)
        meter.count += 1
        return trained(first, second)

    return partial(loss, history, meter=meter), lambda: [history, meter.count]


REACHES = {
    "method": by_method,
    "call": partial(by_method, is_bound=False),
    "attribute": by_attribute,
    "closure": by_closure,
    "globals": by_globals,
    "partial": by_partial,
}


@pytest.mark.parametrize("role", ["loss_fn", "loss_step", "train_step"])
@pytest.mark.parametrize("reach", REACHES.values(), ids=REACHES)
def test_what_a_function_reaches_is_put_back(reach, role):
    """The object behind a method, what a function closes over, globals and bound arguments are as before."""
    t = training()
    t.model.updates = [t.optimizer] if role == "train_step" else []
    function, read = reach()
    before = copy.deepcopy(plain(read()))

    sweep(t, **{"loss_fn": None, role: function})

    assert plain(read()) == before
    function(torch.zeros(1, 3), torch.zeros(1, dtype=torch.long))
    assert plain(read()) != before


class Handled:
    """An object with a count, a list and a handle, which keeps it from being a bag of values."""

    def __init__(self):
        self.count, self.history, self.handle = 0, [], logging.getLogger("handled")

    def change(self):
        self.count += 1
        self.history.append(1)

    def read(self):
        return [self.count, self.history]


class Saved(Handled):
    """The same, with its state where only `state_dict` finds it."""

    __slots__ = ("hidden",)

    def __init__(self):
        super().__init__()
        self.hidden = [0]

    def change(self):
        self.hidden.append(1)

    def read(self):
        return self.hidden

    def state_dict(self):
        return {"hidden": self.hidden}

    def load_state_dict(self, state):
        self.hidden = state["hidden"]


def by_its_methods(made):
    """An object, what changes it and what reads it."""
    return made, made.change, made.read


def a_module():
    """A module whose weight is changed."""
    module = nn.Linear(1, 1)
    return module, lambda: nn.init.constant_(module.weight, 7.0), lambda: module.weight


def an_optimizer():
    """An optimizer that makes its first step."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([weight])
    weight.grad = torch.ones(1)
    return optimizer, optimizer.step, lambda: [weight, optimizer.state_dict()]


def a_scheduler():
    """A scheduler that steps, with its optimizer."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = StepLR(optimizer, 1)
    optimizer.step()
    return scheduler, scheduler.step, lambda: [scheduler.state_dict()["last_epoch"], optimizer.param_groups[0]["lr"]]


def a_generator():
    """A random generator that is drawn from."""
    generator = torch.Generator()
    return generator, lambda: torch.rand(1, generator=generator), generator.get_state


NAMED = {
    "module": a_module,
    "optimizer": an_optimizer,
    "scheduler": a_scheduler,
    "generator": a_generator,
    "object with a handle": lambda: by_its_methods(Handled()),
    "object with a state_dict": lambda: by_its_methods(Saved()),
}


@pytest.mark.parametrize("make", NAMED.values(), ids=NAMED)
def test_an_object_that_is_handed_over_by_itself_is_put_back(make):
    """Whatever its kind, as often as it was changed."""
    named, change, read = make()
    before = copy.deepcopy(plain(read()))

    with preserved([], [], [named]) as snapshot:
        for _ in range(2):
            change()
            snapshot.restore()
        change()
        changed = copy.deepcopy(plain(read()))

    assert plain(read()) == before != changed


def test_an_object_that_cannot_be_put_back_is_refused_by_name():
    """One without attributes and without `state_dict`, handed over by itself."""
    with (
        pytest.raises(
            InputError, match=r"must have attributes or a `state_dict` .*, got list_iterator; name an object"
        ),
        preserved([], [], [iter([1])]),
    ):
        pass
