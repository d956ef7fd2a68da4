"""Plain torch as a `Loop`: a model, a loader, a loss and an optimizer."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import AdamW, Optimizer

from lrfinder import ranks
from lrfinder.batch import describe, size, to_device
from lrfinder.errors import InputError, LRFinderError
from lrfinder.feed import Feed
from lrfinder.loop import Batch, Facts
from lrfinder.loss import BatchLoss, LossFunction
from lrfinder.memory import torch_streams
from lrfinder.state import StateSnapshot, forward_only, preserved

__all__ = ["TorchLoop", "TrainingOptions"]


class TrainingOptions(TypedDict, total=False):
    """The keyword options of `TorchLoop`, where they are explained."""

    loss_fn: LossFunction | None
    optimizer: Optimizer | None
    accumulate: int
    clip_grad_norm: float | None
    snapshot: Literal["auto", "all"]


class TorchLoop:
    """Optimizer steps of a plain torch training.

    Args:
        model: The module to train, on its device.
        loader: Anything that yields batches and can be iterated anew, or a function that returns a fresh iterator.
        loss_fn: `loss_fn(output, target) -> scalar tensor`; None takes the model's own loss, or infers it.
        optimizer: Holds the model's parameters; None makes an AdamW over the trainable ones.
        accumulate: Micro-batches of one optimizer step.
        clip_grad_norm: Largest total gradient norm of a step, or None.
        snapshot: `auto` does not copy frozen parameters where they are most of the model, `all` copies everything.

    Raises:
        InputError: Something that cannot be trained with, each case in one sentence.
    """

    can_measure = True

    def __init__(
        self,
        model: nn.Module,
        loader: Iterable[Any] | Callable[[], Iterable[Any]],
        *,
        loss_fn: LossFunction | None = None,
        optimizer: Optimizer | None = None,
        accumulate: int = 1,
        clip_grad_norm: float | None = None,
        snapshot: Literal["auto", "all"] = "auto",
    ) -> None:
        trainable = _trainable(model)
        _check_numbers(accumulate, clip_grad_norm, snapshot)
        self.model = model
        self.optimizer = AdamW(trainable, lr=1e-3) if optimizer is None else optimizer
        self._reference, self._bases = _bases(self.optimizer, trainable)
        self._loss = BatchLoss(model, loss_fn)
        self._modules = [model, loss_fn] if isinstance(loss_fn, nn.Module) else [model]
        self._feed = Feed(loader, accumulate)
        self._clip = clip_grad_norm
        self._frozen = snapshot
        self._device = trainable[0].device
        self._snapshots: list[StateSnapshot] = []
        self._last_streams = torch_streams()
        self._batch_size: int | None = None

    @property
    def lr(self) -> float:
        """LR of the reference group; setting it scales every group by the same ratio, tensor LRs in place."""
        return float(self.optimizer.param_groups[self._reference]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group, base in zip(self.optimizer.param_groups, self._bases, strict=True):
            scaled = value * (base / self._bases[self._reference])
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(scaled)
            else:
                group["lr"] = scaled

    @property
    def facts(self) -> Facts:
        """What is known of the training; batch size and loss are known after the first step."""
        group = self.optimizer.param_groups[self._reference]
        betas = group.get("betas", (group.get("momentum", 0.0), 0.0))
        return Facts(
            model=type(self.model).__name__,
            optimizer=type(self.optimizer).__name__,
            bases=self._bases,
            reference=self._reference,
            betas=(float(betas[0]), float(betas[1])),
            batch_size=self._batch_size,
            steps_per_epoch=self._feed.windows_per_epoch,
            ranks=ranks.count(),
            precision=str(_trainable(self.model)[0].dtype).removeprefix("torch."),
            loss=self._loss.source,
        )

    @property
    def is_chief(self) -> bool:
        """Whether this is the rank that prints, draws and writes."""
        return ranks.is_chief()

    def agree(self, flag: bool) -> bool:
        """Return true on every rank if the flag is true on any."""
        return ranks.any_true(flag, self._device)

    def draw(self) -> Batch:
        """Return the micro-batches of one optimizer step; the loader starts again when it ends."""
        return self._feed.draw()

    def step(self, batch: Batch) -> float | None:
        """Make one optimizer step; return the loss before it, mean over the samples and over ranks.

        Raises:
            InputError: The loss cannot be inferred, is not a scalar tensor, or needs no gradient.
        """
        for snapshot in self._snapshots:
            snapshot.settle()
        self._last_streams = torch_streams()
        evaluations: list[Tensor] = []

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            loss = self._backward(batch)
            evaluations.append(loss)
            return loss

        self.optimizer.step(closure)  # type: ignore[arg-type]  # annotated as float, but LBFGS takes tensors too
        return ranks.mean(evaluations[0])

    def _backward(self, batch: Batch) -> Tensor:
        """Accumulate the gradient of the mean loss over all samples, clip it, and return that loss."""
        total = torch.zeros((), device=self._device)
        for micro, share in zip(batch, self._shares(batch), strict=True):
            loss = self._forward(micro)
            if not loss.requires_grad:
                raise InputError(
                    f"the loss ({self._loss.source}) must need a gradient, got one cut off from the parameters; "
                    "look for .detach(), .item() or torch.no_grad() between the model and the loss"
                )
            (loss * share).backward()  # type: ignore[no-untyped-call]
            total = total + loss.detach() * share
        if self._clip is not None:
            held = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(held, self._clip)
        return total

    def _shares(self, batch: Batch) -> list[float]:
        """The share of the samples in each micro-batch."""
        sizes = [size(micro) or 1 for micro in batch]
        self._batch_size = max(self._batch_size or 0, sum(sizes))
        return [n / sum(sizes) for n in sizes]

    def _forward(self, micro: Any) -> Tensor:
        """The loss of one micro-batch; an error of the model or the loss names the batch's shapes."""
        try:
            return self._loss(to_device(micro, self._device))
        except LRFinderError:
            raise
        except Exception as error:
            error.add_note(f"lrfinder: raised by the model or the loss on this batch: {describe(micro)}")
            raise

    def loss(self, batch: Batch, *, train: bool = False) -> float:
        """Return the loss of a forward alone, mean over samples and ranks; nothing of the training is changed by it.

        With `train` the last step's forward is repeated as it was: train mode, the same dropout, gradients enabled
        (noise that a model draws from NumPy or Python is drawn anew).
        """
        with forward_only(self._modules), torch.set_grad_enabled(train):
            for prepare in self._last_streams if train else [module.eval for module in self._modules]:
                prepare()
            shares = self._shares(batch)
            losses = [self._forward(micro).detach() * share for micro, share in zip(batch, shares, strict=True)]
        return ranks.mean(torch.stack(losses).sum())

    @contextmanager
    def preserved(self) -> Iterator[StateSnapshot]:
        """Put everything back as it was at exit, however the block ends; nests. Inside, the model trains.

        Yields:
            The snapshot, which does not hold the place in the batch stream.
        """
        streams, data = self._feed.stateful()
        with preserved(self._modules, [self.optimizer], streams, self._frozen, data) as snapshot:
            self._snapshots.append(snapshot)
            try:
                if not self.model.training:
                    self.model.train()
                yield snapshot
            finally:
                self._snapshots.pop()
                if not self._snapshots:
                    self._feed.stop()


