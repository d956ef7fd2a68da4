"""Which schedule a fit gets from AutoLR: the recommended one, one by name, the module's own, one without an end."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from fits import Net, fit, pl, samples
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, IterableDataset

from lightning_callbacks import AutoLR, DecaySchedule
from lightning_callbacks._horizon import remaining_steps
from lrfinder.errors import InputError, LRFinderWarning
from lrfinder.schedules import Constant, Cosine, Linear, ReduceOnPlateau, StableDecay, Warmup

SHORT = {"steps": 30, "lr_min": 1e-4, "verbose": False}


class Endless(IterableDataset):
    """Samples of unknown number."""

    def __iter__(self):
        return (samples()[i] for i in range(384))


def endless():
    """A loader that does not tell its length."""
    return DataLoader(Endless(), batch_size=32)


def scheduled(make, interval="step"):
    """A net that configures a scheduler of its own."""

    def make_optimizer(module):
        groups = [{"params": module.body.parameters(), "lr": 1e-3}, {"params": module.head.parameters(), "lr": 1e-2}]
        optimizer = torch.optim.SGD(groups, lr=1e-3, momentum=0.9)
        return [optimizer], [{"scheduler": make(optimizer), "interval": interval, "monitor": "loss"}]

    return partial(Net, make_optimizer)


def groups_of(trace):
    """The rates of the groups at the end of a fit."""
    return [group["lr"] for group in trace.trainer.optimizers[0].param_groups]


OWN = {
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda step: 0.98**step),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, [1e-3, 1e-2], total_steps=25),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 30),
    "warm sequence": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=5), lr_scheduler.ExponentialLR(o, 0.9)], [5]
    ),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.filterwarnings("ignore:The epoch parameter in")
def test_the_modules_scheduler_keeps_its_shape_at_the_new_rate(name):
    """The rates of a fit are those of one without AutoLR times one factor, and peak at the found rate."""
    auto = AutoLR(steps=60, lr_min=1e-5, lr_max=1.0, verbose=False)

    plain, tuned = fit(scheduled(OWN[name])), fit(scheduled(OWN[name]), [auto])

    ratios = [mine / its for mine, its in zip(tuned.rates, plain.rates, strict=True)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    peak = max([*tuned.rates, ratios[0] * 1e-3 * (name != "one cycle") * (name != "warm sequence")])
    assert peak == pytest.approx(auto.result.lr)


def test_an_epoch_scheduler_is_looked_at_per_epoch():
    """A StepLR that halves after each epoch is foretold as such."""
    auto = AutoLR(**SHORT)

    fit(scheduled(lambda o: lr_scheduler.StepLR(o, 1, 0.5), "epoch"), [auto])

    assert [auto.plan.schedule(t) for t in (0, 11, 12, 23)] == [1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize(("interval", "parts"), [("step", 2), ("step", 5), ("epoch", 1)])
def test_a_frequency_is_counted_as_lightning_counts_it(interval, parts):
    """By the batches or epochs of the training: the rates are those of the shape that the peak was found for."""
    auto = AutoLR(**SHORT)

    def make(module):
        optimizer = torch.optim.Adam(module.parameters(), 1e-2)
        scheduler = lr_scheduler.StepLR(optimizer, 1, 0.9)
        return [optimizer], [{"scheduler": scheduler, "interval": interval, "frequency": 2}]

    trace = fit(partial(Net, make), [auto], max_epochs=4, accumulate_grad_batches=parts)

    rates = [trace.rates[12 * epoch + batch - 1] for epoch in range(4) for batch in [*range(parts, 12, parts), 12]]
    assert rates[:-1] == pytest.approx([auto.result.lr * auto.plan.schedule(t) for t in range(1, len(rates))])


def test_a_plateau_counts_as_constant():
    """What a metric decides cannot be foretold: the peak is for a constant rate, and the plateau is kept."""
    auto = AutoLR(**SHORT)

    trace = fit(scheduled(lambda o: lr_scheduler.ReduceLROnPlateau(o), "epoch"), [auto])

    assert trace.rates == pytest.approx([auto.result.lr] * 24)


def test_a_scheduler_can_be_replaced():
    """With existing="replace" the module's scheduler is gone, and the groups keep the ratio of their bases."""
    auto = AutoLR(**SHORT, existing="replace", schedule="cosine")

    trace = fit(scheduled(OWN["lambda"]), [auto])

    assert trace.rates[:-1] == pytest.approx([auto.result.lr * auto.plan.schedule(t) for t in range(1, 24)])
    assert [type(c.scheduler).__name__ for c in trace.trainer.lr_scheduler_configs] == ["ScheduledLR"]
    assert groups_of(trace)[1] == pytest.approx(10 * groups_of(trace)[0])


