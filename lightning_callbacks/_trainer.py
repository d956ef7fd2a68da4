"""A Lightning Trainer as a `Loop`. Lightning's private names are used here, in `_update` and in `_pause` alone."""

import copy
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from lightning_callbacks._compat import LightningModule, Trainer, of_trainer
from lightning_callbacks._horizon import callback_of
from lightning_callbacks._pause import set_aside
from lightning_callbacks._update import TrainerUpdate
from lrfinder import Facts, StepLoop
from lrfinder.errors import InputError, LRFinderWarning, UpdateError
from lrfinder.loop import Batch
from lrfinder.snapshot.reach import used_by
from lrfinder.training.feed import HELD_OUT_BATCHES, Feed, shallow_copy
from lrfinder.training.host import EvaluateIn, Host
from lrfinder.training.optimizers import swept_optimizers
from lrfinder.training.param_groups import find_reference
from lrfinder.training.step_loop import RATE_TOLERANCE

__all__ = ["TrainerLoop", "check_can_leave", "is_averaging", "leave_fit"]

TESTED = ("SingleDeviceStrategy", "DDPStrategy", "ModelParallelStrategy")
REFUSED = ("DeepSpeedStrategy",)
HOOKS = ("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad", "on_before_optimizer_step")
"""Module hooks in which an average of the weights is kept: frozen parameters are copied where one is overridden."""

CALLED = ("training_step", "optimizer_step", *HOOKS)
"""Methods of a module whose files may hold what they change."""
COUNTS = ("last_epoch", "_step_count")
"""Where a scheduler of torch keeps how far it is."""


def TrainerLoop(
    trainer: Trainer,
    *,
    sweep: int | None = None,
    also: Sequence[object] = (),
    snapshot: Literal["auto", "all"] = "auto",
    snapshot_device: torch.device | str | None = None,
    evaluate_in: EvaluateIn | None = None,
) -> StepLoop:
    """Make a `StepLoop` of a Trainer's strategy, precision and hooks; its loops, logs and counters are set aside.

    Make it where a batch is about to be trained on, as in a callback's `on_train_batch_start`. `sweep`, `also`,
    `snapshot`, `snapshot_device` and `evaluate_in` are as in `AutoLR`. A Trainer that cannot be measured with raises
    InputError.
    """
    _check_strategy(trainer)
    loaders = trainer.fit_loop._combined_loader
    if loaders is None or type(trainer.fit_loop._data_fetcher).__name__ == "_DataLoaderIterDataFetcher":
        raise InputError(
            "`training_step` must take a batch to be measured, got one that takes `dataloader_iter`; "
            "the iterator cannot be wound back, so find the rate with a step that takes a batch"
        )
    module, optimizers = trainer.lightning_module, list(trainer.optimizers)
    update, reference = TrainerUpdate(trainer), find_reference(swept_optimizers(optimizers, sweep))
    length = None if math.isinf(trainer.num_training_batches) else int(trainer.num_training_batches)
    # The Trainer is in the midst of a pass over its loaders, so that each pass here goes over copies of them.
    feed = Feed(
        lambda: _batches_of(loaders), trainer.accumulate_grad_batches, "train_dataloader", loaders.flattened, length
    )
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    # Under manual optimization an update may step the schedulers itself.
    schedulers = [vars(config.scheduler) for config in trainer.lr_scheduler_configs]
    counts = [(held, {key: value for key, value in held.items() if key in COUNTS}) for held in schedulers]

    def checked_update(batch: Batch) -> Tensor | None:
        # A search may be longer than the schedule, and some schedulers refuse to go on beyond their end.
        for scheduler, begun in counts:
            scheduler.update(begun)
        return _checked_update(trainer, update, *reference, batch)

    return StepLoop(
        update=checked_update,
        forward=update.forward if module.automatic_optimization else None,
        modules=[module],
        optimizers=optimizers,
        loader=feed,
        val_loader=_held_out(trainer),
        state=[*also, *([] if scaler is None else [scaler])],
        group=_Ranks(trainer.strategy),
        sweep=sweep,
        snapshot="all" if _keeps_average(trainer) else snapshot,
        snapshot_device=snapshot_device,
        evaluate_in=evaluate_in,
        host=Host(
            device=trainer.strategy.root_device,
            around=partial(set_aside, trainer),
            watched=[reference[0]],
            reached=[*schedulers, *(used for name in CALLED for used in used_by(getattr(module, name)))],
            # The module holds its Trainer, most of which must not be put back: `set_aside` sees to what is used of it.
            leave=[trainer],
            # Lightning trains each submodule in the mode that the user has set.
            keeps_modes=True,
            update_name=_update_name(module),
            describe=partial(_describe, trainer),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Ranks:
    """The processes of a Trainer's strategy."""

    strategy: Any

    def reduce(self, value: Tensor) -> Tensor:
        """Return the mean of a scalar over all processes."""
        mean: Tensor = self.strategy.reduce(value, reduce_op="mean")
        return mean

    def any(self, flag: bool) -> bool:
        """Return true on every process if the flag is true on any."""
        return bool(self.strategy.reduce_boolean_decision(flag, all=False))


def _checked_update(
    trainer: Trainer, update: TrainerUpdate, optimizer: Optimizer, reference: int, batch: Batch
) -> Tensor | None:
    """Make a step; None where its gradients overflowed. Under automatic optimization it must leave the LR as it was."""
    group = optimizer.param_groups[reference]
    lr, scaler = float(group["lr"]), getattr(trainer.precision_plugin, "scaler", None)
    scale = None if scaler is None else scaler.get_scale()
    loss = update(batch)
    # A GradScaler lowers its scale where it has skipped a step.
    if loss is None or (scaler is not None and scaler.get_scale() < scale):
        return None
    # A scheduler stepped by hand may have gone on by now.
    if trainer.lightning_module.automatic_optimization and abs(float(group["lr"]) - lr) > RATE_TOLERANCE * lr:
        raise UpdateError(
            f"{_update_name(trainer.lightning_module)} must leave the LR alone while it is swept, "
            f"got {float(group['lr']):.3g} after a step at {lr:.3g}; take the lines that set it out, a warm-up is part "
            "of the recommended schedule"
        )
    return loss


def _update_name(module: LightningModule) -> str:
    """What errors call the code of the user's that makes a step."""
    return f"`{'optimizer' if module.automatic_optimization else 'training'}_step` of {type(module).__name__}"


def _describe(trainer: Trainer, facts: Facts) -> Facts:
    """What is known of the training, in the Trainer's words."""
    setting = str(trainer.precision)
    precision = facts.precision if setting in ("32-true", "32") else f"{facts.precision}, precision {setting}"
    return replace(facts, ranks=trainer.world_size, precision=precision, loss="returned by training_step")


def check_can_leave(trainer: Trainer) -> None:
    """Raise InputError where processes that the strategy starts by itself would take `leave_fit` for a failure."""
    if "_MultiProcessingLauncher" in [cls.__name__ for cls in type(trainer.strategy.launcher).__mro__]:
        raise InputError(
            '`mode` must not be "only" where spawned or forked processes train, whose end would be taken for a '
            'failure, got "only"; use strategy="ddp", or one device'
        )


def leave_fit(trainer: Trainer) -> None:
    """End `fit` by the exception that Lightning ends cleanly with: nothing more is trained, and no error is seen."""
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
    return Feed(first, HELD_OUT_BATCHES, "val_dataloaders")


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
