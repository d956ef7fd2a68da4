"""Hooks that a module or a callback overrides: a search runs them or leaves them alone, and ends no fit for one."""

import inspect
from collections import Counter
from functools import cache

import pytest
import torch
from fits import SHORT, Net, fit, in_order, pl, scheduled
from pytorch_lightning.core.hooks import CheckpointHooks, DataHooks, ModelHooks
from torch.optim.lr_scheduler import LRScheduler

from lightning_callbacks import AutoLR, DecaySchedule
from lrfinder import InputError
from lrfinder.errors import LRFinderWarning

OF_MODULE = ("backward", "configure_gradient_clipping", "lr_scheduler_step", "optimizer_step", "optimizer_zero_grad")
LEFT_OUT = ("_dataloader", "_sharded_model", "_predict_", "_test_", "prepare_data", "configure_model", "setup")
HOOKS = [*OF_MODULE, *(n for kind in (ModelHooks, DataHooks, CheckpointHooks) for n in vars(kind) if n[0] != "_")]
HOOKS = sorted(name for name in HOOKS if not any(part in f"_{name}" for part in LEFT_OUT))
REPORT = {**SHORT, "mode": "report"}
COSINE = scheduled(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 24))


def looking(*names):
    """The net with hooks that look at everything around them, count, and do what they do by default."""

    def hook_of(name):
        default = getattr(Net, name)

        def hook(self, *args, **options):
            self.calls[name] += 1
            look_around(self)
            return default(self, *args, **options)

        hook.__signature__ = inspect.signature(default)
        return hook

    made = COSINE()
    made.calls = Counter()
    made.__class__ = type("Looking", (Net,), {name: hook_of(name) for name in names})
    return made


def look_around(module):
    """Read what hooks of real projects read: counters, metrics, loggers, callbacks, optimizers and schedulers."""
    trainer = module.trainer
    _ = trainer.current_epoch, trainer.global_step, trainer.is_last_batch, dict(trainer.callback_metrics)
    _ = trainer.logger.name, trainer.early_stopping_callback.wait_count, trainer.fit_loop.epoch_loop.batch_idx
    _ = module.optimizers().param_groups, module.lr_schedulers().get_last_lr()
    _ = next(c for c in trainer.callbacks if isinstance(c, pl.callbacks.EarlyStopping)).patience


def stopping():
    """Early stopping that never comes."""
    return pl.callbacks.EarlyStopping("loss", patience=9, check_on_train_epoch_end=True)


@cache
def without_search():
    """The fit without AutoLR, every hook counted."""
    return fit(lambda: looking(*HOOKS), [stopping()], val=in_order)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_of_the_module_runs_as_without_a_search(name):
    """As often, with the same training; it may look at everything that is there in a fit."""
    expected = without_search()

    trace = fit(lambda: looking(name), [AutoLR(**REPORT), stopping()], val=in_order)

    assert trace == expected
    assert trace.module.calls[name] == expected.module.calls[name]


class Reading(Net):
    """A hook that needs a metric of the epoch before."""

    def on_before_zero_grad(self, optimizer):
        if self.current_epoch > 0:
            assert self.trainer.callback_metrics["val_loss"] > 0


def test_a_hook_may_read_what_was_logged_before():
    """In a search in mid-training the metrics of the epoch before are there."""
    options = {"val": in_order, "max_epochs": 3}

    assert fit(Reading, [AutoLR(**REPORT, at_epochs=(1,))], **options) == fit(Reading, **options)


CALLBACK_HOOKS = [name for name in vars(pl.Callback) if name.startswith("on_") and "_test_" not in name]


def counting(calls):
    """A callback that counts the calls of every hook."""

    def hook_of(name):
        return lambda self, *args, **options: calls.update([name])

    return type("Counting", (pl.Callback,), {name: hook_of(name) for name in CALLBACK_HOOKS})()


def test_hooks_of_callbacks_do_not_run_in_a_search():
    """Each is called as often as in a fit without one."""
    with_search, without = Counter(), Counter()

    fit(callbacks=[AutoLR(**REPORT), counting(with_search)], val=in_order)
    fit(callbacks=[counting(without)], val=in_order)

    assert with_search == without
    assert without["on_before_optimizer_step"] == 24


class ByEpoch(LRScheduler):
    """A scheduler of another library, which wants to be told the epoch."""

    def __init__(self, optimizer):
        self.optimizer, self.base_lrs = optimizer, [group["lr"] for group in optimizer.param_groups]

    def step(self, epoch):
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base * 0.9**epoch


