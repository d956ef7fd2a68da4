"""AutoLR that tunes: when it does, what it does to the fit, and what it refuses."""

from functools import partial

import pytest
import torch
from fits import Net, fit, loader, pl, samples, trace_of
from torch.utils.data import DataLoader, IterableDataset

from lightning_callbacks import AutoLR
from lrfinder import InputError

SMALL = {"tune": True, "budget": 250, "lr_min": 1e-5, "verbose": False}
LONG = {"max_epochs": 501}
"""Of twelve steps each: 5 % of them are 300."""


class Stream(IterableDataset):
    """Samples of unknown number."""

    def __iter__(self):
        return iter([samples()[i] for i in range(384)])


class Manual(Net):
    """A module that makes its own steps."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        loss, optimizer = super().training_step(batch, batch_idx), self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss


class Augmented(Net):
    """A batch hook that writes into the batch."""

    def on_before_batch_transfer(self, batch, dataloader_idx):
        batch[0] = 2 * batch[0] + torch.randn_like(batch[0])
        return batch


def with_cosine(module):
    """SGD with a scheduler of its own, by the step."""
    optimizer = torch.optim.SGD(module.parameters(), 0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 24)
    return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def measured(auto, module=Net, **options):
    """What a test finds in a fit that trains nothing afterwards."""
    auto.mode = "only"
    fit(module, [auto], **options)
    return auto.result


def test_a_pretrained_model_gets_the_plan_of_one():
    """As from the same measurement with `finetune`, which `find_lr` takes too."""
    pretrained, plain = (measured(AutoLR(finetune=finetune, verbose=False)) for finetune in (True, False))

    assert pretrained.plan == plain.recommend(finetune=True).plan
    assert pretrained.plan != plain.plan


def test_a_long_training_is_tuned_by_itself():
    """Where 5 % of the steps are 300 the training is rehearsed, for no more than that."""
    result = measured(AutoLR(verbose=False), **LONG)

    assert result.evidence.pilots
    assert 100 < result.cost_steps <= 300
    assert result.plan.total_steps == 6012


SWEPT = {
    "too short": (Net, {}, {"max_epochs": 499}),
    "not wanted": (Net, {"tune": False}, LONG),
    "a rule": (Net, {"rule": "valley"}, LONG),
    "manual optimization": (Manual, {}, LONG),
    "no length": (Net, {}, {"max_epochs": -1}),
}


@pytest.mark.parametrize("name", SWEPT)
def test_else_the_range_test_is_run(name):
    """A short training, one of unknown length, steps of the module's own and a rule that is named get the sweep."""
    module, options, length = SWEPT[name]

    result = measured(AutoLR(steps=75, lr_min=1e-4, verbose=False, **options), module, **length)

    assert result.curve.lrs[0] == 1e-4
    assert result.evidence.pilots == ()


