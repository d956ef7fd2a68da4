"""`tune_lr` and `race`: the budget, the answer, what is refused, and that no trace is left."""

import json
import math
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from least_squares import LeastSquares
from quadratic import QuadraticLoop
from torch import nn
from twins import dataset, identities, refused, state_of, training, twins

from lrfinder import Facts, InputError, LRResult, NoSignalError, TorchLoop, find_lr
from lrfinder import tune as tuner
from lrfinder.advice import recommend
from lrfinder.advice.peak import length_factors, linear_peak
from lrfinder.errors import LRFinderWarning
from lrfinder.schedules import CATALOGUE, Constant, Linear, ReduceOnPlateau, Triangular
from lrfinder.search import budget as length
from lrfinder.search import pilot as pilot
from lrfinder.search.budget import budget_for, least_for_a_pilot
from lrfinder.search.pilot import FEWEST_STEPS
from lrfinder.tune import tune_loop, tune_lr

LONG_ENOUGH = 1_000
LEAST = least_for_a_pilot()
"""The fewest steps that pay for a pilot."""

ENOUGH = 250
"""A little more."""

VALIDATION = [(torch.linspace(-1, 1, 32).reshape(8, 4), torch.arange(8) % 3)] * 2


def tuned(t=None, **options):
    """What tuning finds for a whole training, its loss function and optimizer included."""
    t = t or training()
    given = {"loss_fn": t.loss_fn, "optimizer": t.optimizer, "progress": False, "total_steps": LONG_ENOUGH}
    given |= {"budget": ENOUGH, **options}
    return tune_lr(given.pop("model", t.model), given.pop("loader", t.loader), **given)


def raced(loop=None, **options):
    """What a race over least squares finds."""
    return tune_loop(loop or LeastSquares(noise=0.1), **{"total_steps": LONG_ENOUGH, "progress": False, **options})


@pytest.mark.parametrize(
    ("total_steps", "steps"), [(30, 10), (300, 100), (900, 300), (6_000, 300), (6_020, 301), (100_000, 5_000)]
)
def test_the_default_budget(total_steps, steps):
    """Five percent or 300 steps, whichever is more, and at most a third."""
    assert budget_for(total_steps) == steps


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        (10, 10),
        (0.1, 500),
        (0.999, 4_995),
        (7_000, 7_000),
        (1e3, 1_000),
        (10.0, 10),
        (np.int64(80), 80),
        (np.float32(0.5), 2_500),
    ],
)
def test_a_budget_in_steps_or_as_a_share(budget, steps):
    """NumPy's numbers are numbers; steps may exceed the training."""
    assert (budget_for(5_000, budget), type(budget_for(5_000, budget))) == (steps, int)


@pytest.mark.parametrize("budget", [1.0, 2.5, 300.5, 0.0, -0.1, math.nan, math.inf, True, "300", [300]])
def test_a_budget_that_is_neither_is_refused(budget):
    """A float is a share, and a share is below 1."""
    with pytest.raises(InputError, match="`budget` must be whole steps, or a share of the training below 1, got"):
        budget_for(5_000, budget)


@pytest.mark.parametrize("budget", [0, 9, -300])
def test_a_budget_without_a_sweep_is_refused(budget):
    """Ten steps are the least that a sweep makes."""
    with pytest.raises(InputError, match="`budget` must be a whole number of at least 10, got"):
        budget_for(5_000, budget)


def test_a_share_that_comes_to_no_sweep_is_refused():
    """What was given is told with what it comes to."""
    with pytest.raises(
        InputError, match=r"must come to at least 10 steps, got 0\.001, which is 5 of a training of 5,000"
    ):
        budget_for(5_000, 0.001)


def test_a_training_too_short_for_a_share_is_refused():
    """A third of it is no sweep."""
    with pytest.raises(InputError, match="`total_steps` must be a whole number of at least 30, got 29"):
        budget_for(29)


@pytest.mark.parametrize("budget", [10, 33, 74, 75, 100, 177, 178, 200, 300, 417, 1_000, 1_600])
def test_the_budget_is_kept(budget):
    """Forwards are charged, trials that would exceed it are not begun."""
    found = raced(budget=budget)

    assert 0 < found.cost_steps <= budget


