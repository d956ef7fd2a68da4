"""A resumed fit goes on as an uninterrupted one: no second sweep, the same learning rates."""

import json
from functools import partial

import pytest
import torch
from fits import SHORT, TUNED, Net, fit, loader, pl, planned, scheduled, slow_head

from lightning_callbacks import AutoLR, DecaySchedule
from lrfinder.errors import LRFinderWarning
from lrfinder.schedules import ReduceOnPlateau, Warmup

pytestmark = [
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create"),
]


class Stuck(Net):
    """A net whose metric never gets better."""

    def on_train_epoch_end(self):
        super().on_train_epoch_end()
        self.log("constant", 1.0)


def keep_all(folder):
    """A checkpoint at the end of every epoch, and one in the middle of each where this Lightning can resume there."""
    middle = pl.callbacks.ModelCheckpoint(folder / "middle", filename="{step}", every_n_train_steps=6, save_top_k=-1)
    end = pl.callbacks.ModelCheckpoint(folder / "end", filename="{step}", save_top_k=-1, save_on_train_epoch_end=True)
    return [middle, end]


def checkpoint(folder, step):
    """The checkpoint at a step."""
    return folder / ("middle" if step % 12 else "end") / f"step={step}.ckpt"


in_the_middle = pytest.param(
    18,
    marks=pytest.mark.skipif(pl.__version__ < "2.5.3", reason="this Lightning repeats a batch when it resumes there"),
)


def interrupted(tmp_path, callback, step, module=Net):
    """A whole fit, and one resumed from its checkpoint at a step with a fresh callback."""
    whole = fit(module, [callback(), *keep_all(tmp_path)], enable_checkpointing=True, max_epochs=4)
    again = callback()
    return whole, fit(module, [again], ckpt_path=checkpoint(tmp_path, step), max_epochs=4), again


COSINE = scheduled(
    lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 48),
    make_optimizer=lambda module: torch.optim.Adam(module.parameters(), 1e-2),
)
TRAININGS = {
    "our schedule": (Net, partial(AutoLR, **SHORT)),
    "the rate alone": (Net, partial(AutoLR, **SHORT, schedule=None)),
    "the module's own": (COSINE, partial(AutoLR, **SHORT)),
    "in its place": (COSINE, partial(AutoLR, **SHORT, existing="replace")),
    "after a tuning": (Net, partial(AutoLR, **TUNED)),
    "ratios between groups": (
        partial(Net, slow_head),
        partial(AutoLR, **{**TUNED, "budget": 30}, groups="each", group_budget=368),
    ),
    "a decay by step": (Net, partial(DecaySchedule, "cosine")),
    "a decay by epoch": (Net, partial(DecaySchedule, "step_decay", interval="epoch")),
}


@pytest.mark.parametrize("step", [in_the_middle, 24])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_goes_on(tmp_path, step, name):
    """From the middle or the end of an epoch, rates, counters and Adam's steps go on, and nothing is measured again."""
    module, callback = TRAININGS[name]

    whole, rest, again = interrupted(tmp_path, callback, step, module)

    assert rest.rates == whole.rates[step:]
    assert rest.counters[3:] == whole.counters[3:]
    assert {float(s["step"]) for s in rest.trainer.optimizers[0].state.values()} == {48.0}
    if isinstance(again, AutoLR):
        first = whole.trainer.callbacks[0].result
        assert (again.result.evidence, again.result.lr) == (first.evidence, first.lr)


@pytest.mark.filterwarnings("ignore:SWA is currently only supported every epoch")
@pytest.mark.parametrize("callback", [partial(AutoLR, **SHORT), partial(DecaySchedule, "cosine")])
def test_a_training_resumes_into_its_averaging(tmp_path, callback):
    """After stochastic weight averaging has taken the LR over, a schedule before or after it is not attached."""
    average = partial(pl.callbacks.StochasticWeightAveraging, 1e-3, swa_epoch_start=2)
    whole = fit(callbacks=[average(), callback(), *keep_all(tmp_path)], enable_checkpointing=True, max_epochs=4)

    rest = fit(callbacks=[average(), callback()], ckpt_path=checkpoint(tmp_path, 36), max_epochs=4)

    assert rest.rates == whole.rates[36:]