def test_two_schedules_at_once_are_refused():
    """A schedule asked for beside one that is to be kept is a contradiction."""
    with pytest.raises(InputError, match='`existing` must be "replace" to attach a schedule of yours'):
        fit(scheduled(OWN["cosine"]), [AutoLR(**SHORT, schedule="linear")])


def test_groups_keep_their_ratio_when_the_rate_is_set():
    """Without a schedule the rate alone is set, every group by one ratio."""
    auto = AutoLR(**SHORT, schedule=None)

    trace = fit(partial(Net, lambda m: scheduled(OWN["lambda"])().make_optimizer(m)[0]), [auto])

    assert groups_of(trace) == pytest.approx([auto.result.lr, 10 * auto.result.lr])
    assert trace.trainer.lr_scheduler_configs == []


def test_a_schedule_can_count_epochs():
    """With interval="epoch" the rate changes between epochs alone."""
    auto = AutoLR(**SHORT, schedule=Linear(4), interval="epoch")

    rates = fit(callbacks=[auto], max_epochs=3).rates[:-1]

    changes = [i + 2 for i, (before, after) in enumerate(pairwise(rates)) if before != after]
    assert changes == [12, 24]


@pytest.mark.parametrize("schedule", ["recommended", "cosine"])
def test_names_are_built_for_epochs_too(schedule):
    """A name with interval="epoch" spans the epochs of the Trainer."""
    auto = AutoLR(**SHORT, schedule=schedule, interval="epoch")

    fit(callbacks=[auto], max_epochs=4)

    assert auto.plan.schedule(0) == 1.0
    assert auto.plan.schedule(48) == 0.0


def test_a_later_test_plans_the_remaining_steps():
    """A test before the second epoch finds the rate for what is left, and attaches a schedule that ends there."""
    auto = AutoLR(**SHORT, at_epochs=(1,))
    slow = partial(Net, lambda module: torch.optim.Adam(module.parameters(), 1e-6))

    trace = fit(slow, [auto], max_epochs=3)

    assert auto.plan.total_steps == 24
    assert trace.rates[:11] == [1e-6] * 11
    assert trace.rates[12:-1] == pytest.approx([auto.result.lr * auto.plan.schedule(t) for t in range(1, 24)])


def test_a_later_test_replaces_the_earlier_schedule():
    """Tests before two epochs leave one scheduler behind."""
    auto = AutoLR(**SHORT, at_epochs=(0, 1))

    trace = fit(callbacks=[auto])

    assert auto.state_dict()["tested"] == [0, 1]
    assert len(trace.trainer.lr_scheduler_configs) == 1


def test_the_monitor_shows_the_schedule():
    """LearningRateMonitor logs the rates under the name lr-auto."""
    auto = AutoLR(**SHORT)

    trace = fit(callbacks=[auto, pl.callbacks.LearningRateMonitor("step")])

    logged = [row["lr-auto"] for _, row in trace.rows if "lr-auto" in row]
    assert logged == pytest.approx([auto.result.lr * auto.plan.schedule(t) for t in range(24)])


@pytest.mark.parametrize("options", [{"max_epochs": -1, "max_time": {"seconds": 2}}, {"train": endless}])
def test_an_unknown_end_is_planned_openly(options):
    """Without a known number of steps the schedule climbs, stays, and waits for its cooldown."""
    auto = AutoLR(**SHORT)

    fit(callbacks=[auto], **{"max_epochs": 1, **options})

    assert auto.plan.total_steps is None
    assert auto.plan.schedule(10**6) == 1.0


def test_the_cooldown_begins_at_four_fifths_of_the_time():
    """Under max_time the rate falls towards the end."""
    auto = AutoLR(**SHORT, schedule=StableDecay(None))

    trace = fit(callbacks=[auto], max_epochs=-1, max_time={"seconds": 2})

    assert auto.state_dict()["cooling"]
    assert trace.rates[-1] < 0.7 * max(trace.rates)


def test_a_cooldown_can_be_begun():
    """`begin_cooldown` lets an open-ended schedule fall to zero."""
    auto = AutoLR(**SHORT, schedule=StableDecay(None))
    cooling = type(
        "Cooling", (Net,), {"on_train_epoch_start": lambda self: self.current_epoch and auto.begin_cooldown(12)}
    )

    trace = fit(cooling, callbacks=[auto], train=endless)

    assert trace.rates[-1] == 0.0


