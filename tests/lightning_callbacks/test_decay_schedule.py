"""DecaySchedule attaches any schedule, so that the rate changes at every step, every epoch, or when a metric stalls."""

from functools import partial

import pytest
import torch
from fits import Net, fit
from torch.utils.data import DataLoader, IterableDataset

from lightning_callbacks import DecaySchedule
from lrfinder import InputError
from lrfinder.schedules import CATALOGUE, Linear, ReduceOnPlateau, StepDecay, Warmup


class Told(Net):
    """A net that logs a metric of its own choosing at the end of every epoch."""

    metrics = (1.0, 0.5, 0.5, 0.5, 0.5, 0.4)

    def on_train_epoch_end(self):
        super().on_train_epoch_end()
        self.log("metric", self.metrics[self.current_epoch])


def epochs_of(trace):
    """The rate in the first step of every epoch after the first."""
    return trace.rates[12::12]


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - {"reduce_on_plateau"}))
def test_every_name_spans_the_training(name):
    """A name is built for the Trainer's own steps, with the module's rate as its peak."""
    trace = fit(callbacks=[DecaySchedule(name)])

    shape = CATALOGUE[name].build(24)
    assert trace.rates[:-1] == pytest.approx([0.01 * shape(t) for t in range(1, 24)])


def test_accumulated_batches_are_one_step():
    """The length counts optimizer steps."""
    trace = fit(callbacks=[DecaySchedule("linear")], accumulate_grad_batches=4)

    assert trace.rates[3::4] == pytest.approx([0.01 * (1 - t / 6) for t in range(1, 7)])


def test_the_peak_can_be_given_and_groups_keep_their_ratio():
    """`lr` is the peak of the first group, and the second stays ten times as fast."""

    def two(module):
        groups = [{"params": module.body.parameters(), "lr": 1e-3}, {"params": module.head.parameters(), "lr": 1e-2}]
        return torch.optim.SGD(groups, lr=1e-3)

    trace = fit(partial(Net, two), [DecaySchedule("constant", lr=0.5)])

    assert [g["lr"] for g in trace.trainer.optimizers[0].param_groups] == [0.5, 5.0]


@pytest.mark.parametrize("schedule", ["linear", Linear(3)])
def test_a_schedule_can_count_epochs(schedule):
    """With interval="epoch" the rate changes after each epoch, and a name spans the epochs."""
    trace = fit(callbacks=[DecaySchedule(schedule, interval="epoch")], max_epochs=3)

    assert epochs_of(trace) == pytest.approx([0.01 * 2 / 3, 0.01 / 3])
    assert trace.rates[0] == trace.rates[10] == 0.01


def test_a_recipe_in_epochs_steps_where_it_says():
    """StepDecay(0.5, every=2) halves after two epochs."""
    trace = fit(callbacks=[DecaySchedule(StepDecay(0.5, every=2), interval="epoch")], max_epochs=5)

    assert epochs_of(trace) == [0.01, 0.005, 0.005, 0.0025]


def test_a_plateau_follows_its_metric_as_torchs_does():
    """The rates are those of torch's ReduceLROnPlateau on the same metric."""

    def with_torchs(module):
        optimizer = torch.optim.Adam(module.parameters(), 1e-2)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "metric"}}

    ours = fit(Told, [DecaySchedule(ReduceOnPlateau(0.5, patience=1), monitor="metric")], max_epochs=6)
    theirs = fit(partial(Told, with_torchs), max_epochs=6)

    assert ours.rates == theirs.rates
    assert epochs_of(ours)[-1] == 0.005


def test_a_plateau_by_name_takes_its_mode():
    """By name the mode is said once; a metric that only falls is no improvement where larger is better."""
    falling = type("Falling", (Told,), {"metrics": [1.0 / (i + 1) for i in range(13)]})

    trace = fit(falling, [DecaySchedule("reduce_on_plateau", monitor="metric", mode="max")], max_epochs=13)

    assert epochs_of(trace)[-1] == pytest.approx(0.001)


def test_a_plateau_can_climb_first():
    """A warm-up before a plateau is stepped with every optimizer step."""
    schedule = Warmup(ReduceOnPlateau(0.5, patience=0), 8)

    trace = fit(callbacks=[DecaySchedule(schedule, monitor="loss")], accumulate_grad_batches=2)

    assert trace.rates[1:14:2] == pytest.approx([0.01 * t / 8 for t in range(2, 9)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": "decay"}, "`schedule` must be one of .*linear.*, or a schedule, got 'decay'"),
        ({"schedule": "linear", "interval": "batch"}, '`interval` must be "step" or "epoch", got \'batch\''),
        ({"schedule": "linear", "mode": "least"}, '`mode` must be "min" or "max", got \'least\''),
        ({"schedule": "linear", "monitor": "loss"}, "`monitor` must be None for 'linear'"),
        ({"schedule": ReduceOnPlateau()}, "`monitor` must name the logged metric"),
        ({"schedule": ReduceOnPlateau(mode="max"), "monitor": "accuracy"}, "say it in both places"),
    ],
)
def test_options_that_cannot_be_used_are_refused(arguments, message):
    """Each is told in a sentence, before any fit."""
    with pytest.raises(InputError, match=message):
        DecaySchedule(**arguments)


def test_a_second_scheduler_is_refused():
    """An optimizer that has a scheduler already would be written to twice."""

    def scheduled(module):
        optimizer = torch.optim.SGD(module.parameters(), 0.1)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    with pytest.raises(InputError, match="got one with the StepLR that the module configures"):
        fit(partial(Net, scheduled), [DecaySchedule("linear")])


def test_manual_optimization_is_refused_with_what_to_write():
    """Lightning steps no scheduler there."""
    manual = type("Manual", (Net,), {"automatic_optimization": False})

    with pytest.raises(InputError, match=r"return `lrfinder.attach.*self\.lr_schedulers\(\)\.step\(\)"):
        fit(manual, [DecaySchedule("linear")])


def test_a_name_without_a_length_is_refused():
    """A loader without length gives a name nothing to span."""

    class Stream(IterableDataset):
        def __iter__(self):
            return iter([])

    with pytest.raises(InputError, match="got the name 'cosine'; pass it built, or give the Trainer"):
        fit(callbacks=[DecaySchedule("cosine")], train=lambda: DataLoader(Stream()))
