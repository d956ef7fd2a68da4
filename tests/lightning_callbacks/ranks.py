"""One fit on two processes, run as a script by the tests: its rank 0 prints one line of JSON."""

import json
import os
import sys
import warnings
from functools import partial
from pathlib import Path

import torch
from fits import QUIET, Net, loader, pl
from torch import nn

from lightning_callbacks import AutoLR
from lrfinder.errors import LRFinderWarning

warnings.simplefilter("ignore")


class Poisoned(Net):
    """A loss that is NaN on the second rank from the twelfth batch of a sweep on."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        is_search = any(type(callback).__name__ == "_Silent" for callback in self.trainer.callbacks)
        late = is_search and batch_idx >= 12
        return loss * float("nan") if late and self.global_rank == 1 else loss


class Peeking(Net):
    """A hook that needs what there is not in a search, on the second rank alone."""

    def on_before_zero_grad(self, optimizer):
        is_search = any(type(callback).__name__ == "_Silent" for callback in self.trainer.callbacks)
        assert not (is_search and self.global_rank == 1), "not in a search"


class Warming(Net):
    """Sets the LR in `optimizer_step`."""

    def optimizer_step(self, epoch, batch_idx, optimizer, closure):
        optimizer.step(closure=closure)
        optimizer.param_groups[0]["lr"] = 1e-2 * min(1.0, (self.trainer.global_step + 1) / 10)


class Sharded(pl.LightningModule):
    """Two layers, sharded by FSDP2 where the strategy asks for it."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))

    def configure_model(self):
        from torch.distributed.fsdp import fully_shard

        for layer in (self.net[0], self.net[2], self.net):
            fully_shard(layer, mesh=self.device_mesh["data_parallel"])

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)


def run(module, callbacks, folder, **options):
    """Fit, and return the weights of this rank."""
    torch.manual_seed(0)
    model = module()
    settings = {**QUIET, "devices": 2, "max_epochs": 2, "logger": pl.loggers.CSVLogger(folder), **options}
    trainer = pl.Trainer(callbacks=callbacks, use_distributed_sampler=True, **settings)
    trainer.fit(model, loader())
    values = [p.to_local() if hasattr(p, "to_local") else p for p in model.parameters()]
    return trainer, [value.detach().flatten().tolist() for value in values]


def strategy_of(name):
    """FSDP2 on the CPU, or DDP."""
    if name == "fsdp2":
        return pl.strategies.ModelParallelStrategy(
            data_parallel_size=2, tensor_parallel_size=1, process_group_backend="gloo"
        )
    return pl.strategies.DDPStrategy(process_group_backend="gloo")


def hooks(folder):
    """Fit with hooks that cannot be searched; print what each rank has seen of it."""
    auto = partial(AutoLR, steps=80, lr_min=1e-4, verbose=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer, weights = run(Warming, [auto()], f"{folder}/warming", strategy=strategy_of("ddp"), max_epochs=1)
    warned = [str(one.message) for one in caught if issubclass(one.category, LRFinderWarning)]
    seen = {"warned": warned, "steps": trainer.global_step, "weights": weights, "error": None}
    try:
        run(Peeking, [auto()], f"{folder}/peeking", strategy=strategy_of("ddp"), max_epochs=1)
    except Exception as error:
        seen["error"] = f"{type(error).__name__}: {error}"
    Path(folder, f"rank{trainer.global_rank}.json").write_text(json.dumps(seen))
    # Threads of a process group that a failed rank has broken may abort the interpreter's end.
    os._exit(0)


def main(case, folder):
    """Compare a fit with and without the range test, and gather what every rank found."""
    if case == "hooks":
        hooks(folder)
    module = {"ddp": Net, "tuned": Net, "nan": Poisoned, "fsdp2": Sharded}[case]
    options = {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5} if case == "ddp" else {}
    how = {"tune": True, "budget": 250} if case == "tuned" else {"steps": 80}
    report = AutoLR(mode="report", **how, lr_min=1e-4)
    _, plain = run(module, [], f"{folder}/plain", strategy=strategy_of(case), **options)
    trainer, tested = run(module, [report], f"{folder}/tested", strategy=strategy_of(case), **options)
    auto = AutoLR(**how, lr_min=1e-4, verbose=False)
    applied, _ = run(module, [auto], f"{folder}/applied", strategy=strategy_of(case), max_epochs=1, **options)
    found = {
        "same": plain == tested,
        "losses": report.result.curve.losses,
        "stopped": report.result.stopped,
        "pilots": [trials.losses for trials in report.result.evidence.pilots],
        "ranks": report.result.evidence.facts.ranks,
        "lr": report.result.lr,
        "schedulers": [type(config.scheduler).__name__ for config in applied.lr_scheduler_configs],
    }
    gathered = [None, None]
    torch.distributed.all_gather_object(gathered, found)
    if trainer.is_global_zero:
        print(json.dumps(gathered))


if __name__ == "__main__":
    main(*sys.argv[1:])
