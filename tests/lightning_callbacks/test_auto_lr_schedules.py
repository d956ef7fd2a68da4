"""Which schedule a fit gets from AutoLR: the recommended one, one by name, the module's own, one without an end."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from fits import SHORT, Net, fit, pl, planned, scheduled, stream, two_groups
from torch.optim import lr_scheduler

from lightning_callbacks import AutoLR, DecaySchedule
from lrfinder.errors import InputError, LRFinderWarning
from lrfinder.schedules import Constant, Cosine, Linear, ReduceOnPlateau, StableDecay, Warmup


def adam(module):
    """One group."""
    return torch.optim.Adam(module.parameters(), 1e-2)


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


@pytest.mark.parametrize(("interval", "parts"), [("step", 2), ("step", 5), ("epoch", 1)])
def test_a_frequency_is_counted_as_lightning_counts_it(interval, parts):
    """By the batches or epochs of the training: the rates are those of the shape that the peak was found for."""
    auto = AutoLR(**SHORT)
    module = scheduled(lambda o: lr_scheduler.StepLR(o, 1, 0.9), interval, adam, frequency=2)

    trace = fit(module, [auto], max_epochs=4, accumulate_grad_batches=parts)

    rates = [trace.rates[12 * epoch + batch - 1] for epoch in range(4) for batch in [*range(parts, 12, parts), 12]]
    assert rates[:-1] == pytest.approx(planned(auto, len(rates)))


def test_a_plateau_counts_as_constant():
    """What a metric decides cannot be predicted: the peak is for a constant rate, and the plateau is kept."""
    auto = AutoLR(**SHORT)

    trace = fit(scheduled(lambda o: lr_scheduler.ReduceLROnPlateau(o), "epoch"), [auto])

    assert trace.rates == pytest.approx([auto.result.lr] * 24)


def test_a_scheduler_can_be_replaced():
    """With existing="replace" the module's scheduler is gone, and the groups keep the ratio of their bases."""
    auto = AutoLR(**SHORT, existing="replace", schedule="cosine")

    trace = fit(scheduled(OWN["lambda"]), [auto])

    assert trace.rates[:-1] == pytest.approx(planned(auto))
    assert [type(c.scheduler).__name__ for c in trace.trainer.lr_scheduler_configs] == ["ScheduledLR"]
    assert groups_of(trace)[1] == pytest.approx(10 * groups_of(trace)[0])


def test_groups_keep_their_ratio_when_the_rate_is_set():
    """Without a schedule the rate alone is set, every group by one ratio."""
    auto = AutoLR(**SHORT, schedule=None)

    trace = fit(partial(Net, two_groups), [auto])

    assert groups_of(trace) == pytest.approx([auto.result.lr, 10 * auto.result.lr])
    assert trace.trainer.lr_scheduler_configs == []


@pytest.mark.parametrize("schedule", ["recommended", "cosine", Linear(4)])
def test_a_schedule_can_count_epochs(schedule):
    """With interval="epoch" the rate changes between epochs alone, and a name spans the epochs of the Trainer."""
    auto = AutoLR(**SHORT, schedule=schedule, interval="epoch")

    rates = fit(callbacks=[auto], max_epochs=4).rates[:-1]

    assert [i + 2 for i, (before, after) in enumerate(pairwise(rates)) if before != after] == [12, 24, 36]
    assert (auto.plan.schedule(0), auto.plan.schedule(48)) == (1.0, 0.0)


def test_a_later_test_plans_the_remaining_steps():
    """A test before the second epoch finds the rate for what is left, and attaches a schedule that ends there."""
    auto = AutoLR(**SHORT, at_epochs=(1,))
    slow = partial(Net, lambda module: torch.optim.Adam(module.parameters(), 1e-6))

    trace = fit(slow, [auto], max_epochs=3)

    assert auto.plan.total_steps == 24
    assert trace.rates[:11] == [1e-6] * 11
    assert trace.rates[12:-1] == pytest.approx(planned(auto))


def test_a_later_test_replaces_the_earlier_schedule():
    """Tests before two epochs leave one scheduler behind."""
    auto = AutoLR(**SHORT, at_epochs=(0, 1))

    trace = fit(callbacks=[auto])

    assert auto.state_dict()["tested"] == [0, 1]
    assert len(trace.trainer.lr_scheduler_configs) == 1


@pytest.mark.parametrize("options", [{"max_epochs": -1, "max_time": {"seconds": 2}}, {"train": stream}])
def test_an_unknown_end_is_planned_openly(options):
    """Without a known number of steps the schedule warms up, stays, and waits for its cooldown."""
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

    trace = fit(cooling, callbacks=[auto], train=stream)

    assert trace.rates[-1] == 0.0


def test_a_cooldown_without_a_schedule_is_refused():
    """There is nothing to cool down before a fit."""
    with pytest.raises(InputError, match="`begin_cooldown` must be called while an attached schedule runs"):
        AutoLR().begin_cooldown(10)


def test_a_decay_schedule_gets_its_peak_found():
    """AutoLR after DecaySchedule finds the rate for that shape and rescales it."""
    auto = AutoLR(**SHORT)

    trace = fit(callbacks=[DecaySchedule("cosine"), auto])

    assert auto.plan.schedule == Cosine(24)
    assert trace.rates[:-1] == pytest.approx(planned(auto))


def test_a_warm_up_to_a_plateau_ends_at_the_found_rate():
    """The rate is found for the plateau, and not taken for that of the first step."""
    auto = AutoLR(**SHORT)
    decay = DecaySchedule(Warmup(ReduceOnPlateau(), 8), monitor="loss")

    trace = fit(callbacks=[decay, auto])

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


@pytest.mark.parametrize(("options", "expected"), LENGTHS.values(), ids=LENGTHS)
def test_the_length_is_counted_in_optimizer_steps(options, expected):
    """Epochs, limits, accumulation and averaging are all accounted for."""
    auto = AutoLR(**SHORT, mode="only")

    fit(**{**options, "callbacks": [*options.get("callbacks", []), auto]})

    assert auto.plan.total_steps == expected


def test_a_rate_set_in_the_real_steps_is_noticed():
    """The first real step is checked against the rate that was applied."""

    class Stubborn(Net):
        def on_train_batch_start(self, batch, batch_idx):
            if type(self.trainer.logger).__name__ != "DummyLogger":
                self.trainer.optimizers[0].param_groups[0]["lr"] = 0.5

    with pytest.warns(LRFinderWarning, match=r"the first step ran at 0.5 and not at .*Stubborn or another callback"):
        fit(Stubborn, [AutoLR(**SHORT)])


class Fixed(torch.optim.lr_scheduler.LRScheduler):
    """A scheduler whose rate nothing outside can change."""

    def get_lr(self):
        return [1e-3 for _ in self.optimizer.param_groups]


def test_a_scheduler_that_would_undo_it_ends_no_fit():
    """The rate is not set, a warning says why, and the training is the one without AutoLR."""
    expected = fit(scheduled(Fixed))

    with pytest.warns(LRFinderWarning, match=r"was not set, .* got Fixed: it would put its own rates back; .*replace"):
        trace = fit(scheduled(Fixed), [AutoLR(**SHORT)])

    assert trace == expected
