"""The one protocol between what is measured and what trains: anything that trains is a `Loop`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

__all__ = ["FORWARDS_PER_STEP", "MAX_SKIPS", "Batch", "Facts", "Loop", "Snapshot"]

FORWARDS_PER_STEP = 3
"""Forward passes that cost as much as one optimizer step."""

MAX_SKIPS = 8
"""Skipped updates in a row (an overflowing GradScaler) that are repeated; the ninth counts as a loss of NaN."""

Batch: TypeAlias = Sequence[Any]
"""The micro-batches of one optimizer step, on the host, as the loader gave them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report or a recommendation has to know of a training; plain data.

    Args:
        model: Class name of the model.
        optimizer: Class name of the swept optimizer, or of each, joined by "and".
        bases: Base LR of every parameter group, the reference group's at `reference`.
        reference: Index of the reference group: the first with an `lr` and a trainable parameter.
        betas: Its momentum as (momentum, 0), Adam's betas, or (0, 0).
        batch_size: Samples of one full optimizer step on this rank, or None where no tensor shows it.
        steps_per_epoch: Optimizer steps per epoch, or None for a loader without length.
        ranks: Processes that train together.
        precision: What the parameters are stored in, as in `float32`.
        loss: Where the loss comes from, as a phrase.
        relative_step: Whether the optimizer takes the size of its steps from their number and ignores its LR, as
            Adafactor can.
        optimizers: How many are swept, jointly.
        weights: Root mean square of the swept parameters before training, or None where that is not known.
        parameters: Weights that are swept, or None where that is not known.
        offset: Mean of the targets over their deviation where it was taken away for the search; 0 where it was not.
        groups: Name of every parameter group, as `bases` lists them: its `name`, or its optimizer's class and place.
        owners: Optimizer that each of them belongs to: its class, with its place where several are of one.
        weight_decay: Of the reference group, where it shrinks the weights by rate times decay at each step, as AdamW's
            and SGD's does; 0 where it is a part of the gradient that Adam scales.
        evaluated_in: `train` where losses without a step were computed as the training computes them, since eval mode
            gave none or the user wanted it.
        versions: Of what measured, as a phrase; empty where that is not known.
        command: The command line that made the search, its seed included; empty where Python did.
    """

    model: str = "model"
    optimizer: str = "optimizer"
    bases: tuple[float, ...] = (1.0,)
    reference: int = 0
    betas: tuple[float, float] = (0.0, 0.0)
    batch_size: int | None = None
    steps_per_epoch: int | None = None
    ranks: int = 1
    precision: str = "float32"
    loss: str = "the training's own"
    relative_step: bool = False
    optimizers: int = 1
    weights: float | None = None
    parameters: int | None = None
    offset: float = 0.0
    groups: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    weight_decay: float = 0.0
    evaluated_in: str = "eval"
    versions: str = ""
    command: str = ""


class Snapshot(Protocol):
    """A state of a training that it can be put back to as often as wanted."""

    def restore(self) -> None:
        """Put everything back as it was, the batch stream excepted."""


class Loop(Protocol):
    """A way of training, one optimizer step at a time: plain torch, a Trainer, one rank of many, or your own.

    `lrfinder.StepLoop` makes one of two functions; `tests/loop_contract.py` holds the laws that every loop keeps.

    A loop may have four methods besides. `exchange_targets(batch)` returns a batch whose inputs have the targets of
    others, or None where that is not known: a model whose loss is as good on it does not look at its inputs.
    `center_targets(batches)` takes a mean of the targets away that is far from zero, until it is called with none, and
    returns how far it is, over their deviation. `scale_groups(factors)` lets every group run at so many times its
    ratio, the reference group's factor being 1, until it is called with none. `gradients()` returns those that the last
    step left, as one vector, or None where it left none: their noise says how large a batch may be.
    """

    lr: float
    """LR of the reference group. Group i runs at `lr * base_i / base_ref`, bases read once, so ratios never drift."""

    @property
    def facts(self) -> Facts:
        """What is known of the training; complete after the first draw."""

    @property
    def is_chief(self) -> bool:
        """Whether this is the rank that prints, draws and writes."""

    @property
    def losses_per_step(self) -> float:
        """How often `loss` can be called at the cost of one step: three times, or once where it makes an update."""

    def draw(self) -> Batch:
        """Return the micro-batches of one optimizer step, which can be kept; the loader starts again when it ends."""

    def step(self, batch: Batch) -> float | None:
        """Make one optimizer step; return the loss before it, mean over micro-batches and ranks, or None if skipped."""

    def loss(self, batch: Batch, *, train: bool = False) -> float:
        """Return the loss of a batch, mean over ranks; nothing of the training is changed by it.

        It is that of a forward alone, or of an update that is put back where a training cannot be split. It is NaN
        where the training skips the batch on any rank. With `train` the last step's forward is repeated as it was:
        train mode, the same dropout.
        """

    def held_out(self) -> Batch | None:
        """Return the same few validation batches at every call, as one batch for `loss`; None where there are none."""

    def agree(self, flag: bool) -> bool:
        """Return true on every rank if the flag is true on any."""

    def preserved(self) -> AbstractContextManager[Snapshot]:
        """Put everything back as it was at exit, however the block ends; nests."""
