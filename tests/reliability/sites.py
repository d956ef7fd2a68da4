"""Sites of a training where a fault may strike, each with a fuse in it."""

import io
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from twins import Net, Training, dataset

from lrfinder import find_lr, tune_lr
from lrfinder.search.budget import least_for_a_pilot


class Blown(Exception):
    """The fault that a test has put in."""


class Fuse:
    """Counts the calls of a site within the block, and raises in one of them; without attributes no guard finds it."""

    __slots__ = ("at", "calls", "error", "is_active", "stays_blown")

    def __init__(self, at=None, error=Blown):
        self.calls, self.at, self.error = 0, at, error
        self.is_active = self.stays_blown = False

    def __call__(self):
        if self.is_active:
            self.calls += 1
            again = self.stays_blown and issubclass(self.error, Exception)
            if self.calls - 1 == self.at or (again and self.at is not None and self.calls > self.at):
                raise self.error("put in by the test")

    def __enter__(self):
        self.is_active = True

    def __exit__(self, *_):
        self.is_active = False


@dataclass
class Scenario:
    """A training with a fuse somewhere in it, and the search that will meet it."""

    training: Training
    options: dict

    def search(self):
        """Sweep and try peaks as `find_lr` does, on 75 steps."""
        return find_lr(self.training.model, self.training.loader, steps=75, **self._given())

    def tune(self):
        """Sweep, try peaks and run pilots as `tune_lr` does, on as few steps as pay for it."""
        return tune_lr(
            self.training.model, self.training.loader, total_steps=1_000, budget=least_for_a_pilot(), **self._given()
        )

    def _given(self):
        t = self.training
        return {"loss_fn": t.loss_fn, "optimizer": t.optimizer, "progress": False, **self.options}


def trained(model=None, optimizer=torch.optim.Adam, loader=None, loss_fn=F.cross_entropy, **options):
    """A training with every kind of state; its moments are made by one step with what is given."""
    model = Net() if model is None else model
    loader = DataLoader(dataset(), 8, shuffle=True) if loader is None else loader
    return Scenario(Training(model, optimizer(model.parameters(), lr=1e-3), loader, loss_fn), options)


def before_call(fuse, function):
    """The function, with the fuse in front of it."""

    def fused(*args):
        fuse()
        return function(*args)

    return fused


def _in_forward(fuse):
    model = Net()
    model.head.register_forward_pre_hook(lambda *_: fuse())
    return trained(model)


def _in_backward(fuse):
    def loss_fn(output, target):
        if output.requires_grad:
            output.register_hook(lambda _: fuse())
        return F.cross_entropy(output, target)

    return trained(loss_fn=loss_fn)


class Flaky:
    def __init__(self, fuse):
        self.fuse, self.inner, self.given = fuse, DataLoader(dataset(), 8, shuffle=True), 0

    def __iter__(self):
        for batch in self.inner:
            self.fuse()
            self.given += 1
            yield batch


class FlakyRows(Dataset):
    def __init__(self, fuse):
        self.fuse, self.inner, self.given = fuse, dataset(), 0

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        self.fuse()
        self.given += 1
        return self.inner[i]


def halfway(fuse):
    """An Adam that updates one group, may fail then, and updates the others."""

    class Halfway(torch.optim.Adam):
        def step(self, closure=None):
            loss = None if closure is None else torch.enable_grad()(closure)()
            everything = self.param_groups
            for part in (everything[:1], everything[1:]):
                self.param_groups = part
                try:
                    super().step()
                finally:
                    self.param_groups = everything
                if part is not everything and part == everything[:1]:
                    fuse()
            return loss

    return Halfway


def _in_optimizer(fuse):
    model, made = Net(), halfway(fuse)
    parts = list(model.parameters())
    return trained(model, lambda _, lr: made([{"params": parts[:3]}, {"params": parts[3:]}], lr=lr))


def _in_scaler(fuse):
    class Scaler(torch.amp.GradScaler):
        def step(self, *args, **kwargs):
            done = super().step(*args, **kwargs)
            fuse()
            return done

    return trained(scaler=Scaler("cpu", init_scale=64.0))


def _in_train_step(fuse):
    scenario = trained(loss_fn=None)
    t = scenario.training

    def train_step(model, batch):
        t.optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        t.optimizer.step()
        fuse()
        return loss.item()

    scenario.options["train_step"] = train_step
    return scenario


class Refusing(dict):
    """A dictionary that may refuse to be refilled, and then goes on refusing."""

    fuse = None

    def __setitem__(self, *args):
        self.fuse()
        super().__setitem__(*args)


def _in_restore(fuse):
    model = Net()
    model.refusing = Refusing(a=1)
    model.refusing.fuse = fuse
    fuse.stays_blown = True
    return trained(model)


class Heavy(torch.Tensor):
    """A tensor of which there may be no room for a copy."""

    fuse = None

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.detach and cls.fuse is not None:
            cls.fuse()
        with torch._C.DisableTorchFunctionSubclass():
            return function(*args, **(kwargs or {}))


def _in_snapshot(fuse):
    kind = type("Heavy", (Heavy,), {"fuse": None})
    model = Net()
    model.level = model.level.as_subclass(kind)
    kind.fuse = staticmethod(fuse)
    return trained(model)


class Terminal(io.StringIO):
    """A terminal that may be gone when the bar is drawn."""

    def __init__(self, fuse):
        super().__init__()
        self.fuse = fuse

    def isatty(self):
        return True

    def write(self, text):
        self.fuse()
        return super().write(text)


def _in_bar(fuse):
    scenario = trained(progress=True)
    search = scenario.search

    def on_a_terminal():
        with redirect_stderr(Terminal(fuse)):
            return search()

    scenario.search = on_a_terminal
    return scenario


SITES = {
    "the model's forward": _in_forward,
    "the loss function": lambda fuse: trained(loss_fn=before_call(fuse, F.cross_entropy)),
    "the backward pass": _in_backward,
    "a loader of your own": lambda fuse: trained(loader=Flaky(fuse)),
    "a data set": lambda fuse: trained(loader=DataLoader(FlakyRows(fuse), 8, shuffle=True)),
    "the optimizer, half way through a step": _in_optimizer,
    "the GradScaler": _in_scaler,
    "a `train_step`": _in_train_step,
    "a rule of your own": lambda fuse: trained(rule=before_call(fuse, lambda curve: curve.lrs[3])),
    "the validation loader": lambda fuse: trained(val_loader=Flaky(fuse)),
    "the progress bar": _in_bar,
    "the copy for the snapshot": _in_snapshot,
    "an object that refuses to be put back": _in_restore,
}
"""Where a fault may be put: each makes a training and its search around a fuse."""

TUNED = ("the model's forward", "the loss function", "the backward pass", "a loader of your own")
TUNED += ("the optimizer, half way through a step", "the GradScaler", "the validation loader")


def _while_tuning(fuse, make):
    scenario = make(fuse)
    scenario.search = scenario.tune
    return scenario


SITES |= {f"{site}, tuning": partial(_while_tuning, make=SITES[site]) for site in TUNED}
