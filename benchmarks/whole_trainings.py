"""Whole trainings of a transformer on text and of a ResNet on images: `find_lr` beside what people do without it.

`make bench-whole` trains both with every way for the same number of steps; those of `find_lr` are subtracted from its
own. Every run is stored in benchmarks/results/whole_trainings.json when it ends, and is not repeated. Then the table
and the picture are made. The sizes were chosen by the time that a step takes, before anything was trained.
"""

import argparse
import itertools
import json
import math
import statistics
import time
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from accuracy import machine
from page import MARKERS, PAGE, README, measured_with, table, write
from peers import lightning
from suite.base import Family, Training, on_disk
from suite.letters import SYMBOLS, of_plays
from suite.models import Language, Residual
from suite.pictures import images
from torch.optim import SGD, AdamW

from lrfinder import attach, find_lr
from lrfinder.schedules import Constant, Cosine, Warmup

STORED = Path(__file__).parent / "results" / "whole_trainings.json"
PICTURE = PAGE.parent / "whole_trainings.png"
FIRST_SEED, SEEDS = 500, 5
LOOKS = 10
"""How often the held-out loss is taken along a training."""

PACKAGES = ("torch", "lrfinder", "pytorch-lightning")
TEXT, IMAGES = "a transformer on Shakespeare, AdamW", "a ResNet on CIFAR-10, SGD with momentum"
STEPS = 600

TASKS = {
    TEXT: Training(
        TEXT,
        partial(of_plays, 64),
        partial(Language, SYMBOLS, 64, 96, 3),
        AdamW,
        F.cross_entropy,
        16,
        STEPS,
        (1e-4, 0.1),
        family=Family("tiny Shakespeare", "transformer"),
        absent=partial(on_disk, "tinyshakespeare.txt"),
    ),
    IMAGES: Training(
        IMAGES,
        images,
        partial(Residual, (3, 16)),
        partial(SGD, momentum=0.9, weight_decay=5e-4),
        F.cross_entropy,
        64,
        STEPS,
        (1e-3, 1),
        family=Family("CIFAR-10", "residual net"),
        absent=partial(on_disk, "cifar10_subset.npz"),
    ),
}