def test_the_budget_is_what_is_really_spent():
    """Steps counted at the model, a forward alone for a third, come to what is charged."""
    model, spent = nn.Linear(4, 3), []
    model.register_forward_hook(lambda *_: spent.append(1 if torch.is_grad_enabled() else 1 / 3))

    found = tune_lr(model, Ending(9), total_steps=LONG_ENOUGH, progress=False)

    # The races judge their start with gradients, to repeat the very forward of training.
    counted = sum(spent) - 6 * len(found.evidence.edge_trials) * (1 - 1 / 3)
    assert counted <= found.cost_steps < counted + 1


@pytest.mark.parametrize(("budget", "count"), [(300, 1), (1_000, 1), (1_400, 2), (1_800, 2), (5_000, 4)])
def test_a_large_budget_buys_more_rehearsals(budget, count):
    """Of one length each, on batches of their own."""
    pilots = raced(budget=budget, total_steps=10**6).evidence.pilots

    assert len(pilots) == count
    assert len({trials.steps for trials in pilots}) == 1
    assert len({trials.start for trials in pilots}) == count


def test_no_arm_is_longer_than_the_training():
    """A budget above the training's own length rehearses it whole, and the report says that it is more."""
    found = raced(total_steps=60, budget=600)

    assert found.evidence.pilots[0].steps == 60
    words = f"The search cost {found.cost_steps} steps, more than the training itself, of 60."
    assert words in found.plan.warnings
    assert not any("more than the training" in text for text in raced(total_steps=600, budget=600).plan.warnings)


@pytest.mark.parametrize("budget", [75, LEAST - 1])
def test_too_small_a_budget_says_so_and_gives_what_find_lr_gives(budget):
    """Its rate and interval are those of find_lr with as many steps."""
    t = training()
    found = find_lr(
        t.model,
        t.loader,
        loss_fn=t.loss_fn,
        optimizer=t.optimizer,
        progress=False,
        steps=min(budget, 100),
        total_steps=LONG_ENOUGH,
    )

    min_gain = tuned(t, budget=budget)

    assert (min_gain.lr, min_gain.interval, min_gain.evidence) == (found.lr, found.interval, found.evidence)
    if min_gain.plan is not None:
        assert f"The budget of {budget} steps is too small to rehearse the training; that takes {LEAST}." in str(
            min_gain
        )


def test_a_budget_that_suffices_does_not_complain():
    """With what the sentence asks for, which the pages name too, there is a pilot."""
    assert LEAST == 240
    found = tuned(budget=LEAST)

    assert len(found.evidence.pilots) == 1
    assert "too small" not in str(found)


def test_rehearsals_that_win_nothing_leave_the_answer_to_the_search():
    """Judges that no training lowers give no best peak; the result does not claim a rehearsed interval."""

    class Elsewhere(QuadraticLoop):
        def loss(self, batch, *, train=False):
            judging = not train and len(self.rates) > 60
            return 1.0 + self.theta**2 if judging else super().loss(batch)

        def step(self, batch):
            loss = QuadraticLoop.loss(self, batch)
            self.rates.append(self.lr)
            self.theta -= self.lr * self.h * self.theta
            return loss

    class Rising(Elsewhere):
        def loss(self, batch, *, train=False):
            return super().loss(batch) if train else 2.0 - self.theta**2

    found = raced(Rising())

    assert all(trials.best is None for trials in found.evidence.pilots)
    assert found.lr is not None
    assert "No pilot lowered the loss" in str(found)
    assert "too small" not in str(found)


def deep(seed, budget=None, search=tune_lr, **options):
    """A network of six layers that plain descent moves only after some sixty steps, and what tuning says of it."""
    torch.manual_seed(seed)
    x = torch.randn(2_048, 16)
    widths = [nn.Linear(16, 32), nn.ReLU(), *(layer for _ in range(4) for layer in (nn.Linear(32, 32), nn.ReLU()))]
    model = nn.Sequential(*widths, nn.Linear(32, 4))
    batches = list(zip(x.split(32), x[:, :4].argmax(1).split(32), strict=True))
    optimizer = torch.optim.SGD(model.parameters())
    given = {"loss_fn": F.cross_entropy, "optimizer": optimizer, "total_steps": 1_200, "progress": False, **options}
    return search(model, batches, **(given if search is find_lr else {**given, "budget": budget}))


