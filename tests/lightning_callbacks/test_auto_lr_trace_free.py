"""A fit with AutoLR(mode="report") equals one without it, bit for bit: weights, logged rows, counters, rates."""

import copy
from functools import partial

import pytest
import torch
from fits import TUNED, Net, fit, in_order, loader, pl, scheduled, stream, two_groups

from lightning_callbacks import AutoLR

EarlyStopping, ModelCheckpoint = pl.callbacks.EarlyStopping, pl.callbacks.ModelCheckpoint

REPORT = {"mode": "report", "steps": 20, "lr_min": 1e-4, "lr_max": 1.0, "verbose": False}

pytestmark = [
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:`training_step` returned `None`"),
    pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step"),
    pytest.mark.filterwarnings("ignore:You are using `LearningRateMonitor`"),
    pytest.mark.filterwarnings("ignore:Swapping scheduler"),
]


def lbfgs(module):
    """An optimizer that evaluates its closure several times."""
    return torch.optim.LBFGS(module.parameters(), lr=0.1, max_iter=3)


class Teacher(Net):
    """A frozen average of the weights, updated in a hook, as BYOL and EMA keep it."""

    def __init__(self):
        super().__init__()
        self.teacher = copy.deepcopy(self.head).requires_grad_(False)

    def on_train_batch_end(self, outputs, batch, batch_idx):
        super().on_train_batch_end(outputs, batch, batch_idx)
        for mine, its in zip(self.teacher.parameters(), self.head.parameters(), strict=True):
            mine.data.lerp_(its.data, 0.1)


class LargeTeacher(Net):
    """Frozen weights that are most of the module, not copied with `auto` otherwise, and a hook that moves them."""

    def __init__(self):
        super().__init__()
        self.teacher = torch.nn.Linear(64, 64).requires_grad_(False)

    def on_train_batch_end(self, outputs, batch, batch_idx):
        super().on_train_batch_end(outputs, batch, batch_idx)
        self.teacher.weight.data.add_(0.1)


class SometimesNone(Net):
    """A step that skips every third batch."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return None if batch_idx % 3 == 1 else loss


class ReturnsDict(Net):
    """A step that returns more than the loss."""

    def training_step(self, batch, batch_idx):
        return {"loss": super().training_step(batch, batch_idx), "size": len(batch[0])}


class FirstOfValidation(Net):
    """A validation whose log depends on the order of its batches."""

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log("order", (batch_idx + 1) * batch[0].sum())


class Augmented(Net):
    """A batch hook that writes into the batch."""

    def on_before_batch_transfer(self, batch, dataloader_idx):
        batch[0] = 2 * batch[0] + torch.randn_like(batch[0])
        return batch


class TwoLoaders(Net):
    """A step over a dict of two batches."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch["a"], batch_idx) + self.loss_of(batch["b"])