def _trainable(model: nn.Module) -> list[nn.Parameter]:
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


def _bases(optimizer: Optimizer, trainable: list[nn.Parameter]) -> tuple[int, tuple[float, ...]]:
    """The reference group's index and the base LR of every group, read once."""
    if not hasattr(optimizer, "param_groups"):
        raise InputError(f"`optimizer` must be a torch optimizer, got {type(optimizer).__name__}")
    of_model = {id(p) for p in trainable}
    if not any(id(p) in of_model for group in optimizer.param_groups for p in group["params"]):
        raise InputError(
            f"`optimizer` must hold parameters of `model`, got a {type(optimizer).__name__} that holds none of them; "
            "make it from model.parameters() of this very model"
        )
    bases = tuple(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups)
    # As `apply` and `attach` choose it: the first trainable group, also where that one trains the loss function.
    reference = [any(p.requires_grad for p in group["params"]) for group in optimizer.param_groups].index(True)
    if not bases[reference] > 0:
        raise InputError(
            f"the base LR of `optimizer`'s reference group {reference} must be positive, got {bases[reference]}; "
            "the groups' ratios are kept, so give each group its own, as in lr=1e-3"
        )
    return reference, bases


def _check_numbers(accumulate: int, clip_grad_norm: float | None, snapshot: str) -> None:
    if not isinstance(accumulate, int) or accumulate < 1:
        raise InputError(f"`accumulate` must be a positive number of micro-batches, got {accumulate!r}")
    if clip_grad_norm is not None and not clip_grad_norm > 0:
        raise InputError(f"`clip_grad_norm` must be positive or None, got {clip_grad_norm!r}")
    if snapshot not in ("auto", "all"):
        raise InputError(f'`snapshot` must be "auto" or "all", got {snapshot!r}')
