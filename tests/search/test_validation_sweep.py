"""The validation sweep: the loss after each step on fixed batches, what it costs, and no trace."""

import math
from itertools import accumulate, pairwise

import pytest
import torch
import torch.nn.functional as F
from quadratic import BATCHES, Quadratic, QuadraticLoop
from quadratic import swept as swept_quadratic
from torch import nn
from torch.utils.data import DataLoader
from twins import Notes, Training, dataset, plain, refused, state_of, sweep, training

from lrfinder.search.sweep import exponential_range
from lrfinder.search.sweep import sweep as sweep_loop


@pytest.mark.parametrize("h", [1.0, 20.0])
def test_the_loss_after_each_step_is_the_analytic_one(h):
    """On h theta**2 / 2 the loss after update i is the one before it times (1 - h lr)**2."""
    curve = swept_quadratic(Quadratic(h), steps=60, lr_min=1e-4, lr_max=3.0, val_loader=BATCHES).curve

    losses = list(
        accumulate(((1 - h * lr) ** 2 for lr in curve.lrs), lambda loss, factor: loss * factor, initial=h / 2)
    )
    assert curve.losses == pytest.approx(losses[:-1], rel=1e-9)
    assert curve.after == pytest.approx(losses[1:], rel=1e-9)


def network():
    """A network whose train and eval modes differ."""
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 3))


def held_out(n=5, last=8):
    """Validation batches of eight."""
    x, y = dataset(8 * (n - 1) + last).tensors
    return list(zip(x.split(8), y.split(8), strict=True))


def test_a_validation_curve_is_that_of_a_hand_written_loop():
    """After each step: eval mode, the first four batches, their mean over samples, and train mode again."""
    validation = held_out(4, last=3)
    torch.manual_seed(5)
    curve = sweep(training(network, shuffle=False), val_loader=validation, steps=40, lr_min=1e-3, lr_max=0.1).curve
    torch.manual_seed(5)
    t, after = training(network, shuffle=False), []

    for lr in curve.lrs:
        t.sweep_by_hand([lr])
        x, y = (torch.cat(parts) for parts in zip(*validation, strict=True))
        with torch.no_grad():
            after.append(F.cross_entropy(t.model.eval()(x), y).item())
        t.model.train()

    assert curve.after == pytest.approx(after, rel=1e-5)
    assert curve.losses == [loss.item() for _, loss in t.seen]


def test_batch_norm_is_in_eval_mode_for_the_validation_loss_alone():
    """Its running averages see the training batches and no other."""
    t, modes = training(network), Notes()
    t.model[1].register_forward_hook(lambda module, *_: modes.append(module.training))

    curve = sweep(t, val_loader=held_out(2), steps=40).curve

    assert modes.items == [True, False, False] * len(curve)


def test_the_batches_are_the_same_after_every_step():
    """A loader that shuffles is read once, and no more than its first four batches."""
    t, seen = training(network), Notes()
    t.model.register_forward_pre_hook(lambda module, args: None if module.training else seen.append(plain(args[0])))
    loader = DataLoader(dataset(64), batch_size=8, shuffle=True)

    curve = sweep(t, val_loader=loader, steps=40).curve

    assert len(seen.items) == 4 * len(curve)
    assert all(a == b for a, b in zip(seen.items, seen.items[4:], strict=False))
    assert all(a != b for a, b in pairwise(seen.items[:4]))


@pytest.mark.parametrize("batches", [1, 2, 4, 7])
@pytest.mark.parametrize("steps", [24, 50, 100])
def test_the_cost_stays_within_the_budget(steps, batches):
    """A forward alone counts a third of a step, and all together come to `steps` within the cost of one rate."""
    t, modes = training(network), Notes()
    t.model.register_forward_hook(lambda module, *_: modes.append(module.training))
    found = sweep(t, val_loader=held_out(batches), steps=steps, lr_min=1e-6, lr_max=1e-3, rule="steepest")

    one_rate = 1 + min(batches, 4) / 3
    assert found.evidence.cost_steps == math.ceil(sum(modes.items) + modes.items.count(False) / 3 - 1e-9)
    assert steps - one_rate <= found.evidence.cost_steps <= steps + one_rate


