"""What other finders suggest for the trainings of the suite.

`make bench` asks each finder of `peers` for a rate on every training that can be run here, with seeds that no oracle
has seen. An answer is stored in benchmarks/results/suggestions.json as soon as it is there, and is not asked for again;
delete the file to ask anew. The answers of `find_lr` and `tune_lr` come from `make bench-fit`.
"""

import argparse
import itertools
import json
import math
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from peers import FINDERS
from suite import TRAININGS, available

__all__ = ["FIRST_SEED", "RESULTS", "ask", "machine", "stored", "write_runs"]

RESULTS = Path(__file__).parent / "results" / "suggestions.json"
FIRST_SEED = 100
PACKAGES = ("torch", "lrfinder", *FINDERS, "numpy", "scipy", "scikit-learn", "mlxtend")


def ask(training, seed, finder):
    """What each rule of one finder suggests, None where it has no answer; or the error that it ends with."""
    torch.set_num_threads(1)
    begin = time.perf_counter()
    try:
        answers, steps = FINDERS[finder](training, seed)
        found = {"lrs": {rule: _rounded(lr) for rule, lr in answers.items()}, "steps": steps}
    except Exception as error:
        found = {"lrs": {}, "steps": 0, "error": f"{type(error).__name__}: {error}"[:200]}
    asked = {"finder": finder, "task": training.name, "seed": seed}
    return asked | found | {"seconds": round(time.perf_counter() - begin, 2)}


def _rounded(lr):
    return float(f"{lr:.5g}") if lr is not None and math.isfinite(lr) and lr > 0 else None


def _ask(name, seed, finder):
    return ask(TRAININGS[name], seed, finder)


def machine(packages=PACKAGES):
    """The versions and the machine that the figures were measured with."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, one thread each",
        **{name: _version(name) for name in packages},
    }


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "from the source tree"


def stored(path=RESULTS):
    """The answers that were given."""
    return json.loads(path.read_text())["runs"] if path.exists() else []


def write_runs(rows, path=RESULTS, packages=PACKAGES):
    """Write all rows at once, so that a stop between two of them loses nothing."""
    lines = ",\n".join(map(json.dumps, rows))
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".tmp").write_text(f'{{"machine": {json.dumps(machine(packages))},\n"runs": [\n{lines}\n]}}\n')
    path.with_suffix(".tmp").replace(path)


def _identity(row):
    return row["finder"], row["task"], row["seed"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trainings", nargs="*", choices=list(TRAININGS), default=list(TRAININGS), metavar="NAME")
    parser.add_argument("--finders", nargs="*", choices=list(FINDERS), default=list(FINDERS))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    trainings, left_out = available({name: TRAININGS[name] for name in options.trainings})
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}")
    rows = stored()
    done = {_identity(row) for row in rows}
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    wanted = itertools.product(seeds, (training.name for training in trainings), options.finders)
    work = [(name, seed, finder) for seed, name, finder in wanted if (finder, name, seed) not in done]
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        try:
            for i, job in enumerate(as_completed([pool.submit(_ask, *item) for item in work]), 1):
                rows = sorted([*rows, job.result()], key=_identity)
                write_runs(rows)
                print(f"{i}/{len(work)} {_words(job.result())}, {time.perf_counter() - begin:.0f} s", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _words(row):
    found = row.get("error") or ", ".join(f"{rule} {lr}" for rule, lr in row["lrs"].items())
    return f"{row['task']} seed {row['seed']}: {found}"


if __name__ == "__main__":
    main()
