"""The best learning rates of the wide suite (`suite`): whole trainings over a grid that follows the best rate.

`make bench-best-rates` makes what is missing of benchmarks/best_rates/ in one process and may be stopped at any time:
it loses one run at most. `--report` prints what there is. Each file holds the runs of one training under one schedule,
as rows: rate, seed, final validation loss (null: exploded), the least of twenty validation losses along the way, the
mean training loss of the last twentieth of the steps, and the twenty losses.

The grid follows the rule of suite/grid.py: one seed at half decades over three decades or more, then quarter
decades and two further seeds where the loss is near the best; an end near the best is extended. With a constant rate it
starts from a decade below the best of the primary schedule to half a decade above. Passes in this order, each over all
trainings, the cheapest first: half decades of the new trainings, then of those of `tasks`; quarter decades; a constant
rate; further seeds of the primary schedule, then of a constant rate.
"""

import argparse
import json
import math
import platform
import statistics
import time
from pathlib import Path

import torch
from oracles import SCHEDULES
from suite import NEW, TRAININGS, available
from suite.grid import SEEDS, exponent, missing_runs, seed_losses

__all__ = ["FOLDER", "PASSES", "build", "read", "steps", "train"]

FOLDER = Path(__file__).parent / "best_rates"
LOOKS = 20
EXPLODED = 1e3
"""Training losses above this multiple of the first one end a run."""
PASSES = (
    ("half", "primary"),
    ("quarter", "primary"),
    ("quarter", "constant"),
    ("seeds", "primary"),
    ("seeds", "constant"),
)


