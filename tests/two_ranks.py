"""Searches on one of two processes, run as a script by the tests: each process prints one line of JSON."""

import json
import os
import sys
import warnings
from functools import partial

import torch
import torch.nn.functional as F
from torch import distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from lrfinder import find_lr, tune_lr
from lrfinder.search import pilot

FIND = {"loss_fn": F.cross_entropy, "steps": 100, "epochs": 30, "progress": False}
find = partial(find_lr, **FIND)
POISONED = 10
"""Calls of a loss before one rank gets into trouble."""


def network(dropout=0.1):
    """A classifier that is the same on every rank, most of it frozen."""
    torch.manual_seed(0)
    middle = nn.Linear(64, 64).requires_grad_(False)
    return nn.Sequential(nn.Linear(6, 64), nn.Tanh(), middle, nn.Dropout(dropout), nn.Linear(64, 3))


def sharded(model):
    """Under FSDP2: a layer of its own, and the rest, which stays gathered after a forward."""
    fully_shard(model[0])
    return fully_shard(model)


WRAPPERS = {"ddp": DistributedDataParallel, "fsdp2": sharded}


def samples(count, size, seed=0, dtype=torch.float32):
    """Batches of three classes that a linear model can separate."""
    x = torch.randn(count * size, 6, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return list(zip(x.split(size), x[:, :3].argmax(1).split(size), strict=True))


def weights(model):
    """This rank's part of the weights."""
    values = [p.to_local() if hasattr(p, "to_local") else p for p in model.parameters()]
    return [value.detach().flatten().tolist() for value in values]


def trained(model, optimizer, batches):
    """What some real steps come to: the losses, and this rank's weights."""
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, weights(model)


def found_in_mid_training(rank, kind, evaluate_on="validation", search=find, size=8):
    """What a search finds where the ranks' loaders differ, and whether the training ends as one without it."""
    traces, found = [], None
    for searches in (True, False):
        model = WRAPPERS[kind](network())
        optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), 1e-2)
        train, val = samples(9 + 2 * rank, size, seed=rank), samples(3 + rank, 8, seed=10 + rank)
        options = {"accumulate": 2, "clip_grad_norm": 1.0, "evaluate_on": evaluate_on, "val_loader": val}
        torch.manual_seed(rank)
        before = trained(model, optimizer, train[:4])
        if searches:
            found = search(model, train, optimizer=optimizer, **options)
        traces.append((before, trained(model, optimizer, train[:4])))
    return {"same": traces[0] == traces[1], "found": json.loads(found.to_json())}


def tuned(rank):
    """Tune under FSDP2, where one rank's batches are larger and leave it less room to keep them."""
    pilot.KEPT_BYTES = 4_200
    tune = partial(tune_lr, loss_fn=F.cross_entropy, total_steps=800, budget=250, progress=False)
    return found_in_mid_training(rank, "fsdp2", "training", tune, 8 + 4 * rank)


def plateau(rank):
    """Tune under DDP what no step moves: a loss of the targets alone. Each rank has batches, and epochs, of its own."""
    model, batches = DistributedDataParallel(network()), samples(60 + 4 * rank, 8, seed=rank)
    before = weights(model)

    def loss_fn(output, target):
        return 1 + target.float().mean() / 10 + 0 * output.sum()

    found = tune_lr(model, batches, loss_fn=loss_fn, total_steps=1_200, budget=300, progress=False)
    return {"same": before == weights(model), "found": json.loads(found.to_json())}


def groups(rank):
    """Tune two groups and their ratio under DDP, each rank on batches of its own."""
    model = DistributedDataParallel(network())
    before = weights(model)
    first, *_, last = model.module.children()
    optimizer = torch.optim.AdamW([{"params": first.parameters()}, {"params": last.parameters(), "lr": 1e-5}], 1e-2)
    options = {"loss_fn": F.cross_entropy, "optimizer": optimizer, "total_steps": 1_200, "progress": False}
    found = tune_lr(model, samples(60, 8, seed=rank), groups="each", **options)
    return {"same": before == weights(model), "found": json.loads(found.to_json())}


def parts(rank, ranks=2, optimizer=torch.optim.AdamW):
    """Find on this rank's part of every batch of sixteen, in double precision and without noise."""
    model = network(dropout=0.0).double()
    model = DistributedDataParallel(model) if ranks > 1 else model
    size = 16 // ranks
    own = [(x[rank * size :][:size], y[rank * size :][:size]) for x, y in samples(24, 16, dtype=torch.float64)]
    found = find_lr(model, own, optimizer=optimizer(model.parameters(), 1e-2), **FIND)
    return {"found": json.loads(found.to_json())}


def in_trouble(rank, trouble, troubled=1):
    """Find with a loss that makes trouble on one rank; the error of this rank, if any, and whether all is put back."""
    model, calls = DistributedDataParallel(network()), []

    def loss_fn(output, target):
        calls.append(None)
        return F.cross_entropy(output, target) * (trouble() if len(calls) > POISONED and rank == troubled else 1)

    before, error, found = weights(model), None, None
    try:
        found = find_lr(model, samples(24, 8, seed=rank), **{**FIND, "loss_fn": loss_fn}).curve
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    kept = weights(model) == before
    return {"kept": kept, "error": error, "curve": found and [len(found), found.stopped]}


def held_out_on_one(rank):
    """Validation batches that only the first rank has."""
    model = DistributedDataParallel(network())
    try:
        find_lr(model, samples(4, 8), val_loader=samples(2, 8) if rank == 0 else None, **FIND)
    except Exception as raised:
        return {"error": f"{type(raised).__name__}: {raised}"}
    return {"error": None}


def setup():
    """A factory for the command line."""
    dist.init_process_group("gloo")
    model = DistributedDataParallel(network())
    return {"model": model, "loader": samples(24, 8, seed=dist.get_rank()), "loss_fn": F.cross_entropy}


SEARCHES = {
    "ddp": partial(found_in_mid_training, kind="ddp"),
    "fsdp2": partial(found_in_mid_training, kind="fsdp2"),
    "ddp_training": partial(found_in_mid_training, kind="ddp", evaluate_on="training"),
    "fsdp2_training": partial(found_in_mid_training, kind="fsdp2", evaluate_on="training"),
    "tuned": tuned,
    "plateau": plateau,
    "groups": groups,
    "parts": parts,
    "line_search": partial(parts, optimizer=partial(torch.optim.LBFGS, max_iter=4, line_search_fn="strong_wolfe")),
    "not_a_number": partial(in_trouble, trouble=lambda: float("nan")),
    "raising": partial(in_trouble, trouble=lambda: [][0]),
    "chief_raising": partial(in_trouble, trouble=lambda: [][0], troubled=0),
    "held_out_on_one": held_out_on_one,
}
"""What two processes may do together, each as a function of the rank."""


def main(*names):
    """Make the searches of these names, then print what this rank has seen in each."""
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo")
    print(json.dumps({name: SEARCHES[name](dist.get_rank()) for name in names}), flush=True)
    # Not by the interpreter's end: threads of a process group that a failed rank has broken may abort it there.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
