"""Every kind of batch and of loss: the curve of a loop written by hand, and no trace."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from twins import Training, check_no_trace, dataset, pairs, refused, sweep, sweep_by_step, training

from lrfinder import TorchLoop

Pair = namedtuple("Pair", "x y")


@dataclass
class Sample:
    x: torch.Tensor
    y: torch.Tensor


@dataclass
class Output(OrderedDict):
    """What Hugging Face models return: an object and a mapping at once."""

    loss: torch.Tensor
    logits: torch.Tensor

    def __post_init__(self):
        self.update(loss=self.loss, logits=self.logits)


class Head(nn.Module):
    """A classifier with noise of its own; subclasses say what they are called with."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, x):
        return self.body(x)


class Two(Head):
    def forward(self, x, shift):
        return self.body(x + shift)


class Whole(Head):
    def forward(self, batch):
        return self.body(batch["x"] + batch["parts"][0] * batch["parts"][1])


class Scalar(Head):
    def forward(self, x, y):
        return F.cross_entropy(self.body(x), y)


class Dressed(Head):
    """A model that makes its own loss from keyword arguments."""

    dress = staticmethod(lambda loss, logits: SimpleNamespace(loss=loss, logits=logits))

    def forward(self, x, labels=None):
        logits = self.body(x)
        return self.dress(F.cross_entropy(logits, labels), logits)


class DressedAsMapping(Dressed):
    dress = staticmethod(lambda loss, logits: {"loss": loss, "logits": logits})


class DressedAsBoth(Dressed):
    dress = staticmethod(Output)


class Code(Head):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.2), nn.Linear(2, 4))


def triple_loss(model, batch):
    """The loss of a batch with two inputs."""
    return F.cross_entropy(model(batch[0], batch[1]), batch[2])


def weighted_loss(model, batch):
    """A loss that no function of output and target can say."""
    x, y = batch
    return (F.cross_entropy(model(x), y, reduction="none") * x[:, 0].abs()).mean()


def own_loss(model, batch):
    """The loss that a model of keyword arguments returns."""
    output = model(**batch)
    return output["loss"] if isinstance(output, dict) else output.loss


def pair_loss(model, batch):
    """Cross-entropy of a batch of an input and a target."""
    x, y = batch
    return F.cross_entropy(model(x), y)


CE, MSE = {"loss_fn": F.cross_entropy}, {"loss_fn": F.mse_loss}
KINDS = {
    "pair": (Head, lambda x, y: (x, y), pair_loss, CE),
    "pair, loss inferred": (Head, lambda x, y: (x, y), pair_loss, {}),
    "list": (Head, lambda x, y: [x, y], pair_loss, CE),
    "triple": (Two, lambda x, y: (x, x.sin(), y), triple_loss, CE),
    "longer list": (Two, lambda x, y: [x, x.sin(), y], triple_loss, CE),
    "named tuple": (Head, Pair, pair_loss, CE),
    "dataclass": (Head, Sample, lambda m, b: F.cross_entropy(m(b.x), b.y), CE),
    "dict": (Head, lambda x, y: {"x": x, "y": y}, lambda m, b: F.cross_entropy(m(b["x"]), b["y"]), CE),
    "dict of two inputs": (
        Two,
        lambda x, y: {"shift": x.sin(), "target": y, "x": x},
        lambda m, b: F.cross_entropy(m(b["x"], b["shift"]), b["target"]),
        CE,
    ),
    "pair of inputs and target": (
        Two,
        lambda x, y: ((x, x.sin()), y),
        lambda m, b: F.cross_entropy(m(*b[0]), b[1]),
        CE,
    ),
    "nested": (Whole, lambda x, y: ({"x": x, "parts": [x.sin(), (x.cos())]}, y), pair_loss, CE),
    "bare tensor": (Code, lambda x, y: x, lambda m, b: F.mse_loss(m(b), b), MSE),
    "lone item": (Code, lambda x, y: [x], lambda m, b: F.mse_loss(m(b[0]), b[0]), MSE),
    "loss of the model": (Scalar, lambda x, y: (x, y), lambda m, b: m(*b), {}),
    "loss of an object": (Dressed, lambda x, y: {"x": x, "labels": y}, own_loss, {}),
    "loss of a mapping": (DressedAsMapping, lambda x, y: {"x": x, "labels": y}, own_loss, {}),
    "loss of both": (DressedAsBoth, lambda x, y: {"x": x, "labels": y}, own_loss, {}),
    "loss_step": (Head, lambda x, y: (x, y), weighted_loss, {"loss_step": weighted_loss}),
}


def of_kind(kind):
    """The training of a kind of input; batches of eight, the last one smaller."""
    model, batch, loss_of, _ = KINDS[kind]
    net = model()
    batches = [batch(*pair) for pair in pairs()]
    return Training(net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), batches, None, loss_of=loss_of)


def with_train_step():
    """A training whose step is a function of the user's own, clipping included."""
    net = Head()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def train_step(model, batch):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss.item()

    return Training(net, optimizer, pairs(), None, update=train_step)


WAYS = {kind: (partial(of_kind, kind), partial(sweep, **KINDS[kind][3])) for kind in KINDS}
WAYS["train_step"] = (with_train_step, sweep_by_step)


