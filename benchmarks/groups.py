"""Whole trainings at the joint peak, and with ratios between groups tuned by `tune_lr(groups="each")`.

`make bench-groups` trains four trainings that have more than one rate, each from the ratio that is usual there and from
the two that are ten times off, with seeds of their own: once with the joint peak, once with the tuned ratios, the steps
of either search subtracted. A pair of runs is stored in benchmarks/results/groups.json when it ends.
"""

import argparse
import itertools
import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from accuracy import machine
from page import PAGE, measured_with, percent, table, write
from suite.handwriting import PIXELS, convolutions, images, perceptron, tuned, turned
from suite.letters import SYMBOLS, of_plays
from suite.models import Language
from tasks import Batches, Split
from torch import nn
from torch.optim import SGD, Adam, AdamW, Muon

from lrfinder import tune_lr
from lrfinder.result import LRResult

STORED = Path(__file__).parent / "results" / "groups.json"
SEEDS = range(400, 405)
OFF = {1: "as usual", 10: "a tenth", 0.1: "ten times"}
"""What the rate of the last set is divided by, and the ratio in words."""

NOISE, WIDE = 16, 64
"""Numbers that an image is made from, and units of the layers that make it."""

EARLY = 0.1
"""What the pixels of one training are multiplied by: its first layer wants a higher rate than the others."""

HEADER = ("training", "ratio", "joint", "tuned", "excess less", "worst", "changed", "cost")
PACKAGES = ("torch", "lrfinder")


@dataclass(frozen=True)
class Kind:
    """A training with several rates.

    Args:
        build: Returns model, loader and optimizers of a seed; the second argument says what the ratio is off by.
        steps: Of a whole training.
        evaluate: Returns what the training should bring down, of a model.
        train_step: Makes an update and returns what a search reads, from the optimizers; None: cross-entropy.
    """

    build: Callable
    steps: int
    evaluate: Callable
    train_step: Callable | None = None


def faint():
    """Images whose pixels are ten times too small."""
    split = images()
    return Split(EARLY * split.inputs, split.targets, EARLY * split.held_inputs, split.held_targets)


def gpt(seed, off):
    """A transformer on characters: Muon for the matrices of its blocks, AdamW for everything else."""
    torch.manual_seed(seed)
    split, model = of_plays(32), Language(SYMBOLS, 32)
    matrices = [p for p in model.body.parameters() if p.ndim == 2]
    ours = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in ours]
    made = [Muon(matrices, lr=0.02), AdamW(others, lr=2e-3 / off)]
    return model, Batches(split.inputs, split.targets, 16, seed), made


def fine_tuning(seed, off):
    """A convolutional net that knows upright digits, on turned ones; its new head usually has ten times the rate."""
    torch.manual_seed(seed)
    split, model = turned(), tuned(convolutions, 5)
    *_, head = (module for module in model.modules() if isinstance(module, nn.Linear))
    head.reset_parameters()
    ours = {id(p) for p in head.parameters()}
    body = [p for p in model.parameters() if id(p) not in ours]
    groups = [{"params": body, "name": "body"}, {"params": [*head.parameters()], "name": "head", "lr": 1e-3 / off}]
    return model, Batches(split.inputs, split.targets, 32, seed), [AdamW(groups, lr=1e-4)]


def first_layer(seed, off):
    """A perceptron on pixels that are ten times too small; its first layer at a hundred times the others' rate."""
    torch.manual_seed(seed)
    split, model = faint(), perceptron()
    first, *rest = (module for module in model.modules() if isinstance(module, nn.Linear))
    others = [p for module in rest for p in module.parameters()]
    groups = [{"params": others, "name": "rest"}, {"params": [*first.parameters()], "name": "first", "lr": 1.0 / off}]
    return model, Batches(split.inputs, split.targets, 64, seed), [SGD(groups, lr=0.01, momentum=0.9)]


def gan(seed, off):
    """A generator and a critic of images, both at one rate as is usual."""
    torch.manual_seed(seed)
    split = images()
    makes = [nn.Linear(NOISE, 2 * WIDE), nn.BatchNorm1d(2 * WIDE), nn.ReLU(), nn.Linear(2 * WIDE, PIXELS)]
    tells = [nn.Flatten(), nn.Linear(PIXELS, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, 1)]
    model = nn.ModuleDict({"generator": nn.Sequential(*makes), "critic": nn.Sequential(*tells)})
    made = [Adam(model["generator"].parameters(), lr=2e-4, betas=(0.5, 0.999))]
    made.append(Adam(model["critic"].parameters(), lr=2e-4 / off, betas=(0.5, 0.999)))
    return model, Batches(split.inputs, split.targets, 64, seed), made


def gan_step(optimizers, model, batch):
    """Update the critic and the generator; return how far made images are from real ones before that."""
    real, generator, critic = batch[0], model["generator"], model["critic"]
    made = generator(torch.randn(len(real), NOISE))
    away = float(distance(made.detach(), real.flatten(1)))
    critic_loss = F.softplus(-critic(real)).mean() + F.softplus(critic(made.detach())).mean()
    optimizers[1].zero_grad()
    critic_loss.backward()
    optimizers[1].step()
    optimizers[0].zero_grad()
    F.softplus(-critic(made)).mean().backward()
    optimizers[0].step()
    return away


def distance(made, real):
    """The energy distance between two samples of images."""
    return 2 * torch.cdist(made, real).mean() - torch.cdist(made, made).mean() - torch.cdist(real, real).mean()


