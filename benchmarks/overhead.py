"""What a search costs beside the same optimizer steps without it, and what the other finders cost.

A round times each finder once on a new model, from its call to its answer, and three times 100 bare optimizer steps of
a torch loop (with one loss read per step, as users do); the order is random. The times are compared per
step-equivalent, where a forward alone counts as a third of a step. So a finder's preparations are spread over its
steps. Finders for a Trainer are timed inside a fit that is set up already, but include the Trainer's own cost of a
step. Rates end at 1e-3, where nothing diverges, so that each finder makes all of its steps. The fixed cost (snapshot,
restore, curve, plan and report) is that of a sweep without trials.

`make bench-overhead` makes the missing rounds and prints the table. It can be stopped, and continues where it was. The
raw seconds are in benchmarks/results/overhead.json.
"""

import argparse
import contextlib
import io
import json
import logging
import platform
import random
import statistics
import sys
import tempfile
import time
import warnings
from itertools import cycle, islice
from pathlib import Path

import torch
import torch.nn.functional as F
from scale import place
from torch import nn
from torch.utils.data import DataLoader

from lrfinder import TorchLoop, __version__, find_lr
from lrfinder.advice.recommend import make_plan
from lrfinder.advice.request import Request
from lrfinder.evidence.evidence import read_curve
from lrfinder.result import LRResult
from lrfinder.search.sweep import exponential_range, sweep

RESULTS = Path(__file__).parent / "results" / "overhead.json"
STEPS, FIRST, LAST = 100, 1e-7, 1e-3
CASES = {"about 1 ms": (256, 128), "about 5 ms": (640, 256), "about 50 ms": (1024, 1024)}
BARE = ("bare", "bare again", "bare once more")


def setting(width, batch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))
    batches = [(torch.randn(batch, 64), torch.randint(10, (batch,))) for _ in range(25)]
    return model, batches, torch.optim.AdamW(model.parameters())


def loader(batches, length=None):
    """Whole batches as a DataLoader, which most finders want."""
    return DataLoader(batches if length is None else list(islice(cycle(batches), length)), batch_size=None)


def bare(model, batches, optimizer):
    """Seconds of the steps alone, and how many there were."""
    endless = cycle(batches)
    start = time.perf_counter()
    for lr in exponential_range(FIRST, LAST, STEPS):
        for group in optimizer.param_groups:
            group["lr"] = lr
        inputs, target = next(endless)
        loss = F.cross_entropy(model(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    return time.perf_counter() - start, STEPS


def sweep_alone(model, batches, optimizer):
    """Seconds of a sweep alone, its steps, and the seconds of everything around it."""
    begin = time.perf_counter()
    loop = TorchLoop(model, batches, loss_fn=F.cross_entropy, optimizer=optimizer)
    with loop.preserved():
        start = time.perf_counter()
        curve = sweep(loop, exponential_range(FIRST, LAST, STEPS))
        seconds = time.perf_counter() - start
    evidence = read_curve(curve, loop.facts)
    str(LRResult(evidence, make_plan(evidence, Request(total_steps=1000))))
    return seconds, len(curve), time.perf_counter() - begin - seconds


def ours(model, batches, optimizer):
    """`find_lr` with its trials, and its report."""
    start = time.perf_counter()
    found = find_lr(
        model, batches, loss_fn=F.cross_entropy, optimizer=optimizer, lr_max=LAST, total_steps=1000, progress=False
    )
    str(found)
    return time.perf_counter() - start, found.cost_steps


def torch_lr_finder(model, batches, optimizer):
    from torch_lr_finder import LRFinder

    start = time.perf_counter()
    finder = LRFinder(model, optimizer, F.cross_entropy, device="cpu")
    finder.range_test(loader(batches), start_lr=FIRST, end_lr=LAST, num_iter=STEPS, diverge_th=1e9)
    finder.reset()
    return time.perf_counter() - start, len(finder.history["lr"])


def ignite(model, batches, optimizer):
    from ignite.engine import Engine
    from ignite.handlers import FastaiLRFinder

    def update(_, batch):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.item()

    start = time.perf_counter()
    finder, saved = FastaiLRFinder(), {"model": model, "optimizer": optimizer}
    options = {"num_iter": STEPS, "start_lr": FIRST, "end_lr": LAST, "diverge_th": 1e9}
    with finder.attach(Engine(update), to_save=saved, **options) as engine:
        engine.run(loader(batches))
    with contextlib.suppress(RuntimeError):
        finder.lr_suggestion()
    return time.perf_counter() - start, len(finder.get_results()["lr"])


def fastai(model, batches, _):
    import fastai.callback.progress  # noqa: F401  # it gives the Learner a method, as the next
    import fastai.callback.schedule  # noqa: F401
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    def optimizer(parameters, lr):
        return OptimWrapper(parameters, torch.optim.AdamW, lr=lr)

    with tempfile.TemporaryDirectory() as folder:
        loaders = DataLoaders(loader(batches), loader(batches))
        learner = Learner(loaders, model, loss_func=F.cross_entropy, opt_func=optimizer, path=folder)
        start = time.perf_counter()
        with learner.no_bar():
            learner.lr_find(start_lr=FIRST, end_lr=LAST, num_it=STEPS, stop_div=False, show_plot=False)
        return time.perf_counter() - start, len(learner.recorder.lrs)


def fitted(model, batches, callback, steps):
    """Fit for some steps."""
    import pytorch_lightning as pl

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.lr = model, 1e-3

        def training_step(self, batch, batch_idx):
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=self.lr)

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_steps=steps, default_root_dir=folder, callbacks=[callback], enable_model_summary=False, **quiet
        )
        trainer.fit(Module(), loader(batches))


