"""A fit with AutoLR(mode="report") equals one without it, bit for bit: weights, logged rows, counters, rates."""

import copy
from functools import partial

import pytest
import torch
from fits import Net, fit, loader, pl, samples
from torch.utils.data import DataLoader, IterableDataset

from lightning_callbacks import AutoLR

EarlyStopping, ModelCheckpoint = pl.callbacks.EarlyStopping, pl.callbacks.ModelCheckpoint

REPORT = {"mode": "report", "steps": 20, "lr_min": 1e-4, "lr_max": 1.0, "verbose": False}

pytestmark = [
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:`training_step` returned `None`"),
]


def two_groups(module):
    """AdamW with a slower body."""
    groups = [{"params": module.body.parameters(), "lr": 1e-3}, {"params": module.head.parameters(), "lr": 1e-2}]
    return torch.optim.AdamW(groups)


def sgd_with_scheduler(module):
    """SGD with momentum and a schedule of its own, per step."""
    optimizer = torch.optim.SGD(module.parameters(), 0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 24)
    return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


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
    """A validation whose log tells the order of its batches."""

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log("order", (batch_idx + 1) * batch[0].sum())


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


class Stream(IterableDataset):
    """Samples of unknown number."""

    def __iter__(self):
        return iter([samples()[i] for i in range(384)])


def own_generator():
    """A loader that shuffles by a generator of its own."""
    return loader(generator=torch.Generator().manual_seed(7))


def scaled():
    """A real GradScaler on the CPU."""
    return pl.plugins.precision.MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**12))


CASES = {
    "adam": {},
    "sgd with a scheduler": {"module": partial(Net, sgd_with_scheduler)},
    "adamw with two groups": {"module": partial(Net, two_groups)},
    "lbfgs": {"module": partial(Net, lbfgs)},
    "clipping": {"gradient_clip_val": 0.1},
    "clipping by value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    "accumulation": {"accumulate_grad_batches": 5},
    "bfloat16": {"precision": "bf16-mixed"},
    "double": {"precision": "64-true"},
    "teacher": {"module": Teacher},
    "large teacher": {"module": LargeTeacher},
    "none": {"module": SometimesNone},
    "dict": {"module": ReturnsDict},
    "manual": {"module": Manual},
    "own generator": {"train": own_generator},
    "iterable": {"train": lambda: DataLoader(Stream(), batch_size=32)},
    "combined": {
        "module": TwoLoaders,
        "train": lambda: pl.utilities.combined_loader.CombinedLoader(
            {"a": loader(), "b": loader(batch_size=16)}, "max_size_cycle"
        ),
    },
    "limited": {"limit_train_batches": 7},
    "overfit": {"overfit_batches": 4, "train": partial(loader, shuffle=False)},
    "validation": {"val": partial(loader, shuffle=False)},
    "validation within the epoch": {"val": partial(loader, shuffle=False), "val_check_interval": 0.25},
    "reloaded": {"reload_dataloaders_every_n_epochs": 1},
    "sparse logs": {"log_every_n_steps": 5},
}


needs_averaging = pytest.mark.skipif(
    not hasattr(pl.callbacks, "EMAWeightAveraging"), reason="this Lightning has no EMAWeightAveraging"
)


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


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_a_real_gradscaler_keeps_its_scale():
    """The scaler of a float16 training is as before, its growth tracker too."""
    plain, tested = both(AutoLR(**REPORT), plugins=lambda: [scaled()])

    assert tested == plain
    states = [t.trainer.precision_plugin.scaler.state_dict() for t in (plain, tested)]
    assert states[0] == states[1]


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_leave_no_trace(persistent):
    """Worker processes, persistent ones too, serve the training the batches that they would have."""
    train = partial(loader, num_workers=1, persistent_workers=persistent, multiprocessing_context="fork")

    plain, tested = both(AutoLR(**REPORT), train=train)

    assert tested == plain


