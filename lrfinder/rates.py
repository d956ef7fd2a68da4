"""The learning rates of a training: every swept group at one ratio to the reference group."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from lrfinder.errors import InputError

__all__ = ["Rates"]


class Rates:
    """Sets the LR of every group of the swept optimizers by one number.

    Group i runs at `lr * base_i / base_ref`. A base is the group's `initial_lr` (a warm-up scheduler may hold `lr` at
    0), else its `lr`; bases are read once, so the ratios never drift. Groups without a rate are left alone. The
    reference is the first group of the swept optimizers that holds a trainable parameter.

    Args:
        optimizers: Those to sweep, jointly.
        trainable: The model's trainable parameters.

    Raises:
        InputError: An optimizer that is none, that holds no parameter of the model, or whose reference base is 0.
    """

    def __init__(self, optimizers: Sequence[Optimizer], trainable: Sequence[nn.Parameter]) -> None:
        for optimizer in optimizers:
            _check_holds(optimizer, trainable)
        self._groups = [group for o in optimizers for group in o.param_groups if group.get("lr") is not None]
        self.bases = tuple(float(group.get("initial_lr", group["lr"])) for group in self._groups)
        # As `apply` and `attach` choose it: the first trainable group, also where that one trains the loss function.
        holds = [any(p.requires_grad for p in group["params"]) for group in self._groups]
        if True not in holds:
            raise InputError(
                f"`optimizer` must have a group with an `lr`, got {type(optimizers[0]).__name__} without one"
            )
        self.reference = holds.index(True)
        if not self.bases[self.reference] > 0:
            raise InputError(
                f"the base LR of `optimizer`'s reference group {self.reference} must be positive, got "
                f"{self.bases[self.reference]}; the groups' ratios are kept, so give each its own, as in lr=1e-3"
            )

    @property
    def group(self) -> dict[str, Any]:
        """The reference group."""
        return self._groups[self.reference]

    def read(self) -> float:
        """LR of the reference group."""
        return float(self.group["lr"])

    def write(self, lr: float) -> None:
        """Set the reference group's LR, and every other swept group's in its ratio; tensor LRs are filled in place."""
        for group, base in zip(self._groups, self.bases, strict=True):
            rate = lr * (base / self.bases[self.reference])
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def _check_holds(optimizer: Optimizer, trainable: Sequence[nn.Parameter]) -> None:
    if not hasattr(optimizer, "param_groups"):
        raise InputError(f"`optimizer` must be a torch optimizer or a list of them, got {type(optimizer).__name__}")
    of_model = {id(p) for p in trainable}
    if not any(id(p) in of_model for group in optimizer.param_groups for p in group["params"]):
        raise InputError(
            f"`optimizer` must hold parameters of `model`, got a {type(optimizer).__name__} that holds none of them; "
            "make it from model.parameters() of this very model"
        )
