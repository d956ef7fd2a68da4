"""What a search costs in memory, disk and time as the model grows, beside the finders that save a copy elsewhere.

Each measurement runs in a process of its own: AdamW, one thread, stacks of square linear layers of about 1, 10 and 100
million parameters, in one of four states: fresh, in mid-training (after three steps, the gradients cleared), in
mid-training with the gradients of the last step still there, and with 99 % of the parameters frozen. The peak is the
resident memory's, from the built model on, as the kernel counts it; the extra is the peak above that of a run of the
same training without a finder: plain steps for `find_lr` and torch-lr-finder, a fit without callback for the Trainer's.
`make bench-scale` measures what is missing and prints the tables; the raw numbers are in benchmarks/results/scale.json.
"""

import argparse
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from lrfinder import TorchLoop, find_lr

RESULTS = Path(__file__).parent / "results" / "scale.json"
PAGE = RESULTS.parents[2] / "docs" / "scale.md"
SHAPES = {"1M": (512, 4), "10M": (1024, 10), "100M": (2048, 24)}
STATES = ("fresh", "frozen", "mid", "mid, gradients")
PLAIN, TRAINER = "plain steps", "fit"
BASELINES = {"find_lr": PLAIN, "torch-lr-finder": PLAIN, "AutoLR": TRAINER, "LearningRateFinder": TRAINER}
STEPS, FEW = 75, 10
"""Steps of the shortest search with trials; at 100M parameters, of a sweep without them."""

FIXED_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
"""Makes freed memory return to the system, so that a peak is the memory that was needed."""


def setting(size, state):
    """A model, its batches, and its trainable parameters."""
    torch.manual_seed(0)
    width, depth = SHAPES[size]
    model = nn.Sequential(*(layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())))
    if state == "frozen":
        model.requires_grad_(False)
        rank = max(1, round(0.005 * width * depth))
        model.extend([nn.Linear(width, rank), nn.Linear(rank, width)])
    batches = [(torch.randn(2, width), torch.randn(2, width)) for _ in range(3)]
    return model, batches, [p for p in model.parameters() if p.requires_grad]


def loader(batches):
    return torch.utils.data.DataLoader(batches, batch_size=None)


def steps(model, batches, optimizer, count):
    for i in range(count):
        inputs, target = batches[i % len(batches)]
        optimizer.zero_grad()
        F.mse_loss(model(inputs), target).backward()
        optimizer.step()


def search(model, batches, optimizer, count=STEPS):
    return find_lr(model, batches, loss_fn=F.mse_loss, optimizer=optimizer, steps=count, progress=False)


def plain(tool, model, batches, trained, state):
    """Steps by hand up to the state, then a finder, or as many steps again."""
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    if state.startswith("mid"):
        steps(model, batches, optimizer, 3)
        if state == "mid":
            optimizer.zero_grad()
    if tool == PLAIN:
        return steps(model, batches, optimizer, FEW)
    if tool == "find_lr":
        return {"steps": search(model, batches, optimizer, STEPS if len(model) < 40 else FEW).cost_steps}
    from torch_lr_finder import LRFinder

    start = time.perf_counter()
    finder = LRFinder(model, optimizer, F.mse_loss, device="cpu")
    copied = time.perf_counter() - start
    finder.range_test(loader(batches), start_lr=1e-7, num_iter=FEW)
    start = time.perf_counter()
    finder.reset()
    return {"seconds to save": copied, "seconds to put back": time.perf_counter() - start}


