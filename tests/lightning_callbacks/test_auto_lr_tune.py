"""AutoLR that tunes: when it does, what it spends and what it prints."""

from functools import partial

import pytest
import torch
from fits import TUNED, Net, Plain, fit, pl, stream, two_optimizers

from lightning_callbacks import AutoLR

LONG = {"max_epochs": 501}
"""Of twelve steps each: 5 % of them are 300."""


def measured(auto, module=Net, **options):
    """What a test finds in a fit that trains nothing afterwards."""
    auto.mode = "only"
    fit(module, [auto], **options)
    return auto.result


def test_a_pretrained_model_gets_the_plan_of_one():
    """As from the same measurement with `finetune`, which `find_lr` takes too."""
    tuned, plain = (measured(AutoLR(finetune=finetune, verbose=False)) for finetune in (True, False))

    assert tuned == plain.recommend(finetune=True)
    assert tuned != plain


def test_a_long_training_is_tuned_by_itself():
    """Where 5 % of the steps are 300 pilots are run, for no more than that."""
    result = measured(AutoLR(verbose=False), **LONG)

    assert result.evidence.pilots
    assert 100 < result.cost_steps <= 300
    assert result.plan.total_steps == 6012


class Slope(Net):
    """A loss that needs a gradient of the inputs, and so none in eval mode."""

    def training_step(self, batch, batch_idx):
        inputs = batch[0].clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.head(self.body(inputs)).sum(), inputs, create_graph=True)
        return super().training_step(batch, batch_idx) + slope.square().mean()


def test_a_loss_that_eval_mode_cannot_give_is_tuned_in_train_mode():
    """By default, and the fit is as without the callback."""
    auto = AutoLR(verbose=False, mode="report", tune=True, budget=250)

    assert fit(Slope, [auto], max_epochs=2) == fit(Slope, max_epochs=2)
    assert auto.result.facts.evaluated_in == "train"
    assert auto.result.evidence.pilots


SWEPT = {
    "too short": (Net, {}, {"max_epochs": 499}),
    "not wanted": (Net, {"tune": False}, LONG),
    "a rule": (Net, {"rule": "valley"}, LONG),
    "no length": (Net, {}, {"max_epochs": -1}),
}


@pytest.mark.parametrize("name", SWEPT)
def test_else_the_range_test_is_run(name):
    """A short training, one of unknown length and a rule that is named get the sweep."""
    module, options, length = SWEPT[name]

    result = measured(AutoLR(steps=75, lr_min=1e-4, verbose=False, **options), module, **length)

    assert result.curve.lrs[0] == 1e-4
    assert result.evidence.pilots == ()


@pytest.mark.filterwarnings("ignore:Your `IterableDataset`")
def test_a_training_by_steps_over_a_stream_is_tuned():
    """Where the loader has no length, `max_steps` is enough."""
    result = measured(AutoLR(**TUNED), max_epochs=-1, max_steps=600, train=stream)

    assert len(result.evidence.pilots[0].lrs) >= 3


def test_the_report_says_what_was_spent(capsys):
    """The printout is that of a tuning, with its price beside the length of the training."""
    auto = AutoLR(**{**TUNED, "verbose": True})

    fit(callbacks=[auto], max_epochs=60, limit_train_batches=4)
    out = capsys.readouterr().out

    share = f"{100 * auto.result.cost_steps / 240:.0f}"
    assert out.count("AutoLR: peak ") == 1
    assert f"\ncost {auto.result.cost_steps} steps, {share} % of the training\n" in out
    assert "\n  applied       the rate is set and the schedule attached; the Trainer steps it\n" in out


class Apart(pl.LightningModule):
    """Two quadratics at one rate, of which the steeper one wants the lower."""

    def __init__(self):
        super().__init__()
        self.flat, self.steep = torch.nn.Parameter(torch.ones(8)), torch.nn.Parameter(torch.ones(8))

    def training_step(self, batch, batch_idx):
        moved = 0.02 * batch[0].mean()
        return (self.flat - moved).square().sum() / 2 + 100 * (self.steep - moved).square().sum() / 2

    def configure_optimizers(self):
        groups = [{"params": [self.flat], "name": "flat"}, {"params": [self.steep], "name": "steep"}]
        return torch.optim.SGD(groups, lr=0.1)


def test_ratios_between_groups_are_tuned_and_applied():
    """The rates of the fit are those of the result, group by group."""
    auto = AutoLR(**TUNED, groups="each")

    fit(Apart, [auto], max_epochs=100)
    rates = [group["initial_lr"] for group in auto._scheduler.optimizer.param_groups]

    assert rates[0] > 2 * rates[1]
    assert rates == pytest.approx([*auto.result.group_lrs.values()])


def test_a_training_by_hand_is_tuned():
    """Under manual optimization evaluations are updates that are put back; both optimizers keep their ratio."""
    result = measured(AutoLR(**TUNED), partial(Plain, two_optimizers), **LONG)

    assert result.evidence.pilots
    assert result.facts.optimizers == 2
    assert result.cost_steps <= 250


def test_two_tunings_from_one_seed_are_equal():
    """The whole record is the same, bit for bit."""
    assert measured(AutoLR(**TUNED)) == measured(AutoLR(**TUNED))
