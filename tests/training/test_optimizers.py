"""Every optimizer, groups and wrapped ones: the curve of a hand-written loop, and no trace."""

import logging
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from quadratic import Quadratic
from quadratic import swept as swept_quadratic
from sharpness import Sharp
from torch import nn
from torch.optim import SGD, Adam, Optimizer
from twins import Net, Notes, Training, check_no_trace, refused, sweep, sweep_by_step, training

from lrfinder import TorchLoop

PLAIN = ("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop")
SWITCHES = {
    "adam-amsgrad": partial(Adam, amsgrad=True),
    "adam-tensor-lr": lambda params: Adam(params, lr=torch.tensor(1e-3), foreach=False),
    "sgd-nesterov": partial(SGD, lr=0.1, momentum=0.9, nesterov=True),
    "sgd-foreach": partial(SGD, lr=0.1, momentum=0.9, foreach=True),
    "adam-foreach": partial(Adam, foreach=True),
    "sgd-fused": partial(SGD, lr=0.1, momentum=0.9, fused=True),
    "adam-fused": partial(Adam, fused=True),
    "adamw-fused": partial(torch.optim.AdamW, fused=True),
    "adagrad-fused": partial(torch.optim.Adagrad, fused=True),
    "adamw-maximize": partial(torch.optim.AdamW, maximize=True),
    "rmsprop-centered": partial(torch.optim.RMSprop, centered=True, momentum=0.9),
    "LBFGS": partial(torch.optim.LBFGS, lr=0.1, max_iter=3),
    "LBFGS-line-search": partial(torch.optim.LBFGS, lr=0.1, max_iter=3, line_search_fn="strong_wolfe"),
    "SGD": partial(SGD, lr=0.1),
    "SparseAdam": torch.optim.SparseAdam,
    "Muon": getattr(torch.optim, "Muon", None),
}
OPTIMIZERS = {**{name: getattr(torch.optim, name) for name in PLAIN}, **SWITCHES}
OPTIMIZERS = {name: made for name, made in OPTIMIZERS.items() if made is not None}


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 3, sparse=True)

    def forward(self, x):
        return self.words((x * 3).long() % 10).mean(1)


class Matrices(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Tanh(), nn.Linear(8, 3, bias=False))

    def forward(self, x):
        return self.body(x)


MODELS = {"SparseAdam": Words, "Muon": Matrices}


def with_optimizer(name):
    """A training with this optimizer and the model that it takes; batches in a fixed order."""
    return training(MODELS.get(name, Net), OPTIMIZERS[name], shuffle=False)


def test_no_optimizer_of_torch_is_left_out():
    """Every class of `torch.optim` is in the table."""
    classes = {name for name, c in vars(torch.optim).items() if isinstance(c, type) and issubclass(c, Optimizer)}

    assert classes - {"Optimizer"} <= set(OPTIMIZERS)


def seeded(name, use):
    """What comes of a training that is the same at every call."""
    torch.manual_seed(5)
    return use(with_optimizer(name))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_swept_as_it_trains(name):
    """The curve is, bit for bit, that of a loop written by hand with the same optimizer."""
    found = seeded(name, partial(sweep, steps=12, lr_min=1e-4, lr_max=1.0))
    sign = -1 if "maximize" in name else 1

    by_hand = seeded(name, lambda t: t.sweep_by_hand(found.curve.lrs))

    assert [sign * loss for loss in by_hand] == found.curve.losses


def test_an_optimizer_that_maximizes_equals_one_that_minimizes_the_negative():
    """Rising on -f gives the very result of falling on f: the curve, the rate, the report's numbers."""
    found = []
    for sign in (1, -1):
        torch.manual_seed(5)
        t = training(Matrices, partial(SGD, lr=0.1, maximize=sign < 0), shuffle=False)
        t.loss_fn = lambda output, target, sign=sign: sign * F.cross_entropy(output, target)
        found.append(sweep(t, steps=60, lr_min=1e-4))

    minimized, maximized = found
    assert maximized.curve == minimized.curve
    assert maximized.lr == minimized.lr
    assert maximized.evidence.facts.loss == "<lambda>(output, target), negated since the optimizer maximizes it"


def of_groups(*rates, optimizer=SGD):
    """A training with a group per rate, over layers that are alike; None leaves the rate to the optimizer."""
    model = nn.Sequential(*(nn.Linear(4, 4, bias=False) for _ in rates))
    groups = [{"params": layer.parameters(), "lr": rate} for layer, rate in zip(model, rates, strict=True)]
    x = torch.randn(32, 4)
    return Training(model, optimizer(groups), list(zip(x.split(16), x.split(16), strict=True)), F.mse_loss)


def rates(t):
    """Every group's rate."""
    return [group.get("lr") for group in t.optimizer.param_groups]


