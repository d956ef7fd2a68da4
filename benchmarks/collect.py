"""Collect what find_lr and tune_lr measure on every training of the wide suite, resumably, as rows of JSON."""

import itertools
import json
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path

import torch
from oracles import SCHEDULES
from suite import available

from lrfinder import find_lr, tune_lr

warnings.simplefilter("ignore")
torch.set_num_threads(1)
OUT = Path(sys.argv[1])
done = (
    {(r["task"], r["seed"], r["verb"]) for r in map(json.loads, OUT.read_text().splitlines())}
    if OUT.exists()
    else set()
)
runnable, left = available()
print(len(runnable), "runnable", left)
cost = {t.name: t.total_steps for t in runnable}
for seed, verb in itertools.product((100,), ("tune",)):
    for t in sorted(runnable, key=lambda t: t.total_steps):
        if (t.name, seed, verb) in done:
            continue
        begin = time.perf_counter()
        try:
            model, loader, opt = t.build(seed)
            f = {"find": find_lr, "tune": tune_lr}[verb]
            found = f(
                model,
                loader,
                loss_fn=t.loss_fn,
                optimizer=opt,
                total_steps=t.total_steps,
                schedule=SCHEDULES["primary"](t.total_steps),
                clip_grad_norm=getattr(t, "clip", None),
                progress=False,
            )
        except Exception as e:
            print("FAILED", t.name, verb, type(e).__name__, str(e)[:200], flush=True)
            continue
        ev = asdict(found.evidence)
        ev["smooth"] = None
        row = {
            "task": t.name,
            "family": list(t.family) if isinstance(t.family, tuple) else t.family,
            "seed": seed,
            "verb": verb,
            "steps": t.total_steps,
            "lr": found.lr,
            "interval": found.interval,
            "status": str(found.status),
            "seconds": round(time.perf_counter() - begin, 2),
            "evidence": ev,
        }
        with OUT.open("a") as out:
            out.write(json.dumps(row) + "\n")
    print(seed, verb, "done", flush=True)
