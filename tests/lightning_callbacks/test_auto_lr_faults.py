"""A range test that fails inside a Trainer leaves the module, the optimizer and the Trainer as they were."""

import os
import signal
import time
from itertools import count

import pytest
import torch
from fits import SHORT, TUNED, Net, fit, pl, samples
from torch.utils.data import DataLoader, Dataset
from twins import plain

from lightning_callbacks import AutoLR


class Blown(Exception):
    """The fault that a test has put in."""


class Witness(pl.Callback):
    """What there is before the range test, and what is left of it after the fit."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.trainer, self.module = trainer, pl_module
        self.before = self.seen()

    def seen(self):
        """Everything of the module, the optimizer, the random streams and the Trainer that a search touches."""
        module, trainer = self.module, self.trainer
        (optimizer,) = trainer.optimizers
        return {
            "weights": plain(dict(module.named_parameters())),
            "gradients": [plain(p.grad) for p in module.parameters()],
            "buffers": plain(dict(module.named_buffers())),
            "counters": (module.batches_seen, module.epochs_seen, list(module.rates)),
            "metric": plain(module.accuracy.metric_state),
            "modes": [m.training for m in module.modules()],
            "optimizer": plain(optimizer.state_dict()),
            "streams": plain(torch.get_rng_state()),
            "trainer": (trainer.global_step, trainer.current_epoch, dict(trainer.callback_metrics)),
            "set aside": (trainer.logger, list(trainer.callbacks), trainer.limit_val_batches),
        }


def net_that_fails(hook, call, error):
    """The net of the fits, one of whose hooks raises in a call."""
    calls = count()

    def failing(self, *args):
        if next(calls) == call:
            raise error("put in by the test")
        return getattr(Net, hook)(self, *args)

    return type("Failing", (Net,), {hook: failing})


@pytest.mark.parametrize(
    "hook", ["training_step", "on_before_optimizer_step", "optimizer_zero_grad", "on_after_backward"]
)
@pytest.mark.parametrize(
    ("call", "how"),
    [(0, SHORT), (9, SHORT), (40, {**SHORT, "steps": 80}), (130, TUNED)],
    ids=["first", "in the sweep", "in a trial", "in a pilot"],
)
@pytest.mark.parametrize("error", [Blown, KeyboardInterrupt])
def test_a_fault_in_a_hook_leaves_no_trace(hook, call, how, error):
    """The error ends the fit, and everything is as it was before the search."""
    witness = Witness()

    with pytest.raises((error, SystemExit), match=r"put in by the test|^1?$"):  # Lightning exits after Ctrl-C
        fit(net_that_fails(hook, call, error), callbacks=[witness, AutoLR(**how, on_no_signal="error")])

    assert witness.seen() == witness.before


class Deadly(Dataset):
    """Rows in a worker process that is killed when it is asked for a certain one."""

    def __init__(self, kills):
        self.inner, self.kills, self.parent = samples(), kills, os.getpid()

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        if i == self.kills and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner[i]


# The signal may come while torch shuts the loader down in a finalizer, from which nothing can be raised.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_that_is_killed_leaves_no_trace():
    """The loader's own error ends the fit."""
    witness = Witness()

    def train():
        return DataLoader(Deadly(200), 32, num_workers=1, multiprocessing_context="fork")

    gone = "exited unexpectedly|killed by signal|reset by peer|^$"

    def fit_and_wait():
        try:
            fit(callbacks=[witness, AutoLR(**SHORT)], train=train)
        finally:
            time.sleep(0.5)  # torch raises the worker's death from a signal's handler, now or later

    with pytest.raises((RuntimeError, ConnectionError, EOFError), match=gone):
        fit_and_wait()

    assert witness.seen() == witness.before
