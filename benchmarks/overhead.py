"""What a range test costs beside the same optimizer steps without it.

Each pair times 100 optimizer steps twice, in alternating order: as a bare torch loop at the rates of the ladder (with
one loss read per step, as users have it) and as the sweep of `find_lr`. The fixed cost (snapshot, restore, curve fit,
report) is timed apart. `make bench-overhead` prints the table; `--json FILE` keeps the raw seconds.
"""

import argparse
import json
import platform
import random
import statistics
import time
from itertools import cycle
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from lrfinder import TorchLoop, __version__
from lrfinder.evidence import measure
from lrfinder.recommend import Wish, plan
from lrfinder.result import LRResult
from lrfinder.sweep import ladder, sweep

STEPS = 100
LADDER = ladder(1e-7, 1e-3, STEPS)
CASES = {"about 1 ms": (256, 128), "about 5 ms": (640, 256)}


def setting(width, batch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))
    batches = [(torch.randn(batch, 64), torch.randint(10, (batch,))) for _ in range(25)]
    return model, batches, torch.optim.AdamW(model.parameters())


def bare(model, batches, optimizer):
    endless = cycle(batches)
    start = time.perf_counter()
    for lr in LADDER:
        for group in optimizer.param_groups:
            group["lr"] = lr
        inputs, target = next(endless)
        loss = F.cross_entropy(model(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    return time.perf_counter() - start


def swept(model, batches, optimizer):
    """Seconds of the sweep itself, and of everything around it."""
    begin = time.perf_counter()
    loop = TorchLoop(model, batches, loss_fn=F.cross_entropy, optimizer=optimizer)
    with loop.preserved():
        start = time.perf_counter()
        curve = sweep(loop, LADDER)
        end = time.perf_counter()
    evidence = measure(curve, loop.facts)
    str(LRResult(evidence, plan(evidence, Wish(total_steps=1000))))
    return end - start, time.perf_counter() - begin - (end - start)


def interval(values):
    """Median and a 95 % bootstrap interval of it."""
    draws = sorted(statistics.median(random.choices(values, k=len(values))) for _ in range(500))
    return statistics.median(values), draws[12], draws[487]


def run(pairs):
    results = {}
    for name, shape in CASES.items():
        tools = setting(*shape)
        rows = []
        for i in range(pairs + 2):
            order = (bare, swept) if i % 2 else (swept, bare)
            seconds = {f.__name__: f(*tools) for f in order}
            rows.append((seconds["bare"], *seconds["swept"]))
        results[name] = rows[2:]
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = run(options.pairs)
    print(f"lrfinder {__version__}, torch {torch.__version__}, {options.pairs} pairs of {STEPS} steps, one thread\n")
    print(f"{'bare step':<12} {'measured':>10} {'ratio (median, 95 %)':>26} {'fixed cost':>12}")
    for name, rows in results.items():
        median, low, high = interval([with_sweep / alone for alone, with_sweep, _ in rows])
        step = 1e3 * statistics.median(alone for alone, _, _ in rows) / STEPS
        fixed = 1e3 * statistics.median(around for _, _, around in rows)
        print(f"{name:<12} {step:>7.2f} ms {median:>13.3f} ({low:.3f}-{high:.3f}) {fixed:>9.1f} ms")
    if options.json:
        record = {
            "lrfinder": __version__,
            "torch": torch.__version__,
            "machine": platform.machine(),
            "seconds": results,
        }
        options.json.write_text(json.dumps(record))


if __name__ == "__main__":
    main()
