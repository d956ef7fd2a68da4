"""What cannot be used raises one clear sentence at once, and leaves the training as it was."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from twins import Net, dataset, refused, sweep, training

from lrfinder.schedules import CATALOGUE, Cosine

RANGES = [
    ({"lr_min": 0.1, "lr_max": 0.01}, "`lr_max` must exceed `lr_min`=0.1, got 0.01; swap them"),
    ({"lr_min": 0.1, "lr_max": 0.1}, "`lr_max` must exceed `lr_min`=0.1, got 0.1; swap them"),
    ({"lr_min": 0.0}, "`lr_min` must be a positive finite learning rate, got 0.0"),
    ({"lr_min": -1e-3}, "`lr_min` must be a positive finite learning rate, got -0.001"),
    ({"lr_min": math.nan}, "`lr_min` must be a positive finite learning rate, got nan"),
    ({"lr_max": math.inf}, "`lr_max` must be a positive finite learning rate, got inf"),
    ({"lr_min": "1e-7"}, "`lr_min` must be a positive finite learning rate, got '1e-7'"),
    ({"lr_min": 1.0, "lr_max": 1.0 + 1e-15}, "by more than rounding"),
    ({"steps": 9}, "`steps` must be a whole number of at least 10, got 9"),
    ({"steps": -1}, "`steps` must be a whole number of at least 10, got -1"),
    ({"steps": 50.0}, r"`steps` must be a whole number of at least 10, got 50\.0"),
]
OPTIONS = [
    ({"rule": "steep"}, "`rule` must be one of steepest, valley, minimum, divergence, .*, got 'steep'"),
    ({"rule": ["steepest"]}, r"`rule` must be one of steepest, .*, or None, got \['steepest'\]"),
    ({"total_steps": 0}, "`total_steps` must be a positive whole number of optimizer steps, got 0"),
    ({"total_steps": 12.5}, r"`total_steps` must be a positive whole number of optimizer steps, got 12\.5"),
    ({"finetune": "no"}, "`finetune` must be True or False, got 'no'; write it without quotes"),
    ({"strict": "yes"}, "`strict` must be True or False, got 'yes'; write it without quotes"),
    ({"progress": 0}, "`progress` must be True or False, got 0; pass bool"),
    ({"channels_last": "yes"}, "`channels_last` must be True or False, got 'yes'"),
    ({"open_ended": 1}, "`open_ended` must be True or False, got 1"),
    ({"schedule": "zigzag"}, "`schedule` must be \"recommended\", one of .*linear.*, got 'zigzag'"),
    ({"schedule": 3}, "`schedule` must be a name or a function of the step, got int"),
    ({"schedule": Cosine}, "`schedule` must be a name or a function of the step, got the class Cosine"),
    ({"criterion": None}, "got an unexpected keyword argument 'criterion'; did you mean loss_fn?"),
    ({"num_iter": 100}, "got an unexpected keyword argument 'num_iter'; did you mean steps?"),
    ({"tracker": None}, "got an unexpected keyword argument 'tracker'; it takes .*lr_max.*steps.*val_loader"),
    ({"optimizer": torch.optim.SGD}, "`optimizer` must be a torch optimizer, .* got the class SGD; make one"),
    ({"accumulate": 0}, "`accumulate` must be a positive number of micro-batches, got 0"),
    ({"accumulate": 1.5}, r"`accumulate` must be a positive number of micro-batches, got 1\.5"),
    ({"clip_grad_norm": 0.0}, r"`clip_grad_norm` must be positive or None, got 0\.0"),
    ({"clip_grad_norm": math.nan}, "`clip_grad_norm` must be positive or None, got nan"),
    ({"clip_grad_norm": True}, "`clip_grad_norm` must be positive or None, got True"),
    ({"device": "cuda"}, "unexpected keyword argument 'device'; the model's own device is used: move the model"),
    ({"clip_grad_norm": "1"}, "`clip_grad_norm` must be positive or None, got '1'"),
    ({"autocast": True}, "`autocast` must be torch.bfloat16, torch.float16 or None, got True"),
    ({"scaler": True}, "`scaler` must be a GradScaler or None, got True; pass that of the training"),
    ({"snapshot": "none"}, '`snapshot` must be "auto" or "all", got \'none\''),
    ({"snapshot_device": "gpu"}, "`snapshot_device` must be a device of this machine, .*, got 'gpu'"),
    ({"snapshot_device": "meta"}, "`snapshot_device` must be a device of this machine, .*, got 'meta'"),
    (
        {"evaluate_on": "validation"},
        "validation batches must be given to evaluate on them, got none; pass `val_loader`",
    ),
    ({"evaluate_on": "test"}, "`evaluate_on` must be one of training, validation, or None, got 'test'"),
    ({"optimizer": "adam"}, "`optimizer` must be a torch optimizer, or a list of them, got str"),
    ({"optimizer": []}, "`optimizer` must hold at least one optimizer, got an empty list; pass those of the training"),
]
LOADERS = [
    ({"loader": []}, "`loader` must yield at least one batch, got none from this list"),
    ({"loader": DataLoader(dataset(4), 8, drop_last=True)}, "at least one batch, got none from this DataLoader"),
    ({"loader": dataset(4)}, "`loader` must yield batches, got the data set TensorDataset, .* pass DataLoader"),
    ({"loader": iter([1])}, "`loader` must be something that can be iterated anew, got a list_iterator"),
    ({"loader": lambda: None}, "`loader` must return an iterator of batches when it is called, got None"),
    ({"loader": None}, r"`loader` must yield batches \(a DataLoader, .*got NoneType"),
    (
        {"loader": lambda: iter([1]), "epochs": 2},
        "`steps_per_epoch` must be given with `epochs`=2 for a loader without length, got None",
    ),
]
LOSSES = [
    ({"loss_fn": lambda output, _: output}, r"the loss .* must be a scalar tensor, got a tensor of shape \(8, 3\)"),
    ({"loss_fn": lambda output, _: 0.5}, r"must be a scalar tensor, got float 0\.5; .*return the tensor itself"),
    ({"loss_fn": "mse"}, "`loss_fn` must be a function that returns a scalar tensor, got 'mse'; pass the function"),
    (
        {"loss_fn": nn.CrossEntropyLoss},
        r"`loss_fn` must be a function .*, got <class .* as in nn\.CrossEntropyLoss\(\)",
    ),
    ({"loss_fn": lambda output, _: None}, "the loss .* must be a scalar tensor, got NoneType"),
    ({"loss_fn": lambda output, _: output.detach().mean()}, "must need a gradient, got one cut off .*detach"),
    (
        {"loss_fn": lambda output, _: output.mean() * math.nan},
        "the loss of the very first batch must be finite, got nan",
    ),
    (
        {"loss_fn": lambda output, _: output.mean() + math.inf},
        "the loss of the very first batch must be finite, got inf",
    ),
    (
        {"loss_fn": None, "loader": [(torch.zeros(8, 4), torch.zeros(8))]},
        "the loss cannot be inferred: .* Tensor with 8x3 float32 .* Tensor with 8 float32; pass `loss_fn=",
    ),
]
MODELS = [
    (
        {"model": type("Mine", (type("LightningModule", (nn.Linear,), {}),), {})(4, 3), "loss_fn": None},
        r"got the LightningModule Mine, whose .* put AutoLR\(\) .*, or pass loss_step=lambda model, batch: ",
    ),
    ({"model": "net"}, "`model` must be a torch.nn.Module, got str"),
    (
        {"model": nn.Sequential(nn.LazyLinear(3)), "optimizer": None},
        r"`model` must know the shape of its parameters, got lazy ones \(0.weight, 0.bias\); run one batch",
    ),
    (
        {"model": nn.Linear(4, 3, device="meta"), "optimizer": None},
        r"must have its weights on a device, got parameters on `meta` \(weight, bias\), .*to_empty",
    ),
    (
        {"optimizer": torch.optim.SGD(Net().parameters(), lr=0.1)},
        "`optimizer` must hold parameters of `model`, got a SGD that holds none of them; make it from",
    ),
]


@pytest.mark.parametrize(
    ("options", "sentence"), RANGES + OPTIONS + LOADERS + LOSSES + MODELS, ids=lambda value: str(value)[:30]
)
def test_what_cannot_be_used_is_refused(options, sentence):
    """The sentence says what the argument must be and what it was, and the training is as before."""
    t = training().train(2)

    with refused(t, sentence):
        sweep(t, **options)


def test_a_sweep_that_breaks_later_is_no_bad_input():
    """Only the very first loss must be finite; a later one ends the sweep and is data."""
    t = training().train(2)
    calls = []

    def loss_fn(output, target):
        calls.append(1)
        return F.cross_entropy(output, target) * (math.nan if len(calls) > 5 else 1.0)

    assert sweep(t, loss_fn=loss_fn).stopped == "non_finite"


@pytest.mark.parametrize("rate", [0.0, math.nan])
def test_a_reference_group_without_a_rate_is_refused(rate):
    """The groups' ratios cannot be formed with a base of 0."""
    t = training().train(2)
    t.optimizer.param_groups[0]["lr"] = rate

    with refused(t, "the base LR of `optimizer`'s reference group 0 must be positive, got"):
        sweep(t)