def test_groups_keep_their_ratios():
    """Sweep and apply set the first group's rate, and give the others a tenth and three times it."""
    t = of_groups(0.1, 0.01, 0.3)
    used = Notes()
    t.optimizer.register_step_pre_hook(lambda *_: used.append(rates(t)))

    found = sweep(t, steps=60, lr_min=1e-4)
    found.apply(t.optimizer)

    assert [first for first, *_ in used.items] == found.curve.lrs
    assert [[b / a, c / a] for a, b, c in used.items] == [pytest.approx([0.1, 3.0])] * len(used.items)
    assert rates(t) == pytest.approx([found.lr, found.lr / 10, found.lr * 3])


class Relative(Optimizer):
    """An optimizer with a rate of its own where a group has none, as Adafactor's relative steps."""

    def __init__(self, groups):
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad, alpha=group.get("lr") or 0.01)
        return loss


def with_lrless_group(missing):
    """A training whose first group has no rate: None, or no entry at all."""
    t = of_groups(None, 0.1, 0.2, optimizer=Relative)
    if missing:
        del t.optimizer.param_groups[0]["lr"]
    return t


@pytest.mark.parametrize("missing", [False, True], ids=["none", "absent"])
def test_a_group_without_a_rate_is_left_alone(missing):
    """Sweep and apply scale those that have one, and give the other none."""
    t = with_lrless_group(missing)
    used = Notes()
    t.optimizer.register_step_pre_hook(lambda *_: used.append(rates(t)))

    found = sweep(t, steps=60, lr_min=1e-4)
    found.apply(t.optimizer)

    assert [first for first, *_ in used.items] == [None] * len(used.items)
    assert [reference for _, reference, _ in used.items] == found.curve.lrs
    assert rates(t) == [None, pytest.approx(found.lr), pytest.approx(2 * found.lr)]
    assert ("lr" in t.optimizer.param_groups[0]) is not missing


def test_tensor_rates_stay_the_same_objects():
    """A tensor rate is filled in place for the sweep, and back with the same bits."""
    rate = torch.tensor(1e-3)
    t = training(optimizer=lambda params: Adam(params, lr=rate))
    used = Notes()
    t.optimizer.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0]["lr"] is rate and float(rate)))

    found = sweep(t)

    assert used.items == pytest.approx(found.curve.lrs)
    assert t.optimizer.param_groups[0]["lr"] is rate
    assert rate == torch.tensor(1e-3)


class Wrapped:
    """An optimizer around another that is no `torch.optim.Optimizer`, with a handle that cannot be copied."""

    def __init__(self, optimizer):
        self.optimizer, self.handle, self.steps = optimizer, logging.getLogger("wrapped"), 0

    param_groups = property(lambda self: self.optimizer.param_groups)
    state = property(lambda self: self.optimizer.state)

    def zero_grad(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none)

    def state_dict(self):
        return {**self.optimizer.state_dict(), "steps": self.steps}

    def step(self, closure=None):
        self.steps += 1
        return self.optimizer.step(closure)


class WithoutClosure(Wrapped):
    def step(self):
        self.steps += 1
        self.optimizer.step()


class Twice(Wrapped):
    def __init__(self, optimizer):
        super().__init__(Wrapped(optimizer))


class Deaf(Wrapped):
    """A wrapper that takes a closure and never calls it."""

    def step(self, closure=None):
        self.optimizer.step()


def step_without_closure(optimizer):
    """A training step that leaves `step` alone with its gradients."""

    def update(model, batch):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.detach()

    return update


def wrapped(wrapper):
    """A training with Adam in a wrapper, all of it stepped as the wrapper asks."""
    t = training(optimizer=lambda params: wrapper(Adam(params)), shuffle=False)
    if wrapper is WithoutClosure:
        return Training(t.model, t.optimizer, t.loader, update=step_without_closure(t.optimizer))
    return t


WRAPPERS = [Wrapped, WithoutClosure, Twice]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_optimizer_is_swept_as_the_inner_one(wrapper):
    """The curve is that of the optimizer inside, whether `step` takes a closure or not."""
    curves = []
    for build in (partial(wrapped, wrapper), partial(training, optimizer=Adam, shuffle=False)):
        torch.manual_seed(5)
        curves.append(sweep(build()).curve)

    assert curves[0] == curves[1]


BUILDS = {name: partial(with_optimizer, name) for name in OPTIMIZERS}
BUILDS |= {wrapper.__name__: partial(wrapped, wrapper) for wrapper in WRAPPERS}
BUILDS |= {"three groups": partial(of_groups, 0.1, 0.01, 0.3)}
BUILDS |= {f"a group without a rate, {missing}": partial(with_lrless_group, missing) for missing in (False, True)}


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_every_optimizer_goes_on_as_if_nothing_had_been(build, before):
    """Ten steps after a sweep equal those of a twin that never swept, whatever a wrapper or a group holds."""
    check_no_trace(build, before=before)


