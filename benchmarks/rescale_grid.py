"""Batch x length x rate: small trainings on MNIST, CIFAR-10 and tiny Shakespeare, each with momentum and with AdamW.

The module trains a whole grid, in one process and one thread, and stores every run in
benchmarks/results/rescale_grid.json as soon as it has ended: stopped at any time, it loses one run. A training sees
32,768 samples whatever its batch, or a quarter of them, with a warm-up over a twentieth and a linear decay to zero.
Rates begin at half decades; those within half a decade of the best are made at quarter decades and with a second seed,
and an end that is the best is extended. At last a range test of every training measures the noise of its gradient.
"""

import argparse
import json
import math
import time
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
from accuracy import machine
from best_rates import steps
from oracles import SCHEDULES
from suite import handwriting, letters, pictures
from suite.base import Family, Training, on_disk
from suite.models import Language, identity
from suite.optimizers import momentum
from tasks import ce, mlp
from torch.optim import AdamW

from lrfinder import find_lr

__all__ = ["OPTIMIZERS", "TASKS", "make", "missing", "noises", "read"]

STORED = Path(__file__).parent / "results" / "rescale_grid.json"
WHOLE, QUARTER = 32_768, 8_192
"""Samples that a training sees."""

TASKS = {
    "mnist": (handwriting.images, partial(mlp, 196, 48, 10), handwriting.FILE),
    "cifar": (pictures.images, partial(pictures.plain, identity, (8, 16, 32)), pictures.FILE),
    "shakespeare": (
        partial(letters.windows, letters.plays, 8, 5, every=False),
        partial(letters.Grams, letters.SYMBOLS, 8, 64),
        letters.PLAYS,
    ),
    "transformer": (
        partial(letters.windows, letters.plays, 16),
        partial(Language, letters.SYMBOLS, 16, 32),
        letters.PLAYS,
    ),
}
"""By name: data, model, and the file that the data are in."""

CHOOSING = ("mnist", "cifar", "shakespeare")
"""Those that may choose constants; the transformer, whose samples are windows of a text, only tests them."""

OPTIMIZERS = {"momentum": (momentum, (-5, 1)), "adamw": (AdamW, (-7, -1))}
"""By name: what makes one, and the ends of the first rates, in half decades."""

CELLS = [
    *[(batch, WHOLE) for batch in (8, 32, 128, 512, 1024)],
    *[(batch, QUARTER) for batch in (8, 32, 128)],
    *[(batch, WHOLE) for batch in (16, 64, 256)],
]
"""Batch and samples of a training, in the order in which they are made."""

CASES = [(task, optimizer, *cell) for cell in CELLS for task in CHOOSING for optimizer in OPTIMIZERS]
CASES += [("transformer", "adamw", batch, QUARTER) for batch in (64, 16, 256)]
"""Task, optimizer, batch and samples of every training."""

SEEDS, NOISE_SEEDS = (0, 1), (10, 11, 12, 13)
NOISE_STEPS = 30
"""Of a range test that measures the noise."""