def test_a_model_with_nothing_to_train_is_refused():
    """The sentence says how many parameters there are, and that all are frozen."""
    t = training().train(2)
    t.model.requires_grad_(False)

    with refused(t, r"`model` must have a parameter that can be trained, got Net with \d+ parameters, all frozen"):
        sweep(t)


@pytest.mark.parametrize(
    ("batch", "sentence", "error", "shapes"),
    [
        ((torch.zeros(8, 5), torch.zeros(8).long()), "mat1 and mat2 shapes cannot be", RuntimeError, "8x5 float32"),
        ((torch.zeros(8, 4), torch.full((8,), 99)), "Target 99 is out of bounds", IndexError, "8x4 float32"),
    ],
    ids=["model", "loss"],
)
def test_a_batch_that_is_rejected_is_named(batch, sentence, error, shapes):
    """The own error of the model or the loss goes on, with the shapes of the batch as a note."""
    t = training().train(2)

    with refused(t, sentence, error) as caught:
        sweep(t, loader=[batch])

    assert caught.value.__notes__ == [
        f"lrfinder: raised by the model or the loss on this batch: tuple with [0]: {shapes}, [1]: 8 int64"
    ]


def test_an_unknown_schedule_lists_the_known():
    """Every name of the catalogue is in the sentence."""
    t = training()

    with refused(t, "`schedule` must be") as caught:
        sweep(t, schedule="zigzag")

    assert [name for name in CATALOGUE if name not in str(caught.value)] == []


def test_a_sweep_in_inference_mode_is_refused():
    """No gradient can be had there, whatever is switched on inside."""
    t = training().train(2)

    with refused(t, r"must be found outside of `torch\.inference_mode\(\)`, got a call inside"), torch.inference_mode():
        sweep(t)


def test_a_sweep_without_gradients_switches_them_on():
    """Under `torch.no_grad()` the curve is the one outside of it, and gradients stay off afterwards."""
    t = training().train(2)
    outside = sweep(t)

    with torch.no_grad():
        inside = sweep(t)
        is_off_afterwards = not torch.is_grad_enabled()

    assert inside == outside
    assert is_off_afterwards
