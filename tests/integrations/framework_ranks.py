"""What one of two processes does under Accelerate, Fabric and the Trainer, as a script: it prints a line of JSON."""

import json
import os
import sys
import tempfile
import warnings

import torch
from accelerate.utils import set_seed
from prepared import by_accelerate, ddp
from transformers_trainings import SHORT, rates, train

from lrfinder import range_test, tune_loop
from lrfinder.integrations.accelerate import attach_prepared
from lrfinder.integrations.transformers import AutoLRCallback
from lrfinder.schedules import Linear


def weights(model):
    """This rank's weights."""
    return [p.detach().flatten().tolist() for p in model.parameters()]


def prepared(make, search):
    """Two epochs with and without a search between them: whether they end alike, and what was found."""
    ends, found = [], None
    for searches in (True, False):
        training = make()
        set_seed(torch.distributed.get_rank())
        first = training.train()
        if searches:
            found = search(training.loop)
        ends.append((first, training.train(), weights(training.model)))
    return {"same": ends[0] == ends[1], "curve": found.curve.losses, "lr": found.lr, "ranks": found.facts.ranks}


def schedules():
    """The rates of all optimizer steps under a schedule of that many, with accumulation."""
    training = by_accelerate(accumulate=2)
    seen, steps = [], 4
    training.optimizer.optimizer.register_step_post_hook(lambda o, *_: seen.append(o.param_groups[0]["lr"]))
    scheduler = attach_prepared(training.framework, training.optimizer, Linear(steps), lr=0.1)
    training.train(scheduler)
    return {"rates": seen, "wanted": [0.1 * (1 - step / steps) for step in range(steps)]}


def trainer():
    """A Trainer with accumulation over tokens, with a report and without one, and with the peak applied."""
    found, ends = [], []
    options = {"gradient_accumulation_steps": 2, "ddp_backend": "gloo"}
    for callbacks in ([AutoLRCallback(**SHORT, mode="report")], [], [AutoLRCallback(**{**SHORT, "verbose": True})]):
        trace = train(tempfile.mkdtemp(), callbacks, **options)
        found.append(callbacks[0].result.curve.losses if callbacks else None)
        ends.append((weights(trace.trainer.model), rates(trace)))
    lr = callbacks[0].plan.lr
    return {"same": ends[0] == ends[1], "curve": found[0], "applied": max(ends[2][1]), "lr": lr, "ranks": 2}


CASES = {
    "accelerate": lambda: prepared(lambda: by_accelerate(accumulate=2), lambda loop: range_test(loop, progress=False)),
    "fabric": lambda: prepared(ddp, lambda loop: tune_loop(loop, total_steps=900, budget=240, progress=False)),
    "schedules": schedules,
    "trainer": trainer,
}
"""What two processes may do together."""


def main(*names):
    """Do what these names say, then print what this rank has seen of each."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    seen = {name: CASES[name]() for name in names}
    print(json.dumps(seen), flush=True)
    # Not by the interpreter's end, which a process group can abort.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
