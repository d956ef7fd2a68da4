"""The final loss of whole trainings when the search is part of the budget: LR-free optimizers, defaults, `find_lr`.

`make bench-end-to-end` trains every task with every method for T steps, with seeds that no oracle has seen. The steps
of `find_lr` and `tune_lr` are subtracted from T. Every run is stored in benchmarks/results/end_to_end.json when it
ends. A stored run is not repeated, unless its method is named after `--redo`. The trainings of the wide suite can be
named after `--tasks` too.
"""

import argparse
import itertools
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from accuracy import machine
from known_rates import rates_of
from nadamw import NAdamW
from oracles import SCHEDULES, final_loss, fit
from suite import NEW, available
from suite.base import Training
from tasks import TASKS, chosen
from torch.optim import SGD, AdamW

from lrfinder import attach, find_lr, tune_lr
from lrfinder.schedules import Cosine, Linear, Warmup

__all__ = ["METHODS", "STORED", "WITH_SGD", "is_trained_with", "task_of"]

STORED = Path(__file__).parent / "results" / "end_to_end.json"
FIRST_SEED, SEEDS = 200, 5
DEFAULT_LR = 1e-3
RECALIBRATION = 50
"""Forward passes after which the authors of schedulefree take batch norm's statistics to fit the averaged weights."""

LR_FREE = ("prodigyopt", "dadaptation", "schedulefree", "dog-optimizer", "prodigy-plus-schedule-free")
PACKAGES = ("torch", "lrfinder", *LR_FREE)


def primary(steps):
    return SCHEDULES["primary"](steps)


def _has_batch_norm(model):
    return any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in model.modules())


def _along(task, model, loader, optimizer, schedule, lr, steps):
    """The final loss of so many steps along a schedule."""
    scheduler = attach(optimizer, schedule, lr=lr)
    whole = fit(task, model, loader, optimizer, steps, after=lambda step: scheduler.step())
    return final_loss(task, model) if whole else None


