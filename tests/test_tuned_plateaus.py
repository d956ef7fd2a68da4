"""Tuning from a plateau: where neither the sweep nor a short trial moves the loss, few and long trials may leave it."""

import math

import pytest
import torch
import torch.nn.functional as F
from quadratic import QuadraticLoop, Skipping
from torch import nn

from lrfinder import find_lr
from lrfinder.errors import LRFinderWarning
from lrfinder.search.budget import FEWEST_STEPS, spend
from lrfinder.tune import tune_loop, tune_lr


def tuned_loop(loop, budget, total_steps=1_000):
    """What tuning finds for a loop."""
    return tune_loop(loop, total_steps=total_steps, budget=budget, progress=False)


def deep(seed, search=tune_lr, **options):
    """What a search finds for a network of six layers that plain descent moves only after some sixty steps."""
    torch.manual_seed(seed)
    x = torch.randn(2_048, 16)
    layers = [nn.Linear(16, 32), nn.ReLU(), *(layer for _ in range(4) for layer in (nn.Linear(32, 32), nn.ReLU()))]
    model = nn.Sequential(*layers, nn.Linear(32, 4))
    batches = list(zip(x.split(32), x[:, :4].argmax(1).split(32), strict=True))
    optimizer = torch.optim.SGD(model.parameters())
    options = {"loss_fn": F.cross_entropy, "optimizer": optimizer, "total_steps": 1_200, "progress": False, **options}
    return search(model, batches, **options)


def test_long_trials_leave_a_plateau():
    """Of three networks at least two are left by trials longer than a pilot's, within the budget, and get a rate."""
    found = [deep(seed) for seed in (4, 5, 6)]

    left = [
        one
        for one in found
        if one.evidence.pilots[0].is_sure and not any(trials.is_sure for trials in one.evidence.edge_trials)
    ]
    assert len(left) >= 2
    for one in left:
        (pilot,) = one.evidence.pilots
        assert pilot.steps > spend(300, 1_200).length
        assert min(loss for loss in pilot.losses if loss is not None) < 0.97 * pilot.start
        assert one.lr is not None
    assert all(one.cost_steps <= 300 for one in found)
    assert deep(6).evidence == found[2].evidence


def test_a_small_budget_on_a_plateau_buys_a_single_long_trial():
    """It is as long as what the search left pays for."""
    found = tuned_loop(QuadraticLoop(h=0.0, offset=1.0), budget=120)

    (edge_trials,), (pilot,) = found.evidence.edge_trials, found.evidence.pilots
    assert (len(edge_trials.lrs), len(pilot.lrs)) == (2, 1)
    assert pilot.steps >= FEWEST_STEPS
    assert 100 < found.cost_steps <= 120


@pytest.mark.parametrize("budget", [75, 80, 87])
def test_a_plateau_is_not_left_for_trials_that_nothing_pays_for(budget):
    """Where a single short trial leaves too little the search goes on, and the answer is that of find_lr."""
    assert deep(3, budget=budget).evidence == deep(3, search=find_lr, steps=budget).evidence


@pytest.mark.parametrize("budget", [120, 200, 300, 600])
def test_repeated_steps_on_a_plateau_are_paid_from_the_budget(budget):
    """A GradScaler that skips three steps at the start of every trial makes the long ones longer too."""
    found = tuned_loop(Skipping(3, h=0.0, offset=1.0), budget=budget)

    assert found.evidence.is_plateau
    assert len(found.evidence.pilots[0].lrs) >= 1
    assert found.cost_steps <= budget


def test_a_long_trial_that_runs_out_of_memory_leaves_the_training_alone():
    """On a plateau nothing else may be left to run: there is no number, and everything is as it was."""

    class Full(QuadraticLoop):
        made = 0

        def step(self, batch):
            self.made += 1
            if self.made > 60:
                self.theta += 1.0
                raise torch.OutOfMemoryError("no room")
            return super().step(batch)

    loop = Full(h=0.0, offset=1.0)
    with pytest.warns(LRFinderWarning, match="ran out of memory and is left out"):
        found = tuned_loop(loop, budget=300)

    assert found.evidence.pilots == ()
    assert (found.lr, loop.lr, loop.theta) == (None, 1.0, 1.0)
    assert found.cost_steps <= 300


def test_a_tiny_gain_has_not_left_a_plateau():
    """A fall of half a percent, as of a network that only learns how frequent its classes are, is no signal there."""

    class Frequencies(QuadraticLoop):
        def step(self, batch):
            self.theta = max(0.995, self.theta - 1e-4 * self.lr)
            return 1.0 + 0.05 * math.sin(37 * batch[0])

        def loss(self, batch, *, train=False):
            return self.theta + 0.05 * math.sin(37 * batch[0]) if not train else self.step(batch)

    found = tuned_loop(Frequencies(), budget=300, total_steps=1_200)

    (pilot,) = found.evidence.pilots
    assert found.evidence.is_plateau
    assert min(pilot.losses) < pilot.start
    assert not pilot.is_sure
    assert found.lr is None
