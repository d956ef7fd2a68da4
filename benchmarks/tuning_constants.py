"""Which constants turn the best pilot into the peak: fitted on what `make bench-tuning` stored of its default.

Prints the mean regret of the best constants and of those that `lrfinder.transfer` has. The last line is the honest
figure: all of them are chosen on the other tasks, and what is usual is taken from the other tasks too.
"""

import itertools
import json
import math

import numpy as np
from constants import of_data, tabled, usual
from scoring import Run, score
from tables import oracles
from tasks import TASKS
from tuning import STORED

from lrfinder.advice import peak as transfer

HORIZON, SAMPLES, PULLS = (0.0, 0.1, 0.2, 0.3), (0.0, 0.3, 0.5, 0.7, 0.9), (0.0, 0.2, 0.3, 0.4, 0.5)
TRUSTS, FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0), (-0.1, 0.0, 0.1, 0.2)
SHARES = {"within 5 %": "close", "within 20 %": "near", "90th percentile": "p90", "worst": "worst"}
CHOICES = tuple(itertools.product(HORIZON, SAMPLES, PULLS, TRUSTS, FACTORS))


def rows_of(stored):
    """Log10 of what the races and the pilots said, and what else counts; only where pilots had a best."""
    rows = []
    for one in stored["runs"]:
        best = [math.log10(best) for _, best, *_ in one["pilots"] if best is not None]
        if one["budget"] == "default" and best and one["lr"] is not None:
            task = TASKS[one["task"]]
            known = {name: None if one[name] is None else math.log10(one[name]) for name in ("raced", "usual")}
            data = of_data(task, task.build(0)[1])
            length, *_, windows = one["pilots"][0]
            rows.append({**one, **known, **data, "best": np.mean(best), "length": length, "made": length / windows})
    return rows


def peak(row, horizon, samples, pull, trust, factor, shift=0.0):
    """Log10 of the peak."""
    fewer = samples * min(0.0, math.log10(max(row["samples"], transfer.FEW) / transfer.PLENTY))
    longer = (horizon - row["decay"]) * math.log10(row["length"] / row["steps"])
    fewer_epochs = transfer.EPOCHS_EXPONENT * min(0.0, math.log10(max(1.0, row["made"]) / row["epochs"]))
    own = row["best"] + factor + fewer + longer + fewer_epochs
    if row["usual"] is not None:
        away = row["usual"] + shift - own
        fading = min(1.0, transfer.FULL_PULL / row["length"]) ** transfer.FADING
        own += fading * pull * away / (1 + (away / transfer.FAR) ** 2)
    return own if row["raced"] is None else trust * own + (1 - trust) * row["raced"]


def main():
    oracle = oracles("primary")
    tables = tabled(oracle)
    rows = rows_of(json.loads(STORED.read_text()))
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    cost = {
        task: np.array(
            [
                np.mean([np.interp(peak(row, *choice), *tables[task]) for row in rows if row["task"] == task])
                for choice in CHOICES
            ]
        )
        for task in tasks
    }
    total = sum(cost.values())
    print("exponents of horizon and samples, pull, trust, factor   mean regret")
    for i in np.argsort(total)[:10]:
        print(f"{CHOICES[i]!s:<55} {total[i] / len(tasks):.3f}")
    own = (transfer.HORIZON_EXPONENT, transfer.SAMPLES_EXPONENT, transfer.PULL, transfer.TRUST, 0.0)
    print(f"lrfinder: {own}: {total[CHOICES.index(own)] / len(tasks):.3f}")
    runs = []
    for task in tasks:
        choice = CHOICES[int(np.argmin(total - cost[task]))]
        shifts = usual([row for row in rows if row["usual"] is not None], oracle, without=task)
        for row in rows:
            if row["task"] == task:
                runs.append(Run(task, row["seed"], 10 ** peak(row, *choice, shift=shifts[row["kind"]])))
    say("as it is", [Run(row["task"], row["seed"], row["lr"]) for row in rows], oracle)
    say("all chosen on the other tasks", runs, oracle)


def say(name, runs, oracle):
    s = score(runs, oracle)
    shares = ", ".join(f"{words} {100 * s[key]:.0f} %" for words, key in SHARES.items())
    print(f"{name}, {len(runs)} runs with pilots: {shares}, bias {s['bias']:+.2f}, seed dev {s['deviation']:.2f}")


if __name__ == "__main__":
    main()
