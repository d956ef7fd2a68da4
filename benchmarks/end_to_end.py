"""The final loss of whole trainings when the search is part of the budget: LR-free optimizers, defaults, `find_lr`.

`make bench-end-to-end` trains every task with every method for T steps, with seeds that no oracle has seen. The steps
of `find_lr` and `tune_lr` are subtracted from T. Every run is stored in benchmarks/results/end_to_end.json when it
ends. A stored run is not repeated, unless its method is named after `--redo`.
"""

import argparse
import itertools
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import torch
from accuracy import machine
from oracles import SCHEDULES, final_loss, fit, read
from scoring import Oracle
from tasks import TASKS, chosen
from torch.optim import AdamW

from lrfinder import attach, find_lr, tune_lr
from lrfinder.schedules import Linear

__all__ = ["METHODS", "STORED"]

STORED = Path(__file__).parent / "results" / "end_to_end.json"
FIRST_SEED, SEEDS = 200, 12
DEFAULT_LR = 1e-3
RECALIBRATION = 50
"""Forward passes after which the authors of schedulefree take batch norm's statistics to fit the averaged weights."""

PACKAGES = ("torch", "lrfinder", "prodigyopt", "dadaptation", "schedulefree", "dog-optimizer")


def primary(steps):
    return SCHEDULES["primary"](steps)


def _has_batch_norm(model):
    return any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in model.modules())


def _along(task, model, loader, optimizer, schedule, lr, steps):
    """The final loss of so many steps along a schedule."""
    scheduler = attach(optimizer, schedule, lr=lr)
    whole = fit(task, model, loader, optimizer, steps, after=lambda step: scheduler.step())
    return final_loss(task, model) if whole else None


def _scheduled(task, seed, optimizer_class, schedule, lr):
    model, loader, _ = task.build(seed)
    optimizer = optimizer_class(model.parameters(), lr=lr)
    return {"loss": _along(task, model, loader, optimizer, schedule, lr, task.total_steps), "lr": lr}


def prodigy(task, seed):
    """Prodigy at its rate of 1, with linear decay to zero."""
    from prodigyopt import Prodigy

    return _scheduled(task, seed, Prodigy, Linear(task.total_steps), 1.0)


def dadapt(task, seed):
    """DAdaptAdam at its rate of 1, with linear decay to zero."""
    from dadaptation import DAdaptAdam

    return _scheduled(task, seed, DAdaptAdam, Linear(task.total_steps), 1.0)


def schedule_free(task, seed):
    """AdamWScheduleFree at its default rate, a warm-up of 5 %; batch norm is recalibrated, at no charge."""
    from schedulefree import AdamWScheduleFree

    model, loader, _ = task.build(seed)
    optimizer = AdamWScheduleFree(model.parameters(), warmup_steps=task.total_steps // 20)
    optimizer.train()
    whole = fit(task, model, loader, optimizer, task.total_steps, after=lambda step: None)
    optimizer.eval()
    if _has_batch_norm(model):
        with torch.no_grad():
            for inputs, _ in itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), RECALIBRATION):
                model(inputs)
    return {"loss": final_loss(task, model) if whole else None, "lr": optimizer.defaults["lr"]}


def dog(task, seed, name="DoG"):
    """DoG with its averager, and the larger first movement that its authors advise where there is batch norm."""
    import dog

    model, loader, _ = task.build(seed)
    first = {"reps_rel": 1e-4} if _has_batch_norm(model) else {}
    optimizer, averager = getattr(dog, name)(model.parameters(), **first), dog.PolynomialDecayAverager(model)
    whole = fit(task, model, loader, optimizer, task.total_steps, after=lambda step: averager.step())
    return {"loss": final_loss(task, averager.averaged_model) if whole else None, "lr": 1.0}


def ldog(task, seed):
    """LDoG, the variant that works layer by layer."""
    return dog(task, seed, "LDoG")