def cosine(steps):
    """A warm-up of 5 %, then a cosine to zero."""
    return Warmup(Cosine(steps - steps // 20), steps // 20)


def ours(task, model, loader, optimizer, seed):
    """Search, charge what it cost, and attach what it suggests for the steps that are left."""
    found = find_lr(
        model, loader, loss_fn=task.loss_fn, optimizer=optimizer, total_steps=task.total_steps, progress=False
    )
    scheduler = found.recommend(total_steps=task.total_steps - found.cost_steps).attach(optimizer)
    return scheduler, found.lr, found.cost_steps


def fixed(lr, schedule, task, model, loader, optimizer, seed):
    """A rate that nothing was searched for."""
    return attach(optimizer, schedule(task.total_steps), lr=lr), lr, 0


def theirs(task, model, loader, optimizer, seed):
    """Lightning's suggestion under the cosine; its search is not charged."""
    lr = lightning(task, seed)[0]["lightning"]
    return attach(optimizer, cosine(task.total_steps), lr=lr), lr, 0


def constant(steps):
    """No schedule."""
    return Constant()


WAYS = {
    TEXT: {
        "find_lr": ours,
        "AdamW 1e-3, cosine": partial(fixed, 1e-3, cosine),
        "AdamW 1e-3, constant": partial(fixed, 1e-3, constant),
        "Lightning's finder, cosine": theirs,
    },
    IMAGES: {
        "find_lr": ours,
        "SGD 0.1, cosine": partial(fixed, 0.1, cosine),
        "Lightning's finder, cosine": theirs,
    },
}


def run(name, way, seed):
    """One whole training, as it is stored."""
    torch.set_num_threads(1)
    task, begin = TASKS[name], time.perf_counter()
    model, loader, optimizer = task.build(seed)
    scheduler, lr, charged = WAYS[name][way](task, model, loader, optimizer, seed)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    losses = [[charged, held_out(task, model)[0]]]
    for step, (inputs, targets) in enumerate(itertools.islice(batches, task.total_steps - charged), charged + 1):
        loss = task.loss_fn(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % (task.total_steps // LOOKS) == 0:
            losses.append([step, held_out(task, model)[0]])
    loss, accuracy = held_out(task, model)
    ending = {"loss": loss, "accuracy": accuracy, "losses": losses, "seconds": round(time.perf_counter() - begin, 1)}
    return {"task": name, "way": way, "seed": seed, "lr": lr, "charged": charged, **ending}


@torch.no_grad()
def held_out(task, model):
    """Loss, None where it is not finite, and accuracy on the held-out samples."""
    split, right, total = task.data(), 0, 0.0
    model.eval()
    parts = zip(split.held_inputs.split(500), split.held_targets.split(500), strict=True)
    for inputs, targets in parts:
        logits = model(inputs)
        total += len(inputs) * float(task.loss_fn(logits, targets))
        right += int((logits.argmax(1) == targets).sum())
    model.train()
    loss = total / len(split.held_inputs)
    return loss if math.isfinite(loss) else None, right / split.held_targets.numel()


def stored():
    """The runs that are there."""
    return json.loads(STORED.read_text())["runs"] if STORED.exists() else []


def whole(rows):
    """The runs of seeds that every way of their training has."""
    seeds = {way: {row["seed"] for row in rows if (row["task"], row["way"]) == way} for way in _all_ways()}
    shared = {name: set.intersection(*(seeds[name, way] for way in ways)) for name, ways in WAYS.items()}
    return [row for row in rows if row["seed"] in shared[row["task"]]]


def _all_ways():
    return [(name, way) for name, ways in WAYS.items() for way in ways]


def store(rows):
    """Write all runs at once, so that a stop between two of them loses nothing."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    STORED.with_suffix(".tmp").write_text(f'{{"machine": {json.dumps(machine(PACKAGES))},\n"runs": [\n{lines}\n]}}\n')
    STORED.with_suffix(".tmp").replace(STORED)


def page(rows):
    """The table: mean and range over seeds; the least mean of each training is bold, and what its range overlaps."""
    cells = []
    for name, ways in WAYS.items():
        found = {way: [row for row in rows if (row["task"], row["way"]) == (name, way)] for way in ways}
        means = {way: statistics.fmean(_ends(each)) for way, each in found.items() if each}
        bound = max(_ends(found[min(means, key=means.get)])) if means else math.inf
        for way in means:
            least = min(_ends(found[way])) <= bound
            cells.append((name if way == "find_lr" else "", *_cells(way, found[way], least)))
    header = (f"{_seeds(rows)} seeds each", "", "rate", "steps left", "held-out loss", "lowest to highest", "accuracy")
    return table(header, cells)


def _seeds(rows):
    counts = sorted({len({row["seed"] for row in rows if row["task"] == name}) for name in WAYS})
    return " or ".join(map(str, counts))


def _ends(rows):
    return [math.inf if row["loss"] is None else row["loss"] for row in rows]


def _cells(way, rows, least):
    ends = _ends(rows)
    mean = f"{statistics.fmean(ends):.3f}"
    spread, accuracy = f"{min(ends):.3f} to {max(ends):.3f}", statistics.fmean(row["accuracy"] for row in rows)
    rates = sorted({f"{row['lr']:.1e}" for row in rows}, key=float)
    left = statistics.fmean(STEPS - row["charged"] for row in rows)
    rate = rates[0] if len(rates) == 1 else f"{rates[0]} to {rates[-1]}"
    shown = f"`{way}`" if way == "find_lr" else way
    return shown, rate, f"{left:.0f}", f"**{mean}**" if least else mean, spread, f"{100 * accuracy:.1f} %"


def draw(rows):
    """The held-out loss along the trainings, mean over the seeds, one panel for each training."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("lrfinder.pictures"):
        figure = Figure(figsize=(9, 3.8))
        panels = figure.subplots(1, len(WAYS))
    for ax, (name, ways) in zip(panels, WAYS.items(), strict=True):
        for way, colour in zip(ways, _colours(ways), strict=True):
            runs = [row for row in rows if (row["task"], row["way"]) == (name, way)]
            if runs:
                at = [statistics.fmean(at for at, _ in looks) for looks in _looks(runs)]
                ax.plot(
                    at, [statistics.fmean(loss for _, loss in looks) for looks in _looks(runs)], color=colour, label=way
                )
        ax.set(xlabel="optimizer step, those of the search included", ylabel="held-out loss", title=name.split(", ")[0])
        ax.legend(frameon=False, fontsize="small")
    figure.savefig(PICTURE, dpi=120)


def _colours(ways):
    """The suggestion's, Lightning's, and those of the fixed rates: the same in every panel."""
    fixed_ones = iter(("#0072B2", "#999999"))
    return [
        {"find_lr": "#D55E00", "Lightning's finder, cosine": "#009E73"}.get(way) or next(fixed_ones) for way in ways
    ]


def _looks(runs):
    """What the runs show at the same look, the last one at their end; only what all of them have."""
    size = min(len(row["losses"]) for row in runs)
    return [*zip(*(row["losses"][:1] + row["losses"][1 - size :] for row in runs), strict=True)]


def missing(seeds):
    """The runs that are wanted and not stored; prints which trainings cannot be run here."""
    done = {(row["task"], row["way"], row["seed"]) for row in stored()}
    absent = {name: reason for name, task in TASKS.items() if (reason := task.absent())}
    for name, reason in absent.items():
        print(f"{name} is left out: {reason}")
    wanted = [(name, way, seed) for seed in seeds for name, ways in WAYS.items() if name not in absent for way in ways]
    return [item for item in wanted if item not in done]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only-table", action="store_true", help="make the table and the picture of what is stored")
    options = parser.parse_args()
    for item in [] if options.only_table else missing(range(FIRST_SEED, FIRST_SEED + options.seeds)):
        rows = [*stored(), run(*item)]
        store(rows)
        print({key: value for key, value in rows[-1].items() if key != "losses"}, flush=True)
    rows = whole(stored())
    text = page(rows)
    write(f"{text}\n\n{measured_with(json.loads(STORED.read_text()))}", PAGE, "whole trainings")
    if MARKERS["short whole trainings"][0] in README.read_text():
        write(text, README, "short whole trainings")
    draw(rows)


if __name__ == "__main__":
    main()
