"""Whole trainings with the rate and schedule of `find_lr`, of a default with cosine decay, of Lightning's finder.

`make bench-whole` trains a transformer on the source code of Python's standard library with AdamW, and a residual
network on 10,000 images of CIFAR-10 with momentum, with several seeds. The steps of lrfinder's search are subtracted
from its training; those of Lightning's finder are not. What is not lrfinder's own schedule is the same warm-up and a
cosine to zero. Every run is stored in benchmarks/results/whole.json when it ends, and not repeated. The sizes were
chosen by the time that a run takes, before any result was seen.
"""

import json
import math
import os
import statistics
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from accuracy import machine
from page import PAGE, README, measured_with, table, write
from peers import FINDERS
from suite.base import Split
from suite.models import Language, Residual
from suite.pictures import images
from tasks import Batches
from torch.optim import SGD, AdamW

from lrfinder import attach, find_lr
from lrfinder.schedules import Cosine, Warmup

STORED = Path(__file__).parent / "results" / "whole.json"
PICTURE = PAGE.parent / "whole_trainings.png"
SEEDS = range(500, 505)
MOMENTS = 25
"""How often a training is evaluated."""

CONTEXT, HELD = 96, 256
PACKAGES = ("torch", "lrfinder", "pytorch-lightning")
WAYS = ("find_lr", "default", "lightning")
COLOURS = {"find_lr": "#D55E00", "default": "#0072B2", "lightning": "#777777"}


@cache
def source_code():
    """Windows of the standard library's modules, whose last twentieth is held out: characters and those after them."""
    files = sorted(Path(os.__file__).parent.glob("*.py"))
    raw = "".join(c for file in files for c in file.read_text(encoding="utf-8", errors="ignore") if c.isascii())
    codes = torch.tensor([ord(c) for c in raw])
    cut = len(codes) * 19 // 20
    first, last = (part.unfold(0, CONTEXT + 1, CONTEXT) for part in (codes[:cut], codes[cut:]))
    last = last[torch.randperm(len(last), generator=torch.Generator().manual_seed(0))[:HELD]]
    return Split(first[:, :-1], first[:, 1:], last[:, :-1], last[:, 1:])


@dataclass(frozen=True)
class Kind:
    """A training: what it is made of, and its default rate; `title` and `quantity` are for the table."""

    title: str
    make_data: object
    make_model: object
    make_optimizer: object
    batch_size: int
    total_steps: int
    default: float
    called: str
    loss_fn: object = field(default=staticmethod(F.cross_entropy))

    def build(self, seed):
        """Model, loader and optimizer of a seed."""
        torch.manual_seed(seed)
        model, data = self.make_model(), self.make_data()
        loader = Batches(data.inputs, data.targets, self.batch_size, seed)
        return model, loader, self.make_optimizer(model.parameters(), lr=self.default)

    def optimizer(self, parameters, lr):
        """As `peers` ask for it."""
        return self.make_optimizer(parameters, lr=lr)

    @torch.no_grad()
    def evaluate(self, model):
        """Held-out loss, and the part of the held-out targets that is right."""
        data = self.make_data()
        model.eval()
        outputs = torch.cat([model(some) for some in data.held_inputs.split(256)])
        model.train()
        right = (outputs.argmax(1) == data.held_targets).float().mean()
        return float(F.cross_entropy(outputs, data.held_targets)), float(right)


def momentum(parameters, lr):
    return SGD(parameters, lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4)


KINDS = {
    "text": Kind(
        "transformer on source code, AdamW",
        source_code,
        lambda: Language(128, CONTEXT, width=96, depth=3),
        AdamW,
        24,
        1000,
        1e-3,
        "AdamW 1e-3, cosine",
    ),
    "images": Kind(
        "ResNet on CIFAR-10, momentum",
        lambda: images(pooled=False),
        lambda: Residual((3, 16)),
        momentum,
        128,
        780,
        0.1,
        "SGD 0.1, cosine",
    ),
}


def cosine(steps):
    warmup = round(0.05 * steps)
    return Warmup(Cosine(steps - warmup), warmup)


def run(kind, way, seed):
    """One whole training: its rate, what the search cost, and the held-out loss along the way."""
    model, loader, optimizer = kind.build(seed)
    lr, cost, schedule = kind.default, 0, cosine(kind.total_steps)
    if way == "lightning":
        answers, _ = FINDERS["pytorch-lightning"](kind, seed)
        lr = answers["lightning"]
        if lr is None:
            return {"lr": None, "losses": [], "right": None, "cost": 0}
    elif way == "find_lr":
        found = find_lr(model, loader, loss_fn=kind.loss_fn, optimizer=optimizer, total_steps=kind.total_steps)
        cost = found.cost_steps
        found = found.recommend(total_steps=kind.total_steps - cost)
        lr, schedule = found.lr, found.plan.schedule
    scheduler = attach(optimizer, schedule, lr=lr)
    steps = kind.total_steps - cost
    return {"lr": lr, "cost": cost, **train(kind, model, loader, optimizer, scheduler, steps)}