def test_a_plateau_gets_fewer_and_longer_runs():
    """Where neither the sweep nor a trial moves the loss two long trials do, within the budget."""
    found = {seed: deep(seed) for seed in (0, 2, 3)}

    left = {
        seed: one.evidence.pilots[0]
        for seed, one in found.items()
        if one.evidence.pilots[0].is_sure and not any(race.is_sure for race in one.evidence.edge_trials)
    }
    assert len(left) >= 2
    assert all(trials.steps > length.spend(300, 1_200).length for trials in left.values())
    assert all(min(trials.losses) < 0.97 * trials.start for trials in left.values())
    assert all(found[seed].lr is not None for seed in left)
    assert all(one.cost_steps <= 300 for one in found.values())
    assert deep(3).evidence == found[3].evidence


def test_a_small_budget_on_a_plateau_buys_a_single_run():
    """One that is as long as what is left pays for."""
    found = raced(QuadraticLoop(h=0.0, offset=1.0), budget=120)

    (race,), (pilot,) = found.evidence.edge_trials, found.evidence.pilots
    assert (len(race.lrs), len(pilot.lrs)) == (1, 1)
    assert pilot.steps >= FEWEST_STEPS
    assert 100 < found.cost_steps <= 120


@pytest.mark.parametrize("budget", [120, 200, 300, 600])
def test_repeated_steps_on_a_plateau_are_paid_from_the_budget(budget):
    """A GradScaler that skips three steps at the start of every run makes the long ones longer too."""

    class Skipping(QuadraticLoop):
        tries = 0

        @contextmanager
        def preserved(self):
            with super().preserved() as start:
                yield SimpleNamespace(restore=lambda: start.restore() or setattr(self, "tries", 0))

        def step(self, batch):
            self.tries += 1
            return None if self.tries <= 3 else super().step(batch)

    found = raced(Skipping(h=0.0, offset=1.0), budget=budget)

    assert found.evidence.is_plateau
    assert len(found.evidence.pilots[0].lrs) >= 1
    assert found.cost_steps <= budget


def test_a_long_run_that_is_out_of_memory_leaves_the_training_alone():
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
        found = raced(loop, budget=300)

    assert found.evidence.pilots == ()
    assert (found.lr, loop.lr, loop.theta) == (None, 1.0, 1.0)
    assert found.cost_steps <= 300


def test_what_wins_next_to_nothing_has_not_left_a_plateau():
    """A fall of half a percent, as of a network that only learns how frequent its classes are, is no signal there."""

    class Frequencies(QuadraticLoop):
        def step(self, batch):
            self.theta = max(0.995, self.theta - 1e-4 * self.lr)
            return 1.0 + 0.05 * math.sin(37 * batch[0])

        def loss(self, batch, *, train=False):
            return self.theta + 0.05 * math.sin(37 * batch[0]) if not train else self.step(batch)

    found = raced(Frequencies(), budget=300, total_steps=1_200)

    assert found.evidence.is_plateau
    assert min(loss for trials in found.evidence.pilots for loss in trials.losses) < found.evidence.pilots[0].start
    assert not any(trials.is_sure for trials in found.evidence.pilots)
    assert found.lr is None


@pytest.mark.parametrize("budget", [75, 80, 87])
def test_a_plateau_is_not_left_for_runs_that_nothing_pays_for(budget):
    """Where one trial leaves too little the race goes on, and the answer is that of find_lr."""
    assert deep(3, budget).evidence == deep(3, search=find_lr, steps=budget).evidence


@pytest.mark.parametrize(
    ("left", "total_steps", "planned", "steps"),
    [
        (172, 1_000, 0, 72),
        (46, 300, 0, 36),
        (242, 80, 51, 80),
        (4_900, 10**6, 314, 4 * 314),
        (39, 300, 0, 0),
        (140, 300, 140, 0),
    ],
)
def test_the_length_of_runs_on_a_plateau(left, total_steps, planned, steps):
    """Neither longer than the training nor than four trials without a plateau; none where that would be no longer."""
    assert length.lengthened(left, total_steps, planned) == steps


def test_a_rehearsal_begins_no_higher_than_what_exploded():
    """Ten times the best rate of least squares, which the trials did not survive, is not tried again."""
    evidence = raced(LeastSquares(), budget=300).evidence

    exploded = [
        lr for race in evidence.edge_trials for lr, loss in zip(race.lrs, race.losses, strict=True) if loss is None
    ]
    assert evidence.pilots[0].lrs[0] <= min(exploded)


