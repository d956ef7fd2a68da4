"""What is known of optimizers by name: the peak that is usual for one, and which of them set their own pace."""

import math
from dataclasses import replace

import pytest
import torch
from torch.optim import SGD, Adam, RMSprop

from lrfinder import Facts, TorchLoop
from lrfinder.advice.optimizers import own_pace, usual_lr
from lrfinder.training.param_groups import ParamGroups

ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.999), weights=0.1)
PLAIN = Facts(optimizer="SGD", weights=0.1)


@pytest.mark.parametrize("kind", [SGD, Adam, RMSprop])
def test_the_size_of_the_weights_is_their_root_mean_square(kind):
    """Frozen parameters count for nothing, those of another precision like any other; lazy ones have no size."""
    parameters = [torch.full((3,), 3.0), torch.full((1,), 4.0, dtype=torch.float64), torch.full((9,), 7.0)]
    for parameter in parameters[:2]:
        parameter.requires_grad_()

    facts = ParamGroups([kind(parameters, lr=0.1)]).facts()

    assert facts.weights == pytest.approx(math.sqrt((3 * 9 + 16) / 4))
    assert ParamGroups([kind(torch.nn.LazyLinear(2).parameters(), lr=0.1)]).facts().weights is None


def test_the_usual_peak_scales_as_the_steps_of_the_optimizer_do():
    """Adam's is proportional to the weights, whatever the loss; that of SGD to weights**2 (1 - momentum) / loss."""
    heavy = replace(PLAIN, betas=(0.9, 0.0), weights=0.2)

    assert usual_lr(replace(ADAM, weights=0.2), 5.0) == pytest.approx(2 * usual_lr(ADAM, 1.0))
    assert usual_lr(heavy, 8.0) == pytest.approx(usual_lr(PLAIN, 1.0) * 4 / 8 / 10)


@pytest.mark.parametrize(
    ("facts", "loss"),
    [
        (replace(ADAM, weights=None), 1.0),
        (replace(ADAM, weights=0.0), 1.0),
        (Facts("net", "Adagrad"), 1.0),
        (PLAIN, -1.0),
    ],
    ids=["weights not known", "weights of zero", "other optimizer", "negative loss"],
)
def test_there_is_no_usual_peak_without_a_scale(facts, loss):
    """Weights that are unknown or zero, an optimizer that was not fitted, and a negative loss give None."""
    assert usual_lr(facts, loss) is None


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("AdamWScheduleFree", "averages"),
        ("SGDScheduleFree", "warm-up"),
        ("RAdamScheduleFree and AdamW", "averages"),
        ("Prodigy", "multiplier"),
        ("DAdaptAdam", "multiplier"),
        ("DoG", "distance"),
        ("LDoG", "distance"),
        ("Rprop", "sign"),
        ("LBFGS", "line search"),
        *(
            (name, None)
            for name in ("Adam", "AdamW", "NAdam", "SGD", "RMSprop", "Lion", "Adagrad", "Adafactor", "model")
        ),
    ],
)
def test_an_optimizer_that_sets_its_own_pace_is_explained(name, word):
    """The sentence says what the optimizer does instead of following a schedule; the usual ones follow one."""
    assert own_pace(Facts(optimizer=name)) is None if word is None else word in own_pace(Facts(optimizer=name))


def test_relative_step_is_a_pace_of_its_own():
    """An optimizer with `relative_step` in its group, as Adafactor may have it, ignores its LR."""
    model = torch.nn.Linear(2, 1)
    optimizer = SGD([{"params": model.parameters(), "relative_step": True}], lr=0.1)

    facts = TorchLoop(model, [(torch.ones(1, 2), torch.ones(1, 1))], optimizer=optimizer).facts

    assert "relative_step=False" in own_pace(facts)
