"""`tune_lr` and `tune_loop`: what they refuse, what they cost, what they answer, and that no trace is left."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from builders import horizon
from least_squares import LeastSquares
from quadratic import QuadraticLoop
from torch import nn
from twins import Notes, dataset, refused, training, twins

from lrfinder import Facts, InputError, NoSignalError, TorchLoop, find_lr
from lrfinder.advice.peak import pilot_start
from lrfinder.schedules import CATALOGUE, Constant, Linear, ReduceOnPlateau
from lrfinder.search.budget import least_for_a_pilot
from lrfinder.tune import tune_loop, tune_lr

TOTAL = 1_000
LEAST = least_for_a_pilot()
ENOUGH = 250
"""A budget that pays for one pilot."""

VALIDATION = [(torch.linspace(-1, 1, 32).reshape(8, 4), torch.arange(8) % 3)] * 2


def tuned(t=None, **options):
    """What tuning finds for a whole training, its loss function and optimizer included."""
    t = t or training()
    given = {"loss_fn": t.loss_fn, "optimizer": t.optimizer, "progress": False, "total_steps": TOTAL}
    given |= {"budget": ENOUGH, **options}
    return tune_lr(given.pop("model", t.model), given.pop("loader", t.loader), **given)


def tuned_loop(loop=None, **options):
    """What tuning finds for least squares, or for another loop."""
    return tune_loop(loop or LeastSquares(noise=0.1), **{"total_steps": TOTAL, "progress": False, **options})


class Ending:
    """An iterable of batches without a length, which ends after a few."""

    def __init__(self, count):
        x, y = dataset(8 * count).tensors
        self.batches = list(zip(x.split(8), y.split(8), strict=True))

    def __iter__(self):
        return iter(self.batches)


@pytest.mark.parametrize("budget", [10, 33, 74, 75, 100, 177, 178, 200, 300, 417, 1_000, 1_600])
def test_the_budget_is_kept(budget):
    """Forwards are charged, and trials that would exceed it are not begun."""
    assert 0 < tuned_loop(budget=budget).cost_steps <= budget


def test_the_cost_is_what_is_really_spent():
    """Steps counted at the model, a forward alone for a third, come to what is charged."""
    model, spent = nn.Linear(4, 3), Notes()
    model.register_forward_hook(lambda *_: spent.append(1 if torch.is_grad_enabled() else 1 / 3))

    found = tune_lr(model, Ending(9), total_steps=TOTAL, progress=False)

    # Short trials evaluate their start, and once their end, with gradients, to repeat the very forward of training.
    (edge_trials,) = found.evidence.edge_trials
    repeated = 6 + sum(share is not None for share in (edge_trials.learned_before, *edge_trials.learned))
    counted = sum(spent.items) - repeated * (1 - 1 / 3)
    assert counted <= found.cost_steps < counted + 1


def test_several_pilots_have_one_length_and_batches_of_their_own():
    """A large budget buys more of them, each with another loss before training."""
    pilots = tuned_loop(budget=1_800, total_steps=10**6).evidence.pilots

    assert [trials.steps for trials in pilots] == [pilots[0].steps] * 2
    assert pilots[0].start != pilots[1].start


def test_a_pilot_is_no_longer_than_the_training():
    """A budget above the training's own length runs it whole, and the plan says that it is more."""
    found, cheaper = (tuned_loop(total_steps=steps, budget=600) for steps in (60, 600))

    assert found.evidence.pilots[0].steps == 60
    words = f"The search cost {found.cost_steps} steps, more than the 60 of the training itself."
    assert words in found.plan.warnings
    assert not any("more than the training" in text for text in cheaper.plan.warnings)


@pytest.mark.parametrize("budget", [75, LEAST - 1])
def test_a_budget_without_pilots_says_so_and_gives_what_find_lr_gives(budget):
    """Rate, interval and evidence are those of find_lr with as many steps, a hundred at most."""
    t = training()
    options = {"loss_fn": t.loss_fn, "optimizer": t.optimizer, "progress": False, "total_steps": TOTAL}
    expected = find_lr(t.model, t.loader, steps=min(budget, 100), **options)

    found, enough = tuned(t, budget=budget), tuned(budget=LEAST)

    assert (found.lr, found.interval, found.evidence) == (expected.lr, expected.interval, expected.evidence)
    assert found.plan is None or (
        f"The budget of {budget} steps is too small for pilots; they take {LEAST}." in " ".join(str(found).split())
    )
    assert (len(enough.evidence.pilots), "too small" in str(enough)) == (1, False)