def default_adamw(task, seed):
    """AdamW at 1e-3, whatever the task's optimizer is; the primary schedule."""
    return _scheduled(task, seed, AdamW, primary(task.total_steps), DEFAULT_LR)


def best(task, seed):
    """The task's optimizer at the oracle's best rate, as if knowing it cost nothing; the primary schedule."""
    known = read(task, "primary")
    if known is None:
        raise ValueError(f"`{task.name}` must have an oracle, got none; `make bench-oracles` makes it")
    lr = Oracle(known["runs"], known["untrained"]).best_lr
    return _scheduled(task, seed, task.optimizer, primary(task.total_steps), lr)


def ours(task, seed, search=find_lr):
    """The task's optimizer at the peak of a search, for the steps that the search leaves; without an answer at 1e-3."""
    model, loader, optimizer = task.build(seed)
    request = {"total_steps": task.total_steps, "schedule": primary(task.total_steps), "progress": False}
    found = search(model, loader, loss_fn=task.loss_fn, optimizer=optimizer, **request)
    charged = math.ceil(found.evidence.cost_steps)
    left = task.total_steps - charged
    plan = found.plan and found.recommend(total_steps=left, schedule=primary(left)).plan
    lr, schedule = (plan.lr, plan.schedule) if plan else (DEFAULT_LR, primary(left))
    loss = _along(task, model, loader, optimizer, schedule, lr, left)
    return {"loss": loss, "lr": lr, "charged": charged, "answered": plan is not None}


METHODS = {
    "lrfinder": ours,
    "lrfinder tune_lr": partial(ours, search=tune_lr),
    "oracle LR, for free": best,
    "AdamW 1e-3": default_adamw,
    "prodigyopt": prodigy,
    "dadaptation": dadapt,
    "schedulefree": schedule_free,
    "DoG": dog,
    "LDoG": ldog,
}


def run(name, method, seed):
    """One whole training, as it is stored."""
    torch.set_num_threads(1)
    begin = time.perf_counter()
    ending = {"charged": 0, **METHODS[method](TASKS[name], seed)}
    seconds = round(time.perf_counter() - begin, 1)
    return {"method": method, "task": name, "seed": seed, **ending, "seconds": seconds}


def stored(path=STORED):
    """Read the runs that are stored."""
    return json.loads(path.read_text())["runs"] if path.exists() else []


def store(rows, path=STORED):
    """Write all runs at once, so that a stop between two of them loses nothing."""
    ordered = sorted(rows, key=lambda row: (row["method"], row["task"], row["seed"]))
    lines = ",\n".join(json.dumps(row) for row in ordered)
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".tmp").write_text(f'{{"machine": {json.dumps(machine(PACKAGES))},\n"runs": [\n{lines}\n]}}\n')
    path.with_suffix(".tmp").replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--redo", nargs="*", choices=list(METHODS), default=[], help="methods to be run anew")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=STORED)
    options = parser.parse_args()
    tasks = [task.name for task in chosen(options.tasks)]
    rows = [row for row in stored(options.json) if row["method"] not in options.redo or row["task"] not in tasks]
    done = {(row["task"], row["method"], row["seed"]) for row in rows}
    wanted = itertools.product(range(FIRST_SEED, FIRST_SEED + SEEDS), tasks, options.methods)
    work = [(task, method, seed) for seed, task, method in wanted if (task, method, seed) not in done]
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        try:
            for i, job in enumerate(as_completed([pool.submit(run, *item) for item in work]), 1):
                rows.append(job.result())
                store(rows, options.json)
                print(f"{i:>3}/{len(work)} {_words(rows[-1])}, {time.perf_counter() - begin:.0f} s in all", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _words(row):
    ended = "exploded" if row["loss"] is None else f"ended at {row['loss']:.4f}"
    return f"{row['task']:<30} {row['method']:<20} seed {row['seed']} {ended}"


if __name__ == "__main__":
    main()