@pytest.mark.parametrize("verb", [tuned, raced])
def test_the_length_must_be_known(verb):
    """Nothing can be rehearsed without it."""
    with pytest.raises(InputError, match="`total_steps` must be given to rehearse the training, got None; pass it"):
        verb(total_steps=None)


def test_the_length_may_be_given_in_epochs():
    """Fifty steps each."""
    facts = Facts(steps_per_epoch=50)
    by_epochs = raced(LeastSquares(facts=facts), total_steps=None, epochs=20)

    assert by_epochs == raced(LeastSquares(facts=facts), total_steps=1_000)
    assert by_epochs.plan.total_steps == 1_000


def test_a_training_that_cannot_measure_is_refused():
    """A step of its own has no loss that could judge a run; nothing is changed."""
    t = training()

    def step(model, batch):
        raise AssertionError("must not be called")

    with refused(t, "a tuning must be able to judge a run by its loss, got a loop whose steps are the training's own"):
        tuned(t, train_step=step, loss_fn=None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"schedule": "linea"}, "`schedule` must be"),
        ({"total_steps": -1}, "`total_steps` must be a positive whole number"),
        ({"budget": 5}, "`budget` must be a whole number of at least 10"),
        ({"lr_min": 1.0, "lr_max": 0.1}, "`lr_max` must exceed `lr_min`"),
        (
            {"evaluate_on": "validation"},
            "validation batches must be given to measure on them, got none; pass `val_loader`",
        ),
        ({"evaluate_on": "both"}, "`evaluate_on` must be one of training, validation"),
        ({"los_fn": None}, "`tune_lr` got an unexpected keyword argument 'los_fn'; did you mean loss_fn"),
        ({"rule": "valley"}, "`tune_lr` got an unexpected keyword argument 'rule'"),
    ],
)
def test_what_cannot_be_used_is_refused(options, sentence):
    """One sentence, and nothing of the training is changed."""
    t = training()

    with refused(t, sentence):
        tuned(t, **options)


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