def test_pilots_that_gain_nothing_leave_the_answer_to_the_search():
    """Evaluation batches whose loss no training lowers give no best peak, and the result says so."""

    class Rising(QuadraticLoop):
        def loss(self, batch, *, train=False):
            is_pilot = not train and len(self.rates) > 60
            return 2.0 - self.theta**2 if is_pilot else super().loss(batch)

        def step(self, batch):
            loss = QuadraticLoop.loss(self, batch)
            self.rates.append(self.lr)
            self.theta -= self.lr * self.h * self.theta
            return loss

    found = tuned_loop(Rising())

    assert all(trials.best is None for trials in found.evidence.pilots)
    assert found.lr is not None
    assert "No pilot lowered the loss" in str(found)


def test_a_pilot_begins_no_higher_than_what_diverged():
    """A peak that short trials of least squares did not survive is not tried again."""
    evidence = tuned_loop(LeastSquares(1), budget=300).evidence

    (made,) = evidence.edge_trials
    diverged = [lr for lr, loss in zip(made.lrs, made.losses, strict=True) if loss is None]
    assert evidence.pilots[0].lrs[0] <= min(diverged)


@pytest.mark.parametrize("finetune", [True, False])
def test_the_first_pilot_is_where_the_short_trials_have_the_peak(finetune):
    """A peak for fine-tuning is not drawn to what is usual from scratch."""
    found = tuned(schedule="linear", finetune=finetune)
    pilot, evidence, length = found.evidence.pilots[0], replace(found.evidence, pilots=()), horizon(TOTAL, 5)

    first = pilot_start(evidence, evidence.curve, (), pilot.steps, length, finetune=finetune)

    assert min(abs(math.log(lr / first)) for lr in pilot.lrs) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("verb", [tuned, tuned_loop])
def test_the_length_must_be_known(verb):
    """No pilot can be made without it."""
    with pytest.raises(InputError, match="`total_steps` must be given to run pilots of the training, got None; pass"):
        verb(total_steps=None)


@pytest.mark.parametrize("given", [{}, {"steps_per_epoch": 50}])
def test_the_length_may_be_given_in_epochs(given):
    """Twenty epochs of fifty steps, as the loader or the user has it, are a thousand steps."""
    facts = Facts() if given else Facts(steps_per_epoch=50)
    by_epochs = tuned_loop(LeastSquares(facts=facts), total_steps=None, epochs=20, **given)

    assert by_epochs == tuned_loop(LeastSquares(facts=facts), total_steps=1_000, **given)
    assert by_epochs.plan.total_steps == 1_000


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"total_steps": -1}, "`total_steps` must be a positive whole number"),
        ({"budget": 5}, "`budget` must be a whole number of at least 10"),
        ({"evaluate_on": "validation"}, "validation batches must be given to evaluate on them, got none; pass"),
        ({"los_fn": None}, "`tune_lr` got an unexpected keyword argument 'los_fn'; did you mean loss_fn"),
        ({"rule": "valley"}, "`tune_lr` got an unexpected keyword argument 'rule'"),
    ],
)
def test_what_cannot_be_used_is_refused(options, sentence):
    """There is one sentence, and nothing of the training is changed."""
    t = training()

    with refused(t, sentence):
        tuned(t, **options)


def test_a_rule_is_refused_before_anything_is_measured():
    """Pilots decide, so that no rule can be named."""
    loop = QuadraticLoop()

    with pytest.raises(InputError, match="`tune_loop` takes no `rule`"):
        tuned_loop(loop, rule="valley")
    assert loop.drawn == 0


class Fuse(Exception):
    """Raised somewhere in the middle."""


def broken(t, error, calls):
    """A tuning that an error ends in some call of the model."""
    count = iter(range(calls))

    def burn(*_):
        if next(count, None) is None:
            raise error

    hook = t.model.register_forward_hook(burn)
    with pytest.raises(type(error), match="by hand"):
        tuned(t)
    hook.remove()


DISTURBANCES = {
    "success": tuned,
    "several pilots": partial(tuned, budget=1_400, total_steps=5_000),
    "validation": partial(tuned, val_loader=VALIDATION),
    "error in the sweep": partial(broken, error=Fuse("by hand"), calls=10),
    "error in a pilot": partial(broken, error=Fuse("by hand"), calls=150),
    "interrupt in a pilot": partial(broken, error=KeyboardInterrupt("by hand"), calls=160),
}


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_the_training_goes_on_as_if_nothing_had_been(disturb):
    """Ten steps after a tuning in mid-training equal those of a twin that was never tuned, bit for bit."""
    after, undisturbed = twins(training, disturb, before=3)

    assert after == undisturbed


def test_the_errors_above_break_out_in_a_pilot():
    """The first forward without a gradient, the evaluation before a pilot, comes before the 150th call."""
    t, calls = training(), Notes()
    t.model.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))

    tuned(t)

    assert calls.items.index(False) < 150 < 160 < len(calls.items)