def in_trainer(model, batches, finder, hook):
    """Seconds of a callback's hook in a fit of one batch."""
    seconds, original = [], getattr(finder, hook)

    def timed(*arguments):
        start = time.perf_counter()
        original(*arguments)
        seconds.append(time.perf_counter() - start)

    setattr(finder, hook, timed)
    fitted(model, batches, finder, steps=1)
    return max(seconds)


def trainer_alone(model, batches, _):
    """Seconds of the Trainer's own steps, without a finder."""
    import pytorch_lightning as pl

    class Watch(pl.Callback):
        def on_train_start(self, *_):
            self.start = time.perf_counter()

        def on_train_end(self, *_):
            self.seconds = time.perf_counter() - self.start

    watch = Watch()
    fitted(model, batches, watch, STEPS)
    return watch.seconds, STEPS


def auto_lr(model, batches, _):
    from lightning_callbacks import AutoLR

    finder = AutoLR(lr_max=LAST, mode="report", verbose=False)
    seconds = in_trainer(model, batches, finder, "on_train_batch_start")
    return seconds, finder.result.cost_steps


def lightning(model, batches, _):
    from pytorch_lightning.callbacks import LearningRateFinder

    finder = LearningRateFinder(FIRST, LAST, STEPS, early_stop_threshold=None, update_attr=False)
    seconds = in_trainer(model, batches, finder, "on_fit_start")
    return seconds, len(finder.optimal_lr.results["lr"])


FINDERS = {
    "find_lr": ours,
    "torch-lr-finder": torch_lr_finder,
    "ignite": ignite,
    "fastai": fastai,
    "a Trainer's own steps": trainer_alone,
    "AutoLR": auto_lr,
    "Lightning": lightning,
}


def silent(function, *arguments):
    """Call without the prints and bars of others."""
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        return function(*arguments)


def round_of(shape, order):
    """Seconds and steps of everything, each once and on a model of its own."""
    functions = {**FINDERS, "sweep": sweep_alone, **dict.fromkeys(BARE, bare)}
    names = list(functions)
    order.shuffle(names)
    return {name: silent(functions[name], *setting(*shape)) for name in names}


def run(results, cases, rounds, minutes):
    """Make the rounds that are missing, those of each case until its minutes are over."""
    round_of((8, 8), random.Random(0))  # what is imported and set up at the first use is not counted
    for name in cases:
        made, end = results[name], time.monotonic() + 60 * minutes
        while len(made) < rounds and time.monotonic() < end:
            made.append(round_of(CASES[name], random.Random(len(made))))
            RESULTS.write_text(json.dumps(results) + "\n")
            print(f"{name}: round {len(made)} of {rounds}", file=sys.stderr)


def interval(values):
    """Median and a 95 % bootstrap interval of it."""
    decide = random.Random(0).choices
    draws = sorted(statistics.median(decide(values, k=len(values))) for _ in range(1000))
    return statistics.median(values), draws[25], draws[974]


def ratios(rounds, tool):
    """Time per step-equivalent over that of a bare step, of each round."""
    steps = [statistics.median(one[name][0] / one[name][1] for name in BARE) for one in rounds]
    return [one[tool][0] / one[tool][1] / step for one, step in zip(rounds, steps, strict=True)]


def table(results):
    """Every finder's ratio as Markdown, with its interval; the fixed cost."""
    cases = {name: rounds for name, rounds in results.items() if name in CASES and rounds}
    bare_ms = [1e3 * statistics.median(one[b][0] / one[b][1] for one in r for b in BARE) for r in cases.values()]
    rows = ["| a bare step of | " + " | ".join(f"{ms:.2f} ms" for ms in bare_ms) + " |", "|---|" + "--:|" * len(cases)]
    for tool in ("sweep", *FINDERS):
        cells = ["{:.3f} ({:.3f} to {:.3f})".format(*interval(ratios(rounds, tool))) for rounds in cases.values()]
        word = "the sweep of find_lr alone" if tool == "sweep" else tool
        rows.append(f"| {word} | {' | '.join(cells)} |")
    fixed = [1e3 * statistics.median(one["sweep"][2] for one in rounds) for rounds in cases.values()]
    rows.append("| fixed cost of find_lr | " + " | ".join(f"{ms:.1f} ms" for ms in fixed) + " |")
    return "\n".join([*rows, "| rounds | " + " | ".join(str(len(rounds)) for rounds in cases.values()) + " |"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0, help="for each case at most (%(default)g)")
    parser.add_argument("--case", choices=CASES, action="append", help="this one alone; may be repeated")
    parser.add_argument("--anew", action="store_true", help="forget the rounds that are stored")
    options = parser.parse_args()
    for name in ("lightning.pytorch", "pytorch_lightning", "ignite"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    about = {"lrfinder": __version__, "torch": torch.__version__, "machine": platform.machine()}
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() and not options.anew else {}
    results = {"about": about, **{name: stored.get(name, []) for name in CASES}}
    run(results, options.case or list(CASES), options.rounds, options.minutes)
    print(f"lrfinder {__version__}, torch {torch.__version__}, one thread\n\n{table(results)}")
    place(table(results), "overhead")


if __name__ == "__main__":
    main()