def training_of(task, optimizer, batch, samples):
    """The training of a cell."""
    data, model, file = TASKS[task]
    make, ends = OPTIMIZERS[optimizer]
    lrs = (10 ** (ends[0] / 2), 10 ** (ends[1] / 2))
    family, absent = Family(task, optimizer), partial(on_disk, file)
    name = f"{task}-{optimizer}-{batch}-{samples}"
    return Training(name, data, model, make, ce, batch, samples // batch, lrs, family=family, absent=absent)


def train(training, lr, seed):
    """The held-out loss at the end of a training; None where it exploded."""
    model, loader, optimizer = training.build(seed)
    shape = SCHEDULES["primary"](training.total_steps)
    made = sum(1 for _ in steps(training, model, loader, optimizer, lambda step: lr * shape(step)))
    loss = training.validation_loss(model) if made == training.total_steps else math.nan
    return float(f"{loss:.6g}") if math.isfinite(loss) else None


def losses_of(rows):
    """Mean loss over seeds by rate, in quarter decades; infinite where a seed exploded."""
    quarters = sorted({row["quarter"] for row in rows})
    losses = {at: [row["loss"] for row in rows if row["quarter"] == at] for at in quarters}
    return {at: math.inf if None in found else fmean(found) for at, found in losses.items()}


def missing(rows, ends):
    """The next run of a cell as (quarter decades, seed), or None where it is whole."""
    done = {(row["quarter"], row["seed"]) for row in rows}
    wanted = [(2 * half, SEEDS[0]) for half in range(ends[0], ends[1] + 1)]
    if not set(wanted) - done:
        losses = losses_of([row for row in rows if row["seed"] == SEEDS[0]])
        best, (low, high) = min(losses, key=losses.get), (min(losses), max(losses))
        wanted += [(low - 2, SEEDS[0])] if best <= low + 1 else [(high + 2, SEEDS[0])] if best >= high - 1 else []
        wanted += [(best + step, seed) for seed in SEEDS for step in range(-2, 3)]
    return next((run for run in wanted if run not in done), None)


def _stored():
    return {"runs": [], "noise": []} | (json.loads(STORED.read_text()) if STORED.exists() else {})


def read():
    """The stored runs."""
    return _stored()["runs"]


def noises():
    """By task, optimizer and batch, the noise over the squared mean of the gradient, from a range test of each seed."""
    found = {}
    for row in _stored()["noise"]:
        found.setdefault((row["task"], row["optimizer"], row["batch"]), []).append(row["noise"])
    return found


def _store(runs, noise):
    parts = [",\n".join(json.dumps(row) for row in rows) for rows in (runs, noise)]
    head = f'{{"machine": {json.dumps(machine(("torch", "numpy")))},'
    STORED.with_suffix(".tmp").write_text(f'{head}\n"runs": [\n{parts[0]}\n],\n"noise": [\n{parts[1]}\n]}}\n')
    STORED.with_suffix(".tmp").replace(STORED)


def make():
    """Make the runs that are missing, cell by cell, then measure the noise where it was not."""
    stored = _stored()
    rows, noise = stored["runs"], stored["noise"]
    for task, optimizer, batch, samples in CASES:
        cell = {"task": task, "optimizer": optimizer, "batch": batch, "samples": samples}
        mine = [row for row in rows if cell.items() <= row.items()]
        training = training_of(**cell)
        while (run := missing(mine, OPTIMIZERS[optimizer][1])) is not None:
            begin = time.process_time()
            loss = train(training, 10 ** (run[0] / 4), run[1])
            seconds = round(time.process_time() - begin, 2)
            row = {**cell, "quarter": run[0], "seed": run[1], "loss": loss, "seconds": seconds}
            mine.append(row)
            rows.append(row)
            _store(rows, noise)
        print(f"{sum(row['seconds'] for row in rows) / 60:5.1f} min, {training.name}: {len(mine)} runs", flush=True)
    for task, optimizer, batch, samples in CASES:
        cell = {"task": task, "optimizer": optimizer, "batch": batch}
        done = {row["seed"] for row in noise if cell.items() <= row.items()}
        for seed in [seed for seed in NOISE_SEEDS if seed not in done and (samples == WHOLE or task not in CHOOSING)]:
            noise.append({**cell, "seed": seed, "noise": measure(training_of(**cell, samples=samples), seed)})
            _store(rows, noise)


def measure(training, seed):
    """The noise that a range test sees."""
    model, loader, optimizer = training.build(seed)
    found = find_lr(model, loader, loss_fn=ce, optimizer=optimizer, steps=NOISE_STEPS, progress=False)
    ratio = found.evidence.gradient_noise
    return None if ratio is None else float(f"{ratio:.4g}")


def main():
    """Make the grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    absent = [reason for _, _, file in TASKS.values() if (reason := on_disk(file))]
    if absent:
        parser.exit(1, "".join(f"{reason}\n" for reason in absent))
    torch.set_num_threads(1)
    make()


if __name__ == "__main__":
    main()
