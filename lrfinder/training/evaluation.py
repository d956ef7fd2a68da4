"""The loss of a forward alone, in eval mode or as the training computes it."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from lrfinder.loop import Batch
from lrfinder.snapshot.contents import OUT_OF_MEMORY
from lrfinder.snapshot.rng import torch_streams
from lrfinder.snapshot.snapshot import forward_only, reshard
from lrfinder.training.batch import shares
from lrfinder.training.distributed import Ranks
from lrfinder.training.host import EvaluateIn, Host
from lrfinder.training.loss import as_scalar

__all__ = ["Evaluation"]

Streams: TypeAlias = Sequence[Callable[[], object]]
"""What puts torch's random streams back to where they were."""


class Evaluation:
    """Computes losses without a step; nothing of the training is changed by it.

    `mode` is `eval` (eval mode, no gradients) or `train` (the mode and the gradients of the training, the same random
    numbers each time). None takes `eval`, unless the first batch gives no finite loss so and gives one in `train`: a
    loss that needs gradients of its inputs, a model that returns its losses in train mode alone.
    """

    def __init__(
        self,
        forward: Callable[[Any], Tensor],
        modules: Sequence[nn.Module],
        ranks: Ranks,
        host: Host,
        mode: EvaluateIn | None,
    ) -> None:
        self.mode = mode
        self._forward, self._modules, self._ranks, self._host = forward, modules, ranks, host
        self._streams = torch_streams()

    def __call__(self, batch: Batch) -> float:
        """Return the loss of a batch, mean over samples and ranks."""
        return self._mean(self._first(batch) if self.mode is None else self._in_mode(self.mode, batch))

    def repeated(self, batch: Batch, streams: Streams) -> float:
        """Return the loss as a step computed it: in train mode, with gradients and the random numbers of that step."""
        return self._mean(self._here("train", batch, streams))

    def _first(self, batch: Batch) -> float:
        """Choose the mode by the first batch, alike on every rank; return its loss on this rank."""
        loss, error = self._attempt("eval", batch)
        self.mode = "eval"
        if self._ranks.any(not math.isfinite(loss)):
            trained, _ = self._attempt("train", batch)
            if not self._ranks.any(not math.isfinite(trained)):
                self.mode = "train"
                return trained
        if error is not None:
            raise error
        return loss

    def _attempt(self, mode: EvaluateIn, batch: Batch) -> tuple[float, Exception | None]:
        """The loss of a batch, or NaN and the error that it ended with."""
        try:
            return self._in_mode(mode, batch), None
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            return math.nan, error

    def _in_mode(self, mode: EvaluateIn, batch: Batch) -> float:
        return self._here(mode, batch, self._streams)

    def _here(self, mode: EvaluateIn, batch: Batch, streams: Streams) -> float:
        """The loss on this rank."""
        with self._host.around(), forward_only(self._modules), torch.set_grad_enabled(mode == "train"):
            for prepare in streams if mode == "train" else [module.eval for module in self._modules]:
                prepare()
            losses = [as_scalar(self._forward(micro), "forward").detach() for micro in batch]
            parts = [loss * share for loss, share in zip(losses, shares(batch), strict=True)]
            reshard(self._modules)
        return float(torch.stack(parts).sum())

    def _mean(self, loss: float) -> float:
        (mean,) = self._ranks.mean(loss)
        return float(mean)
