"""Lightning's LearningRateFinder and AutoLR on one module, in one run: what each leaves changed, and what it costs.

Three fits start from the same seed on scikit-learn's digits: without a finder, with Lightning's, and with AutoLR, both
set to change no learning rate. A probe records everything just before the first training step, and again after the fit.
The table lists what differs from the fit without a finder. A second pair of fits applies the found rate, and a third
resumes from a checkpoint. `make bench-lightning` prints the table; `--json FILE` writes what was recorded.
"""

import argparse
import json
import logging
import math
import tempfile
import time
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import LearningRateFinder
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_callbacks import AutoLR

EPOCHS = 3
FINDERS = ("Lightning's LearningRateFinder", "AutoLR")


class Digits(pl.LightningModule):
    """A small CNN with the state that trainings have."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2))
        self.head = nn.Linear(576, 10)
        self.lr = 1e-3
        self.register_buffer("seen_mean", torch.zeros(()), persistent=False)
        self.steps_counted, self.epochs_counted = 0, []

    def training_step(self, batch, batch_idx):
        self.steps_counted += 1
        self.seen_mean.lerp_(batch[0].mean(), 0.1)
        loss = F.cross_entropy(self.head(self.body(batch[0])), batch[1])
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("accuracy", (self.head(self.body(batch[0])).argmax(1) == batch[1]).float().mean())

    def on_train_epoch_end(self):
        self.epochs_counted.append(self.steps_counted)

    def configure_optimizers(self):
        slow = {"params": self.body.parameters(), "lr": 0.1 * self.lr}
        return torch.optim.AdamW([slow, {"params": self.head.parameters()}], lr=self.lr)


def loaders():
    pixels, digits = load_digits(return_X_y=True)
    images, targets = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16, torch.tensor(digits)
    generator = torch.Generator().manual_seed(0)
    train = DataLoader(TensorDataset(images[:1400], targets[:1400]), 32, shuffle=True, generator=generator)
    return train, DataLoader(TensorDataset(images[1400:], targets[1400:]), 397), generator


class Probe(pl.Callback):
    """Everything that a finder could have changed, at the first training step."""

    def __init__(self, generator):
        self.generator, self.seen, self.validations = generator, None, 0

    def on_validation_start(self, trainer, module):
        self.validations += 1

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if self.seen is None:
            self.seen = look(trainer, module, self.generator)


def look(trainer, module, generator):
    optimizer = trainer.optimizers[0]
    return {
        "weights": [p.tolist() for p in module.parameters()],
        "BatchNorm's buffers": [b.tolist() for b in module.body[1].buffers()],
        "a non-persistent buffer": module.seen_mean.tolist(),
        "the optimizer's state": [
            [v.tolist() for v in optimizer.state[p].values()] for p in module.parameters() if p in optimizer.state
        ],
        "the groups' learning rates": [group["lr"] for group in optimizer.param_groups],
        "the module's counters": [module.steps_counted, list(module.epochs_counted)],
        "torch's random stream": torch.get_rng_state().tolist(),
        "the order of the data": generator.get_state().tolist(),
        "global_step": trainer.global_step,
    }


def written():
    """Bytes that this process has written so far, or NaN where the system does not count them."""
    try:
        return int(Path("/proc/self/io").read_text().split("wchar:")[1].split()[0])
    except OSError:
        return math.nan


def timed(finder):
    """A finder whose hook measures seconds and bytes written."""
    hook = "on_fit_start" if isinstance(finder, LearningRateFinder) else "on_train_batch_start"
    original = getattr(finder, hook)
    cost = {"seconds": 0.0, "bytes": 0}

    def around(*arguments, **options):
        start, before = time.perf_counter(), written()
        original(*arguments, **options)
        cost["seconds"] = max(cost["seconds"], time.perf_counter() - start)
        cost["bytes"] = max(cost["bytes"], written() - before)

    setattr(finder, hook, around)
    return cost


def fit(folder, finder=None, ckpt_path=None, save=None, epochs=EPOCHS):
    torch.manual_seed(0)
    train, held_out, generator = loaders()
    module, probe = Digits(), Probe(generator)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        callbacks=[*([finder] if finder else []), probe],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, train, held_out, ckpt_path=ckpt_path)
    if save:
        trainer.save_checkpoint(save)
    end = {"the trained weights": [p.tolist() for p in module.parameters()], "validation runs": probe.validations}
    return {**(probe.seen or {}), **end}


def changed(seen, plain):
    return [name for name in plain if seen.get(name) != plain[name]]


def finders(apply):
    theirs = LearningRateFinder(update_attr=apply)
    return dict(zip(FINDERS, (theirs, AutoLR(mode="apply" if apply else "report", verbose=False)), strict=True))


def suggestion(finder):
    return finder.optimal_lr.suggestion() if isinstance(finder, LearningRateFinder) else finder.result.lr


def compare(folder):
    plain = fit(folder)
    results = {}
    for name, finder in finders(apply=False).items():
        cost = timed(finder)
        seen = fit(folder, finder)
        results[name] = {"left changed": changed(seen, plain), "suggestion": suggestion(finder), **cost}
    for name, finder in finders(apply=True).items():
        seen = fit(folder, finder)
        rates = seen["the groups' learning rates"]
        results[name]["ratio"] = round(rates[1] / rates[0], 3)
    half = Path(folder) / "half.ckpt"
    fit(folder, save=half)
    for name, finder in finders(apply=True).items():
        results[name]["resumed at"] = fit(folder, finder, half, epochs=EPOCHS + 1)["global_step"]
    return results


def table(results):
    rows = [f"| | {' | '.join(FINDERS)} |", "|---|---|---|"]
    cells = {
        "left changed at the first batch, or after the fit": lambda r: ", ".join(r["left changed"]) or "nothing",
        "suggested rate": lambda r: f"{r['suggestion']:.2g}" if r["suggestion"] else "none",
        "ratio of two groups' rates, 10 before": lambda r: f"{r['ratio']:g}",
        "resumed from step 132, goes on from": lambda r: f"step {r['resumed at']}",
        "seconds of the sweep": lambda r: f"{r['seconds']:.1f}",
        "bytes written": lambda r: f"{r['bytes']:,}",
    }
    rows += [f"| {row} | {' | '.join(cell(results[name]) for name in FINDERS)} |" for row, cell in cells.items()]
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="keep what was seen in this file")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        results = compare(folder)
    print(f"\npytorch-lightning {pl.__version__}, torch {torch.__version__}\n\n{table(results)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
