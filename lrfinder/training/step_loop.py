"""A `Loop` from two functions: one makes an update, the other computes a loss."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Real
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from lrfinder.errors import InputError, UpdateError
from lrfinder.loop import FORWARDS_PER_STEP, MAX_SKIPS, Batch, Facts
from lrfinder.snapshot.contents import Surface
from lrfinder.snapshot.rng import torch_streams
from lrfinder.snapshot.snapshot import StateSnapshot, preserved
from lrfinder.training.batch import total_size, unshare
from lrfinder.training.distributed import Group, Ranks
from lrfinder.training.evaluation import Evaluation
from lrfinder.training.feed import HELD_OUT_BATCHES, Feed, Loader, as_feed
from lrfinder.training.host import EvaluateIn, Host, versions
from lrfinder.training.optimizers import (
    check_any_holds,
    stepping,
    swept_optimizers,
    trainable_parameters,
    warn_of_unheld,
)
from lrfinder.training.options import check_choices, check_function, check_state
from lrfinder.training.param_groups import ParamGroups, as_list

__all__ = ["RATE_TOLERANCE", "Forward", "StepLoop", "Update"]

Update: TypeAlias = Callable[[Batch], "float | Tensor | None"]
"""Makes one optimizer step on a batch; returns the loss before it, or None where the step was skipped."""

Forward: TypeAlias = Callable[[Any], Tensor]
"""Computes the loss of one micro-batch, a scalar tensor."""

RATE_TOLERANCE = 1e-6
"""Of a rate: a step that ran this close to the one that was set ran at it."""


@final
class StepLoop:
    """Any way of training as a `Loop`, from a function that makes an update and one that computes a loss.

    The learning rate, the batches, the agreement between ranks, the snapshot and the repetition of random numbers are
    its own business: the functions train as they always do.

    Args:
        update: `update(batch)` makes one optimizer step on a list of micro-batches, and returns the loss before it (a
            number or a scalar tensor), or None where the step was skipped. It reads the LR from the optimizers.
        forward: `forward(micro_batch)` returns the loss of one micro-batch as a scalar tensor and changes nothing else.
            None where an update cannot be split: a loss is then that of an update, which is put back.
        modules: The model, first, and whatever else is trained or computes the loss.
        optimizers: Those that the update steps; one, or a list.
        loader: Anything that yields micro-batches and can be iterated anew, or a function that returns an iterator.
        val_loader: Batches kept aside, for measuring on them; the first four are used.
        state: Further objects that are put back after the search: a GradScaler, an average of the weights, a counter.
        group: The processes that train together: a process group of torch, or an object with `reduce(tensor)`, the mean
            over ranks, and `any(flag)`; None takes all processes of `torch.distributed`, where it is set up.
        accumulate: Micro-batches of one optimizer step.
        sweep: Index of the one optimizer to sweep, the others staying as they are; None scales all jointly.
        snapshot: `auto` does not copy frozen parameters where they are most of the model, `all` copies everything.
        snapshot_device: Where the copies are kept, `cpu` for a model that fills the accelerator; None: beside it.
        evaluate_in: Mode in which a loss without a step is computed: `eval`, or `train`, with gradients as in training;
            None takes `train` where `eval` gives no loss.
        host: What a framework asks besides.

    Raises:
        InputError: Something that cannot be trained with, each case in one sentence.

    Example:
        >>> import torch
        >>> from lrfinder import StepLoop
        >>> model, batches = torch.nn.Linear(2, 1), [torch.randn(8, 2) for _ in range(4)]
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> def forward(batch):
        ...     return (model(batch) - batch.sum(1, keepdim=True)).square().mean()
        >>> def update(micro_batches):
        ...     optimizer.zero_grad()
        ...     loss = forward(micro_batches[0])
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> loop = StepLoop(update=update, forward=forward, modules=[model], optimizers=[optimizer], loader=batches)
        >>> loop.lr, loop.facts.steps_per_epoch
        (0.1, 4)
    """

    def __init__(
        self,
        *,
        update: Update,
        forward: Forward | None = None,
        modules: Sequence[nn.Module],
        optimizers: Optimizer | Sequence[Optimizer],
        loader: Loader | Feed,
        val_loader: Loader | Feed | None = None,
        state: Sequence[object] = (),
        group: Group = None,
        accumulate: int = 1,
        sweep: int | None = None,
        snapshot: Literal["auto", "all"] = "auto",
        snapshot_device: torch.device | str | None = None,
        evaluate_in: EvaluateIn | None = None,
        host: Host | None = None,
    ) -> None:
        check_choices(accumulate, snapshot, snapshot_device, evaluate_in)
        check_function("update", update)
        check_function("forward", forward, may_be_none=True)
        check_state("state", state)
        self.modules, self._trainable = list(modules), trainable_parameters(*modules)
        self.optimizers = as_list(optimizers)
        self.swept = swept_optimizers(self.optimizers, sweep)
        check_any_holds(self.swept, self._trainable)
        self._update = update
        self._groups = ParamGroups(self.swept)
        self._host = host or Host()
        self._ranks = Ranks(group, self._host.device or self._trainable[0].device)
        if self._ranks.is_chief:
            warn_of_unheld(self.modules[0], self.optimizers)
        if forward is None and evaluate_in is not None:
            raise InputError(
                "`evaluate_in` must be left out where the update cannot be split, whose losses come from updates that "
                f"are put back, got {evaluate_in!r}; pass `forward=` too"
            )
        self._evaluation = forward and Evaluation(forward, self.modules, self._ranks, self._host, evaluate_in)
        watched = self.swept if self._host.watched is None else self._host.watched
        self._watches, self._watched = bool(watched), stepping(watched)
        self._feed = as_feed(loader, accumulate, "loader")
        self._held_out = None if val_loader is None else as_feed(val_loader, HELD_OUT_BATCHES, "val_loader")
        self._held_out_batch: Batch | None = None
        self._state = [Surface(thing) if isinstance(thing, (Dataset, DataLoader)) else thing for thing in state]
        self._frozen, self._kept_on = snapshot, snapshot_device
        self._depth = 0
        self._last_streams = torch_streams()
        self._batch_size: int | None = None
        self._steps_per_epoch = self._ranks.least(self._feed.draws_per_epoch)
        self._check_everywhere(val_loader is not None)

    @property
    def lr(self) -> float:
        """LR of the reference group; setting it scales every swept group by the same ratio, tensor LRs in place."""
        return self._groups.read()

    @lr.setter
    def lr(self, value: float) -> None:
        self._groups.write(value)

    @property
    def facts(self) -> Facts:
        """What is known of the training; batch size and loss are known after the first step."""
        facts = self._groups.facts(
            model=type(self.modules[0]).__name__,
            batch_size=self._batch_size,
            steps_per_epoch=self._steps_per_epoch,
            ranks=self._ranks.size,
            precision=str(self._trainable[0].dtype).removeprefix("torch."),
            evaluated_in=(self._evaluation and self._evaluation.mode) or "eval",
            versions=versions(),
        )
        facts = self._host.describe(facts)
        if not self._groups.maximizes:
            return facts
        return replace(facts, loss=f"{facts.loss}, negated since the optimizer maximizes it")

    @property
    def losses_per_step(self) -> float:
        """How often `loss` can be called at the cost of one step: three times, or once where it makes an update."""
        return 1 if self._evaluation is None else FORWARDS_PER_STEP

    @property
    def is_chief(self) -> bool:
        """Whether this is the rank that prints, draws and writes."""
        return self._ranks.is_chief

    def agree(self, flag: bool) -> bool:
        """Return true on every rank if the flag is true on any."""
        return self._ranks.any(flag)

    def draw(self) -> Batch:
        """Return the micro-batches of one optimizer step, as many on every rank; the loader starts again at its end."""
        return self._draw_from(self._feed)

    def step(self, batch: Batch) -> float | None:
        """Make one optimizer step on what `draw` gave.

        Returns:
            The loss before the step, mean over ranks (negated where the optimizer maximizes it); None where any rank
            has skipped it.

        Raises:
            InputError: The update returned no loss, or did not run at the LR that was set.
        """
        # Noted so that `loss(train=True)` can repeat this forward with the same dropout.
        self._last_streams = torch_streams()
        means = self._update_everywhere(batch)
        if means is None:
            return None
        mean, samples = means
        self._batch_size = max(self._batch_size or 0, math.ceil(samples)) or None
        return self._descending(mean)

    def loss(self, batch: Batch, *, train: bool = False) -> float:
        """Return the loss of a batch, mean over samples and ranks; nothing of the training is changed by it.

        It is that of a forward alone, in the mode of `evaluate_in`. With `train` the last step's forward is repeated as
        it was: train mode, the same dropout, gradients enabled (noise that a model draws from NumPy or Python is drawn
        anew). Without a `forward` it is what an update returns at the rate that is set, which is put back.

        Raises:
            InputError: `forward` returns no scalar tensor.
        """
        if self._evaluation is None:
            return self._loss_of_updates(batch, self._last_streams if train else [])
        mean = self._evaluation.repeated(batch, self._last_streams) if train else self._evaluation(batch)
        return self._descending(mean)

    def exchange_targets(self, batch: Batch) -> Batch | None:
        """Return a batch whose inputs have the targets of others, or None where nobody knows which those are."""
        exchanged = [self._host.exchange_targets(micro) for micro in batch]
        return None if any(micro is None for micro in exchanged) else exchanged

    def center_targets(self, batches: Sequence[Batch]) -> float:
        """Take a mean of the targets that is far from zero away until the training is put back; return how far."""
        return self._host.center_targets([m for b in batches for m in b] if self._ranks.size == 1 else [])

    def scale_groups(self, factors: Sequence[float]) -> None:
        """Let every swept group run at so many times its ratio, the reference group's factor being 1; none ends it."""
        self._groups.scale(factors)

    def gradients(self) -> Tensor | None:
        """Return the gradient that the last step left, thinned where it is large; None for none, or several ranks."""
        return self._groups.gradients() if self._ranks.size == 1 else None

    def held_out(self) -> Batch | None:
        """Return the first four batches of the validation loader as one, or None where there is no such loader."""
        if self._held_out is not None and self._held_out_batch is None:
            self._held_out_batch = self._draw_from(self._held_out)
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
        others += [*self._host.reached, *self._state]
        leave = [*self._host.leave, *(data for _, data_of_one in stateful for data in data_of_one)]
        with (
            self._host.around(),
            preserved(self.modules, self.optimizers, others, self._frozen, leave, self._kept_on) as snapshot,
            torch.enable_grad(),
        ):
            self._depth += 1
            try:
                if not (self._host.keeps_modes or self.modules[0].training):
                    self.modules[0].train()
                yield snapshot
            finally:
                self._depth -= 1
                # Guards that are nested share one stream of batches: only the outermost ends it.
                if not self._depth:
                    self._host.center_targets([])
                    self.scale_groups(())
                    for feed in feeds:
                        feed.stop()

    def _loss_of_updates(self, batch: Batch, prepared: Sequence[Callable[[], object]]) -> float:
        """The mean loss before updates on a batch, from the same state each; NaN where one is always skipped."""
        losses = []
        for i in range(0, len(batch), self._feed.per_draw):
            part = batch[i : i + self._feed.per_draw]
            with self.preserved():
                for prepare in prepared:
                    prepare()
                tries = (self._update_everywhere(part) for _ in range(MAX_SKIPS + 1))
                mean, _ = next((means for means in tries if means is not None), (math.nan, 0.0))
            losses.append(self._descending(mean))
        return statistics.fmean(losses)

    def _draw_from(self, feed: Feed) -> Batch:
        batch = feed.draw()
        if feed.per_draw > 1:
            batch = self._ranks.truncate(batch, feed.per_draw)
        return [unshare(micro) for micro in batch]

    def _update_everywhere(self, batch: Batch) -> tuple[float, float] | None:
        """Make an update; the mean loss before it and samples over ranks, None where one has skipped it."""
        return self._ranks.mean_of_step(self._make_watched_update(batch), total_size(batch) or 0)

    def _make_watched_update(self, batch: Batch) -> Tensor | float | None:
        """Make an update; None where no watched optimizer made a step, or, without any hooks, no weight was written."""
        if not self._watches:
            return self._make_update(batch)
        wanted, versions = self.lr, None if self._watched else self._versions()
        with self._groups.watch(self._watched) as used:
            loss = self._make_update(batch)
        if used and abs(used[0] - wanted) > RATE_TOLERANCE * wanted:
            raise UpdateError(
                f"{self._host.update_name} must leave the LR alone while it is swept, got a step at {used[0]:.3g} "
                f"that should have run at {wanted:.3g}; take the lines that set it out, a warm-up is part of the "
                "recommended schedule"
            )
        is_made = used if versions is None else versions != self._versions()
        return loss if is_made else None

    def _versions(self) -> list[int]:
        """How often each trainable parameter was written to."""
        return [p._version for p in self._trainable]

    def _make_update(self, batch: Batch) -> Tensor | float | None:
        """Make an update; return the loss as a number or a scalar."""
        loss: object = self._update(batch)
        if loss is None or isinstance(loss, Real):
            return None if loss is None else float(loss)
        if isinstance(loss, Tensor) and loss.numel() == 1:
            return loss.detach().reshape(())
        raise InputError(
            f"{self._host.update_name} must return the loss as a number (None for a skipped step), got {loss!r:.80}"
        )

    def _descending(self, loss: float) -> float:
        """The loss, or its negative where the optimizer brings it up: what is measured always has to fall."""
        return -loss if self._groups.maximizes else loss

    def _check_everywhere(self, has_held_out: bool) -> None:
        """Refuse validation batches that some ranks do not have."""
        if self.agree(has_held_out) and self.agree(not has_held_out):
            at = f" on rank {dist.get_rank()}" if dist.is_available() and dist.is_initialized() else ""
            raise InputError(
                f"`val_loader` must be given on every rank or on none, got {'one' if has_held_out else 'None'}{at} "
                "and not so on others; give each rank its part, or pass none"
            )
