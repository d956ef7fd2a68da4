"""A Lightning Trainer as a `Loop`. Lightning's private names are used here, in `_update` and in `_pause` alone."""

import copy
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from lightning_callbacks._compat import Trainer, of_trainer
from lightning_callbacks._horizon import callback_of
from lightning_callbacks._pause import set_aside
from lightning_callbacks._update import TrainerUpdate
from lrfinder.errors import InputError, LRFinderWarning
from lrfinder.loop import Batch, Facts
from lrfinder.snapshot.rng import torch_streams
from lrfinder.snapshot.snapshot import StateSnapshot, forward_only, preserved, reshard
from lrfinder.training import distributed
from lrfinder.training.batch import total_size
from lrfinder.training.feed import HELD_OUT_BATCHES, Feed, shallow_copy
from lrfinder.training.options import check_device
from lrfinder.training.param_groups import ParamGroups, find_reference, swept_optimizers
from lrfinder.training.torch_loop import trainable_parameters
from lrfinder.training.update import shares

__all__ = ["TrainerLoop", "check_can_leave", "is_averaging", "leave_fit"]

TESTED = ("SingleDeviceStrategy", "DDPStrategy", "ModelParallelStrategy")
REFUSED = ("DeepSpeedStrategy",)
HOOKS = ("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad", "on_before_optimizer_step")
"""Module hooks in which an average of the weights is kept: frozen parameters are copied where one is overridden."""

TOLERANCE = 1e-6