def several(t):
    """Two pilots, as a budget of more than a thousand steps has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(length, "LONG", 15)
        assert len(tuned(t).evidence.pilots) == 2


DISTURBANCES = {
    "success": tuned,
    "several pilots": several,
    "validation": lambda t: tuned(t, val_loader=VALIDATION),
    "error in the sweep": partial(broken, error=Fuse("by hand"), calls=10),
    "error in a pilot": partial(broken, error=Fuse("by hand"), calls=150),
    "interrupt in a pilot": partial(broken, error=KeyboardInterrupt("by hand"), calls=160),
}


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_the_training_goes_on_as_if_nothing_had_been(disturb):
    """Ten steps after a tuning in mid-training equal those of a twin that was never tuned, bit for bit."""
    after, undisturbed = twins(training, disturb, before=3)

    assert after == undisturbed


@pytest.mark.parametrize("disturb", ["success", "interrupt in a pilot"])
def test_everything_is_as_before_at_once(disturb):
    """Every value, flag and stream is what it was, in the same objects."""
    t = training().train(3)
    before, same = state_of(t), identities(t)

    DISTURBANCES[disturb](t)

    assert state_of(t) == before
    assert identities(t) == same


def test_the_calls_reach_a_rehearsal():
    """The errors above break out where they claim to."""
    t, calls = training(), []
    t.model.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))

    tuned(t)

    assert calls.index(False) < 150 < 160 < len(calls)


def test_two_calls_give_the_same_answer():
    """Bit for bit, with dropout, noise of three streams and shuffled batches."""
    t = training().train(3)

    assert tuned(t) == tuned(t)


def test_another_seed_gives_another_answer():
    """So the equality above is not for want of chance."""
    t = training()
    first = tuned(t, budget=20)
    torch.manual_seed(7)

    assert tuned(t, budget=20) != first


class Ending:
    """An iterable of batches without a length, which ends after a few."""

    def __init__(self, count):
        x, y = dataset(8 * count).tensors
        self.batches = list(zip(x.split(8), y.split(8), strict=True))

    def __iter__(self):
        return iter(self.batches)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize(
    "wrap", [Ending, lambda count: Ending(count).batches, lambda count: lambda: iter(Ending(count))]
)
def test_a_loader_that_ends_begins_anew(count, wrap):
    """As often as is needed, whether it tells its length or not."""
    found = tune_lr(nn.Linear(4, 3), wrap(count), total_steps=LONG_ENOUGH, budget=ENOUGH, progress=False)

    assert len(found.evidence.pilots) == 1
    assert found.cost_steps > 120


class Cliff(LeastSquares):
    """Least squares whose loss is not a number at rates above a cliff."""

    def __init__(self, cliff):
        super().__init__()
        self.cliff = cliff

    def step(self, batch):
        loss = super().step(batch)
        return math.nan if self.lr > self.cliff else loss


@pytest.mark.parametrize("cliff", [0.3, 0.1, 0.01])
def test_arms_that_are_no_number_bound_the_answer(cliff):
    """The rate stays below the cliff, although everything above it would be better."""
    found = raced(Cliff(cliff), schedule=Constant())

    assert cliff / 30 < found.lr < cliff
    assert any(None in trials.losses for trials in (*found.evidence.edge_trials, *found.evidence.pilots))


def test_a_loss_that_is_never_a_number_is_refused():
    """With the sentence of the sweep."""
    with pytest.raises(InputError, match="the loss of the very first batch must be finite, got nan"):
        raced(Cliff(0.0))


@pytest.mark.parametrize("schedule", ["linear", "constant", "cosine", "stable_decay"])
def test_the_result_survives_a_file(tmp_path, schedule):
    """Pilots and all."""
    found = raced(budget=400, schedule=schedule)
    found.to_json(tmp_path / "found.json")

    assert LRResult.from_json(tmp_path / "found.json") == found
    assert len(found.evidence.pilots[0].lrs) >= 3


def test_the_file_is_plain():
    """Every number is a number of JSON."""
    (written,) = json.loads(raced().to_json())["evidence"]["pilots"]

    assert set(written) == {"lrs", "losses", "steps", "start", "is_sure", "cost", "min_gain", "factor", "windows"}
    assert all(isinstance(lr, float) for lr in written["lrs"])


def test_validation_judges_where_there_is_some():
    """A few fixed batches in eval mode: the start is their loss before training; `evaluate_on` takes the other."""
    t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
    x, y = dataset(24).tensors
    with torch.no_grad():
        expected = F.cross_entropy(t.model.eval()(x), y).item()
    t.model.train()
    options = {"val_loader": [(x, y)]}

    (judged,) = tuned(t, **options).evidence.pilots
    (not_judged,) = tuned(t, **options, evaluate_on="training").evidence.pilots

    assert judged.start == pytest.approx(expected, rel=1e-5)
    assert not_judged.start != pytest.approx(expected, rel=1e-5)


def flat():
    """A training whose gradient is zero everywhere."""

    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return (0 * self.weight).sum() + x.mean() ** 2

    return Flat(), [torch.randn(8, 3) for _ in range(50)]


def test_no_signal_gives_no_number():
    """A gradient of zero: status flat, a sentence on what to try, no peak in the report."""
    found = tune_lr(*flat(), total_steps=LONG_ENOUGH, progress=False)

    assert (found.lr, found.plan, str(found.status)) == (None, None, "flat")
    assert all(not trials.is_sure for trials in found.evidence.pilots)


def test_strict_raises_where_there_is_no_number():
    """The sentence of the status."""
    with pytest.raises(NoSignalError, match="The loss never fell beyond its noise"):
        tune_lr(*flat(), total_steps=LONG_ENOUGH, progress=False, strict=True)


def test_strict_raises_nothing_where_there_is_one():
    """It returns the same."""
    assert raced(strict=True) == raced()


@pytest.mark.parametrize("finetune", [True, False])
def test_the_first_arm_is_where_the_races_have_the_peak(finetune):
    """For a pretrained model not drawn to what is usual from scratch."""
    found = tuned(schedule="linear", finetune=finetune)
    pilot, evidence = found.evidence.pilots[0], replace(found.evidence, pilots=())

    shares = length_factors(evidence.facts, pilot.steps, pilot.epochs, LONG_ENOUGH, None)
    first = 10 ** linear_peak(evidence, LONG_ENOUGH, finetune=finetune)[0] / math.prod(shares.values())

    assert min(abs(math.log(lr / first)) for lr in pilot.lrs) == pytest.approx(0.0, abs=1e-9)


def test_another_schedule_has_another_peak():
    """From the same measurement, by the schedule's factor against that which was rehearsed."""
    found = raced(schedule="linear")

    constant = found.recommend(schedule="constant")

    factor = CATALOGUE["constant"].peak_factor / CATALOGUE["linear"].peak_factor
    assert constant.lr == pytest.approx(found.lr * factor)
    assert constant.interval[1] / constant.interval[0] > found.interval[1] / found.interval[0]