@pytest.mark.parametrize(
    "beside",
    [
        lambda: [pl.callbacks.GradientAccumulationScheduler({0: 2, 1: 4})],
        lambda: [pl.callbacks.StochasticWeightAveraging(1e-3, swa_epoch_start=2)],
        lambda: [EarlyStopping("loss", patience=1)],
        lambda: [pl.callbacks.LearningRateMonitor()],
        pytest.param(lambda: [pl.callbacks.EMAWeightAveraging(decay=0.9)], marks=needs_averaging),
    ],
    ids=["accumulation scheduler", "SWA", "early stopping", "LR monitor", "EMA"],
)
@pytest.mark.filterwarnings("ignore:You are using `LearningRateMonitor`")
@pytest.mark.filterwarnings("ignore:Swapping scheduler")
def test_callbacks_beside_it_see_nothing(beside):
    """Callbacks that keep counts, averages or metrics end where they would have."""
    plain, tested = both(AutoLR(**REPORT), beside=beside, max_epochs=3)

    assert tested == plain


def test_checkpoints_are_the_same(tmp_path):
    """ModelCheckpoint writes the files that it would have, and the sweep writes none."""
    plain = fit(callbacks=[ModelCheckpoint(tmp_path / "a", monitor="loss")], enable_checkpointing=True)
    tested = fit(
        callbacks=[AutoLR(**REPORT), ModelCheckpoint(tmp_path / "b", monitor="loss")], enable_checkpointing=True
    )

    assert tested == plain
    assert [p.name for p in (tmp_path / "a").iterdir()] == [p.name for p in (tmp_path / "b").iterdir()]


@pytest.mark.parametrize("options", [{}, {"accumulate_grad_batches": 5}, {"precision": "bf16-mixed"}])
def test_a_later_test_leaves_no_trace(options):
    """Before the second epoch, with optimizer state and half an epoch of logs behind it, nothing is left either."""
    auto = AutoLR(**REPORT, at_epochs=(1,))

    plain, tested = both(auto, **options)

    assert tested == plain
    assert auto.result is not None


def test_no_validation_runs_in_the_sweep():
    """The validation step is called as often as without the range test."""
    plain, tested = both(AutoLR(**REPORT), val=partial(loader, shuffle=False))

    assert tested.module.validations == plain.module.validations


def own_validation_order():
    """A validation loader that shuffles by a generator of its own."""
    return loader(batch_size=16, generator=torch.Generator().manual_seed(3))


@pytest.mark.filterwarnings("ignore:Your `val_dataloader`'s sampler has shuffling enabled")
@pytest.mark.parametrize(
    "val",
    [own_validation_order, lambda: DataLoader(Stream(), batch_size=32), lambda: [loader(shuffle=False)]],
    ids=["own generator", "iterable", "list"],
)
def test_validation_batches_can_be_measured_on(val):
    """With evaluate_on="validation" the loss of validation batches is read, and nothing is left behind."""
    auto = AutoLR(**{**REPORT, "steps": 40}, evaluate_on="validation")

    plain, tested = both(auto, val=val, module=FirstOfValidation)

    assert tested == plain
    assert auto.result.curve.after is not None


def test_the_optimizer_state_is_as_before():
    """Absent state stays absent: Adam's step counter ends where it would have."""
    plain, tested = both(AutoLR(**REPORT))

    counts = [[float(s["step"]) for s in t.trainer.optimizers[0].state.values()] for t in (plain, tested)]
    assert counts[0] == counts[1]


def test_trainer_loggers_and_callbacks_are_the_same_objects():
    """What was set aside is back: callbacks, loggers, profiler, results."""
    auto, monitor = AutoLR(**REPORT), EarlyStopping("loss")

    trainer = fit(callbacks=[auto, monitor]).trainer

    assert trainer.callbacks[:2] == [auto, monitor]
    assert (type(trainer.logger).__name__, trainer.should_stop) == ("Rows", False)
    assert trainer.callback_metrics.keys() == {"loss", "loss_step", "loss_epoch", "accuracy"}
