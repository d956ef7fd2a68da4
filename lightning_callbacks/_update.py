"""One optimizer step of a Trainer: what its own loops do for a batch, without their counters."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from lightning_callbacks._compat import Trainer, of_trainer, package_of
from lrfinder.errors import InputError
from lrfinder.loop import Batch

__all__ = ["TrainerUpdate"]

BATCH_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
"""Where a user's code may write into a batch."""


class TrainerUpdate:
    """Runs micro-batches through a Trainer's strategy, precision and module hooks, as in real training."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._module = trainer, trainer.lightning_module
        self._call = import_module(f"{package_of(trainer)}.trainer.call")
        self._unsynced = of_trainer(trainer, "loops.utilities", "_block_parallel_sync_behavior")
        is_overridden = of_trainer(trainer, "utilities.model_helpers", "is_overridden")
        hooked = (self._module, getattr(trainer, "datamodule", None))
        self._alters = any(is_overridden(hook, one) for hook in BATCH_HOOKS for one in hooked)
        self._batches = 0

    def __call__(self, batch: Batch) -> Tensor | None:
        """Make one step; return the mean loss of the micro-batches before it, or None where none had a loss."""
        losses = [self._micro_step(micro, i == 0, i == len(batch) - 1) for i, micro in enumerate(batch)]
        found = [loss.float() for loss in losses if loss is not None]
        return torch.stack(found).mean() if found else None

    def forward(self, micro: Any) -> Tensor:
        """Return the loss of a micro-batch, without a step; NaN where the training skips it."""
        batch = self._to_device(micro)
        self._trainer._logger_connector.on_batch_start(batch)
        loss = self._training_step(batch)[0]
        # An error on this rank alone would leave the others waiting for its loss.
        if loss is None:
            return torch.full((), math.nan, device=self._trainer.strategy.root_device)
        return loss.detach().float()

    def _micro_step(self, micro: Any, first: bool, last: bool) -> Tensor | None:
        """Backward of one micro-batch, and the step after the last; its loss."""
        batch, index = self._to_device(micro), self._batches
        self._batches += 1
        self._trainer._logger_connector.on_batch_start(batch)
        skips = self._hook("on_train_batch_start", batch, index) == -1
        self._strategy_hook("on_train_batch_start", batch, index)
        if skips:
            return None
        run = self._automatic if self._module.automatic_optimization else self._manual
        loss, outputs = run(batch, first, last)
        self._hook("on_train_batch_end", outputs, batch, index)
        self._trainer._logger_connector.on_batch_end()
        return loss

    def _automatic(self, batch: Any, first: bool, last: bool) -> tuple[Tensor | None, Any]:
        trainer, epoch, index = self._trainer, self._trainer.current_epoch, self._batches - 1
        optimizer, parts = trainer.optimizers[0], trainer.accumulate_grad_batches
        seen: list[tuple[Tensor | None, Any]] = []

        def closure() -> Tensor | None:
            with torch.enable_grad():
                loss, extra = self._training_step(batch)
                if first:
                    self._hook("on_before_zero_grad", optimizer)
                    self._hook("optimizer_zero_grad", epoch, index, optimizer)
                if loss is None:
                    seen.append((None, extra))
                    return None
                kept = loss.detach().clone()
                seen.append((kept, {"loss": kept / parts, **extra}))
                self._strategy_hook("backward", loss / parts, optimizer)
                return kept / parts

        if last:
            wrapped = trainer.strategy._lightning_optimizers[0]
            self._hook("optimizer_step", epoch, index, wrapped, closure)
        else:
            with self._unsynced(trainer.strategy, block=True):
                closure()
        return seen[0] if seen else (None, {})

    def _manual(self, batch: Any, first: bool, last: bool) -> tuple[Tensor | None, Any]:
        """The user's own update; without the loss that `training_step` returns there would be nothing to read."""
        loss, extra = self._training_step(batch)
        if loss is None:
            raise InputError(
                "`training_step` must return the loss under manual optimization (a tensor, or a dict with 'loss'), "
                "got None; add the `return` of the loss that the learning rate should bring down"
            )
        return loss.detach().clone(), {"loss": loss.detach(), **extra}

    def _training_step(self, batch: Any) -> tuple[Tensor | None, dict[str, Any]]:
        """The loss, if there is one, and whatever else came with it."""
        build = self._trainer.fit_loop.epoch_loop._build_kwargs
        arguments = build(OrderedDict(), batch, max(0, self._batches - 1))
        output = self._strategy_hook("training_step", *arguments.values())
        if not isinstance(output, Mapping):
            return output, {}
        if output.get("loss") is None:
            raise InputError(f"`training_step` must return a dict with 'loss', got the keys {sorted(output)}; add it")
        return output["loss"], {key: value for key, value in output.items() if key != "loss"}

    def _to_device(self, micro: Any) -> Any:
        batch = self._trainer.precision_plugin.convert_input(micro)
        if self._alters:
            # A batch is used again and again; what a hook writes into it must not be there the next time.
            batch = apply_to_collection(batch, Tensor, Tensor.clone, allow_frozen=True)
        batch = self._module._on_before_batch_transfer(batch, dataloader_idx=0)
        return self._strategy_hook("batch_to_device", batch, dataloader_idx=0)

    def _hook(self, name: str, *arguments: Any) -> Any:
        return self._call._call_lightning_module_hook(self._trainer, name, *arguments)

    def _strategy_hook(self, name: str, *arguments: Any, **options: Any) -> Any:
        return self._call._call_strategy_hook(self._trainer, name, *arguments, **options)