def fit(tool, model, batches, trained, state):
    """A fit with a finder or without one; in mid-training the finder runs before the second epoch."""
    import pytorch_lightning as pl

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.lr = model, 1e-4

        def training_step(self, batch, batch_idx):
            return F.mse_loss(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.AdamW(trained, lr=self.lr)

    epoch = 1 if state.startswith("mid") else 0
    cost = {}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(max_epochs=epoch + 1, accelerator="cpu", logger=False, default_root_dir=folder, **quiet)
        callback = {"AutoLR": our_callback, "LearningRateFinder": their_callback, TRAINER: lambda *_: None}[tool]
        made = callback(epoch, trainer, cost)
        trainer.callbacks += [] if made is None else [made]
        trainer.fit(Module(), loader(batches))
    return cost


def our_callback(epoch, trainer, cost):
    from lightning_callbacks import AutoLR

    return AutoLR(steps=FEW, at_epochs=(epoch,), verbose=False)


def their_callback(epoch, trainer, cost):
    """Lightning's finder; before a later epoch as its documentation shows."""
    from pytorch_lightning.callbacks import LearningRateFinder

    class Later(LearningRateFinder):
        def on_fit_start(self, *arguments):
            pass

        def on_train_epoch_start(self, trainer, module):
            if trainer.current_epoch == epoch:
                self.lr_find(trainer, module)

    save, restore = trainer.save_checkpoint, trainer._checkpoint_connector.restore

    def saved(path, *arguments, **options):
        with timed(cost, "seconds to save"):
            save(path, *arguments, **options)
        cost["bytes on disk"] = os.path.getsize(path)

    def restored(*arguments, **options):
        with timed(cost, "seconds to put back"):
            restore(*arguments, **options)

    trainer.save_checkpoint, trainer._checkpoint_connector.restore = saved, restored
    finder = Later if epoch else LearningRateFinder
    return finder(num_training_steps=FEW, early_stop_threshold=None, update_attr=False)


@contextmanager
def timed(cost, name):
    start = time.perf_counter()
    yield
    cost[name] = time.perf_counter() - start


def measure(tool, size, state):
    """Peak memory of a run in bytes, from the built model on, and what it measures itself."""
    quiet()
    run = plain if tool in (PLAIN, "find_lr", "torch-lr-finder") else fit
    run(tool, *setting("1M", state), state)  # what is imported and set up at the first use is not counted
    tools = setting(size, state)
    gc.collect()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    measured = run(tool, *tools, state)
    return {"peak": status("VmHWM") - before, **(measured or {})}


def anatomy(size):
    """Seconds of the parts of a search in mid-training: snapshot and restore, beside a copy of the same bytes."""
    model, batches, trained = setting(size, "mid")
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    steps(model, batches, optimizer, 2)
    optimizer.zero_grad()
    held = [*trained, *(value for state in optimizer.state.values() for value in state.values())]
    copies = [tensor.detach().clone() for tensor in held]
    loop, cost = TorchLoop(model, batches, loss_fn=F.mse_loss, optimizer=optimizer), {}
    start = time.perf_counter()
    with loop.preserved() as snapshot:
        cost["snapshot"] = time.perf_counter() - start
        rounds = [(clock(snapshot.restore), clock(lambda: copied(held, copies))) for _ in range(9)]
    cost["restore"], cost["copy"] = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    cost["step"] = clock(lambda: steps(model, batches, optimizer, FEW)) / FEW
    cost["search"] = clock(lambda: cost.update(steps=search(model, batches, optimizer).cost_steps))
    return {**cost, "bytes": sum(tensor.nbytes for tensor in held), "parameters": sum(p.numel() for p in trained)}


@torch.no_grad()
def copied(held, copies):
    for tensor, copy in zip(held, copies, strict=True):
        tensor.copy_(copy)


def clock(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def status(name):
    """A figure of this process in bytes, as the kernel counts it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


def quiet():
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)


def wanted():
    """Every measurement: the arguments of a process each."""
    runs = [["anatomy", size] for size in SHAPES]
    runs += [["measure", tool, size, "mid"] for size in SHAPES for tool in (PLAIN, "find_lr")]
    # Before a later epoch a Trainer still holds the last gradients; what loops by hand have is in the other columns.
    absent = {"mid": (TRAINER, "AutoLR", "LearningRateFinder"), "mid, gradients": ("torch-lr-finder",)}
    everything = [(tool, state) for state in STATES for tool in (PLAIN, *BASELINES, TRAINER)]
    runs += [["measure", tool, "100M", state] for tool, state in everything if tool not in absent.get(state, ())]
    return [list(run) for run in dict.fromkeys(map(tuple, runs))]


def run_missing(results):
    for arguments in wanted():
        key = " | ".join(arguments)
        if key not in results:
            print(f"measuring {key}", file=sys.stderr)
            command = [sys.executable, __file__, "--one", *arguments]
            more = FIXED_MALLOC if arguments[0] == "measure" else {"OMP_NUM_THREADS": "1"}
            out = subprocess.run(command, env={**os.environ, **more}, stdout=subprocess.PIPE, check=True).stdout
            results[key] = json.loads(out.splitlines()[-1])
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def tables(results):
    """Memory and seconds as Markdown."""
    of = lambda tool, size, state: results[f"measure | {tool} | {size} | {state}"]  # noqa: E731
    extra = lambda tool, size, state: of(tool, size, state)["peak"] - of(BASELINES[tool], size, state)["peak"]  # noqa: E731
    rows = ["| 100M parameters, AdamW | " + " | ".join(STATES) + " |", "|---|" + "--:|" * len(STATES)]
    for tool in BASELINES:
        cells = [f"{extra(tool, '100M', s) / 1e6:,.0f} MB" if has(results, tool, s) else "–" for s in STATES]
        rows.append(f"| extra memory, {tool} | {' | '.join(cells)} |")
    for tool in ("torch-lr-finder", "LearningRateFinder"):
        for name, unit in (("bytes on disk", 1e6), ("seconds to save", 1), ("seconds to put back", 1)):
            found = [of(tool, "100M", s).get(name) if has(results, tool, s) else None for s in STATES]
            if any(found):
                word = f"MB {name.removeprefix('bytes ')}" if unit > 1 else name
                cells = ["–" if cell is None else f"{cell / unit:,.{0 if unit > 1 else 1}f}" for cell in found]
                rows.append(f"| {word}, {tool} | {' | '.join(cells)} |")
    rows += ["", "| find_lr in mid-training | " + " | ".join(SHAPES) + " |", "|---|" + "--:|" * len(SHAPES)]
    parts = [results[f"anatomy | {size}"] for size in SHAPES]
    lines = {
        "parameters": [f"{p['parameters']:,}" for p in parts],
        "trainable state": [f"{p['bytes'] / 1e6:,.0f} MB" for p in parts],
        "extra memory": [f"{extra('find_lr', size, 'mid') / 1e6:,.0f} MB" for size in SHAPES],
        "ms to take a snapshot": [f"{1e3 * p['snapshot']:,.1f}" for p in parts],
        "ms to restore it": [f"{1e3 * p['restore']:,.1f}" for p in parts],
        "ms to copy the same bytes": [f"{1e3 * p['copy']:,.1f}" for p in parts],
        "ms of a plain step": [f"{1e3 * p['step']:,.1f}" for p in parts],
        "seconds of a search": [f"{p['search']:,.1f}" for p in parts],
        "its steps": [f"{p['steps']:,.0f}" for p in parts],
    }
    return "\n".join(rows + [f"| {name} | {' | '.join(cells)} |" for name, cells in lines.items()])


def place(text, part):
    """Put a table between its markers in docs/scale.md."""
    head, begin, rest = PAGE.read_text().partition(f"<!-- table: {part}, made by `make bench-{part}` -->\n")
    _, end, tail = rest.partition("<!-- end -->")
    PAGE.write_text(f"{head}{begin}\n{text}\n\n{end}{tail}")


def has(results, tool, state):
    return f"measure | {tool} | 100M | {state}" in results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--anew", action="store_true", help="measure everything again")
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(1)
        what, *arguments = options.one
        print(json.dumps({"anatomy": anatomy, "measure": measure}[what](*arguments)))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() and not options.anew else {}
    run_missing(results)
    print(f"torch {torch.__version__}, one thread\n\n{tables(results)}")
    place(tables(results), "scale")


if __name__ == "__main__":
    main()
