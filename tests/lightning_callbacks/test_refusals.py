"""What a fit with AutoLR or DecaySchedule refuses: one sentence before anything is measured or attached."""

import math
from functools import partial

import pytest
import torch
from fits import SHORT, TUNED, Flat, Net, Plain, fit, loader, scheduled, stream, two_optimizers
from torch import nn
from torch.optim import lr_scheduler

from lightning_callbacks import AutoLR, DecaySchedule
from lrfinder import InputError, NoSignalError
from lrfinder.schedules import ReduceOnPlateau


class WarmsBefore(Net):
    """Sets the LR in `optimizer_step`, as a warm-up without a scheduler does."""

    def warm_up(self, optimizer):
        for group in optimizer.param_groups:
            group["lr"] = 0.5

    def optimizer_step(self, epoch, batch_idx, optimizer, closure):
        self.warm_up(optimizer)
        optimizer.step(closure=closure)


class WarmsAfter(WarmsBefore):
    """Sets the LR of the step to come."""

    def optimizer_step(self, epoch, batch_idx, optimizer, closure):
        optimizer.step(closure=closure)
        self.warm_up(optimizer)


class TakesIterator(Net):
    """A step that draws its batches itself."""

    def training_step(self, dataloader_iter):
        batch, _, _ = next(dataloader_iter)
        return self.loss_of(batch)


class Lazy(Plain):
    """A layer whose weights have no shape before its first batch."""

    def configure_model(self):
        self.head = nn.LazyLinear(3)


class NotFinite(Net):
    """A loss that is not a number."""

    def loss_of(self, batch):
        return super().loss_of(batch) * math.nan


TWO = partial(Plain, two_optimizers)
COSINE = scheduled(lambda o: lr_scheduler.CosineAnnealingLR(o, 30))
NO_END = {"train": stream}
BY_HAND = r"return `lrfinder.attach.*self\.lr_schedulers\(\)\.step\(\)"
SETS_RATE = r"`optimizer_step` of {} must leave the LR alone .* got 0\.5 after"
NO_TUNING = '`tune` must be "auto" or False {}.*, got True'


def auto(**options):
    """A callback with a short sweep, which is made when the fit is."""
    return lambda: AutoLR(**SHORT, **options)


def tuned(**options):
    """A callback that must tune."""
    return lambda: AutoLR(**{**TUNED, **options})


def decay(schedule):
    """A callback that attaches a schedule."""
    return lambda: DecaySchedule(schedule)


REFUSED = {
    "two schedules": (
        COSINE,
        auto(schedule="linear"),
        {},
        '`existing` must be "replace" to attach a schedule of',
    ),
    "a name without an end": (Net, auto(schedule="linear"), NO_END, "where the training has no known end, got"),
    "one cycle without an end": (Net, auto(schedule="one_cycle"), NO_END, "where the training has no known end, got"),
    "a plateau by name": (Net, auto(schedule="reduce_on_plateau"), {}, "put DecaySchedule"),
    "a plateau": (Net, auto(schedule=ReduceOnPlateau()), {}, "put DecaySchedule"),
    "no such optimizer": (TWO, auto(sweep=2), {}, "`sweep` must be the index of an optimizer, 0 to 1, or None, got 2"),
    "no loss by hand": (
        partial(TWO, returns=False),
        auto(),
        {},
        "`training_step` must return the loss under manual optimization",
    ),
    "a schedule by hand": (TWO, auto(schedule="cosine"), {}, BY_HAND),
    "the rate set before the step": (WarmsBefore, auto(on_no_signal="error"), {}, SETS_RATE.format("WarmsBefore")),
    "the rate set after the step": (WarmsAfter, auto(on_no_signal="error"), {}, SETS_RATE.format("WarmsAfter")),
    "the iterator taken": (TakesIterator, auto(), {}, "`training_step` must take a batch to be measured"),
    "a loader that is read once": (
        Net,
        auto(),
        {"train": lambda: iter(list(loader()))},
        "`train_dataloader` must be something that can be iterated anew",
    ),
    "lazy layers": (
        partial(Lazy, lambda module: torch.optim.SGD(module.parameters(), 1e-2)),
        auto(),
        {},
        r"got lazy ones \(head\.weight, head\.bias\); run one batch through it first",
    ),
    "no validation": (Net, auto(evaluate_on="validation"), {}, "validation batches must be given to evaluate on them"),
    "a first loss that is not finite": (NotFinite, auto(), {}, "the loss of the very first batch must be finite"),
    "no signal": (Flat, auto(on_no_signal="error"), {}, "loss"),
    "ratios without pilots": (Net, auto(groups="each"), {}, "`groups` must be tuned by pilots, got 'each' with tune="),
    "a budget for no ratios": (Net, tuned(group_budget=300), {}, "`group_budget` must be left out where no `groups`"),
    "ratios of one group": (Net, tuned(groups="each"), {}, "`groups` must be left out where there is one group"),
    "tuning without a length": (
        Net,
        tuned(),
        {"max_epochs": -1},
        NO_TUNING.format("where the length of the training is not known; give the Trainer"),
    ),
    "tuning a short training": (
        Net,
        tuned(budget=None),
        {},
        NO_TUNING.format("for a training of fewer than 30 steps; pass `budget`"),
    ),
    "tuning by a rule": (
        Net,
        tuned(rule="valley"),
        {},
        NO_TUNING.format("where a rule is named, whose rate is read off a sweep"),
    ),
    "a second scheduler": (
        COSINE,
        decay("linear"),
        {},
        "got one with the CosineAnnealingLR that the module conf",
    ),
    "a decay by hand": (TWO, decay("linear"), {}, BY_HAND),
    "a decay without a length": (Net, decay("cosine"), NO_END, "got the name 'cosine'; pass it built, or give the Tr"),
}


@pytest.mark.filterwarnings("ignore:.*`dataloader_iter`")
@pytest.mark.filterwarnings("ignore:The loader is an iterator")
@pytest.mark.parametrize(("module", "callback", "options", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_fit_that_cannot_be_measured_is_refused(module, callback, options, sentence):
    """The sentence says what the module, the Trainer or the option must be."""
    with pytest.raises((InputError, NoSignalError), match=sentence):
        fit(module, [callback()], **options)
