from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrfinder.errors import InputError
from lrfinder.training.loss import BatchLoss

X = torch.arange(12.0).reshape(4, 3) / 10
CLASSES = torch.tensor([0, 2, 1, 0])


class Returns(nn.Module):
    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output


class Own(nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(x, y)


class Dressed(nn.Module):
    """A model of the Hugging Face kind: keyword arguments in, an output with a loss out."""

    def forward(self, input_ids, labels=None, kind="object"):
        loss = None if labels is None else F.cross_entropy(input_ids, labels)
        return {"loss": loss, "logits": input_ids}


class Two(nn.Module):
    def forward(self, a, b):
        return a - b


class Holds(nn.Module):
    """A model that holds another, whose arguments are not its own."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x, 2.0)


class Anything(nn.Module):
    """A model with one named input, which takes any other as well."""

    def forward(self, x, **others):
        return x - others.get("b", 0)


@dataclass
class Labelled:
    inputs: torch.Tensor
    labels: torch.Tensor


@dataclass
class Sample:
    x: torch.Tensor
    y: torch.Tensor


class Takes(nn.Module):
    """A model that takes the batch whole and makes the loss itself."""

    def forward(self, batch):
        inputs, labels = batch.values() if isinstance(batch, dict) else (batch.inputs, batch.labels)
        return F.cross_entropy(inputs, labels)


def twice_off(output, target):
    """A loss that knows output from target."""
    return (output - 2 * target).sum()


def own_step(model, batch):
    """A loss that needs no output."""
    return torch.tensor(9.0)


OWN = "returned by the model"
CE, MSE = "cross_entropy, inferred from integer targets", "mse_loss, inferred from float targets of the output's shape"
ENTROPY, OFF = F.cross_entropy(X, CLASSES), F.mse_loss(X - (X + 1), X)
PIXELS, TOKENS = torch.randn(2, 5, 3, 4), torch.randn(2, 7, 5)
WITH_IDS = {"a": X, "b": X + 1, "ids": ["one", "two"], "y": X}
BATCHES = {
    "output and target": (Two(), {"loss_fn": F.mse_loss}, (X, X + 1, X), OFF, "mse_loss(output, target)"),
    "lone tensor": (nn.Identity(), {"loss_fn": twice_off}, X, -X.sum(), "twice_off(output, target)"),
    "labels of a mapping": (Anything(), {"loss_fn": F.cross_entropy}, {"x": X, "labels": CLASSES}, ENTROPY, None),
    "target of a mapping": (Anything(), {"loss_fn": F.cross_entropy}, {"x": X, "target": CLASSES}, ENTROPY, None),
    "model with the target": (Own(), {}, (X, CLASSES), ENTROPY, OWN),
    "keyword arguments": (Dressed(), {}, {"input_ids": X, "labels": CLASSES}, ENTROPY, OWN),
    "whole mapping": (Takes(), {}, {"inputs": X, "labels": CLASSES}, ENTROPY, OWN),
    "whole dataclass": (Takes(), {}, Labelled(X, CLASSES), ENTROPY, OWN),
    "what is not taken, given": (Two(), {"loss_fn": F.mse_loss}, WITH_IDS, OFF, None),
    "what is not taken, inferred": (Two(), {}, WITH_IDS, OFF, MSE),
    "classes in int64": (nn.Identity(), {}, (X, CLASSES), ENTROPY, CE),
    "classes in int32": (nn.Identity(), {}, (X, CLASSES.int()), ENTROPY, CE),
    "classes in uint8": (nn.Identity(), {}, (X, CLASSES.byte()), ENTROPY, CE),
    "classes of pixels": (
        nn.Identity(),
        {},
        (PIXELS, PIXELS.argmax(1)),
        F.cross_entropy(PIXELS, PIXELS.argmax(1)),
        CE,
    ),
    "classes of tokens": (
        nn.Identity(),
        {},
        (TOKENS, TOKENS.argmax(-1)),
        F.cross_entropy(TOKENS.flatten(0, 1), TOKENS.argmax(-1).flatten()),
        CE,
    ),
    "floats": (nn.Identity(), {}, (X, X + 2), 4.0, MSE),
    "logits of a mapping": (Returns({"loss": None, "logits": X}), {}, (X, CLASSES), ENTROPY, CE),
    "logits of an object": (Returns(SimpleNamespace(loss=None, logits=X)), {}, (X, CLASSES), ENTROPY, CE),
    "loss_step": (Two(), {"loss_step": own_step}, (X, CLASSES), 9.0, "own_step(model, batch)"),
    "other keywords": (Anything(), {}, {"x": X, "b": X + 1, "y": X}, OFF, MSE),
    "one input of another name": (nn.Identity(), {"loss_fn": F.mse_loss}, {"data": X, "y": X + 2}, 4.0, None),
    "two inputs and a target": (Two(), {}, ((X, X + 1), X), OFF, MSE),
    "dataclass": (Anything(), {}, Sample(X, X + 2), 4.0, MSE),
    "a module that holds another": (Holds(Two()), {}, (X, X), 4.0, MSE),
    "own scalar": (Returns(torch.tensor(2.5)), {}, (X, CLASSES), 2.5, OWN),
    "own, of a mapping": (Returns({"loss": torch.tensor(2.5)}), {}, (X, CLASSES), 2.5, OWN),
    "own, of an object": (Returns(SimpleNamespace(loss=torch.tensor(2.5))), {}, (X, CLASSES), 2.5, OWN),
    "own, one element": (Returns({"loss": torch.tensor([2.5])}), {}, (X, CLASSES), 2.5, OWN),
}


@pytest.mark.parametrize(("model", "given", "batch", "value", "source"), BATCHES.values(), ids=BATCHES)
def test_the_loss_of_every_kind_of_batch(model, given, batch, value, source):
    """A scalar: that of the function given, else the model's own, else what targets of that type mean."""
    loss = BatchLoss(model, **given)

    assert loss(batch).shape == ()
    assert float(loss(batch)) == pytest.approx(float(value))
    assert source in (loss.source, None)


@pytest.mark.parametrize(
    ("output", "target"),
    [
        (X, torch.zeros(4)),
        (X, torch.zeros(4, 3, dtype=torch.bool)),
        (X, None),
        (X, torch.zeros(5, dtype=torch.long)),
        (X[:, 0], CLASSES),
        (X[:, :1], CLASSES),
        ((X, X), CLASSES),
        ({"scores": X}, CLASSES),
        (torch.randn(2, 3, 3), torch.zeros(2, 3, dtype=torch.long)),
        (torch.randn(2, 3, 3, 3), torch.zeros(2, 3, 3, dtype=torch.long)),
    ],
    ids=["broadcast", "bool", "no target", "length", "one logit", "one class", "tuple", "mapping", "tokens", "pixels"],
)
def test_a_loss_that_cannot_be_inferred_is_refused(output, target):
    """Nothing is guessed: shapes that only broadcast, one logit, several outputs, two dimensions of classes."""
    with pytest.raises(InputError, match=r"the loss cannot be inferred: the model returns .* pass `loss_fn=`"):
        BatchLoss(Returns(output))((X, target))


def test_a_lone_tensor_without_loss_function_is_refused():
    """A model is not taken for an autoencoder unasked."""
    with pytest.raises(InputError, match=r"the loss cannot be inferred: the model returns Tensor with 4x3 float32"):
        BatchLoss(nn.Identity())(X)


@pytest.mark.parametrize(
    ("loss", "got"),
    [
        (torch.zeros(4), r"a tensor of shape \(4,\)"),
        (2.5, "float 2.5"),
        (None, "NoneType None"),
        ((torch.zeros(()),), "tuple"),
    ],
    ids=["vector", "float", "none", "tuple"],
)
def test_a_loss_that_is_no_scalar_tensor_is_refused(loss, got):
    """The sentence names the source and what came, and how to reduce it."""
    with pytest.raises(
        InputError, match=rf"the loss \(<lambda>\(output, target\)\) must be a scalar tensor, got {got}"
    ):
        BatchLoss(nn.Identity(), lambda output, target: loss)((X, CLASSES))


class Squeezed(nn.Module):
    """A model whose output of one sample is a scalar."""

    def forward(self, x):
        return x.sum(-1, keepdim=True).squeeze()


def test_an_output_that_shrinks_to_a_scalar_is_not_taken_for_a_loss():
    """Where the first batch's loss was inferred, a last batch of one sample is refused instead of being trained on."""
    loss = BatchLoss(Squeezed())
    loss((X, X[:, 0]))

    with pytest.raises(InputError, match=r"the loss cannot be inferred: the model returns .* pass `loss_fn=`"):
        loss((X[:1], X[:1, 0]))


def test_a_model_that_stops_returning_its_loss_is_refused():
    """Where the first batch's loss was the model's own, none is inferred for the next."""
    loss = BatchLoss(Dressed())
    loss({"input_ids": X, "labels": CLASSES})

    with pytest.raises(InputError, match=r"the model must return its loss for every batch, got .* without one"):
        loss({"input_ids": X})


@pytest.mark.parametrize("name", ["loss_fn", "loss_step"])
@pytest.mark.parametrize("given", ["mse", nn.CrossEntropyLoss], ids=["name", "class"])
def test_a_loss_that_is_no_function_is_refused(name, given):
    """Neither a name nor a class, where an instance is meant."""
    with pytest.raises(InputError, match=f"`{name}` must be a function .*, got .* an instance of a loss class, as in"):
        BatchLoss(nn.Identity(), **{name: given})
