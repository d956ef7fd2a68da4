"""A loop made of two functions: the laws of every loop, what it refuses, and what only it does."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from loop_contract import LAWS, Subject
from pair import together
from quadratic import QuadraticLoop
from torch import nn
from twins import Meter, Training, dataset, plain, state_of, training

from lrfinder import InputError, StepLoop, TorchLoop, range_test, tune_loop


def subject(loop, t):
    """A loop over a training, with what the laws look at."""
    return Subject(loop, partial(state_of, t), lambda: [float(group["lr"]) for group in t.optimizer.param_groups])


def grouped(parameters):
    """An SGD with two groups at a ratio of three."""
    parts = list(parameters)
    return torch.optim.SGD([{"params": parts[:2], "lr": 0.3}, {"params": parts[2:], "lr": 0.1}], momentum=0.9)


def torch_loop(optimizer=grouped, **options):
    """Plain torch, with every kind of state."""
    t = training(optimizer=optimizer)
    return subject(TorchLoop(t.model, t.loader, loss_fn=t.loss_fn, optimizer=t.optimizer, **options), t)


def own_step():
    """A step of the user's own, which cannot be split."""
    t = training()
    step = lambda model, batch: t._step(batch)  # noqa: E731
    return subject(TorchLoop(t.model, t.loader, train_step=step, optimizer=t.optimizer), t)


def functions_of(t):
    """An update and a forward, written by hand."""

    def forward(batch):
        return t.loss_fn(t.model(batch[0]), batch[1])

    def update(micro_batches):
        t.optimizer.zero_grad()
        loss = forward(micro_batches[0])
        loss.backward()
        t.optimizer.step()
        return loss

    return {"update": update, "forward": forward}


def by_hand(t=None, **options):
    """A loop of two functions."""
    t = training() if t is None else t
    given = {"modules": [t.model], "optimizers": [t.optimizer], "loader": t.loader, **functions_of(t), **options}
    return StepLoop(**given)


def step_loop(optimizer, **options):
    """Two functions."""
    t = training(optimizer=optimizer)
    return subject(by_hand(t, **options), t)


def quadratic():
    """The one that is written against the protocol and nothing else."""
    loop = QuadraticLoop()
    return Subject(loop, lambda: (loop.lr, loop.theta), lambda: [loop.lr])


LOOPS = {
    "torch": lambda: torch_loop(val_loader=training().loader),
    "accumulating": lambda: torch_loop(torch.optim.AdamW, accumulate=3),
    "own step": own_step,
    "two functions": lambda: step_loop(grouped, val_loader=training().loader),
    "maximizing": lambda: step_loop(partial(torch.optim.SGD, lr=0.1, maximize=True)),
    "quadratic": quadratic,
}


@pytest.mark.parametrize("made", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_loop_keeps_the_law(law, made):
    """Each of these loops can be searched."""
    law(made())


@pytest.mark.parametrize("search", [range_test, partial(tune_loop, total_steps=900, budget=100)], ids=["find", "tune"])
def test_two_functions_find_what_plain_torch_finds(search):
    """The same training, written by hand, has the same result to the last bit."""
    found = []
    for made in (by_hand, lambda t: TorchLoop(t.model, t.loader, loss_fn=t.loss_fn, optimizer=t.optimizer)):
        torch.manual_seed(3)
        t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 3)))
        found.append(search(made(t), progress=False))

    mine, ours = found
    assert mine.curve == ours.curve
    assert mine.lr == ours.lr


def test_an_optimizer_inside_another_is_not_looked_at():
    """One that takes no hooks counts with every update that returns a loss, as Accelerate's own does."""

    class Prepared(torch.optim.Optimizer):
        def __init__(self, inner):
            self.optimizer = inner

        param_groups = property(lambda self: self.optimizer.param_groups)
        state = property(lambda self: self.optimizer.state)
        step = property(lambda self: self.optimizer.step)
        zero_grad = property(lambda self: self.optimizer.zero_grad)

    t = training()
    t.optimizer = Prepared(t.optimizer)
    loop = by_hand(t)

    assert loop.step(loop.draw()) > 0


def found_without(forward_is_given, search):
    """What a search finds for one training, with or without a forward beside its update."""
    torch.manual_seed(3)
    t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)), torch.optim.AdamW)
    return search(by_hand(t, **({} if forward_is_given else {"forward": None})), progress=False)


