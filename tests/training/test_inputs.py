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
from twins import Training, dataset, refused, sweep, training, twins

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


class Code(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.2), nn.Linear(2, 4))

    def forward(self, x):
        return self.body(x)


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


CE, MSE = {"loss_fn": F.cross_entropy}, {"loss_fn": F.mse_loss}
KINDS = {
    "pair": (Head, lambda x, y: (x, y), lambda m, b: F.cross_entropy(m(b[0]), b[1]), CE),
    "pair, loss inferred": (Head, lambda x, y: (x, y), lambda m, b: F.cross_entropy(m(b[0]), b[1]), {}),
    "list": (Head, lambda x, y: [x, y], lambda m, b: F.cross_entropy(m(b[0]), b[1]), CE),
    "triple": (Two, lambda x, y: (x, x.sin(), y), triple_loss, CE),
    "longer list": (Two, lambda x, y: [x, x.sin(), y], triple_loss, CE),
    "named tuple": (Head, Pair, lambda m, b: F.cross_entropy(m(b.x), b.y), CE),
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
    "nested": (
        Whole,
        lambda x, y: ({"x": x, "parts": [x.sin(), (x.cos())]}, y),
        lambda m, b: F.cross_entropy(m(b[0]), b[1]),
        CE,
    ),
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
    x, y = dataset().tensors
    batches = [batch(*rows) for rows in zip(x.split(8), y.split(8), strict=True)]
    return Training(net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), batches, None, loss_of=loss_of)


def batches_of_pairs():
    """Four pairs of eight and one of four."""
    x, y = dataset().tensors
    return list(zip(x.split(8), y.split(8), strict=True))


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

    return Training(net, optimizer, batches_of_pairs(), None, update=train_step)


def sweep_by_train_step(t, **options):
    """A range test through the training's own step."""
    return sweep(t, loss_fn=None, train_step=t.update, **options)


def by_hand_and_swept(build, disturb=sweep, **options):
    """The losses of a ladder written by hand, and those that `find_lr` reports."""
    torch.manual_seed(3)
    curve = disturb(build(), steps=20, lr_min=1e-3, lr_max=0.5, **options).curve
    torch.manual_seed(3)
    return build().climb(curve.lrs), curve.losses


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_is_swept_as_it_is_trained(kind):
    """The curve is, bit for bit, that of a loop written by hand over the same batches."""
    by_hand, swept = by_hand_and_swept(partial(of_kind, kind), **KINDS[kind][3])

    assert swept == by_hand[: len(swept)]
    assert len(swept) >= 15


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_goes_on_as_if_nothing_had_been(kind):
    """Ten steps after a sweep equal those of a twin that never swept."""
    swept, undisturbed = twins(partial(of_kind, kind), partial(sweep, **KINDS[kind][3]), before=3)

    assert swept == undisturbed


def test_a_step_of_ones_own_is_swept_as_it_is_trained():
    """The losses that `train_step` returns are the curve."""
    by_hand, swept = by_hand_and_swept(with_train_step, sweep_by_train_step)

    assert swept == by_hand


def test_a_step_of_ones_own_goes_on_as_if_nothing_had_been():
    """Ten steps after a sweep through `train_step` equal those of a twin that never swept."""
    swept, undisturbed = twins(with_train_step, sweep_by_train_step, before=3)

    assert swept == undisturbed


def returning(made):
    """A loop whose `train_step` steps and returns this."""
    net = Head()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def step(model, batch):
        optimizer.step()
        return made

    return TorchLoop(net, batches_of_pairs(), train_step=step, optimizer=optimizer)


@pytest.mark.parametrize(
    "made",
    [2.5, torch.tensor(2.5), torch.tensor([2.5], requires_grad=True), np.float32(2.5), np.float64(2.5)],
    ids=["float", "tensor", "one element", "numpy 32", "numpy 64"],
)
def test_a_step_of_ones_own_may_return_any_number(made):
    """Floats of Python and NumPy and tensors of one element are losses."""
    loop = returning(made)

    assert loop.step(loop.draw()) == 2.5


def test_a_step_of_ones_own_may_skip():
    """None says that this update was skipped."""
    loop = returning(None)

    assert loop.step(loop.draw()) is None