def test_the_training_loss_can_be_asked_for():
    """With `evaluate_on="training"` the validation loader is not read, and the curve is the plain one."""
    curves = []
    for options in ({"val_loader": held_out(), "evaluate_on": "training"}, {}):
        torch.manual_seed(5)
        curves.append(sweep(training(network), **options).curve)

    assert curves[0] == curves[1]
    assert curves[0].after is None


def test_a_validation_batch_that_the_model_rejects_is_named():
    """The model's own error goes on with the shapes of the batch that it was called on."""
    t = training().train(2)
    wrong = [(torch.zeros(8, 5), torch.zeros(8, dtype=torch.long))]

    with refused(t, "mat1 and mat2 shapes cannot be multiplied", RuntimeError) as caught:
        sweep(t, val_loader=wrong)

    assert "tuple with [0]: 8x5 float32" in caught.value.__notes__[0]


@pytest.mark.parametrize("before", [0, 7])
@pytest.mark.parametrize("own", [False, True], ids=["global stream", "own generator"])
def test_a_validation_sweep_leaves_no_trace(before, own):
    """Ten steps later, and in the next pass over the validation loader, all is as for a twin that never swept."""
    outcomes = []
    for disturb in (sweep, lambda t, **_: None):
        torch.manual_seed(1)
        generator = torch.Generator().manual_seed(9) if own else None
        loader = DataLoader(dataset(64), batch_size=8, shuffle=True, generator=generator)
        t = training(network).train(before)
        disturb(t, val_loader=loader)
        outcomes.append((plain(list(loader)), state_of(t.train(10))))

    assert outcomes[0] == outcomes[1]


def breaking_off(at):
    """A squared error that is infinite from this measurement without gradient on."""
    measured = []

    def loss_fn(output, target):
        measured.extend([] if output.requires_grad else [1])
        return F.mse_loss(output, target) + (math.inf if len(measured) >= at else 0.0)

    return loss_fn


def test_a_validation_loss_that_breaks_later_ends_the_sweep():
    """What training does not show yet, held-out batches can."""
    t = training(lambda: nn.Linear(4, 4))
    x = torch.randn(8, 4)

    found = sweep(t, loader=[(x, x)], val_loader=[(x, x)], loss_fn=breaking_off(6), steps=60)

    assert (found.stopped, len(found.curve)) == ("non_finite", 5)


def test_validation_batches_without_a_finite_loss_are_refused():
    """They would end every sweep at its first rate."""
    t = training(network).train(2)
    unusable = [(torch.full((8, 4), math.nan), torch.zeros(8, dtype=torch.long))]

    with refused(t, "the loss of the validation batches after the very first step must be finite, got nan; look at"):
        sweep(t, val_loader=unusable)


def test_a_sweep_measures_what_training_hides():
    """On labels of pure noise the training loss of one batch falls, and the held-out loss does not: no rate."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 3))
    batch = [(torch.randn(16, 4), torch.randint(3, (16,)))]
    t = Training(net, torch.optim.Adam(net.parameters()), batch)

    on_training = sweep(t, steps=100, lr_min=1e-6)
    on_validation = sweep(t, steps=200, lr_min=1e-6, val_loader=[(torch.randn(256, 4), torch.randint(3, (256,)))])

    assert on_training.lr is not None
    assert on_validation.lr is None


@pytest.mark.parametrize(("rise", "diverged"), [(0.1, True), (1e-5, False)])
def test_a_rise_that_is_tiny_beside_the_deviation_between_batches_is_no_divergence(rise, diverged):
    """A sweep goes on where the validation loss drifts, however smoothly, and stops where it rises in earnest."""
    losses = [12.0 + ((7 * i) % 5 - 2) / 2 for i in range(70)]
    after = [0.7 - 1e-4 * (1 + math.tanh((i - 25) / 4)) / 2 for i in range(50)]
    loop, held_out_losses = QuadraticLoop(script=losses), iter(after + [after[-1] + rise * i for i in range(1, 21)])
    loop.loss = lambda batch: next(held_out_losses)

    curve = sweep_loop(loop, exponential_range(1e-7, 1.0, 70), held_out=BATCHES)

    assert (curve.stopped == "diverged") is diverged