def test_another_length_has_another_peak():
    """A longer training wants no higher one; the plan's own length gives the plan's own peak."""
    found = raced(schedule="linear")

    assert found.recommend(schedule="linear", total_steps=LONG_ENOUGH).lr == found.lr
    assert found.recommend(schedule="linear", total_steps=100 * LONG_ENOUGH).lr < found.lr


def test_the_schedule_asked_for_is_the_one_rehearsed():
    """Its factor against the line is recorded."""
    assert raced(schedule="constant").evidence.pilots[0].factor == CATALOGUE["constant"].peak_factor
    assert raced(schedule=Linear(LONG_ENOUGH)).evidence.pilots[0].factor == 1.0


def test_a_plateau_is_rehearsed_as_a_line():
    """Feedback that takes epochs cannot be had in small."""
    found = raced(schedule=ReduceOnPlateau())

    assert found.evidence.pilots[0].factor == 1.0
    assert found.lr is not None


def test_the_bar_is_silent_and_harmless():
    """Where stderr is no terminal nothing is shown, and the answer is the same."""
    assert raced(progress=True) == raced(progress=False)


def test_race_gives_what_tune_lr_gives():
    """It is the same over any loop."""
    t = training()
    loop = TorchLoop(t.model, t.loader, loss_fn=t.loss_fn, optimizer=t.optimizer)

    assert tune_loop(loop, total_steps=LONG_ENOUGH, budget=20, progress=False) == tuned(t, budget=20)


def test_the_plan_says_what_a_larger_budget_buys():
    """The interval as a factor, and that for twice the steps, which is less."""
    found = raced(schedule="linear", budget=300)
    sentence = next(reason.text for reason in found.plan.reasons if "twice the budget, 600 steps" in reason.text)
    now, then = (
        float(part.split()[0].rstrip(";.")) for part in (sentence.split("over ")[1], sentence.split("about ")[1])
    )

    assert now == pytest.approx(found.interval[1] / found.lr, rel=0.05)
    assert then < now


def test_a_cycle_is_not_rehearsed_at_one_phase():
    """The mean factor of the trials is that of the schedule, though they are as long as it has cycles."""
    in_small = tuner._in_small(Triangular(50, 0.01), 10_200, 51)

    factors = [in_small((i + 0.5) / 51) for i in range(51)]

    assert np.mean(factors) == pytest.approx(0.5, abs=0.1)


def test_an_optimizer_with_a_pace_of_its_own_has_one_factor_for_both():
    """What its pilots are divided by is what the peak is multiplied by."""
    facts = Facts(optimizer="AdamWScheduleFree", betas=(0.9, 0.999))

    assert recommend.factor_of(facts, Constant(), 5_000)[0] == 1.0
    assert recommend.factor_of(Facts(), Constant(), 5_000)[0] == 0.28


@pytest.mark.parametrize("loader", [lambda batches: batches, lambda batches: lambda: iter(batches)])
def test_the_steps_of_an_epoch_that_are_told_keep_the_judges_unseen(loader):
    """A loader without a length is rehearsed as the same batches with one."""
    batches = Ending(10).batches
    loop = TorchLoop(nn.Linear(4, 3), loader(batches))

    with loop.preserved():
        (made,) = pilot.draw_pilots(loop, 1, 40, 800, None, 10)

    trained = {id(micro[0]) for window in made.windows for micro in window}
    assert (len(made.windows), len(made.judges)) == (1, 9)
    assert not trained & {id(micro[0]) for window in made.judges for micro in window}


def test_a_rule_is_refused_before_anything_is_measured():
    """Pilots decide."""
    with pytest.raises(InputError, match="`tune_loop` takes no `rule`"):
        raced(rule="valley")


def test_momentum_that_never_fades_is_survived():
    """Its buffer has no final speed."""
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=1.0)

    found = tune_lr(model, Ending(10).batches, optimizer=optimizer, total_steps=1_000, budget=ENOUGH, progress=False)

    assert found.cost_steps > 0