def train(kind, model, loader, optimizer, scheduler, steps):
    """Train for so many steps; return the held-out losses, the steps before them, and the part that is right."""
    moments = {round(steps * i / MOMENTS) for i in range(1, MOMENTS + 1)}
    losses, at, done, right = [], [], 0, 0.0
    while done < steps:
        for inputs, targets in loader:
            loss = kind.loss_fn(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            done += 1
            if done in moments:
                held, right = kind.evaluate(model)
                losses.append(held if math.isfinite(held) else None)
                at.append(done)
            if done == steps:
                break
    return {"losses": losses, "at": at, "right": right}


def measure(stored):
    for seed in SEEDS:
        for name, kind in KINDS.items():
            for way in WAYS:
                key = f"{name} {way} {seed}"
                if key in stored["runs"]:
                    continue
                began = time.perf_counter()
                stored["runs"][key] = run(kind, way, seed)
                STORED.write_text(json.dumps(stored, indent=1))
                told = stored["runs"][key]
                ended = told["losses"][-1] if told["losses"] else None
                print(f"{key}: lr {told['lr']}, loss {ended}, {time.perf_counter() - began:.0f} s", flush=True)


def finished(stored, name, way):
    """The runs of a training and a way that are stored, in the order of their seeds."""
    runs = [stored["runs"].get(f"{name} {way} {seed}") for seed in SEEDS]
    return [one for one in runs if one is not None]


def cells(stored, name, way):
    runs = finished(stored, name, way)
    losses = [one["losses"][-1] if one["losses"] and one["losses"][-1] is not None else math.inf for one in runs]
    rates = sorted(one["lr"] for one in runs if one["lr"] is not None)
    spread = f" ± {statistics.stdev(losses):.3f}" if len(losses) > 1 and max(losses) < math.inf else ""
    between = f"{rates[0]:.1e}" if f"{rates[0]:.1e}" == f"{rates[-1]:.1e}" else f"{rates[0]:.1e} to {rates[-1]:.1e}"
    right = statistics.fmean(one["right"] or 0.0 for one in runs)
    return between, f"{statistics.fmean(losses):.3f}{spread}", f"{100 * right:.1f} %"


def called(kind, way):
    return {"find_lr": "**lrfinder**", "default": kind.called, "lightning": "Lightning's finder, cosine"}[way]


def written(stored):
    """The table, and what it has seen."""
    rows = []
    for name, kind in KINDS.items():
        for way in WAYS:
            rows.append((kind.title if way == WAYS[0] else "", called(kind, way), *cells(stored, name, way)))
    header = ("training", "rate and schedule", "peak LR", "held-out loss", "right")
    count = min(len(finished(stored, name, way)) for name in KINDS for way in WAYS)
    steps = " and ".join(f"{kind.total_steps:,}" for kind in KINDS.values())
    head = f"Means over {count} seeds, {steps} steps; the search is paid from lrfinder's steps alone."
    return f"{head}\n\n{table(header, rows)}"


def draw(stored):
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("lrfinder.pictures"):
        figure = Figure(figsize=(9.5, 3.8))
        panels = figure.subplots(1, len(KINDS))
    for ax, (name, kind) in zip(panels, KINDS.items(), strict=True):
        for way in WAYS:
            for i, one in enumerate(finished(stored, name, way)):
                steps = [0 + one["cost"] + at for at in one.get("at", [])]
                label = called(kind, way).replace("*", "") if i == 0 else None
                ax.plot(steps, one["losses"], color=COLOURS[way], lw=1.2, alpha=0.8, label=label)
        ax.set(xlabel="optimizer steps, the search included", ylabel="held-out loss")
        ax.set_title(kind.title, loc="left", fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize="small")
    figure.savefig(PICTURE, dpi=110)


def main():
    torch.set_num_threads(1)
    stored = json.loads(STORED.read_text()) if STORED.exists() else {"machine": machine(PACKAGES), "runs": {}}
    measure(stored)
    text = written(stored)
    print(text)
    write(text, README, "whole")
    write(f"{text}\n\n{measured_with(stored)}", PAGE, "whole")
    draw(stored)


if __name__ == "__main__":
    main()
