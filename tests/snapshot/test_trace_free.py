"""The promise of the library: a training that swept equals, bit for bit, its twin that never did."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations
from twins import Centers, Net, Notes, Teacher, Training, check_no_trace, identities, state_of, sweep, training

from lrfinder import TorchLoop, find_lr


def failing(error):
    """Cross-entropy that raises in its fifth call."""
    calls = iter(range(4))

    def loss_fn(output, target):
        if next(calls, None) is None:
            raise error
        return F.cross_entropy(output, target)

    return loss_fn


def sweep_that_ends(t, error):
    """A range test that an error of the loss function, or Ctrl-C, ends."""
    with pytest.raises(error, match="in the loss"):
        sweep(t, loss_fn=failing(error("in the loss")))


def edge_trials(t):
    """Two sets of trials after a range test."""
    assert len(sweep(t, steps=200).evidence.edge_trials) == 2


def trials_that_fail(t):
    """Trials that an error ends: the model is called more often than a sweep of 28 steps does, by some."""
    calls = iter([1] * 50)
    hook = t.model.register_forward_hook(lambda *_: 1 / next(calls, 0) and None)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        sweep(t, steps=100)
    hook.remove()


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
    "error": partial(sweep_that_ends, error=RuntimeError),
    "interrupt": partial(sweep_that_ends, error=KeyboardInterrupt),
    "nested": nested_sweep,
    "edge trials": edge_trials,
    "error in a trial": trials_that_fail,
}


@pytest.mark.parametrize("before", [0, 7])
@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_the_training_goes_on_as_if_nothing_had_been(disturb, before):
    """Ten steps after a sweep equal those of a twin that never swept, at the start and in mid-training."""
    check_no_trace(training, disturb, before)


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_everything_is_as_before_at_once(disturb):
    """Right after the sweep every value, flag, stream and object is what it was, not only after the next step."""
    t = training().train(6)
    before, objects = state_of(t), identities(t)

    disturb(t)

    assert state_of(t) == before
    assert identities(t) == objects


@pytest.mark.parametrize(
    ("grad", "is_held"), [(None, True), (3.0, True), (3.0, False)], ids=["none", "given", "left out"]
)
@pytest.mark.filterwarnings("ignore:no optimizer holds")
def test_gradients_survive(grad, is_held):
    """None stays None; one that waits keeps object and content, also where no optimizer zeroes it between steps."""
    t = training()
    if not is_held:
        t.optimizer = torch.optim.SGD(t.model.stem.parameters(), lr=0.1)
    weight = t.model.head.weight
    weight.grad = held = None if grad is None else torch.full_like(weight, grad)

    sweep(t)

    assert weight.grad is held
    assert held is None or bool((held == grad).all())


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_a_model_is_swept_in_train_mode(mode):
    """A model in eval mode is switched, a submodule in eval mode is not; afterwards every flag is as before."""
    t = training()
    t.model.train(mode)
    t.model.fixed.eval()
    before, seen = [m.training for m in t.model.modules()], Notes()
    for module in (t.model.norm, t.model.fixed):
        module.register_forward_hook(lambda module, *_: seen.append((module is t.model.fixed, module.training)))

    sweep(t)

    assert [m.training for m in t.model.modules()] == before
    assert set(seen.items) == {(False, True), (True, not mode)}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(4, 3), nn.Linear(4, 3)
        self.down.weight = self.up.weight

    def forward(self, x):
        return self.up(x) - 2 * self.down(x)


def normed(norm):
    """A network with a weight in two factors, or one whose norm buffers estimate."""
    return nn.Sequential(norm(nn.Linear(4, 8)), nn.Tanh(), nn.Linear(8, 3))


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


def with_centers():
    """A training whose loss function has a parameter and buffers."""
    net, loss_fn = Net(), Centers()
    optimizer = torch.optim.AdamW([*net.parameters(), *loss_fn.parameters()])
    return Training(net, optimizer, training().loader, loss_fn)


MODELS = {
    "tied weights": Tied,
    "weight norm": partial(normed, parametrizations.weight_norm),
    "spectral norm": partial(normed, parametrizations.spectral_norm),
    "a recurrent state": Hidden,
    "a teacher": Distilled,
}
BUILDS = {name: partial(training, model=model) for name, model in MODELS.items()} | {"a loss module": with_centers}


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_every_model_goes_on_as_if_nothing_had_been(build, before):
    """With tied or parametrized weights, a buffer in the graph, a teacher beside it, a loss that is a module."""
    check_no_trace(build, before=before)


def test_a_loss_that_is_a_module_survives_a_nested_sweep():
    """Its parameters and buffers are put back with those of the model, by the inner snapshot and by the outer."""
    check_no_trace(with_centers, nested_sweep, before=3)


def test_a_scheduler_of_the_training_does_not_step():
    """A scheduler that is attached stays where it is, and so do the rates that it has set."""
    t = training().train(3)
    scheduler = torch.optim.lr_scheduler.StepLR(t.optimizer, 2)
    before = copy.deepcopy(scheduler.state_dict())

    sweep(t)

    assert scheduler.state_dict() == before


WAYS = {
    "no optimizer": lambda t: find_lr(t.model, t.loader, steps=12, progress=False),
    "accumulation": partial(sweep, accumulate=2),
    "clipping": partial(sweep, clip_grad_norm=0.1),
    "a full snapshot": partial(sweep, snapshot="all"),
    "a snapshot on a device": partial(sweep, snapshot_device="cpu"),
}


@pytest.mark.parametrize("search", WAYS.values(), ids=WAYS)
def test_every_way_of_sweeping_leaves_no_trace(search):
    """The AdamW that is made where none is given takes no hold of the model, and no option changes the promise."""
    check_no_trace(training, search, before=3)