class Telling(Net):
    """A module that tells its scheduler the epoch."""

    def lr_scheduler_step(self, scheduler, metric):
        self.epochs_seen += 100
        scheduler.step(epoch=self.current_epoch + 1)


def telling(interval="epoch"):
    """Such a module with such a scheduler."""

    def make(module):
        optimizer = torch.optim.Adam(module.parameters(), 1e-2)
        return [optimizer], [{"scheduler": ByEpoch(optimizer), "interval": interval}]

    return Telling(make)


def test_a_scheduler_stepped_by_the_modules_hook_is_foreseen():
    """Its shape is that of the fit, whose rates follow it from the found peak; the report leaves no trace."""
    auto = AutoLR(**SHORT)

    trace = fit(telling, [auto], max_epochs=3)

    factors = [auto.plan.schedule(step) for step in (0, 11, 12, 24, 35)]
    assert factors == pytest.approx([1, 1, 0.9, 0.81, 0.81])
    assert trace.rates[1] == pytest.approx(auto.result.lr)
    assert trace.rates[-2] == pytest.approx(0.81 * auto.result.lr)
    assert fit(telling, [AutoLR(**REPORT)]) == fit(telling)


class Refusing(Telling):
    """A hook that cannot be called ahead of time."""

    def lr_scheduler_step(self, scheduler, metric):
        scheduler.step(epoch=int(self.trainer.callback_metrics["loss"] > 0))


def test_a_scheduler_that_cannot_be_foreseen_counts_as_constant(capsys):
    """The report says why, and the fit goes on."""

    def made():
        return Refusing(telling().make_optimizer)

    auto = AutoLR(**{**SHORT, "verbose": True})

    assert fit(made, [auto]).counters[3] == 24
    assert "`lr_scheduler_step` could not be called ahead of time" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "callback", [AutoLR(**SHORT, existing="replace"), DecaySchedule("linear")], ids=["AutoLR", "DecaySchedule"]
)
def test_a_schedule_of_ours_is_stepped_whatever_the_modules_hook_does(callback):
    """A hook that calls what another library's scheduler has does not get ours, and is the module's own again after."""

    class Updating(Net):
        def lr_scheduler_step(self, scheduler, metric):
            scheduler.step_update(num_updates=self.global_step)

    trace = fit(Updating, [callback])

    assert trace.rates[-1] < 0.1 * max(trace.rates)
    assert "lr_scheduler_step" not in vars(trace.module)


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(
    "callback", [AutoLR(**SHORT, existing="replace"), DecaySchedule("linear")], ids=["AutoLR", "DecaySchedule"]
)
def test_a_fit_that_an_error_ends_gives_the_hook_back(callback, fault):
    """After it the module steps its schedulers by its own hook, as in a fit without the callback."""

    class Updating(Net):
        def lr_scheduler_step(self, scheduler, metric):
            scheduler.step_update(num_updates=self.global_step)

        def on_train_epoch_end(self):
            held.append("lr_scheduler_step" in vars(self))
            raise fault("put in by the test")

    module, held = Updating(), []

    with pytest.raises((fault, SystemExit), match=r"put in by the test|^1?$"):  # Lightning exits after Ctrl-C
        fit(lambda: module, [callback])

    assert held == [True]
    assert "lr_scheduler_step" not in vars(module)


class Warming(Net):
    """Sets the LR in `optimizer_step`, as Lightning's own pages show it."""

    def optimizer_step(self, epoch, batch_idx, optimizer, closure):
        optimizer.step(closure=closure)
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * min(1.0, (self.trainer.global_step + 1) / 10)


class Peeking(Net):
    """A hook that needs what there is not in a search."""

    def on_before_zero_grad(self, optimizer):
        assert type(self.trainer.profiler).__name__ == "SimpleProfiler"


@pytest.mark.parametrize(("module", "hook"), [(Warming, "optimizer_step"), (Peeking, "on_before_zero_grad")])
def test_a_hook_that_cannot_be_searched_ends_no_fit(module, hook):
    """A warning names it, and the training is the one without AutoLR; with `error` the fit ends."""
    expected = fit(module, profiler="simple")

    with pytest.warns(LRFinderWarning, match=f"no learning rate was searched for, since `{hook}` of {module.__name__}"):
        trace = fit(module, [AutoLR(**SHORT)], profiler="simple")
    with pytest.raises((InputError, AssertionError)):
        fit(module, [AutoLR(**SHORT, on_no_signal="error")], profiler="simple")

    assert trace == expected
