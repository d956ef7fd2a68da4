from collections import namedtuple
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
    """A model that returns what it is told to."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output


class Own(nn.Module):
    """A model that takes the target and makes the loss itself."""

    def forward(self, x, y):
        return F.cross_entropy(x, y)


class Dressed(nn.Module):
    """A model of the Hugging Face kind: keyword arguments in, an output with a loss out."""

    def forward(self, input_ids, labels=None, kind="object"):
        loss = None if labels is None else F.cross_entropy(input_ids, labels)
        return {"loss": loss, "logits": input_ids}


class Two(nn.Module):
    """A model with two inputs."""

    def forward(self, a, b):
        return a - b


def test_a_loss_function_gets_output_and_target():
    """The model is called on the batch without its last item, and the loss is `loss_fn(output, target)`."""
    loss = BatchLoss(Two(), F.mse_loss)

    assert loss((X, X + 1, X)) == F.mse_loss(X - (X + 1), X)
    assert loss.source == "mse_loss(output, target)"


def test_a_lone_tensor_is_its_own_target():
    """An autoencoder's batch is input and target at once."""
    loss = BatchLoss(nn.Identity(), lambda output, target: (output - 2 * target).sum())

    assert loss(X) == -X.sum()


@pytest.mark.parametrize("key", ["labels", "target"])
def test_a_mapping_names_its_target(key):
    """With a loss function, the target of a mapping is its `labels` or `target`."""

    class Model(nn.Module):
        def forward(self, x, **_):
            return x

    assert BatchLoss(Model(), F.cross_entropy)({"x": X, key: CLASSES}) == F.cross_entropy(X, CLASSES)


@pytest.mark.parametrize(
    "output",
    [
        torch.tensor(2.5),
        {"loss": torch.tensor(2.5)},
        SimpleNamespace(loss=torch.tensor(2.5)),
        namedtuple("Output", "loss logits")(torch.tensor(2.5), X),
        {"loss": torch.tensor([2.5])},
    ],
    ids=["scalar", "mapping", "object", "namedtuple", "one element"],
)
def test_a_model_may_return_its_own_loss(output):
    """A scalar, or an object or mapping with `loss`, is the loss."""
    loss = BatchLoss(Returns(output))

    assert loss((X, CLASSES)).shape == ()
    assert loss((X, CLASSES)) == 2.5
    assert loss.source == "returned by the model"


def test_a_model_that_takes_the_target_gets_it():
    """Where `forward` asks for as many arguments as the batch has, it gets them all."""
    assert BatchLoss(Own())((X, CLASSES)) == F.cross_entropy(X, CLASSES)


def test_a_mapping_is_passed_as_keyword_arguments():
    """A batch of the Hugging Face kind reaches a model of that kind."""
    loss = BatchLoss(Dressed())

    assert loss({"input_ids": X, "labels": CLASSES}) == F.cross_entropy(X, CLASSES)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_integer_targets_mean_cross_entropy(dtype):
    """Targets of any integer type are classes."""
    loss = BatchLoss(nn.Identity())

    assert loss((X, CLASSES.to(dtype))) == F.cross_entropy(X, CLASSES)
    assert loss.source == "cross_entropy, inferred from integer targets"


def test_integer_targets_per_pixel_mean_cross_entropy_over_the_second_dimension():
    """An image of classes is compared with logits of shape N x C x H x W."""
    logits, classes = torch.randn(2, 5, 3, 4), torch.randint(0, 5, (2, 3, 4))

    assert BatchLoss(nn.Identity())((logits, classes)) == F.cross_entropy(logits, classes)


def test_integer_targets_per_token_mean_cross_entropy_over_the_last_dimension():
    """A text of classes is compared with logits of shape N x T x C."""
    logits, classes = torch.randn(2, 7, 5), torch.randint(0, 5, (2, 7))

    assert BatchLoss(nn.Identity())((logits, classes)) == F.cross_entropy(logits.flatten(0, 1), classes.flatten())


def test_float_targets_mean_squared_error():
    """Float targets of the output's shape are regressed on."""
    loss = BatchLoss(nn.Identity())

    assert loss((X, X + 2)) == pytest.approx(4.0)
    assert loss.source == "mse_loss, inferred from float targets of the output's shape"


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
    ],
    ids=["broadcast", "bool", "no target", "length", "one logit", "one class", "tuple", "mapping"],
)
def test_a_loss_that_cannot_be_inferred_is_refused(output, target):
    """Whatever might be meant is not guessed: shapes that only broadcast, one logit, several outputs."""
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


@pytest.mark.parametrize("shape", [(2, 3, 3), (2, 3, 3, 3)], ids=["tokens", "pixels"])
def test_an_output_with_two_dimensions_of_classes_is_refused(shape):
    """Where classes may be in the second dimension or in the last, neither is guessed."""
    classes = torch.zeros(shape[:1] + shape[2:], dtype=torch.long)

    with pytest.raises(InputError, match="the loss cannot be inferred: the model returns"):
        BatchLoss(nn.Identity())((torch.randn(shape), classes))


@dataclass
class Labelled:
    inputs: torch.Tensor
    labels: torch.Tensor


class Takes(nn.Module):
    """A model that takes the batch whole and makes the loss itself."""

    def forward(self, batch):
        inputs, labels = batch.values() if isinstance(batch, dict) else (batch.inputs, batch.labels)
        return F.cross_entropy(inputs, labels)


@pytest.mark.parametrize("batch", [{"inputs": X, "labels": CLASSES}, Labelled(X, CLASSES)], ids=["dict", "dataclass"])
def test_a_model_that_takes_the_batch_gets_it_whole(batch):
    """A forward with one argument that is no part of the batch is called with all of it, labels included."""
    loss = BatchLoss(Takes())

    assert loss(batch) == F.cross_entropy(X, CLASSES)
    assert loss.source == "returned by the model"


@pytest.mark.parametrize("loss_fn", [None, F.mse_loss], ids=["inferred", "given"])
def test_what_a_forward_does_not_take_is_left_out(loss_fn):
    """An identifier or a weight in a batch that is a mapping does not reach a model without such an argument."""
    batch = {"a": X, "b": X + 1, "ids": ["one", "two"], "y": X}

    assert BatchLoss(Two(), loss_fn)(batch) == F.mse_loss(X - (X + 1), X)


@pytest.mark.parametrize(
    "output", [{"loss": None, "logits": X}, SimpleNamespace(loss=None, logits=X)], ids=["mapping", "object"]
)
def test_logits_without_a_loss_are_compared_with_the_target(output):
    """An output that leaves its loss None is inferred from its logits."""
    loss = BatchLoss(Returns(output))

    assert loss((X, CLASSES)) == F.cross_entropy(X, CLASSES)
    assert loss.source == "cross_entropy, inferred from integer targets"


@pytest.mark.parametrize("name", ["loss_fn", "loss_step"])
@pytest.mark.parametrize("given", ["mse", nn.CrossEntropyLoss], ids=["name", "class"])
def test_a_loss_that_is_no_function_is_refused(name, given):
    """A name, or a class where an instance is meant, is told at once."""
    with pytest.raises(InputError, match=f"`{name}` must be a function .*, got .* an instance of a loss class, as in"):
        BatchLoss(nn.Identity(), **{name: given})
