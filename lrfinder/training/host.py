"""The framework that a loop runs in, as far as the loop has to know it."""

import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.optim import Optimizer

from lrfinder._version import __version__
from lrfinder.loop import Facts

__all__ = ["EvaluateIn", "Host", "versions"]

EvaluateIn = Literal["eval", "train"]
"""The mode that a loss without a step is computed in: eval mode, or that of the training and with gradients."""


@dataclass(frozen=True, slots=True)
class Host:
    """What a framework asks of a loop inside it; the defaults are those of plain torch.

    Args:
        device: Where numbers are exchanged between ranks; None takes that of the first trainable parameter.
        around: Makes the context in which is measured; entered before the snapshot is taken and around each `loss`.
        watched: Optimizers whose steps show that an update was made, and at which rate; None takes the swept ones. With
            none of them every update counts.
        reached: Objects that the functions reach; those of kinds that the snapshot does not know are left alone.
        leave: Objects that the snapshot leaves alone where it reaches them.
        keeps_modes: Whether modules are trained in the mode that they are in, instead of in train mode.
        update_name: What errors call the update.
        describe: Completes the facts by what the framework knows: names of the loss and the precision.
        exchange_targets: Gives the inputs of a micro-batch the targets of others; None where it does not show them.
        center_targets: Takes the mean of the targets of these micro-batches away from all, where that is far from zero;
            returns how far, over their deviation. With none of them targets are as they were.
    """

    device: torch.device | None = None
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    watched: Sequence[Optimizer] | None = None
    reached: Sequence[object] = ()
    leave: Sequence[object] = ()
    keeps_modes: bool = False
    update_name: str = "`update`"
    describe: Callable[[Facts], Facts] = lambda facts: facts
    exchange_targets: Callable[[Any], Any] = lambda micro: None
    center_targets: Callable[[Sequence[Any]], float] = lambda micros: 0.0


def versions() -> str:
    """Return what measures, as a phrase: this package, torch, Python; Lightning and transformers where in use."""
    beside = [name for name in ("pytorch_lightning", "lightning", "transformers") if name in sys.modules]
    known = {"lrfinder": __version__, "torch": torch.__version__, "Python": platform.python_version()}
    known |= {name: str(getattr(sys.modules[name], "__version__", "of unknown version")) for name in beside}
    return ", ".join(f"{name} {version}" for name, version in known.items())