def test_trials_without_a_forward_are_those_with_one():
    """Their first losses are those of updates that are put back, which cost a step each instead of a third."""
    (trials,) = found_without(False, range_test).evidence.edge_trials
    (ours,) = found_without(True, range_test).evidence.edge_trials

    assert trials.start == pytest.approx(ours.start)
    assert (trials.lrs, trials.losses) == (ours.lrs, ours.losses)
    assert trials.cost == ours.cost - 6 / 3 + 6


def test_pilots_without_a_forward_are_evaluated_by_updates_that_are_put_back():
    """They learn as those with a forward do, and the budget pays for the updates."""
    search = partial(tune_loop, total_steps=900, budget=300)

    tuned, ours = found_without(False, search), found_without(True, search)

    assert tuned.evidence.pilots[0].start == pytest.approx(ours.evidence.pilots[0].start)
    assert len(tuned.evidence.pilots[0].lrs) > 1
    assert ours.cost_steps <= 300
    assert tuned.cost_steps <= 300


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"update": None}, "`update` must be a function, got None"),
        ({"forward": 3}, "`forward` must be a function or None, got 3"),
        ({"state": Meter()}, "`state` must be a list of objects to put back after the search, got <.*Meter"),
        ({"state": ["scaler"]}, "`state` must hold objects with a state that can be put back, got 'scaler' in it"),
        ({"group": 2}, "`group` must be a process group"),
        ({"modules": []}, "`model` must have a parameter that can be trained, got no module with 0 parameters"),
        ({"modules": [nn.Linear(2, 2)]}, "`optimizer` must hold parameters of `model`, got a AdamW that holds none"),
        ({"sweep": 1}, "`sweep` must be the index of an optimizer, 0 to 0, or None, got 1"),
        ({"forward": None, "evaluate_in": "train"}, "`evaluate_in` must be left out where the update cannot be split"),
        ({"accumulate": 0}, "`accumulate` must be a positive number of micro-batches, got 0"),
        ({"loader": 3}, "`loader` must yield batches"),
    ],
)
def test_what_makes_no_loop_is_refused(options, sentence):
    """Each with what it must be and what it was."""
    with pytest.raises(InputError, match=sentence):
        by_hand(**options)


def test_a_forward_that_returns_no_scalar_is_refused():
    """The tensor itself is wanted, reduced."""
    loop = by_hand(forward=lambda batch: torch.zeros(2))

    with pytest.raises(InputError, match=r"the loss \(forward\) must be a scalar tensor, got a tensor of shape \(2,\)"):
        loop.loss(loop.draw())


def of_member(group, batches):
    """A loop over this member's batches, whose gradient is averaged by hand, as a framework does."""
    model = nn.Linear(4, 3, bias=False)
    nn.init.zeros_(model.weight)
    t = Training(model, torch.optim.SGD(model.parameters(), lr=0.1), batches)

    def update(micro_batches):
        t.optimizer.zero_grad()
        loss = torch.stack([F.cross_entropy(model(x), y) for x, y in micro_batches]).mean()
        loss.backward()
        model.weight.grad = torch.stack([group.reduce(g) for g in model.weight.grad.reshape(-1)]).reshape(3, 4)
        t.optimizer.step()
        return loss

    return by_hand(t, update=update, group=group, accumulate=2), t


def test_a_group_of_its_own_agrees_on_everything():
    """Two members with other batches, of which one has fewer, see the same losses and make the same steps."""
    x, y = dataset(72).tensors
    parts = [list(zip(x[36 * i :].split(6)[: 6 - i], y[36 * i :].split(6)[: 6 - i], strict=True)) for i in range(2)]

    def work(group):
        loop, t = of_member(group, parts[group.rank])
        drawn = [loop.draw() for _ in range(6)]
        losses = [loop.step(batch) for batch in drawn] + [loop.loss(drawn[0])]
        return losses, [len(batch) for batch in drawn], loop.facts.steps_per_epoch, plain(t.model.weight)

    first, second = together(work)

    assert first == second
    assert first[1:3] == ([2, 2, 1, 2, 2, 1], 3)


@pytest.mark.parametrize("drawn", ["draw", "held_out"])
def test_batches_can_be_kept(drawn):
    """What worker processes send is taken out of shared memory, where each tensor holds a file open."""
    x = torch.randn(8, 4).share_memory_()
    loop = by_hand(loader=[(x, torch.zeros(8).long())], val_loader=[(x, torch.zeros(8).long())])

    ((kept, _),) = getattr(loop, drawn)()

    assert (kept.is_shared(), torch.equal(kept, x)) == (False, True)
