"""The peak that is usual for an optimizer, and how far it draws the measured one."""

import math
from dataclasses import replace

import pytest
import torch
from torch.optim import SGD, Adam, RMSprop

from lrfinder.advice.optimizers import usual_lr
from lrfinder.advice.recommend import peak
from lrfinder.evidence.evidence import Evidence, Status
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Facts
from lrfinder.schedules import Linear
from lrfinder.training.param_groups import ParamGroups

ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.999), weights=0.1)
PLAIN = Facts(optimizer="SGD", weights=0.1)


@pytest.mark.parametrize("kind", [SGD, Adam, RMSprop])
def test_the_size_of_the_weights_is_their_root_mean_square(kind):
    """Frozen parameters and those of other precisions count as they should."""
    parameters = [torch.full((3,), 3.0), torch.full((1,), 4.0, dtype=torch.float64), torch.full((9,), 7.0)]
    for parameter in parameters[:2]:
        parameter.requires_grad_()

    facts = ParamGroups([kind(parameters, lr=0.1)]).facts()

    assert facts.weights == pytest.approx(math.sqrt((3 * 9 + 16) / 4))


def test_weights_that_are_not_made_yet_have_no_size():
    """A lazy layer has none before its first batch."""
    assert ParamGroups([SGD(torch.nn.LazyLinear(2).parameters(), lr=0.1)]).facts().weights is None


def test_normalised_steps_are_usual_in_proportion_to_the_weights():
    """Whatever the loss."""
    assert usual_lr(replace(ADAM, weights=0.2), 5.0) == pytest.approx(2 * usual_lr(ADAM, 1.0))


def test_steps_of_gradient_descent_are_usual_as_the_equivariance_has_it():
    """As the square of the weights, as 1 / loss, and as 1 - momentum."""
    heavy = replace(PLAIN, betas=(0.9, 0.0), weights=0.2)

    assert usual_lr(heavy, 8.0) == pytest.approx(usual_lr(PLAIN, 1.0) * 4 / 8 / 10)


@pytest.mark.parametrize("facts", [replace(ADAM, weights=None), replace(ADAM, weights=0.0), Facts("net", "Adagrad")])
def test_where_nothing_is_known_nothing_is_usual(facts):
    """No weights, none but zeros, or another optimizer."""
    assert usual_lr(facts, 1.0) is None


def test_a_negative_loss_tells_nothing():
    """It has no scale."""
    assert usual_lr(PLAIN, -1.0) is None


@pytest.mark.parametrize(("away", "drawn"), [(0.0, 0.0), (0.1, 0.0399), (1.0, 0.32), (6.0, 0.24)])
def test_the_peak_is_drawn_less_the_further_the_usual_one_is(away, drawn):
    """In decades: two fifths of a small way, a third of a decade, a quarter of six."""
    race = Trials(lrs=(1.0, 10.0), losses=(0.5, 1.0), steps=14, start=1.0, is_sure=True, cost=30.0)
    bare = Evidence(None, {}, Status.OK, facts=Facts(optimizer="AdamW"), edge_trials=(race,))
    alone, _, _ = peak(bare, Linear(1000), 1000)
    usual = replace(ADAM, weights=alone * 10**away / 0.16)

    lr, _, _ = peak(replace(bare, facts=usual), Linear(1000), 1000)

    assert math.log10(lr / alone) == pytest.approx(drawn, abs=1e-3)


def test_fine_tuning_is_not_drawn_to_what_is_usual_from_scratch():
    """A pretrained model wants less than that."""
    race = Trials(lrs=(1.0, 10.0), losses=(0.5, 1.0), steps=14, start=1.0, is_sure=True, cost=30.0)
    known = Evidence(None, {}, Status.OK, facts=ADAM, edge_trials=(race,))

    lr, _, _ = peak(known, Linear(1000), 1000, finetune=True)

    assert lr == peak(replace(known, facts=Facts()), Linear(1000), 1000, finetune=True)[0]