def test_a_cooldown_without_a_schedule_is_refused():
    """There is nothing to cool down before a fit."""
    with pytest.raises(InputError, match="`begin_cooldown` must be called while an attached schedule runs"):
        AutoLR().begin_cooldown(10)


@pytest.mark.parametrize("schedule", ["linear", "one_cycle"])
def test_a_name_needs_an_end(schedule):
    """A shape that spans the training cannot be built where its length is unknown."""
    with pytest.raises(InputError, match="where the training has no known end, got"):
        fit(callbacks=[AutoLR(**SHORT, schedule=schedule)], train=endless)


@pytest.mark.parametrize("schedule", ["reduce_on_plateau", ReduceOnPlateau()])
def test_a_plateau_is_left_to_the_other_callback(schedule):
    """AutoLR refuses what needs a metric, and says who does it."""
    with pytest.raises(InputError, match="put DecaySchedule"):
        fit(callbacks=[AutoLR(**SHORT, schedule=schedule)])


def test_a_decay_schedule_gets_its_peak_found():
    """AutoLR after DecaySchedule finds the rate for that shape and rescales it."""
    auto = AutoLR(**SHORT)

    trace = fit(callbacks=[DecaySchedule("cosine"), auto])

    assert auto.plan.schedule == Cosine(24)
    assert trace.rates[:-1] == pytest.approx([auto.result.lr * auto.plan.schedule(t) for t in range(1, 24)])


def test_a_climb_to_a_plateau_ends_at_the_found_rate():
    """The rate is found for the plateau, and not taken for that of the climb's first step."""
    auto = AutoLR(**SHORT)
    climb = DecaySchedule(Warmup(ReduceOnPlateau(), 8), monitor="loss")

    trace = fit(callbacks=[climb, auto])

    assert max(trace.rates) == pytest.approx(auto.result.lr)
    assert auto.plan.schedule == Warmup(Constant(), 8)


LENGTHS = {
    "epochs": ({"max_epochs": 3}, 36),
    "accumulation": ({"max_epochs": 3, "accumulate_grad_batches": 5}, 9),
    "steps": ({"max_epochs": -1, "max_steps": 17}, 17),
    "the earlier": ({"max_epochs": 3, "max_steps": 30}, 30),
    "a limit": ({"max_epochs": 3, "limit_train_batches": 5}, 15),
    "no end": ({"max_epochs": -1}, None),
    "a changing accumulation": (
        {"max_epochs": 2, "callbacks": [pl.callbacks.GradientAccumulationScheduler({0: 1, 1: 4})]},
        15,
    ),
    "averaging": (
        {"max_epochs": 4, "callbacks": [pl.callbacks.StochasticWeightAveraging(1e-3, swa_epoch_start=3)]},
        24,
    ),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_the_length_is_counted_in_optimizer_steps(name):
    """Epochs, limits, accumulation and averaging are all accounted for."""
    options, expected = LENGTHS[name]
    counts = []

    class Counting(Net):
        def on_train_batch_start(self, batch, batch_idx):
            counts.append(remaining_steps(self.trainer))
            self.trainer.should_stop = True

    fit(Counting, **options)

    assert counts[0] == expected


class WarmsBefore(Net):
    """Sets the LR in `optimizer_step`, as a warm-up without a scheduler does."""

    def warm_up(self, optimizer):
        for group in optimizer.param_groups:
            group["lr"] = 0.5

    def optimizer_step(self, epoch, batch_idx, optimizer, closure):
        self.warm_up(optimizer)
        optimizer.step(closure=closure)


class WarmsAfter(WarmsBefore):
    """Sets the LR of the step to come."""

    def optimizer_step(self, epoch, batch_idx, optimizer, closure):
        optimizer.step(closure=closure)
        self.warm_up(optimizer)


@pytest.mark.parametrize("module", [WarmsBefore, WarmsAfter])
def test_an_optimizer_step_that_sets_the_rate_is_noticed(module):
    """Before the step or after it: the found rate would not last, so the first step of the sweep says so."""
    with pytest.raises(
        InputError, match=rf"`optimizer_step` of {module.__name__} must leave the LR alone .* got 0\.5 after"
    ):
        fit(module, [AutoLR(**SHORT)])


def test_a_rate_set_in_the_real_steps_is_noticed():
    """The first real step is checked against the rate that was applied."""

    class Stubborn(Net):
        def on_train_batch_start(self, batch, batch_idx):
            if self.trainer.callbacks:
                self.trainer.optimizers[0].param_groups[0]["lr"] = 0.5

    with pytest.warns(LRFinderWarning, match=r"the first step ran at 0.5 and not at .*Stubborn or another callback"):
        fit(Stubborn, [AutoLR(**SHORT)])