class TrainerLoop:
    """Optimizer steps through a Trainer's strategy, precision and hooks; its loops, logs and counters stand still.

    Make it where a batch is about to be trained on, as in a callback's `on_train_batch_start`.

    Args:
        trainer: One that is fitting.
        sweep: Index of the one optimizer to sweep, the others staying as they are; None scales all jointly.
        snapshot: `auto` does not copy frozen parameters where they are most of the model, `all` copies everything.
        snapshot_device: Where the copies are kept; None keeps each beside its tensor.

    Raises:
        InputError: A strategy, a module or a loader that cannot be measured with, each case in one sentence.
    """

    def __init__(
        self,
        trainer: Trainer,
        *,
        sweep: int | None = None,
        snapshot: Literal["auto", "all"] = "auto",
        snapshot_device: torch.device | str | None = None,
    ) -> None:
        _check_strategy(trainer)
        check_device(snapshot_device)
        loaders = trainer.fit_loop._combined_loader
        if loaders is None or type(trainer.fit_loop._data_fetcher).__name__ == "_DataLoaderIterDataFetcher":
            raise InputError(
                "`training_step` must take a batch to be measured, got one that takes `dataloader_iter`; "
                "the iterator cannot be wound back, so find the rate with a step that takes a batch"
            )
        self._trainer, self._module = trainer, trainer.lightning_module
        self.optimizers = swept_optimizers(list(trainer.optimizers), sweep)
        self.can_measure = bool(self._module.automatic_optimization)
        self._trainable = trainable_parameters(self._module)
        self._rates = ParamGroups(self.optimizers)
        self._update = TrainerUpdate(trainer)
        self._flattened = [Feed(loader, name="train_dataloader") for loader in loaders.flattened]
        self._feed = Feed(lambda: _batches_of(loaders), trainer.accumulate_grad_batches, name="train_dataloader")
        self._held_out = _held_out(trainer)
        self._held_out_batch: Batch | None = None
        self._frozen: Literal["auto", "all"] = "all" if _keeps_average(trainer) else snapshot
        self._kept_on = snapshot_device
        self._depth = 0
        self._last_streams = torch_streams()
        self._batch_size: int | None = None
        batches = trainer.num_training_batches
        steps = None if batches == float("inf") else -(-int(batches) // trainer.accumulate_grad_batches)
        self._steps_per_epoch = distributed.min_over_ranks(steps, trainer.strategy.root_device)

    @property
    def lr(self) -> float:
        """LR of the reference group; setting it scales every swept group by the same ratio, tensor LRs in place."""
        return self._rates.read()

    @lr.setter
    def lr(self, value: float) -> None:
        self._rates.write(value)

    @property
    def reference(self) -> tuple[Optimizer, int]:
        """The optimizer of the reference group, and that group's index in it."""
        return find_reference(self.optimizers)

    @property
    def facts(self) -> Facts:
        """What is known of the training; the batch size is known after the first step."""
        return self._rates.facts(
            model=type(self._module).__name__,
            batch_size=self._batch_size,
            steps_per_epoch=self._steps_per_epoch,
            ranks=self._trainer.world_size,
            precision=_precision(str(self._trainer.precision), self._trainable[0].dtype),
            loss="returned by training_step" + (", negated: the optimizer maximizes" if self._rates.maximizes else ""),
        )

    @property
    def is_chief(self) -> bool:
        """Whether this is the rank that prints, draws and writes."""
        return bool(self._trainer.is_global_zero)

    def agree(self, flag: bool) -> bool:
        """Return true on every rank if the flag is true on any."""
        return bool(self._trainer.strategy.reduce_boolean_decision(flag, all=False))

    def draw(self) -> Batch:
        """Return the micro-batches of one optimizer step, as many on every rank; the loader starts again at its end."""
        window = self._feed.draw()
        several = self._trainer.accumulate_grad_batches > 1
        return distributed.truncate_to_shortest(window, self._trainer.strategy.root_device) if several else window

    def step(self, batch: Batch) -> float | None:
        """Make one optimizer step.

        Args:
            batch: What `draw` gave.

        Returns:
            The loss before the step, mean over micro-batches and ranks; None where no optimizer stepped.

        Raises:
            InputError: The step did not run at the LR that was set, or has no loss to read.
        """
        self._last_streams = torch_streams()
        (samples,) = distributed.mean_over_ranks(total_size(batch) or 0, device=self._trainer.strategy.root_device)
        self._batch_size = max(self._batch_size or 0, math.ceil(samples)) or None
        wanted = self.lr
        scaler = getattr(self._trainer.precision_plugin, "scaler", None)
        scale = None if scaler is None else scaler.get_scale()
        with self._rates.watch([self.reference[0]]) as used:
            loss = self._update(batch)
        overflowed = scaler is not None and scaler.get_scale() < scale
        skipped = self.agree(loss is None or not used or overflowed)
        if skipped or loss is None:
            return None
        # A scheduler stepped by hand may have gone on by now; under automatic optimization nothing may have.
        self._check_used(wanted, used[0], self.lr if self.can_measure else wanted)
        return self._mean(loss)

    def loss(self, batch: Batch, *, train: bool = False) -> float:
        """Return the loss of a forward alone; nothing of the training is changed by it.

        Args:
            batch: What `draw` gave.
            train: Repeat the last step's forward as it was: train mode, the same dropout, gradients enabled.

        Returns:
            The mean loss over the samples and over ranks; NaN where `training_step` returns None.

        Raises:
            InputError: The module optimizes by itself, so that a loss cannot be had without a step.
        """
        if not self.can_measure:
            raise InputError("`automatic_optimization` must be on to measure a loss without a step, got False")
        with set_aside(self._trainer), forward_only([self._module]), torch.set_grad_enabled(train):
            for prepare in self._last_streams if train else [self._module.eval]:
                prepare()
            parts = [self._update.forward(micro) * n for micro, n in zip(batch, shares(batch), strict=True)]
            reshard([self._module])
        return self._mean(torch.stack(parts).sum())

    def held_out(self) -> Batch | None:
        """Return the first four batches of the first validation loader as one window, or None where there is none."""
        if self._held_out is not None and self._held_out_batch is None:
            self._held_out_batch = distributed.truncate_to_shortest(
                self._held_out.draw(), self._trainer.strategy.root_device
            )
            self._held_out.stop()
        return self._held_out_batch

    @contextmanager
    def preserved(self) -> Iterator[StateSnapshot]:
        """Put everything back as it was at exit, however the block ends; nests.

        Yields:
            The snapshot, which does not hold the place in the batch stream.
        """
        feeds = [*self._flattened, *([] if self._held_out is None else [self._held_out])]
        stateful = [feed.stateful() for feed in feeds]
        others = [thing for streams, _ in stateful for thing in streams]
        others += [vars(config.scheduler) for config in self._trainer.lr_scheduler_configs]
        others += [getattr(self._trainer.precision_plugin, "scaler", None)]
        leave = [self._trainer, *(data for _, data_of_one in stateful for data in data_of_one)]
        optimizers = self._trainer.optimizers
        with (
            set_aside(self._trainer),
            preserved([self._module], optimizers, others, self._frozen, leave, self._kept_on) as snapshot,
        ):
            self._depth += 1
            try:
                yield snapshot
            finally:
                self._depth -= 1
                if not self._depth:
                    for feed in (self._feed, *feeds):
                        feed.stop()

    def _check_used(self, wanted: float, used: float, left: float) -> None:
        if max(abs(used - wanted), abs(left - wanted)) > TOLERANCE * wanted:
            raise InputError(
                f"`optimizer_step` of {type(self._module).__name__} must leave the LR alone while it is measured, but "
                f"a step at {wanted:.3g} ran at {used:.3g} and left {left:.3g} behind; take the lines that set the LR "
                "out (a warm-up is part of the recommended schedule)"
            )

    def _mean(self, loss: Tensor) -> float:
        mean = float(self._trainer.strategy.reduce(loss, reduce_op="mean"))
        return -mean if self._rates.maximizes else mean


def check_can_leave(trainer: Trainer) -> None:
    """Check that `leave_fit` will be heard where the Trainer runs.

    Raises:
        InputError: The Trainer's strategy starts its processes by itself, and sees their exceptions as failures.
    """
    if "_MultiProcessingLauncher" in [cls.__name__ for cls in type(trainer.strategy.launcher).__mro__]:
        raise InputError(
            '`mode` must not be "only" where spawned or forked processes train, whose end would be taken for a '
            'failure, got "only"; use strategy="ddp", or one device'
        )


def leave_fit(trainer: Trainer) -> None:
    """End `fit` here and now, as after a training: nothing more is trained, and no error is seen.

    Raises:
        BaseException: The one that Lightning's Trainer ends cleanly with.
    """
    raise of_trainer(trainer, "utilities.exceptions", "_TunerExitException")()


def is_averaging(trainer: Trainer) -> bool:
    """Whether a training is resumed in which stochastic weight averaging has taken the LR over already."""
    averaging = callback_of(trainer, "StochasticWeightAveraging")
    return getattr(averaging, "_scheduler_state", None) is not None


def _held_out(trainer: Trainer) -> Feed | None:
    """The first validation loader, or None where there is none that can be read without loss."""
    loaders = trainer.val_dataloaders
    first = next(iter(loaders), None) if isinstance(loaders, list) else loaders
    if first is None or isinstance(first, (dict, Iterator)):
        return None
    return Feed(first, HELD_OUT_BATCHES, name="val_dataloaders")


def _batches_of(loaders: Any) -> Iterator[Any]:
    """A fresh pass over shallow copies of the loaders, combined and limited as in training."""
    own = copy.copy(loaders)
    vars(own)["_iterator"] = None
    own.flattened = [shallow_copy(d) if isinstance(d, torch.utils.data.DataLoader) else d for d in loaders.flattened]
    return (batch for batch, _, _ in own)


def _keeps_average(trainer: Trainer) -> bool:
    """Whether the module overrides a hook that runs at every batch."""
    is_overridden = of_trainer(trainer, "utilities.model_helpers", "is_overridden")
    return any(is_overridden(hook, trainer.lightning_module) for hook in HOOKS)


def _precision(setting: str, stored: torch.dtype) -> str:
    name = str(stored).removeprefix("torch.")
    return name if setting in ("32-true", "32") else f"{name}, precision {setting}"


def _check_strategy(trainer: Trainer) -> None:
    names = [cls.__name__ for cls in type(trainer.strategy).__mro__]
    if any(name in REFUSED for name in names):
        raise InputError(
            f"`strategy` must keep its weights in the module to be put back, got {names[0]}, which keeps masters of "
            "its own; find the rate without it (as with strategy='ddp') and pass it to the real run"
        )
    if not any(name in TESTED for name in names):
        warnings.warn(
            f"AutoLR was never tested with {names[0]} (tested: {', '.join(TESTED)}); check that the training after "
            'the range test equals one without it, or pass mode="report" first',
            LRFinderWarning,
            stacklevel=2,
        )