def steps(training, model, loader, optimizer, rate):
    """Make the steps of a training, each at the rate of its number, until it explodes.

    Yields:
        The training loss of each step.
    """
    parameters, done, limit = list(model.parameters()), 0, None
    while True:
        for inputs, targets in loader:
            for group in optimizer.param_groups:
                group["lr"] = rate(done)
            loss = training.loss_fn(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            if training.clip is not None:
                torch.nn.utils.clip_grad_norm_(parameters, training.clip)
            optimizer.step()
            done += 1
            yield loss.detach()
            limit = limit or EXPLODED * float(loss.detach())
            if done == training.total_steps or (done % 25 == 0 and not float(loss.detach()) < limit):
                return


def train(training, shape, lr, seed):
    """One whole training: its row of the file, behind rate and seed."""
    model, loader, optimizer = training.build(seed)
    total, along, losses = training.total_steps, [], []
    looks = {round(total * (i + 1) / LOOKS) for i in range(LOOKS)}
    for step, loss in enumerate(steps(training, model, loader, optimizer, lambda step: lr * shape(step)), 1):
        losses.append(loss)
        if step in looks:
            along.append(training.validation_loss(model))
    whole = len(losses) == total
    late = float(torch.stack(losses[-max(1, total // 20) :]).mean()) if whole else math.nan
    final = along[-1] if whole else math.nan
    best = min((loss for loss in along if math.isfinite(loss)), default=math.nan)
    return [_short(final, 7), _short(best, 7), _short(late, 7), [_short(loss, 5) for loss in along]]


def _short(loss, digits):
    """The loss with so many digits, None where it is not finite."""
    return float(f"{loss:.{digits}g}") if math.isfinite(loss) else None


# The files


def path_of(training, schedule):
    """Where the runs are."""
    return FOLDER / f"{training.name}.{schedule}.json"


def read(training, schedule):
    """What is stored of a training under a schedule, or None."""
    path = path_of(training, schedule)
    stored = json.loads(path.read_text()) if path.exists() else None
    if stored is not None and stored["total_steps"] != training.total_steps:
        made, now = stored["total_steps"], training.total_steps
        raise ValueError(f"{path} was made with total_steps={made}, the training has {now}; delete the file")
    return stored


def _started(training, schedule):
    """What is stored, or the head of a new file; refuses runs of a training that has changed since."""
    stored, untrained = read(training, schedule), _untrained(training)
    if stored is None:
        return _head(training, schedule, untrained)
    if not math.isclose(stored["untrained"], untrained, rel_tol=1e-3):
        path, made = path_of(training, schedule), stored["untrained"]
        raise ValueError(f"{path} is of another training: untrained={made}, now {untrained}; delete the file")
    return stored


def _head(training, schedule, untrained):
    return {
        "task": training.name,
        "family": list(training.family),
        "schedule": schedule,
        "total_steps": training.total_steps,
        "command": f"python benchmarks/best_rates.py --trainings {training.name} --schedules {schedule}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "untrained": untrained,
        "trivial": training.trivial_loss(),
        "ends": _ends(training, schedule),
        "seconds": 0.0,
        "runs": [],
    }


def _untrained(training):
    return statistics.median(training.validation_loss(training.build(seed)[0]) for seed in SEEDS)


def _ends(training, schedule):
    """Where a grid starts, in quarter decades, both of them half decades."""
    if schedule == "constant":
        losses = seed_losses(read(training, "primary"))
        best = min(losses, key=losses.get) // 2 * 2
        return [best - 4, best + 2]
    return [exponent(end) // 2 * 2 for end in training.lrs]


def _store(training, record):
    record["runs"].sort(key=lambda row: row[:2])
    rows = ",\n".join(f"  {json.dumps(run)}" for run in record["runs"])
    head = json.dumps({**record, "runs": []}, indent=1)
    path = path_of(training, record["schedule"])
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".tmp").write_text(head.replace('"runs": []', f'"runs": [\n{rows}\n ]') + "\n")
    path.with_suffix(".tmp").replace(path)


# What is missing


def build(training, depth, schedule, enough=lambda: False):
    """Make what a pass lacks of one training, stored after every run, until it is whole or `enough` says so."""
    record = read(training, schedule)
    if (record and not missing_runs(record, depth)) or enough():
        return record
    record, shape = _started(training, schedule), SCHEDULES[schedule](training.total_steps)
    while (wanted := missing_runs(record, depth)) and not enough():
        begin = time.process_time()
        record["runs"].append([*wanted[0], *train(training, shape, *wanted[0])])
        record["seconds"] = round(record["seconds"] + time.process_time() - begin, 2)
        _store(training, record)
    return record


def cost(training):
    """Seconds of one run, measured or estimated from a few steps."""
    stored = read(training, "primary")
    if stored and stored["runs"]:
        return stored["seconds"] / len(stored["runs"])
    model, loader, optimizer = training.build(0)
    begin = time.process_time()
    made = sum(1 for _ in zip(range(8), steps(training, model, loader, optimizer, lambda step: 0.0), strict=False))
    step, begin = (time.process_time() - begin) / made, time.process_time()
    training.validation_loss(model)
    return step * training.total_steps + LOOKS * (time.process_time() - begin)


def make(trainings, schedules, minutes):
    """One pass after another, each over all of these trainings."""
    begin = time.perf_counter()

    def spent():
        return (time.perf_counter() - begin) / 60

    costs = {training.name: cost(training) for training in trainings}
    trainings = sorted(trainings, key=lambda training: costs[training.name])
    new_first = sorted(trainings, key=lambda training: training.name not in NEW)
    print(f"one run of each: {sum(costs.values()):.0f} s", flush=True)
    for depth, schedule in PASSES:
        for training in (new_first if depth == "half" else trainings) if schedule in schedules else []:
            record = build(training, depth, schedule, enough=lambda: spent() > minutes)
            if spent() > minutes:
                return
            runs, seconds = len(record["runs"]), record["seconds"]
            print(f"{spent():6.1f} min, {depth} {schedule}: {training.name}, {runs} runs, {seconds:.0f} s", flush=True)


def main():
    """Make what is missing, or print what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", nargs="*", choices=list(TRAININGS), default=list(TRAININGS), metavar="NAME")
    parser.add_argument("--schedules", nargs="*", choices=["primary", "constant"], default=["primary", "constant"])
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after the run during which these end")
    parser.add_argument("--report", action="store_true", help="print a table of what there is")
    options = parser.parse_args()
    if options.report:
        from rates_report import report

        return report(options.trainings)
    torch.set_num_threads(1)
    trainings, left_out = available({name: TRAININGS[name] for name in options.trainings})
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}")
    make(trainings, options.schedules, options.minutes)


if __name__ == "__main__":
    main()