def held_out(split, model):
    """The mean loss of held-out samples."""
    model.eval()
    with torch.no_grad():
        parts = zip(split().held_inputs.split(500), split().held_targets.split(500), strict=True)
        losses = [float(F.cross_entropy(model(inputs), targets)) for inputs, targets in parts]
    return statistics.fmean(losses)


def held_out_distance(model):
    """How far made images are from held-out ones."""
    model.eval()
    with torch.no_grad():
        return float(distance(model["generator"](torch.randn(2000, NOISE)), images().held_inputs.flatten(1)))


KINDS = {
    "Muon and AdamW, a GPT": Kind(gpt, 3000, partial(held_out, partial(of_plays, 32))),
    "head and body, fine-tuning": Kind(fine_tuning, 4000, partial(held_out, turned)),
    "first layer, a perceptron": Kind(first_layer, 6000, partial(held_out, faint)),
    "generator and critic, a GAN": Kind(gan, 6000, held_out_distance, gan_step),
}


def cross_entropy_step(optimizers, model, batch):
    """Update everything on the cross-entropy of a batch."""
    loss = F.cross_entropy(model(batch[0]), batch[1])
    for each in optimizers:
        each.zero_grad()
    loss.backward()
    for each in optimizers:
        each.step()
    return loss


def ending(kind, found, seed, off):
    """What a whole training comes to with a result, its cost subtracted."""
    model, loader, optimizers = kind.build(seed, off)
    left = kind.steps - found.cost_steps
    schedulers = found.recommend(total_steps=left).attach(optimizers)
    step, batches = kind.train_step or cross_entropy_step, itertools.chain.from_iterable(itertools.repeat(loader))
    model.train()
    for batch in itertools.islice(batches, left):
        step(optimizers, model, batch)
        for scheduler in schedulers:
            scheduler.step()
    ended = kind.evaluate(model)
    return ended if math.isfinite(ended) else None


def pair(name, off, seed):
    """Both trainings of one seed, as they are stored."""
    torch.set_num_threads(1)
    kind, begin = KINDS[name], time.perf_counter()
    model, loader, optimizers = kind.build(seed, off)
    step = {"loss_fn": F.cross_entropy}
    if kind.train_step is not None:
        step = {"train_step": partial(kind.train_step, optimizers)}
    options = {"total_steps": kind.steps, "groups": "each", "progress": False, **step}
    tuned_ratios = tune_lr(model, loader, optimizer=optimizers if len(optimizers) > 1 else optimizers[0], **options)
    row = {"training": name, "off": off, "seed": seed, "cost": tuned_ratios.cost_steps, "joint": None, "tuned": None}
    if tuned_ratios.lr is not None:
        groups = tuned_ratios.evidence.groups
        without = replace(
            tuned_ratios.evidence, groups=None, cost_steps=tuned_ratios.cost_steps - math.floor(groups.cost)
        )
        joint = LRResult(without, tuned_ratios.plan).recommend()
        row |= {"factors": list(groups.factors), "joint lr": joint.lr, "joint cost": joint.cost_steps}
        row |= {"joint": ending(kind, joint, seed, off), "tuned": ending(kind, tuned_ratios, seed, off)}
    return row | {"seconds": round(time.perf_counter() - begin, 1)}


def stored():
    """The pairs that are there."""
    return json.loads(STORED.read_text())["runs"] if STORED.exists() else []


def store(rows):
    """Write all pairs."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    STORED.write_text(f'{{"machine": {json.dumps(machine(PACKAGES))},\n"runs": [\n{lines}\n]}}\n')


def page(rows):
    """The table of both, by training and initial ratio."""
    best, cells = defaultdict(lambda: math.inf), []
    for row in rows:
        ends = [row[which] for which in ("joint", "tuned") if row[which] is not None]
        best[row["training"]] = min([best[row["training"]], *ends])
    for name, off in itertools.product(KINDS, OFF):
        some = [row for row in rows if (row["training"], row["off"]) == (name, off) and row["joint"] is not None]
        if some:
            cells.append(_cells(name, off, some, best[name]))
    return table(HEADER, cells)


def _cells(name, off, rows, best):
    joint, tuned_ = (
        [row[which] if row[which] is not None else math.inf for row in rows] for which in ("joint", "tuned")
    )
    excess = [statistics.median(ends) - best for ends in (joint, tuned_)]
    less = 1 - excess[1] / excess[0] if excess[0] > 0 else 0.0
    worse = max(t / j - 1 for j, t in zip(joint, tuned_, strict=True))
    changed = sum(any(factor != 1 for factor in row["factors"]) for row in rows)
    cost = statistics.median((row["cost"] - row["joint cost"]) / KINDS[name].steps for row in rows)
    middle = (statistics.median(ends) for ends in (joint, tuned_))
    ended = (f"{loss:.3f}" for loss in middle)
    return (
        name,
        OFF[off],
        *ended,
        percent(less),
        percent(worse),
        f"{changed} of {len(rows)}",
        percent(cost),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--only-table", action="store_true", help="make the table of what is stored")
    options = parser.parse_args()
    rows = stored()
    done = {(row["training"], row["off"], row["seed"]) for row in rows}
    wanted = [(name, off, seed) for seed in SEEDS[: options.seeds] for off in OFF for name in KINDS]
    for item in [] if options.only_table else [item for item in wanted if item not in done]:
        rows.append(pair(*item))
        store(rows)
        print(rows[-1], flush=True)
    if rows:
        write(f"{page(rows)}\n\n{measured_with(json.loads(STORED.read_text()))}", PAGE, "groups")


if __name__ == "__main__":
    main()
