"""Learning-rate finders as their users run them, each through its own package, 100 steps each.

`FINDERS` maps a package to a function of (task, seed) that returns the suggestion of each of its rules, None for no
answer, and the optimizer steps taken. Everything is left at its defaults, with two exceptions: a sweep that would
start at the optimizer's own rate starts at 1e-7, and ignite, whose default is one epoch, gets 100 steps.
"""

import contextlib
import io
import logging
import tempfile
import warnings

import torch
from torch.utils.data import DataLoader, IterableDataset

__all__ = ["FINDERS"]

START, STEPS = 1e-7, 100


class _Stream(IterableDataset):
    """Whole batches as a data set, for finders that want a DataLoader."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def _loader(batches):
    return DataLoader(_Stream(batches), batch_size=None)


def lightning(task, seed):
    """`Tuner.lr_find`."""
    from pytorch_lightning import LightningModule, Trainer
    from pytorch_lightning.tuner import Tuner

    class Training(LightningModule):
        def __init__(self, model):
            super().__init__()
            self.model, self.lr = model, 1e-3

        def training_step(self, batch):
            return task.loss_fn(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return task.optimizer(self.parameters(), lr=self.lr)

    model, batches, _ = task.build(seed)
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = Trainer(accelerator="cpu", default_root_dir=folder, enable_model_summary=False, **quiet)
        found = Tuner(trainer).lr_find(Training(model), train_dataloaders=_loader(batches))
        return {"lightning": found.suggestion()}, len(found.results["lr"])


def torch_lr_finder(task, seed):
    """`LRFinder.range_test`, whose suggestion is made by `plot`."""
    from torch_lr_finder import LRFinder

    model, batches, optimizer = task.build(seed)
    finder = LRFinder(model, optimizer, task.loss_fn, device="cpu")
    finder.range_test(_loader(batches), start_lr=START, num_iter=STEPS)
    try:
        suggestion = float(finder.plot(ax=_axes())[1])
    except (RuntimeError, ValueError):
        suggestion = None
    return {"torch-lr-finder": suggestion}, len(finder.history["lr"])


def ignite(task, seed):
    """`FastaiLRFinder`, attached to an engine."""
    from ignite.engine import Engine
    from ignite.handlers import FastaiLRFinder

    model, batches, optimizer = task.build(seed)

    def update(_, batch):
        optimizer.zero_grad()
        loss = task.loss_fn(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.item()

    finder = FastaiLRFinder()
    saved = {"model": model, "optimizer": optimizer}
    with finder.attach(Engine(update), to_save=saved, num_iter=STEPS, start_lr=START) as engine:
        engine.run(_loader(batches))
    try:
        suggestion = float(finder.lr_suggestion())
    except RuntimeError:
        suggestion = None
    return {"ignite": suggestion}, len(finder.get_results()["lr"])


def fastai(task, seed):
    """`Learner.lr_find` with its four rules."""
    from fastai.callback.schedule import minimum, slide, steep, valley
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    model, batches, _ = task.build(seed)

    def optimizer(parameters, lr):
        return OptimWrapper(parameters, task.optimizer, lr=lr)

    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        loaders = DataLoaders(_loader(batches), _loader(batches))
        learner = Learner(loaders, model, loss_func=task.loss_fn, opt_func=optimizer, path=folder)
        with learner.no_bar():
            learner.lr_find(show_plot=False, suggest_funcs=None)
    lrs, losses = _kept_by_fastai(learner.recorder)
    for rule in (valley, slide, steep, minimum):
        name = f"fastai {rule.__name__}"
        answers[name] = None
        with contextlib.suppress(Exception):
            answers[name] = float(rule(lrs, losses, STEPS)[0])
    return answers, len(learner.recorder.lrs)


def _kept_by_fastai(recorder):
    """The points that its `lr_find` hands to its rules: one sweep serves all four, even where one of them fails."""
    lrs = torch.tensor(recorder.lrs[STEPS // 10 : -5])
    losses = torch.tensor([float(loss) for loss in recorder.losses[STEPS // 10 : -5]])
    bad = torch.nonzero(torch.isnan(losses))
    end = int(bad.min()) if len(bad) else len(losses)
    return lrs[:end], losses[:end]


def _axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def _silent(finder):
    """Without the prints, bars and warnings of a finder."""

    def find(task, seed):
        for name in ("lightning.pytorch", "pytorch_lightning", "ignite"):
            logging.getLogger(name).setLevel(logging.ERROR)
        sink = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            return finder(task, seed)

    return find


FINDERS = {
    "pytorch-lightning": _silent(lightning),
    "torch-lr-finder": _silent(torch_lr_finder),
    "pytorch-ignite": _silent(ignite),
    "fastai": _silent(fastai),
}