REFUSED = {
    "manual optimization": (Manual, {}, {}, "under manual optimization, where a loss cannot be had without a step"),
    "no length": (Net, {}, {"max_epochs": -1}, "where the length of the training is not known; give the Trainer"),
    "too short": (Net, {"budget": None}, {"max_epochs": 2}, "for a training of fewer than 30 steps; pass `budget`"),
    "a rule": (Net, {"rule": "valley"}, {}, "where a rule is named, whose rate is read off a sweep"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_tuning_that_cannot_be_made_is_refused(name):
    """With tune=True the sentence says why, and nothing is measured instead."""
    module, options, length, sentence = REFUSED[name]

    with pytest.raises(InputError, match=f'`tune` must be "auto" or False {sentence}.*, got True'):
        fit(module, [AutoLR(**{**SMALL, **options})], **length)


@pytest.mark.filterwarnings("ignore:Your `IterableDataset`")
def test_a_training_by_steps_over_a_stream_is_tuned():
    """Where the loader has no length, `max_steps` is enough."""
    result = measured(AutoLR(**SMALL), max_epochs=-1, max_steps=600, train=lambda: DataLoader(Stream(), batch_size=32))

    assert len(result.evidence.pilots[0].lrs) >= 3


CASES = {
    "adam": {},
    "accumulation": {"accumulate_grad_batches": 3},
    "bfloat16": {"precision": "bf16-mixed"},
    "a scheduler": {"module": partial(Net, with_cosine)},
    "augmentation": {"module": Augmented},
    "validation": {"val": partial(loader, shuffle=False)},
}


@pytest.mark.parametrize("name", CASES)
def test_a_tuning_leaves_no_trace(name):
    """The fit after pilots equals the one without, bit for bit: weights, logged rows, counters, rates."""
    auto = AutoLR(mode="report", **SMALL)

    assert fit(callbacks=[auto], **CASES[name]) == fit(**CASES[name])
    assert len(auto.result.evidence.pilots[0].lrs) >= 3


def test_workers_serve_the_training_as_before():
    """Batches that were drawn beforehand in worker processes are not missing afterwards."""
    train = partial(loader, num_workers=1, multiprocessing_context="fork")
    auto = AutoLR(mode="report", **SMALL)

    assert fit(callbacks=[auto], train=train) == fit(train=train)
    assert auto.result.evidence.pilots


def test_validation_batches_can_judge():
    """With evaluate_on="validation" the pilots are judged on validation batches, and nothing is left behind."""
    auto = AutoLR(mode="report", evaluate_on="validation", **SMALL)

    assert fit(callbacks=[auto], val=loader_in_order) == fit(val=loader_in_order)
    assert auto.result.curve.after is not None
    assert auto.result.evidence.pilots


def loader_in_order():
    """A loader that does not shuffle."""
    return loader(shuffle=False)


class Interrupted(Net):
    """A user who has seen enough, in the middle of the pilots: beyond the hundred steps of the search."""

    def training_step(self, batch, batch_idx):
        if batch_idx == 130:
            raise KeyboardInterrupt
        return super().training_step(batch, batch_idx)


class AtTheEnd(pl.Callback):
    """What a fit leaves behind that does not end well."""

    def on_exception(self, trainer, pl_module, exception):
        self.seen = type(exception), trace_of(trainer, pl_module)


def test_an_interrupt_in_a_rehearsal_leaves_no_trace():
    """Ctrl-C while the trials run is raised on, with weights and counters as they were at the start."""
    torch.manual_seed(0)
    start = {name: value.tolist() for name, value in Net().state_dict().items()}
    end = AtTheEnd()

    with pytest.raises((KeyboardInterrupt, SystemExit), match=r"^1?$"):
        fit(Interrupted, [AutoLR(**SMALL), end])

    kind, trace = end.seen
    assert kind is KeyboardInterrupt
    assert (trace.weights, trace.counters) == (start, (0, 0, 0, 0, 0))


def test_what_was_found_is_applied():
    """The rates of the fit are those of the plan, whose schedule is that of the pilots."""
    auto = AutoLR(**SMALL)

    trace = fit(callbacks=[auto], max_epochs=3)

    assert trace.rates[:-1] == pytest.approx([auto.result.lr * auto.plan.schedule(t) for t in range(1, 36)])


def test_the_report_says_what_was_spent(capsys):
    """The printout is that of a tuning, with its price beside the length of the training."""
    auto = AutoLR(**{**SMALL, "verbose": True})

    fit(callbacks=[auto], max_epochs=60, limit_train_batches=4)
    out = capsys.readouterr().out

    share = f"{100 * auto.result.cost_steps / 240:.2g}"
    assert out.count("lrfinder: tuning of Net") == 1
    assert f"  spent         the cost of {auto.result.cost_steps} steps, {share} % of the training\n" in out
    assert "\n\n  applied       the rate is set and the schedule attached; the Trainer steps it\n" in out


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
def test_a_resumed_training_is_not_tuned_again(tmp_path, monkeypatch):
    """The result of the tuning comes from the checkpoint, its pilots included, and the rates go on."""
    saved = pl.callbacks.ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    first = AutoLR(**SMALL)
    whole = fit(callbacks=[first, saved], enable_checkpointing=True)
    monkeypatch.setattr("lightning_callbacks._search.tune_loop", None)
    again = AutoLR(**SMALL)

    rest = fit(callbacks=[again], ckpt_path=tmp_path / "epoch=0.ckpt")

    assert again.result == first.result
    assert again.result.evidence.pilots
    assert rest.rates == whole.rates[12:]


def test_two_tunings_from_one_seed_are_equal():
    """The whole record is the same, bit for bit."""
    assert measured(AutoLR(**SMALL)) == measured(AutoLR(**SMALL))


def test_a_later_tuning_plans_the_steps_that_remain():
    """Before the second epoch the pilots start from the weights of the first, and nothing is left either."""
    auto = AutoLR(mode="report", at_epochs=(1,), **SMALL)

    assert fit(callbacks=[auto], max_epochs=3) == fit(max_epochs=3)
    assert auto.plan.total_steps == 24


def test_a_budget_that_is_none_is_refused():
    """The sentence is that of `tune_lr`."""
    with pytest.raises(InputError, match=r"`budget` must be whole steps, or a share of the training below 1, got 1\.5"):
        fit(callbacks=[AutoLR(tune=True, budget=1.5)])
