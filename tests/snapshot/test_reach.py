"""What a training reaches beside its model and optimizer: it is put back as well."""

import copy
import logging
from functools import partial
from importlib import import_module

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import StepLR
from twins import Meter, plain, sweep, training

from lrfinder import InputError, LRFinderWarning
from lrfinder.snapshot.snapshot import preserved

CALLS, LEVEL, LOG = 0, torch.zeros(2), []
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


def by_names():
    """A function that gives new values to names of its file and of the function around it, and calls one that logs."""
    inner = 0

    def loss(first, second):
        nonlocal inner
        global CALLS, LEVEL, NEW
        CALLS, LEVEL, NEW, inner = CALLS + 1, LEVEL + 1, 1, inner + 1
        [logged(n) for n in range(2)]
        return trained(first, second)

    return loss, lambda: [CALLS, LEVEL, LOG, inner, "NEW" in globals()]


def logged(number):
    """A function that another one calls and that appends to a list of the file."""
    LOG.append(number)


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
    "names": by_names,
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


def follow(*_):
    """A hook that moves an average of the weights and counts."""
    METER.count += 1
    with torch.no_grad():
        SHADOW.weight.add_(1.0)


HOOKED = {
    "a step": lambda t: t.optimizer.register_step_post_hook(follow),
    "a forward": lambda t: t.model.head.register_forward_hook(follow),
    "a backward": lambda t: t.model.head.register_full_backward_hook(follow),
    "a gradient": lambda t: t.model.head.weight.register_hook(follow),
    "an accumulated gradient": lambda t: t.model.head.weight.register_post_accumulate_grad_hook(follow),
    "every step": lambda t: import_module("torch.optim.optimizer").register_optimizer_step_post_hook(follow),
    "every forward": lambda t: nn.modules.module.register_module_forward_hook(follow),
}


@pytest.mark.parametrize("register", HOOKED.values(), ids=HOOKED)
def test_what_a_hook_changes_is_put_back(register):
    """An average of the weights that only a hook knows, wherever the hook is registered."""
    t = training()
    before = copy.deepcopy([METER.count, SHADOW.weight.tolist()])
    handle = register(t)

    try:
        sweep(t)
        assert [METER.count, SHADOW.weight.tolist()] == before
        t.train(1)
        assert METER.count > before[0]
    finally:
        handle.remove()


class Counting(nn.Linear):
    """A model that counts in its file."""

    def forward(self, x):
        COUNTS["calls"] += 1
        return super().forward(x)


def test_what_a_forward_changes_in_its_file_is_put_back():
    """A dictionary beside the class of the model."""
    before = dict(COUNTS)

    sweep(training(lambda: Counting(4, 3)))

    assert before == COUNTS


def test_what_a_loader_counts_is_put_back():
    """The epoch that a function which returns an iterator counts up."""
    t, epoch = training(), 0
    batches = list(t.loader)

    def loader():
        nonlocal epoch
        epoch += 1
        return iter(batches)

    sweep(t, loader=loader)

    assert epoch == 0


class PerSample(nn.Linear):
    """A model that notes at its weight that a backward is due, and refuses a forward before it."""

    def __init__(self):
        super().__init__(4, 3)
        self.weight.due, self.weight.seen = 0, []

    def forward(self, x):
        assert self.weight.due == 0
        self.weight.due += torch.is_grad_enabled()
        output = super().forward(x)
        if output.requires_grad:
            output.register_hook(lambda grad: setattr(self.weight, "due", 0))
        self.weight.seen.append(len(x))
        return output


def test_attributes_of_parameters_are_put_back():
    """Counters and lists that a library keeps at the parameters, also after a forward without a backward."""
    t = training(PerSample)

    sweep(t, steps=100)

    assert (t.model.weight.due, t.model.weight.seen, t.model.bias.__dict__) == (0, [], {})


def test_what_is_used_and_cannot_be_put_back_is_named():
    """An object with a handle that a loss function changes: the warning has its class and its attributes."""
    t, handled = training(), Handled()

    def loss(output, target):
        handled.change()
        return F.cross_entropy(output, target)

    with pytest.warns(LRFinderWarning, match=r"changed Handled \(count, history\), .* name it in `also="):
        sweep(t, loss_fn=loss)

    sweep(t, loss_fn=loss, also=[handled])


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
