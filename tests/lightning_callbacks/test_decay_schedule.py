"""DecaySchedule attaches any schedule, so that the rate changes at every step, every epoch, or when a metric stalls."""

from functools import partial

import pytest
import torch
from fits import Net, fit, two_groups

from lightning_callbacks import AutoLR, DecaySchedule
from lrfinder import InputError
from lrfinder.schedules import CATALOGUE, Linear, ReduceOnPlateau, StepDecay, Warmup


class Metric(Net):
    """A net that logs a metric of its own choosing at the end of every epoch."""

    metrics = (1.0, 0.5, 0.5, 0.5, 0.5, 0.4)

    def on_train_epoch_end(self):
        super().on_train_epoch_end()
        self.log("metric", self.metrics[self.current_epoch])


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (DecaySchedule("cosine", 1e-3), "DecaySchedule(schedule='cosine', lr=0.001)"),
        (AutoLR(), "AutoLR()"),
        (AutoLR(steps=60, at_epochs=[0, 3]), "AutoLR(steps=60, at_epochs=(0, 3))"),
        (AutoLR(also=[Net()], mode="only"), "AutoLR(mode='only', also=[Net( (body): Sequential( (0): ...)"),
    ],
)
def test_the_repr_of_a_callback_is_one_line_of_its_options(callback, said):
    """Those at their defaults are left out, and a model is cut short."""
    assert repr(callback) == said


def test_the_repr_of_an_attached_schedule_is_one_line():
    """The schedule, the peaks, the step."""
    scheduler = fit(callbacks=[DecaySchedule(Linear(24))]).trainer.lr_scheduler_configs[0].scheduler

    assert repr(scheduler) == "ScheduledLR(Linear(steps=24, floor=0.0), base_lrs=[0.01], last_epoch=24)"


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
    trace = fit(partial(Net, two_groups), [DecaySchedule("constant", lr=0.5)])

    assert [g["lr"] for g in trace.trainer.optimizers[0].param_groups] == [0.5, 5.0]


@pytest.mark.parametrize(
    ("schedule", "epochs", "factors"),
    [("linear", 3, [2 / 3, 1 / 3]), (Linear(3), 3, [2 / 3, 1 / 3]), (StepDecay(0.5, every=2), 5, [1, 0.5, 0.5, 0.25])],
)
def test_a_schedule_can_count_epochs(schedule, epochs, factors):
    """With interval="epoch" the rate changes after each epoch, and a name spans the epochs."""
    trace = fit(callbacks=[DecaySchedule(schedule, interval="epoch")], max_epochs=epochs)

    assert epochs_of(trace) == pytest.approx([0.01 * factor for factor in factors])
    assert trace.rates[0] == trace.rates[10] == 0.01


def test_a_plateau_follows_its_metric_as_torchs_does():
    """The rates are those of torch's ReduceLROnPlateau on the same metric."""

    def with_torchs(module):
        optimizer = torch.optim.Adam(module.parameters(), 1e-2)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "metric"}}

    ours = fit(Metric, [DecaySchedule(ReduceOnPlateau(0.5, patience=1), monitor="metric")], max_epochs=6)

    assert ours.rates == fit(partial(Metric, with_torchs), max_epochs=6).rates
    assert epochs_of(ours)[-1] == 0.005


def test_a_plateau_by_name_takes_its_mode():
    """By name the mode is given once; a metric that only falls is no improvement where larger is better."""
    falling = type("Falling", (Metric,), {"metrics": [1.0 / (i + 1) for i in range(13)]})

    trace = fit(falling, [DecaySchedule("reduce_on_plateau", monitor="metric", mode="max")], max_epochs=13)

    assert epochs_of(trace)[-1] == pytest.approx(0.001)


def test_a_plateau_can_warm_up_first():
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
    """Each has a sentence, before any fit."""
    with pytest.raises(InputError, match=message):
        DecaySchedule(**arguments)