def test_the_same_random_state_gives_the_same_answer():
    """Two calls agree bit for bit, with dropout, noise of three streams and shuffled batches; another seed does not."""
    t = training().train(3)
    first, second = tuned(t), tuned(t)
    torch.manual_seed(7)

    assert first == second
    assert tuned(t) != first


@pytest.mark.parametrize("momentum", [0.0, 1.0])
@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize(
    "wrap", [Ending, lambda count: Ending(count).batches, lambda count: lambda: iter(Ending(count))]
)
def test_a_loader_that_ends_begins_anew(wrap, count, momentum):
    """It is read as often as is needed, with a length or without; a momentum of 1, which never fades, does no harm."""
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)

    found = tune_lr(model, wrap(count), optimizer=optimizer, total_steps=TOTAL, budget=ENOUGH, progress=False)

    assert found.cost_steps > 120
    assert momentum or len(found.evidence.pilots) == 1


class Cliff(LeastSquares):
    """Least squares whose loss is not a number at rates above a cliff."""

    def __init__(self, cliff):
        super().__init__()
        self.cliff = cliff

    def step(self, batch):
        loss = super().step(batch)
        return math.nan if self.lr > self.cliff else loss


@pytest.mark.parametrize("cliff", [0.3, 0.1, 0.01])
def test_trials_that_diverge_bound_the_answer(cliff):
    """The rate stays below the cliff, although everything above it would be better."""
    found = tuned_loop(Cliff(cliff), schedule=Constant())

    assert cliff / 30 < found.lr < cliff
    assert any(None in trials.losses for trials in found.trials)


def test_validation_batches_evaluate_where_there_are_any():
    """The start is their loss before training, in eval mode, unless `evaluate_on` takes the training batches."""
    t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
    x, y = dataset(24).tensors
    with torch.no_grad():
        expected = F.cross_entropy(t.model.eval()(x), y).item()
    t.model.train()

    (on_validation,) = tuned(t, val_loader=[(x, y)]).evidence.pilots
    (on_training,) = tuned(t, val_loader=[(x, y)], evaluate_on="training").evidence.pilots

    assert on_validation.start == pytest.approx(expected, rel=1e-5)
    assert on_training.start != pytest.approx(expected, rel=1e-5)


class Flat(nn.Module):
    """A model whose gradient is zero everywhere."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return (0 * self.weight).sum() + x.mean() ** 2


def test_no_signal_gives_no_number():
    """A gradient of zero is flat: no peak, no plan, no sure pilot; with `strict` the sentence is raised."""
    search = partial(tune_lr, Flat(), [torch.randn(8, 3) for _ in range(50)], total_steps=TOTAL, progress=False)
    found = search()

    assert (found.lr, found.plan, str(found.status)) == (None, None, "flat")
    assert all(not trials.is_sure for trials in found.evidence.pilots)
    with pytest.raises(NoSignalError, match="The loss never fell beyond its noise"):
        search(strict=True)


def test_another_schedule_and_another_length_have_another_peak():
    """Planned anew, the peak moves by the schedules' factors and is less certain; a longer training has a lower one."""
    found = tuned_loop(schedule="linear", strict=True)

    constant = found.recommend(schedule="constant")

    factor = CATALOGUE["constant"].peak_factor / CATALOGUE["linear"].peak_factor
    assert constant.lr == pytest.approx(found.lr * factor)
    assert constant.interval[1] / constant.interval[0] > found.interval[1] / found.interval[0]
    assert found.recommend(schedule="linear", total_steps=TOTAL).lr == found.lr
    assert found.recommend(schedule="linear", total_steps=100 * TOTAL).lr < found.lr


AVERAGING = Facts(optimizer="AdamWScheduleFree", betas=(0.9, 0.999))


@pytest.mark.parametrize(
    ("schedule", "facts", "factor"),
    [
        ("constant", None, CATALOGUE["constant"].peak_factor),
        (Linear(TOTAL), None, 1.0),
        (ReduceOnPlateau(), None, 1.0),
        (Constant(), AVERAGING, 1.0),
    ],
    ids=["constant", "linear", "plateau decay", "an optimizer that averages its iterates"],
)
def test_pilots_have_the_schedule_that_was_asked_for(schedule, facts, factor):
    """Its factor over a linear decay is recorded; feedback that takes epochs is run as a linear decay."""
    found = tuned_loop(LeastSquares(noise=0.1, facts=facts), schedule=schedule)

    assert found.evidence.pilots[0].factor == factor
    assert found.lr is not None


def test_tune_loop_gives_what_tune_lr_gives():
    """Over the loop that `tune_lr` makes it is the same."""
    t = training()
    loop = TorchLoop(t.model, t.loader, loss_fn=t.loss_fn, optimizer=t.optimizer)

    assert tuned_loop(loop, budget=20) == tuned(t, budget=20)
