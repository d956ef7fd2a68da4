"""Fits of a small module with every kind of state, and what they leave behind in a form that compares bit for bit."""

from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module

import torch
import torch.nn.functional as F
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from twins import plain


def installed():
    """The Lightning packages that can be imported here, the one to test with first."""
    found = []
    for name in ("pytorch_lightning", "lightning.pytorch"):
        with suppress(ModuleNotFoundError):
            found.append(import_module(name))
    return found


LIGHTNINGS = installed()
pl = LIGHTNINGS[0]

QUIET = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "accelerator": "cpu",
    "log_every_n_steps": 1,
}

SHORT = {"steps": 30, "lr_min": 1e-4, "verbose": False}
"""The options of a sweep that takes a moment."""

TUNED = {"tune": True, "budget": 250, "lr_min": 1e-5, "verbose": False}
"""The options of a tuning with one pilot."""


class Rows(pl.loggers.logger.Logger):
    """A logger that keeps every row of metrics."""

    def __init__(self):
        super().__init__()
        self.rows = []

    name, version = "rows", 0

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step):
        self.rows.append((step, dict(metrics)))


class Contents:
    """Batch norm, dropout, a metric, counters, logs on step and epoch."""

    def __init__(self, make_optimizer=lambda module: torch.optim.Adam(module.parameters(), 1e-2)):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(16, 3)
        self.register_buffer("mean_seen", torch.zeros(6), persistent=False)
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(3)
        self.make_optimizer = make_optimizer
        self.batches_seen, self.epochs_seen, self.validations, self.rates = 0, 0, 0, []

    def configure_optimizers(self):
        return self.make_optimizer(self)

    def loss_of(self, batch):
        inputs, target = batch
        self.mean_seen.lerp_(inputs.mean(0), 0.1)
        output = self.head(self.body(inputs))
        self.accuracy(output, target)
        return F.cross_entropy(output, target)

    def training_step(self, batch, batch_idx):
        self.batches_seen += 1
        loss = self.loss_of(batch)
        self.log("loss", loss, on_step=True, on_epoch=True, batch_size=32)
        self.log("accuracy", self.accuracy, on_step=False, on_epoch=True, batch_size=32)
        return loss

    def validation_step(self, batch, batch_idx):
        self.validations += 1
        self.log("val_loss", F.cross_entropy(self.head(self.body(batch[0])), batch[1]))

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self):
        self.epochs_seen += 1


def net_of(package):
    """The net as a module of one of the Lightning packages."""
    return type("Net", (Contents, package.LightningModule), {})


Net = net_of(pl)


class Flat(Net):
    """A loss that no learning rate brings down."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * 0.0 + torch.randn(())


class Plain(pl.LightningModule):
    """Manual optimization without dropout."""

    def __init__(self, make_optimizers, returns=True):
        super().__init__()
        self.body, self.head = nn.Linear(6, 8), nn.Linear(8, 3)
        self.automatic_optimization = False
        self.make_optimizers, self.returns = make_optimizers, returns
        self.rates = []

    def configure_optimizers(self):
        return self.make_optimizers(self)

    def training_step(self, batch, batch_idx):
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        loss = F.cross_entropy(self.head(self.body(batch[0])), batch[1])
        self.rates.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers])
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        self.step_schedulers()
        return loss if self.returns else None

    def step_schedulers(self):
        if self.lr_schedulers() is not None:
            self.lr_schedulers().step()


def two_optimizers(module):
    """A slow Adam and a fast SGD."""
    return torch.optim.Adam(module.body.parameters(), 1e-3), torch.optim.SGD(module.head.parameters(), 1e-1)


def two_groups(module):
    """SGD with a slower body."""
    groups = [{"params": module.body.parameters(), "lr": 1e-3}, {"params": module.head.parameters(), "lr": 1e-2}]
    return torch.optim.SGD(groups, lr=1e-3, momentum=0.9)


def slow_head(module):
    """AdamW whose head has a ten thousandth of the body's rate."""
    groups = [{"params": module.body.parameters(), "name": "body"}]
    return torch.optim.AdamW([*groups, {"params": module.head.parameters(), "lr": 1e-6, "name": "head"}], lr=1e-2)


def scheduled(make, interval="step", make_optimizer=two_groups, **options):
    """A net that configures a scheduler of its own."""

    def make_both(module):
        optimizer = make_optimizer(module)
        return [optimizer], [{"scheduler": make(optimizer), "interval": interval, "monitor": "loss", **options}]

    return lambda: Net(make_both)


@dataclass
class Trace:
    """What a fit leaves behind."""

    weights: dict
    buffers: dict
    rows: list
    metrics: dict
    counters: tuple
    rates: list
    optimizers: list
    scaler: dict | None
    trainer: pl.Trainer = field(compare=False, repr=False)
    module: pl.LightningModule = field(compare=False, repr=False)


def samples(count=384):
    """Three classes that a small net can tell apart."""
    generator = torch.Generator().manual_seed(1)
    inputs = 3 * torch.randn(count, 6, generator=generator)
    return TensorDataset(inputs, inputs[:, :3].argmax(1))


def loader(**options):
    """A shuffled loader of twelve batches."""
    return DataLoader(samples(), **{"batch_size": 32, "shuffle": True, **options})


class Stream(IterableDataset):
    """Samples of unknown number."""

    def __iter__(self):
        return iter([samples()[i] for i in range(384)])


def stream():
    """A loader without a length."""
    return DataLoader(Stream(), batch_size=32)


def in_order(**options):
    """A loader that does not shuffle."""
    return loader(shuffle=False, **options)


def planned(auto, steps=24):
    """The rates that a plan has for all steps after the first."""
    return [auto.result.lr * auto.plan.schedule(t) for t in range(1, steps)]


def fit(module=Net, callbacks=(), train=loader, val=None, ckpt_path=None, package=pl, **options):
    """Fit from seed 0 and return the trace."""
    torch.manual_seed(0)
    module = module()
    logger = options.pop("logger", Rows())
    trainer = package.Trainer(**{**QUIET, "max_epochs": 2, "logger": logger, "callbacks": list(callbacks), **options})
    trainer.fit(module, train(), None if val is None else val(), ckpt_path=ckpt_path)
    return trace_of(trainer, module)


def trace_of(trainer, module):
    """What a fit has left behind."""
    rows = getattr(trainer.logger, "rows", [])
    logged = [(step, {key: float(value) for key, value in row.items()}) for step, row in rows]
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    counters = tuple(getattr(module, name, None) for name in ("batches_seen", "epochs_seen", "validations"))
    return Trace(
        {name: value.tolist() for name, value in module.state_dict().items()},
        {name: value.tolist() for name, value in module.named_buffers()},
        logged,
        {name: float(value) for name, value in trainer.callback_metrics.items()},
        (*counters, trainer.global_step, trainer.current_epoch),
        list(getattr(module, "rates", [])),
        [plain(optimizer.state_dict()) for optimizer in trainer.optimizers],
        scaler and scaler.state_dict(),
        trainer,
        module,
    )