@pytest.mark.parametrize(("build", "search"), WAYS.values(), ids=WAYS)
def test_every_kind_of_input_is_swept_as_it_is_trained(build, search):
    """The curve is, bit for bit, that of a loop written by hand over the same batches."""
    torch.manual_seed(3)
    curve = search(build(), steps=20, lr_min=1e-3, lr_max=0.5).curve

    torch.manual_seed(3)
    assert build().sweep_by_hand(curve.lrs) == curve.losses
    assert len(curve) >= 15


@pytest.mark.parametrize(("build", "search"), WAYS.values(), ids=WAYS)
def test_every_kind_of_input_goes_on_as_if_nothing_had_been(build, search):
    """Ten steps after a sweep equal those of a twin that never swept."""
    check_no_trace(build, search, before=3)


@pytest.mark.parametrize(
    ("made", "steps", "loss"),
    [
        (2.5, True, 2.5),
        (torch.tensor(2.5), True, 2.5),
        (torch.tensor([2.5], requires_grad=True), True, 2.5),
        (np.float32(2.5), True, 2.5),
        (None, True, None),
        (2.5, False, None),
    ],
    ids=["float", "tensor", "one element", "numpy", "none", "without a step"],
)
def test_a_step_of_ones_own_returns_any_number_or_is_skipped(made, steps, loss):
    """None says that this update was skipped; so it is where no swept optimizer made a step."""
    net = Head()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    step = lambda model, batch: (optimizer.step() if steps else None, made)[1]  # noqa: E731
    loop = TorchLoop(net, pairs(), train_step=step, optimizer=optimizer)

    assert loop.step(loop.draw()) == loss


def warming(t, batch):
    """A warm-up inside the step."""
    t.optimizer.param_groups[0]["lr"] = 0.05
    return t.update(t.model, batch)


LEFT = "accumulation, clipping, autocast and losses .* must be left to `train_step`, got {}; do them there"
NO_UPDATE = "the first update must be made, got 9 in a row that were skipped; a step of your own must return"
NO_NUMBER = r"`train_step` must return the loss as a number \(None for a skipped step\), got "
STEPS = {
    "no return": (lambda t, batch: t.update(t.model, batch) and None, NO_UPDATE),
    "no step": (lambda t, batch: 2.5, NO_UPDATE),
    "warm-up": (warming, "`train_step` must leave the LR alone while it is swept, got a step at 0.05 that should have"),
    "text": (lambda t, batch: "loss", NO_NUMBER + "'loss'"),
    "vector": (lambda t, batch: torch.zeros(2), NO_NUMBER + "tensor"),
    "dict": (lambda t, batch: {"loss": 1.0}, NO_NUMBER),
}


@pytest.mark.parametrize(("step", "sentence"), STEPS.values(), ids=STEPS)
def test_a_step_of_ones_own_that_cannot_be_swept_is_refused(step, sentence):
    """The sentence says what it must return, and to leave the rate alone."""
    t = with_train_step()

    with refused(t, sentence):
        sweep_by_step(t, train_step=lambda model, batch: step(t, batch))


def test_a_step_of_ones_own_may_step_its_scheduler_afterwards():
    """A scheduler that acts after the optimizer changes no recorded step, and it is put back."""
    t = with_train_step()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(t.optimizer, 0.5)

    def scheduled(model, batch):
        loss = t.update(model, batch)
        scheduler.step()
        return loss

    found = sweep(t, loss_fn=None, train_step=scheduled)

    assert found.curve == sweep_by_step(t).curve
    assert scheduler.last_epoch == 0


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"accumulate": 2}, LEFT.format("accumulate=2")),
        ({"clip_grad_norm": 1.0}, LEFT.format("clip_grad_norm=1.0")),
        ({"clip_grad_value": 1.0}, LEFT.format("clip_grad_value=1.0")),
        ({"autocast": torch.bfloat16}, LEFT.format("autocast=torch.bfloat16")),
        ({"val_loader": []}, LEFT.format(r"val_loader=\[\]")),
        ({"optimizer": None}, r"`optimizer` must be the one \(or the list\) that `train_step` uses, got None; pass it"),
    ],
    ids=lambda option: next(iter(option)) if isinstance(option, dict) else "",
)
def test_a_step_of_ones_own_does_the_whole_update(option, sentence):
    """What belongs to the update is refused beside `train_step`; its optimizer is asked for."""
    t = with_train_step()

    with refused(t, sentence):
        sweep_by_step(t, **option)


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"loss_step": weighted_loss}, "loss_fn and loss_step"),
        ({"train_step": weighted_loss}, "loss_fn and train_step"),
        ({"loss_fn": None, "loss_step": weighted_loss, "train_step": weighted_loss}, "loss_step and train_step"),
    ],
    ids=["fn+step", "fn+train", "step+train"],
)
def test_two_losses_are_refused(options, got):
    """Only one thing can say what the loss is."""
    t = training()

    with refused(t, f"only one of `loss_fn`, `loss_step` and `train_step` must be given, got {got}"):
        sweep(t, **options)


class Passes(nn.Module):
    """A wrapper such as DDP: it passes everything on."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)


@pytest.mark.parametrize("wrap", [Passes, partial(torch.compile, backend="eager")], ids=["passes on", "compiled"])
def test_a_wrapper_that_passes_everything_on_is_called_as_what_it_wraps(wrap):
    """A batch of a wrapped model's keyword arguments reaches them by name."""
    x, y = dataset(8).tensors
    net = Dressed().eval()
    plain, wrapped = (TorchLoop(model, [{"labels": y, "x": x}]) for model in (net, wrap(net)))

    assert plain.loss(plain.draw()) == wrapped.loss(wrapped.draw())