def _scheduled(task, seed, make_optimizer, schedule, lr):
    model, loader, _ = task.build(seed)
    optimizer = make_optimizer(model.parameters(), lr=lr)
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
    """AdamWScheduleFree as its README recommends: the default rate of 2.5e-3, its default averaging, and a warm-up.

    The README asks for 1 to 10 times the usual rate of AdamW, and leaves the length of the warm-up open: 5 % here.
    """
    from schedulefree import AdamWScheduleFree

    return _averaging(task, seed, partial(AdamWScheduleFree, warmup_steps=task.total_steps // 20))


def prodigy_schedule_free(task, seed):
    """ProdigyPlusScheduleFree as its README advises: its defaults, a constant rate of 1, and no clipping beside it."""
    from prodigyplus.prodigy_plus_schedulefree import ProdigyPlusScheduleFree

    without_clip = replace(task, clip=None) if task.clip else task
    return _averaging(without_clip, seed, partial(ProdigyPlusScheduleFree, split_groups=False))  # there is one group


def _averaging(task, seed, make_optimizer):
    """A training that is evaluated at the optimizer's averaged weights; batch norm is recalibrated, at no charge."""
    model, loader, _ = task.build(seed)
    optimizer = make_optimizer(model.parameters())
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
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, averager = getattr(dog, name)(trained, **first), dog.PolynomialDecayAverager(model)
    whole = fit(task, model, loader, optimizer, task.total_steps, after=lambda step: averager.step())
    return {"loss": final_loss(task, averager.averaged_model) if whole else None, "lr": 1.0}


def ldog(task, seed):
    """LDoG, the variant that works layer by layer."""
    return dog(task, seed, "LDoG")


def default_adamw(task, seed):
    """AdamW at 1e-3, whatever the task's optimizer is; the primary schedule."""
    return _scheduled(task, seed, AdamW, primary(task.total_steps), DEFAULT_LR)


def cosine_adamw(task, seed):
    """AdamW with a cosine to zero and no warm-up: torch's default rate of 1e-3 under torch's CosineAnnealingLR."""
    return _scheduled(task, seed, AdamW, Cosine(task.total_steps), DEFAULT_LR)


def cosine_sgd(task, seed):
    """SGD at 0.1 with a momentum of 0.9 (https://arxiv.org/abs/1512.03385), with a cosine to zero; no weight decay."""
    return _scheduled(task, seed, partial(SGD, momentum=0.9), Cosine(task.total_steps), 0.1)


def algoperf_nadamw(task, seed):
    """NAdamW with a warm-up of 2 % and a cosine to zero, at the one point of AlgoPerf's self-tuning baseline.

    The point is HPARAMS of prize_qualification_baselines/self_tuning/pytorch_nadamw_full_budget.py in
    https://github.com/mlcommons/algorithmic-efficiency. Its dropout of 0.1 is left out: the models are the task's.
    """
    warmup = task.total_steps // 50
    schedule = Warmup(Cosine(task.total_steps - warmup), warmup)
    optimizer = partial(NAdamW, betas=(1 - 0.06733926164, 0.9955159689799007), weight_decay=0.08121616522670176)
    return _scheduled(task, seed, optimizer, schedule, 0.0017486387539278373)


def best(task, seed):
    """The task's optimizer at the oracle's best rate, as if knowing it cost nothing; the primary schedule."""
    oracle = rates_of(task)
    if oracle is None:
        target = "bench-best-rates" if isinstance(task, Training) else "bench-oracles"
        raise ValueError(f"`{task.name}` must have an oracle, got none; `make {target}` makes it")
    return _scheduled(task, seed, task.optimizer, primary(task.total_steps), oracle.best_lr)


def ours(task, seed, search=find_lr):
    """The task's optimizer at the peak of a search, for the steps that the search leaves; without an answer at 1e-3."""
    model, loader, optimizer = task.build(seed)
    request = {"total_steps": task.total_steps, "schedule": primary(task.total_steps), "progress": False}
    request |= {"clip_grad_norm": task.clip}
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
    "AdamW 1e-3 cosine": cosine_adamw,
    "AlgoPerf's NAdamW": algoperf_nadamw,
    "SGD 0.1 momentum cosine": cosine_sgd,
    "prodigyopt": prodigy,
    "dadaptation": dadapt,
    "schedulefree": schedule_free,
    "prodigy-plus-schedule-free": prodigy_schedule_free,
    "DoG": dog,
    "LDoG": ldog,
}
WITH_SGD = {"SGD 0.1 momentum cosine"}
"""Methods of tasks whose own optimizer is SGD, with momentum or without."""


def is_trained_with(task, method):
    """Whether a task has a method."""
    return method not in WITH_SGD or task.optimizer_kind != "adaptive"


def task_of(name):
    """A task, or a training of the suite that is none of the tasks."""
    return TASKS[name] if name in TASKS else NEW[name]


def runnable(names):
    """Those of these tasks and trainings that can be run here; prints why others are left out."""
    trainings, left_out = available({name: NEW[name] for name in names if name in NEW})
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}")
    return [*chosen([name for name in names if name not in NEW]), *trainings]


def run(name, method, seed):
    """One whole training, as it is stored."""
    torch.set_num_threads(1)
    begin = time.perf_counter()
    ending = {"charged": 0, **METHODS[method](task_of(name), seed)}
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
    parser.add_argument("--tasks", nargs="*", choices=[*TASKS, *NEW], default=list(TASKS), metavar="NAME")
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--redo", nargs="*", choices=list(METHODS), default=[], help="methods to be run anew")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=STORED)
    options = parser.parse_args()
    tasks = runnable(options.tasks)
    wanted = itertools.product(range(FIRST_SEED, FIRST_SEED + options.seeds), tasks, options.methods)
    each = [(task.name, method, seed) for seed, task, method in wanted if is_trained_with(task, method)]
    anew = {item for item in each if item[1] in options.redo}
    rows = [row for row in stored(options.json) if _key(row) not in anew]
    done = {_key(row) for row in rows}
    work = [item for item in each if item not in done]
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        try:
            for i, job in enumerate(as_completed([pool.submit(run, *item) for item in work]), 1):
                rows.append(job.result())
                store(rows, options.json)
                print(f"{i:>3}/{len(work)} {_words(rows[-1])}, {time.perf_counter() - begin:.0f} s in all", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _key(row):
    return row["task"], row["method"], row["seed"]


def _words(row):
    ended = "exploded" if row["loss"] is None else f"ended at {row['loss']:.4f}"
    return f"{row['task']:<30} {row['method']:<26} seed {row['seed']} {ended}"


if __name__ == "__main__":
    main()
