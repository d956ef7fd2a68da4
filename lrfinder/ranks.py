"""What the processes that train together agree on; one process agrees with itself."""

import torch
from torch import Tensor
from torch import distributed as dist

__all__ = ["any_true", "count", "is_chief", "mean"]


def count() -> int:
    """Processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_chief() -> bool:
    """Whether this is the process that prints, draws and writes."""
    return count() == 1 or dist.get_rank() == 0


def mean(value: Tensor) -> float:
    """The mean of a scalar over all processes, the same on each."""
    if count() == 1:
        return float(value)
    return float(_sum(value.detach().double().clone())) / count()


def any_true(flag: bool, device: torch.device) -> bool:
    """True on every process if the flag is true on any."""
    if count() == 1:
        return flag
    return bool(_sum(torch.tensor(int(flag), device=device)))


def _sum(value: Tensor) -> Tensor:
    """The sum over all processes, in place; where one is gone the error says so."""
    try:
        dist.all_reduce(value)
    except RuntimeError as error:
        error.add_note(
            "lrfinder: another process of this training has failed or ended in the search; its own error says why. "
            "Here everything is put back as it was"
        )
        raise
    return value