class Manual(Net):
    """Two optimizers that the module steps itself."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def configure_optimizers(self):
        return torch.optim.Adam(self.body.parameters(), 1e-3), torch.optim.SGD(self.head.parameters(), 1e-2)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()
        return loss


def own_generator():
    """A loader that shuffles by a generator of its own."""
    return loader(generator=torch.Generator().manual_seed(7))


def scaled():
    """A real GradScaler on the CPU."""
    return pl.plugins.precision.MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**12))


def workers(persistent=False):
    """A loader with a worker process."""
    return loader(num_workers=1, persistent_workers=persistent, multiprocessing_context="fork")


def beside(make):
    """A longer fit with another callback."""
    return {"beside": make, "max_epochs": 3}


CASES = {
    "adam": {},
    "sgd with a scheduler": {"module": scheduled(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 24))},
    "adamw with two groups": {"module": partial(Net, lambda m: torch.optim.AdamW(two_groups(m).param_groups))},
    "lbfgs": {"module": partial(Net, lbfgs)},
    "clipping": {"gradient_clip_val": 0.1},
    "clipping by value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    "accumulation": {"accumulate_grad_batches": 5},
    "bfloat16": {"precision": "bf16-mixed"},
    "float16": {"plugins": lambda: [scaled()]},
    "double": {"precision": "64-true"},
    "teacher": {"module": Teacher},
    "large teacher": {"module": LargeTeacher},
    "none": {"module": SometimesNone},
    "dict": {"module": ReturnsDict},
    "augmentation": {"module": Augmented},
    "manual": {"module": Manual},
    "own generator": {"train": own_generator},
    "workers": {"train": workers},
    "persistent workers": {"train": partial(workers, persistent=True)},
    "iterable": {"train": stream},
    "combined": {
        "module": TwoLoaders,
        "train": lambda: pl.utilities.combined_loader.CombinedLoader(
            {"a": loader(), "b": loader(batch_size=16)}, "max_size_cycle"
        ),
    },
    "limited": {"limit_train_batches": 7},
    "overfit": {"overfit_batches": 4, "train": in_order},
    "validation": {"val": in_order},
    "validation within the epoch": {"val": in_order, "val_check_interval": 0.25},
    "reloaded": {"reload_dataloaders_every_n_epochs": 1},
    "sparse logs": {"log_every_n_steps": 5},
    "accumulation scheduler": beside(lambda: [pl.callbacks.GradientAccumulationScheduler({0: 2, 1: 4})]),
    "SWA": beside(lambda: [pl.callbacks.StochasticWeightAveraging(1e-3, swa_epoch_start=2)]),
    "early stopping": beside(lambda: [EarlyStopping("loss", patience=1)]),
    "LR monitor": beside(lambda: [pl.callbacks.LearningRateMonitor()]),
    "longer": {"max_epochs": 3},
}
if hasattr(pl.callbacks, "EMAWeightAveraging"):
    CASES["EMA"] = beside(lambda: [pl.callbacks.EMAWeightAveraging(decay=0.9)])


def both(auto, **case):
    """A fit without and with the callback."""
    callbacks = case.pop("beside", list)
    plugins = case.pop("plugins", list)
    plain = fit(callbacks=callbacks(), plugins=plugins(), **case)
    return plain, fit(callbacks=[auto, *callbacks()], plugins=plugins(), **case)


@pytest.mark.parametrize("name", CASES)
def test_report_leaves_no_trace(name):
    """Whatever trains, the fit with the range test equals the one without."""
    auto = AutoLR(**REPORT)

    plain, tested = both(auto, **CASES[name])

    assert tested == plain
    assert len(auto.result.curve) > 5


@pytest.mark.parametrize("name", ["adam", "accumulation", "bfloat16"])
def test_a_later_test_leaves_no_trace(name):
    """Before the second epoch, with optimizer state and half an epoch of logs behind it, nothing is left either."""
    auto = AutoLR(**REPORT, at_epochs=(1,))

    plain, tested = both(auto, **CASES[name])

    assert tested == plain
    assert auto.result is not None


TUNINGS = {
    **{name: {} for name in ("adam", "accumulation", "bfloat16", "sgd with a scheduler", "augmentation", "workers")},
    "validation": {"evaluate_on": "validation"},
    "longer": {"at_epochs": (1,)},
    "manual": {"budget": 300, "schedule": None},
}


@pytest.mark.parametrize("name", TUNINGS)
def test_a_tuning_leaves_no_trace(name):
    """The fit after pilots equals the one without, whatever they are evaluated on and whenever they are run."""
    auto = AutoLR(**{**TUNED, **TUNINGS[name]}, mode="report")

    plain, tested = both(auto, **CASES[name])

    assert tested == plain
    assert len(auto.result.evidence.pilots[0].lrs) >= (1 if name == "manual" else 3)
    assert (auto.result.curve.after is not None) == (name == "validation")
    assert auto.plan.total_steps == (6 if name == "accumulation" else 24)


def test_checkpoints_are_the_same(tmp_path):
    """ModelCheckpoint writes the files that it would have, and the sweep writes none."""
    plain = fit(callbacks=[ModelCheckpoint(tmp_path / "a", monitor="loss")], enable_checkpointing=True)
    tested = fit(
        callbacks=[AutoLR(**REPORT), ModelCheckpoint(tmp_path / "b", monitor="loss")], enable_checkpointing=True
    )

    assert tested == plain
    assert [p.name for p in (tmp_path / "a").iterdir()] == [p.name for p in (tmp_path / "b").iterdir()]


def own_validation_order():
    """A validation loader that shuffles by a generator of its own."""
    return loader(batch_size=16, generator=torch.Generator().manual_seed(3))


@pytest.mark.filterwarnings("ignore:Your `val_dataloader`'s sampler has shuffling enabled")
@pytest.mark.parametrize(
    "val",
    [own_validation_order, stream, lambda: [in_order()]],
    ids=["own generator", "iterable", "list"],
)
def test_validation_batches_can_be_measured_on(val):
    """With evaluate_on="validation" the loss of validation batches is read, and nothing is left behind."""
    auto = AutoLR(**{**REPORT, "steps": 40}, evaluate_on="validation")

    plain, tested = both(auto, val=val, module=FirstOfValidation)

    assert tested == plain
    assert auto.result.curve.after is not None


def test_trainer_loggers_and_callbacks_are_the_same_objects():
    """What was set aside is back: callbacks, loggers, profiler, results."""
    auto, monitor = AutoLR(**REPORT), EarlyStopping("loss")

    trainer = fit(callbacks=[auto, monitor]).trainer

    assert trainer.callbacks[:2] == [auto, monitor]
    assert (type(trainer.logger).__name__, trainer.should_stop) == ("Rows", False)
    assert trainer.callback_metrics.keys() == {"loss", "loss_step", "loss_epoch", "accuracy"}