def test_an_optimizer_that_never_calls_its_closure_is_refused():
    """It would step without gradients; the sentence says what it must do."""
    t = training(optimizer=lambda params: Deaf(Adam(params)))

    with refused(t, r"`optimizer` must call the closure that its `step` takes, got a Deaf that did not; .*train_step"):
        sweep(t)


class Blind:
    """An optimizer whose steps nothing can note, written without torch's base class."""

    def __init__(self, params):
        self.param_groups, self.state, self.skips = [{"params": list(params), "lr": 0.1}], {}, False

    def state_dict(self):
        return {"lr": self.param_groups[0]["lr"]}

    def zero_grad(self):
        for p in self.param_groups[0]["params"]:
            p.grad = None

    def step(self):
        with torch.no_grad():
            for p in [] if self.skips else self.param_groups[0]["params"]:
                p.sub_(self.param_groups[0]["lr"] * p.grad)


class Prepared(torch.optim.Optimizer):
    """A wrapper that calls itself an optimizer and never called the base's `__init__`."""

    def __init__(self, params):
        self.optimizer = SGD(params, lr=0.1)

    param_groups = property(lambda self: self.optimizer.param_groups)
    state = property(lambda self: self.optimizer.state)
    defaults = property(lambda self: self.optimizer.defaults)
    state_dict = property(lambda self: self.optimizer.state_dict)

    def zero_grad(self):
        self.optimizer.zero_grad()

    def step(self):
        self.optimizer.step()


def network():
    """A small network without noise."""
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def step_of(optimizer):
    """A step of the user's own: plain, or in the two parts that a sharpness-aware optimizer has."""

    def train_step(model, batch):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        if isinstance(optimizer, Sharp):
            optimizer.first_step(zero_grad=True)
            F.cross_entropy(model(batch[0]), batch[1]).backward()
            optimizer.second_step(zero_grad=True)
        else:
            optimizer.step()
        return loss.detach()

    return train_step


@pytest.mark.parametrize("make", [Prepared, partial(Sharp, lr=0.1), Blind], ids=["wrapper", "two parts", "no hooks"])
def test_a_step_that_is_not_made_through_the_object_passed_is_seen(make):
    """The curve is that of a loop by hand, and the training goes on as if nothing had been."""

    def build():
        t = training(network, make)
        t.update = step_of(t.optimizer)
        return t

    torch.manual_seed(0)
    by_hand = build()
    torch.manual_seed(0)
    found = sweep_by_step(build(), rule="steepest")

    assert by_hand.sweep_by_hand(found.curve.lrs) == pytest.approx(found.curve.losses)
    assert len(found.curve) == 12
    check_no_trace(build, disturb=sweep_by_step)


def test_an_update_that_writes_to_no_parameter_is_skipped():
    """Where nothing else shows it."""
    t = training(network, Blind)
    loop = TorchLoop(t.model, t.loader, train_step=step_of(t.optimizer), optimizer=t.optimizer)

    with loop.preserved():
        assert loop.step(loop.draw()) > 0
        t.optimizer.skips = True
        assert loop.step(loop.draw()) is None


def test_steps_of_another_object_are_explained():
    """The parameters move, and the optimizer that was passed does not step: the sentence names the way."""
    t = training(network, partial(SGD, lr=0.1))
    other = SGD(t.model.parameters(), lr=0.1)

    with refused(t, r"where another object makes the step, pass that one, as in optimizer=sam\.base_optimizer"):
        sweep(t, loss_fn=None, train_step=step_of(other))


def test_a_closure_that_is_called_after_a_move_has_the_gradient_of_its_batch():
    """Every step moves the weights uphill by the gradient of the same batch, as a loop by hand does."""
    torch.manual_seed(0)
    by_hand = training(network, partial(Sharp, lr=0.1))
    by_hand.update = step_of(by_hand.optimizer)
    torch.manual_seed(0)
    t = training(network, partial(Sharp, lr=0.1))

    found = sweep(t, rule="steepest")

    assert by_hand.sweep_by_hand(found.curve.lrs) == pytest.approx(found.curve.losses)


@pytest.mark.parametrize("h", [1.0, 5.0, 100.0])
def test_lbfgs_makes_every_quadratic_one_of_curvature_one(h):
    """Its first step finds the curvature; from then on it loses what gradient descent loses at curvature one."""
    arguments = {"steps": 60, "lr_min": 1e-3, "lr_max": 0.9}
    descent = swept_quadratic(Quadratic(1.0), **arguments)

    newton = swept_quadratic(Quadratic(h, start=0.1), torch.optim.LBFGS, options={"max_iter": 1}, **arguments)

    after_first = [[loss / f.curve.losses[1] for loss in f.curve.losses[1:45]] for f in (newton, descent)]
    assert after_first[0] == pytest.approx(after_first[1], rel=1e-6)
