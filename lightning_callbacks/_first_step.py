"""The first step after a rate was set: whether it runs at that rate."""

import warnings
from dataclasses import dataclass

from torch.optim import Optimizer

from lightning_callbacks._compat import LightningModule
from lrfinder.errors import LRFinderWarning
from lrfinder.training.step_loop import RATE_TOLERANCE

__all__ = ["FirstStep"]


@dataclass(frozen=True, slots=True)
class FirstStep:
    """The first step of an optimizer after its rate was set.

    Args:
        optimizer: Whose step it is.
        reference: Index of its reference group.
        lr: The rate that was set there.
    """

    optimizer: Optimizer
    reference: int
    lr: float

    def check(self, module: LightningModule) -> None:
        """Warn where the step is about to run at another rate."""
        used = float(self.optimizer.param_groups[self.reference]["lr"])
        if abs(used - self.lr) > RATE_TOLERANCE * self.lr:
            warnings.warn(
                f"the first step ran at {used:.3g} and not at {self.lr:.3g}, which AutoLR had set: "
                f"{type(module).__name__} or another callback sets the LR itself; take that out",
                LRFinderWarning,
                stacklevel=3,
            )
