"""The loss that each learning rate leads to: whole trainings over a grid of rates, for every task and schedule.

`make bench-oracles` makes what is missing of benchmarks/oracles/ and may be stopped at any time. Each file holds the
final validation loss of every (rate, seed); one that is not finite is null. Delete a file to make it again. For the
primary schedule, the rates that may be the best are trained with more seeds: the lowest of many medians of three is
mostly luck where seeds differ much.
"""

import argparse
import json
import math
import platform
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from scoring import Oracle
from tasks import TASKS, chosen

from lrfinder.schedules import Constant, Linear, Warmup

__all__ = ["FOLDER", "SCHEDULES", "build", "final_loss", "fit", "grid", "is_whole", "read", "train"]

FOLDER = Path(__file__).parent / "oracles"
PER_DECADE = 4
SEEDS, FURTHER_SEEDS = (0, 1, 2), {"primary": tuple(range(3, 9))}
PROMISING = 1.0
"""A rate whose best seed has at most this regret is trained with more seeds."""
EXPLODED = 1e3
"""Training losses above this multiple of the untrained one end a run."""

SCHEDULES = {
    "primary": lambda steps: Warmup(Linear(steps - steps // 20), steps // 20),
    "line": Linear,
    "constant": lambda steps: Constant(),
}


def grid(task):
    """Quarter decades between the ends of the task, both included."""
    low, high = (round(PER_DECADE * math.log10(end)) for end in task.lrs)
    return [float(f"{10 ** (i / PER_DECADE):.4g}") for i in range(low, high + 1)]


def fit(task, model, loader, optimizer, steps, after):
    """Train for so many steps, and call `after` with the number of steps done; False where the training exploded."""
    start, step = None, 0
    while True:
        for inputs, targets in loader:
            loss = task.loss_fn(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            if task.clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), task.clip)
            optimizer.step()
            start = start or float(loss.detach())
            step += 1
            after(step)
            if step % 25 == 0 and not float(loss.detach()) < EXPLODED * start:
                return False
            if step == steps:
                return True


def train(task, schedule, lr, seed):
    """The validation loss at the end of one whole training; None where the run exploded."""
    model, loader, optimizer = task.build(seed)

    def pace(step):
        optimizer.param_groups[0]["lr"] = lr * schedule(step)

    pace(0)
    whole = fit(task, model, loader, optimizer, task.total_steps, after=pace)
    return final_loss(task, model) if whole else None


def final_loss(task, model):
    """The validation loss, None where it is not finite."""
    loss = task.validation_loss(model)
    return loss if math.isfinite(loss) else None


def read(task, schedule):
    """Read an oracle, or None if it is not stored."""
    path = FOLDER / f"{task.name}.{schedule}.json"
    stored = json.loads(path.read_text()) if path.exists() else None
    if stored is not None and stored["total_steps"] != task.total_steps:
        raise ValueError(f"{path} was made with total_steps={stored['total_steps']}, the task has {task.total_steps}")
    return stored


def build(task, schedule, seeds=SEEDS):
    """Make what is missing of one oracle, the whole grid of a seed before the next; stored after every run."""
    torch.set_num_threads(1)
    record = read(task, schedule) or {
        "task": task.name,
        "schedule": schedule,
        "total_steps": task.total_steps,
        "command": f"python benchmarks/oracles.py --tasks {task.name} --schedules {schedule}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "untrained": statistics.median(task.validation_loss(task.build(seed)[0]) for seed in seeds),
        "seconds": 0.0,
        "runs": [],
    }
    _make(task, record, [(lr, seed) for seed in seeds for lr in grid(task)])
    if seeds == SEEDS:
        _make(task, record, _further(record))
    return record


def _make(task, record, wanted):
    done = {(lr, seed) for lr, seed, _ in record["runs"]}
    shape = SCHEDULES[record["schedule"]](task.total_steps)
    for lr, seed in wanted:
        if (lr, seed) not in done:
            begin = time.perf_counter()
            record["runs"].append([lr, seed, train(task, shape, lr, seed)])
            record["seconds"] = round(record["seconds"] + time.perf_counter() - begin, 1)
            _store(record)


def _further(record):
    """The rates that are trained with more seeds: one of their first seeds ended no higher than the best median."""
    first = [run for run in record["runs"] if run[1] in SEEDS]
    oracle = Oracle(first, record["untrained"])
    losses = {}
    for lr, _, loss in first:
        losses.setdefault(lr, []).append(record["untrained"] if loss is None else loss)
    rates = [lr for lr, each in sorted(losses.items()) if oracle.regret_of(min(each)) <= PROMISING]
    return [(lr, seed) for seed in FURTHER_SEEDS.get(record["schedule"], ()) for lr in rates]


def is_whole(task, record):
    """Whether nothing is missing of an oracle."""
    done = {(lr, seed) for lr, seed, _ in record["runs"]}
    return {(lr, seed) for lr in grid(task) for seed in SEEDS} <= done and set(_further(record)) <= done


def _store(record):
    record = {**record, "runs": sorted(record["runs"])}
    rows = ",\n".join(f"  {json.dumps(run)}" for run in record["runs"])
    head = json.dumps({**record, "runs": []}, indent=1)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{record['task']}.{record['schedule']}.json"
    path.with_suffix(".tmp").write_text(head.replace('"runs": []', f'"runs": [\n{rows}\n ]') + "\n")
    path.with_suffix(".tmp").replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--schedules", nargs="*", choices=list(SCHEDULES), default=list(SCHEDULES))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    tasks = chosen(options.tasks)
    work = [(task, schedule) for schedule in options.schedules for task in tasks]
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        for i, job in enumerate(as_completed([pool.submit(_named, *names(*pair)) for pair in work]), 1):
            record = job.result()
            losses = [loss for *_, loss in record["runs"] if loss is not None]
            print(
                f"{i:>3}/{len(work)} {record['task']:<30} {record['schedule']:<9} untrained {record['untrained']:.3f}, "
                f"best {min(losses):.4f}, {record['seconds']:.0f} s of runs, {time.perf_counter() - begin:.0f} s in all"
            )
            sys.stdout.flush()


def names(task, schedule):
    return task.name, schedule


def _named(name, schedule):
    return build(TASKS[name], schedule)


if __name__ == "__main__":
    main()