def test_a_step_of_ones_own_that_steps_no_swept_optimizer_is_skipped():
    """Its loss belongs to no rate of the sweep."""
    net = Head()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loop = TorchLoop(net, batches_of_pairs(), train_step=lambda model, batch: 2.5, optimizer=optimizer)

    assert loop.step(loop.draw()) is None


@pytest.mark.parametrize("returned", [None, 2.5], ids=["no return", "no step"])
def test_a_step_of_ones_own_that_is_always_skipped_is_told_so(returned):
    """Without a `return`, or without a step, the first update is never made, and the sentence says what to do."""
    t = with_train_step()

    def step(model, batch):
        loss = t.update(model, batch) if returned is None else returned
        return loss if returned else None

    with refused(t, "the first update must be made, got 9 in a row that were skipped; a step of your own must return"):
        sweep(t, loss_fn=None, train_step=step)


def test_a_step_of_ones_own_that_sets_the_rate_is_refused():
    """A warm-up inside the step would run at another rate than the one that is recorded."""
    t = with_train_step()

    def warming(model, batch):
        t.optimizer.param_groups[0]["lr"] = 0.05
        return t.update(model, batch)

    with refused(t, "`train_step` must leave the LR alone while it is swept, got a step at 0.05 that should have run"):
        sweep(t, loss_fn=None, train_step=warming)


def test_a_step_of_ones_own_may_step_its_scheduler_afterwards():
    """A scheduler that acts after the optimizer changes no recorded step, and it is put back."""
    t = with_train_step()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(t.optimizer, 0.5)

    def scheduled(model, batch):
        loss = t.update(model, batch)
        scheduler.step()
        return loss

    found = sweep(t, loss_fn=None, train_step=scheduled)

    assert found.curve == sweep_by_train_step(t).curve
    assert scheduler.last_epoch == 0


@pytest.mark.parametrize("made", ["loss", torch.zeros(2), {"loss": 1.0}], ids=["text", "vector", "dict"])
def test_a_step_of_ones_own_that_returns_no_number_is_refused(made):
    """The sentence says what it must return and what it did."""
    t = with_train_step()
    options = {"loss_fn": None, "train_step": lambda model, batch: made}

    with refused(t, "`train_step` must return the loss as a number .None for a skipped step., got"):
        sweep(t, **options)


def test_a_step_of_ones_own_cannot_be_measured_apart():
    """A validation loss needs a loss of its own, and the sentence says so."""
    t = with_train_step()

    with refused(t, "losses beside the step's must be left to `train_step`, got val_loader="):
        sweep_by_train_step(t, val_loader=t.loader)


@pytest.mark.parametrize(
    ("option", "got"),
    [
        ({"accumulate": 2}, "accumulate=2"),
        ({"clip_grad_norm": 1.0}, "clip_grad_norm=1.0"),
        ({"clip_grad_value": 1.0}, "clip_grad_value=1.0"),
        ({"autocast": torch.bfloat16}, "autocast=torch.bfloat16"),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else "",
)
def test_a_step_of_ones_own_does_the_whole_update(option, got):
    """What belongs to the update is refused beside `train_step`, instead of being silently without effect."""
    t = with_train_step()

    with refused(
        t, f"accumulation, clipping, autocast and losses .* must be left to `train_step`, got {got}; do them there"
    ):
        sweep_by_train_step(t, **option)


def test_a_step_of_ones_own_needs_its_optimizer():
    """Its rate could not be swept otherwise."""
    t = with_train_step()

    with refused(t, "`optimizer` must be the one .or the list. that `train_step` uses, got None; pass it"):
        sweep_by_train_step(t, optimizer=None)


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


def test_a_model_that_holds_a_module_is_called_as_its_own_forward_says():
    """Only a wrapper that passes everything on is asked for the signature of what it wraps."""

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = Two()

        def forward(self, x):
            return self.module(x, 0.0)

    x, y = dataset(8).tensors
    loop = TorchLoop(Holder(), [(x, y)])

    assert loop.loss(loop.draw()) > 0


class Passes(nn.Module):
    """A wrapper such as DDP: it passes everything on."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)


def test_a_wrapper_that_passes_everything_on_is_called_as_what_it_wraps():
    """A batch of a wrapped model's keyword arguments reaches them by name."""
    x, y = dataset(8).tensors
    net = Dressed()
    plain, wrapped = (TorchLoop(model, [{"x": x, "labels": y}]) for model in (net, Passes(net)))

    assert plain.loss(plain.draw()) == wrapped.loss(wrapped.draw())