def test_a_training_that_was_begun_without_it_says_so(tmp_path):
    """Resumed from a checkpoint that does not know the callback, nothing is measured, and a warning says why."""
    fit(callbacks=keep_all(tmp_path), enable_checkpointing=True)

    with pytest.warns(LRFinderWarning, match=r"measures nothing in this fit, which starts at epoch 1, step 12"):
        rest = fit(callbacks=[AutoLR(**SHORT)], ckpt_path=checkpoint(tmp_path, 12))

    assert rest.rates == [0.01] * 12


def test_strategies_that_restore_late_go_on_too(tmp_path, monkeypatch):
    """Where callbacks are restored after `on_fit_start`, as with sharded models, the rates go on as well."""
    monkeypatch.setattr(pl.strategies.SingleDeviceStrategy, "restore_checkpoint_after_setup", True)

    whole, rest, _ = interrupted(tmp_path, partial(AutoLR, **SHORT), 24)

    assert rest.rates == whole.rates[24:]


def test_a_schedule_outlives_a_later_test_without_an_answer(tmp_path):
    """Where the second test finds no rate, the first one's schedule goes on, resumed too."""

    class Exhausted(Net):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            return loss if self.current_epoch == 0 else 0.0 * loss + torch.randn(())

    whole, rest, again = interrupted(tmp_path, partial(AutoLR, **SHORT, at_epochs=(0, 1)), 24, Exhausted)

    assert again.plan is None
    assert rest.rates == whole.rates[24:]
    assert len(set(rest.rates)) > 2


def test_the_state_is_plain_data(tmp_path):
    """What a checkpoint holds of the callback survives JSON, and torch's restricted loading."""
    auto = AutoLR(**SHORT)
    fit(callbacks=[auto, *keep_all(tmp_path)], enable_checkpointing=True)

    saved = torch.load(checkpoint(tmp_path, 12), weights_only=True)["callbacks"]["AutoLR"]

    assert json.loads(json.dumps(saved)) == saved == auto.state_dict()


def test_another_budget_keeps_the_plan_and_says_so(tmp_path):
    """Resumed for more epochs, the schedule stays the planned one, held at its end."""
    fit(callbacks=[AutoLR(**SHORT), *keep_all(tmp_path)], enable_checkpointing=True)
    again = AutoLR(**SHORT)

    with pytest.warns(LRFinderWarning, match="planned for 24 optimizer steps, and this training has 36"):
        rest = fit(callbacks=[again], ckpt_path=checkpoint(tmp_path, 24), max_epochs=3)

    assert again.plan.total_steps == 24
    assert rest.rates == [0.0] * 12


def test_a_second_fit_of_the_same_trainer_goes_on():
    """A Trainer that fits on with more epochs goes on in the schedule."""
    auto = AutoLR(**{**SHORT, "schedule": "exponential"})
    trace = fit(callbacks=[auto], max_epochs=2)
    trace.trainer.fit_loop.max_epochs = 3

    with pytest.warns(LRFinderWarning, match="it is kept and stays at its end from step"):
        trace.trainer.fit(trace.module, loader())

    assert trace.module.rates == pytest.approx(planned(auto, 37))


def test_a_fresh_fit_measures_anew():
    """The same callback in a new Trainer forgets an earlier training."""
    auto = AutoLR(**SHORT)
    fit(callbacks=[auto])
    first = auto.result

    fit(callbacks=[auto])

    assert auto.result is not first


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_decay_schedule_that_joins_a_training_has_the_right_step(tmp_path, interval):
    """Resumed from a checkpoint that does not know it, the rates are those of a training that always had it."""
    fit(callbacks=keep_all(tmp_path), enable_checkpointing=True)
    decay = partial(DecaySchedule, "cosine", interval=interval)

    rest = fit(callbacks=[decay()], ckpt_path=checkpoint(tmp_path, 24), max_epochs=4)

    assert rest.rates == pytest.approx(fit(callbacks=[decay()], max_epochs=4).rates[24:])


@pytest.mark.parametrize("schedule", [ReduceOnPlateau(0.5, patience=0), Warmup(ReduceOnPlateau(0.5, patience=0), 10)])
def test_a_plateau_remembers_its_cuts(tmp_path, schedule):
    """Resumed before the last epoch, the rate is the one that earlier epochs have cut it to."""
    whole, rest, _ = interrupted(tmp_path, partial(DecaySchedule, schedule, monitor="constant"), 36, Stuck)

    assert rest.rates[0] in whole.rates[24:36]
    assert rest.rates[0] < max(whole.rates)
