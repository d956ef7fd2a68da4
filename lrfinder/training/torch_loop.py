"""Plain torch as a `Loop`: a model, a loader, a loss and an optimizer."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.amp import GradScaler
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from lrfinder.checks import check_flag
from lrfinder.errors import InputError
from lrfinder.loop import Batch, Facts
from lrfinder.snapshot.contents import reached_by
from lrfinder.snapshot.rng import torch_streams
from lrfinder.snapshot.snapshot import StateSnapshot, forward_only, preserved, reshard
from lrfinder.training import distributed
from lrfinder.training.batch import total_size
from lrfinder.training.feed import HELD_OUT_BATCHES, Feed, Loader
from lrfinder.training.loss import BatchLoss, LossFunction, LossStep
from lrfinder.training.options import TrainingOptions, check_choices, check_left_to_train_step, check_one_loss
from lrfinder.training.param_groups import ParamGroups, chosen_optimizers, swept_optimizers
from lrfinder.training.update import Clip, GradientUpdate, OwnUpdate, Precision, TrainStep, shares

__all__ = ["TorchLoop", "TrainingOptions", "trainable_parameters"]


class TorchLoop:
    """Optimizer steps of a plain torch training.

    Args:
        model: The module to train, on its device.
        loader: Anything that yields batches and can be iterated anew, or a function that returns a fresh iterator.
        loss_fn: `loss_fn(output, target) -> scalar tensor`; None takes the model's own loss, or infers it.
        loss_step: `loss_step(model, batch) -> scalar tensor` for what `loss_fn` cannot say; the step stays ours.
        train_step: `train_step(model, batch) -> loss before the step` does the whole update, with whatever optimizers,
            accumulation, clipping and precision it has. It must read the LR from the optimizers that are given here.
        optimizer: Holds the model's parameters; None makes an AdamW over the trainable ones; a list needs `train_step`.
        sweep: Index of the one optimizer of the list to sweep, the others staying as they are; None scales all jointly.
        accumulate: Micro-batches of one optimizer step.
        clip_grad_norm: Largest total gradient norm of a step, or None.
        clip_grad_value: Largest absolute value of a gradient's entry, or None.
        autocast: `torch.bfloat16` or `torch.float16` to compute the forward in, or None.
        scaler: The GradScaler of a float16 training; steps that it skips are repeated, and it is put back.
        channels_last: Lay four-dimensional tensors of a batch out with the channels last.
        val_loader: Batches kept aside, for measuring on them; the first four are used.
        snapshot: `auto` does not copy frozen parameters where they are most of the model, `all` copies everything.
        snapshot_device: Where the copies are kept, `cpu` for a model that fills the accelerator; None: beside it.

    Raises:
        InputError: Something that cannot be trained with, each case in one sentence.
    """

    def __init__(
        self,
        model: nn.Module,
        loader: Loader,
        *,
        loss_fn: LossFunction | None = None,
        loss_step: LossStep | None = None,
        train_step: TrainStep | None = None,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        sweep: int | None = None,
        accumulate: int = 1,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        autocast: torch.dtype | None = None,
        scaler: GradScaler | None = None,
        channels_last: bool = False,
        val_loader: Loader | None = None,
        snapshot: Literal["auto", "all"] = "auto",
        snapshot_device: torch.device | str | None = None,
    ) -> None:
        trainable = trainable_parameters(model)
        own = train_step is not None
        check_choices(accumulate, snapshot, snapshot_device)
        check_flag("channels_last", channels_last)
        check_one_loss(loss_fn=loss_fn, loss_step=loss_step, train_step=train_step)
        if own:
            check_left_to_train_step(
                accumulate=None if accumulate == 1 else accumulate,
                clip_grad_norm=clip_grad_norm,
                clip_grad_value=clip_grad_value,
                autocast=autocast,
                val_loader=val_loader,
            )
        self.model = model
        self.optimizers = chosen_optimizers(optimizer, trainable, own=own)
        self.can_measure = not own
        self._swept = swept_optimizers(self.optimizers, sweep)
        self._rates = ParamGroups(self._swept)
        self._precision = Precision(trainable[0].device, autocast, channels_last)
        self._loss = BatchLoss(model, loss_fn, loss_step)
        self._update: GradientUpdate | OwnUpdate
        if train_step is not None:
            self._update = OwnUpdate(train_step, model, self._precision)
        else:
            clip = Clip(clip_grad_norm, clip_grad_value)
            self._update = GradientUpdate(self._loss, self.optimizers[0], self._precision, clip, scaler)
        self._feed, self._accumulates = Feed(loader, accumulate), accumulate > 1
        self._held_out = None if val_loader is None else Feed(val_loader, HELD_OUT_BATCHES, name="val_loader")
        self._held_out_batch: Batch | None = None
        functions = (loss_fn, loss_step, train_step)
        self._modules = [m for m in (model, *functions) if isinstance(m, nn.Module)]
        self._behind = [held for function in functions for held in reached_by(function)]
        self._scaler = scaler
        self._frozen, self._kept_on = snapshot, snapshot_device
        self._depth = 0
        self._last_streams = torch_streams()
        self._batch_size: int | None = None
        self._steps_per_epoch = distributed.min_over_ranks(self._feed.windows_per_epoch, self._precision.device)
        _check_everywhere(val_loader is not None, self._precision.device)

    @property
    def lr(self) -> float:
        """LR of the reference group; setting it scales every swept group by the same ratio, tensor LRs in place."""
        return self._rates.read()

    @lr.setter
    def lr(self, value: float) -> None:
        self._rates.write(value)

    @property
    def facts(self) -> Facts:
        """What is known of the training; batch size and loss are known after the first step."""
        source = self._loss.source if self.can_measure else "returned by train_step"
        return self._rates.facts(
            model=type(self.model).__name__,
            batch_size=self._batch_size,
            steps_per_epoch=self._steps_per_epoch,
            ranks=distributed.world_size(),
            precision=self._precision.name(trainable_parameters(self.model)[0].dtype),
            loss=f"{source}, negated since the optimizer maximizes it" if self._rates.maximizes else source,
        )

    @property
    def is_chief(self) -> bool:
        """Whether this is the rank that prints, draws and writes."""
        return distributed.is_chief()

    def agree(self, flag: bool) -> bool:
        """Return true on every rank if the flag is true on any."""
        return distributed.any_true(flag, self._precision.device)

    def draw(self) -> Batch:
        """Return the micro-batches of one optimizer step, as many on every rank; the loader starts again at its end."""
        window = self._feed.draw()
        return distributed.truncate_to_shortest(window, self._precision.device) if self._accumulates else window

    def step(self, batch: Batch) -> float | None:
        """Make one optimizer step.

        Args:
            batch: What `draw` gave.

        Returns:
            The loss before the step, mean over the samples and over ranks (negated where the optimizer maximizes it);
            None where the scaler or the user's step skipped it.

        Raises:
            InputError: The loss cannot be inferred, is not a scalar tensor, or needs no gradient.
        """
        self._last_streams = torch_streams()
        loss = self._update(batch) if self.can_measure else self._own_update(batch)
        # One collective, which no rank leaves out: a step that one of them skipped is told to all.
        told = (0.0 if loss is None else loss, loss is None, total_size(batch) or 0)
        mean, skipped, samples = distributed.mean_over_ranks(*told, device=self._precision.device)
        self._batch_size = max(self._batch_size or 0, math.ceil(samples)) or None
        return None if skipped else self._descending(mean)

    def _own_update(self, batch: Batch) -> Tensor | None:
        """The user's own step; None where no swept optimizer stepped, an error where it ran at another rate."""
        wanted = self.lr
        hooked = [o for o in self._swept if hasattr(o, "register_step_pre_hook")]
        with self._rates.watch(hooked) as used:
            loss = self._update(batch)
        if used and abs(used[0] - wanted) > 1e-6 * wanted:
            raise InputError(
                f"`train_step` must leave the LR alone while it is swept, got a step at {used[0]:.3g} that should have "
                f"run at {wanted:.3g}; take the lines that set it out, a warm-up is part of the recommended schedule"
            )
        return None if hooked and not used else loss

    def loss(self, batch: Batch, *, train: bool = False) -> float:
        """Return the loss of a forward alone; nothing of the training is changed by it.

        Args:
            batch: What `draw` gave.
            train: Repeat the last step's forward as it was: train mode, the same dropout, gradients enabled (noise
                that a model draws from NumPy or Python is drawn anew).

        Returns:
            The mean loss over the samples and over ranks.

        Raises:
            InputError: Only `train_step` knows the loss.
        """
        if not self.can_measure:
            raise InputError(
                "`train_step` must be None to measure a loss without a step, got one that does the whole update"
            )
        with forward_only(self._modules), torch.set_grad_enabled(train):
            for prepare in self._last_streams if train else [module.eval for module in self._modules]:
                prepare()
            parts = [
                self._precision.forward(self._loss, micro).detach() * share
                for micro, share in zip(batch, shares(batch), strict=True)
            ]
            reshard(self._modules)
        (mean,) = distributed.mean_over_ranks(torch.stack(parts).sum(), device=self._precision.device)
        return self._descending(mean)

    def _descending(self, loss: float) -> float:
        """The loss, or its negative where the optimizer brings it up: what is measured always has to fall."""
        return -loss if self._rates.maximizes else loss

    def held_out(self) -> Batch | None:
        """Return the first four batches of the validation loader as one window, or None where there is none."""
        if self._held_out is not None and self._held_out_batch is None:
            self._held_out_batch = distributed.truncate_to_shortest(self._held_out.draw(), self._precision.device)
            self._held_out.stop()
        return self._held_out_batch

    @contextmanager
    def preserved(self) -> Iterator[StateSnapshot]:
        """Put everything back as it was at exit, however the block ends; nests. Inside, the model trains.

        Yields:
            The snapshot, which does not hold the place in the batch stream.
        """
        feeds = [feed for feed in (self._feed, self._held_out) if feed is not None]
        stateful = [feed.stateful() for feed in feeds]
        others = [thing for streams, _ in stateful for thing in streams]
        others += [*self._behind, *([] if self._scaler is None else [self._scaler])]
        data = [left for _, lefts in stateful for left in lefts]
        kept = preserved(self._modules, self.optimizers, others, self._frozen, data, self._kept_on)
        with kept as snapshot, torch.enable_grad():
            self._depth += 1
            try:
                if not self.model.training:
                    self.model.train()
                yield snapshot
            finally:
                self._depth -= 1
                if not self._depth:
                    for feed in feeds:
                        feed.stop()


def _check_everywhere(has_held_out: bool, device: torch.device) -> None:
    """Refuse validation batches that some ranks do not have: they would not measure with the others."""
    if len(set(distributed.min_and_max_over_ranks(int(has_held_out), device))) > 1:
        raise InputError(
            f"`val_loader` must be given on every rank or on none, got {'one' if has_held_out else 'None'} on rank "
            f"{dist.get_rank()} and not so on others; give each rank its part, or pass none"
        )


def trainable_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of a model that are trained; raises InputError where there are none, or lazy ones."""
    if not isinstance(model, nn.Module):
        raise InputError(f"`model` must be a torch.nn.Module, got {type(model).__name__}")
    lazy = [name for name, p in model.named_parameters() if is_lazy(p)]
    if lazy:
        raise InputError(
            f"`model` must know the shape of its parameters, got lazy ones ({', '.join(lazy[:3])}); "
            "run one batch through it first, which leaves them as the training will find them"
        )
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        raise InputError(
            f"`model` must have a parameter that can be trained, got {type(model).__name__} with "
            f"{sum(1 for _ in model.parameters())} parameters, all frozen; set requires_grad on those to train"
        )
    return trainable
