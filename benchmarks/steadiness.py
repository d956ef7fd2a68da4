"""How far the answer of `find_lr` moves when what should not matter changes: twice the steps, other ends of the sweep.

`python benchmarks/steadiness.py` prints, for each change, the median and the 90th percentile over tasks and seeds of
the absolute change in decades, for the primary schedule.
"""

import argparse
import json
import math
import statistics
from pathlib import Path

import numpy as np
import torch
from accuracy import FIRST_SEED, ours
from tasks import TASKS, chosen

STORED = Path(__file__).parent / "results" / "steadiness.json"
CHANGES = {
    "twice the steps": {"steps": 200},
    "begun a decade lower": {"lr_min": 1e-8},
    "begun a decade higher": {"lr_min": 1e-6},
    "ended a decade higher": {"lr_max": 100.0},
    "ended a decade lower": {"lr_max": 1.0},
}


def measure(seeds):
    """Log10 of the answers: as it is, and with each change; None where there is none."""
    rows = []
    for task in chosen(TASKS):
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            found = {name: ours(task, seed, "primary", **options)[0]["lrfinder"] for name, options in CHANGES.items()}
            plain = ours(task, seed, "primary")[0]["lrfinder"]
            logs = {name: lr and math.log10(lr) for name, lr in found.items()}
            rows.append({"task": task.name, "seed": seed, "plain": plain and math.log10(plain), **logs})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(options.seeds)
    STORED.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    for name in CHANGES:
        moved = [abs(row[name] - row["plain"]) for row in rows if row[name] is not None and row["plain"] is not None]
        lost = sum((row[name] is None) != (row["plain"] is None) for row in rows)
        print(
            f"{name:<22} median {statistics.median(moved):.2f}, 90th percentile {np.quantile(moved, 0.9):.2f} decades; "
            f"an answer came or went in {lost} of {len(rows)}"
        )


if __name__ == "__main__":
    main()
