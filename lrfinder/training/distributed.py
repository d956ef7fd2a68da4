"""What the processes that train together agree on; one process agrees with itself."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from lrfinder.errors import RankError

__all__ = ["alike", "any_true", "count", "extremes", "is_chief", "least", "means", "shared", "together"]

POLL, PATIENCE = 0.2, 3.0
"""Seconds between two looks at whether a peer has failed, and how long one that fails waits until all have looked."""


def count() -> int:
    """Processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_chief() -> bool:
    """Whether this is the process that prints, draws and writes."""
    return count() == 1 or dist.get_rank() == 0


def means(*values: Tensor | float, device: torch.device) -> list[float]:
    """The means of some scalars over all processes, the same on each."""
    if count() == 1:
        return [float(value) for value in values]
    total = torch.tensor([float(value) for value in values], dtype=torch.float64, device=device)
    _reduce(total)
    return [float(value) / count() for value in total]


def _reduce(value: Tensor, op: Any = None) -> None:
    """Reduce over all processes in place; where one is gone the error says so."""
    try:
        dist.all_reduce(value, op=dist.ReduceOp.SUM if op is None else op)
    except RuntimeError as error:
        error.add_note(
            "lrfinder: another process of this training has failed or ended in the search; its own error says why. "
            "Here everything is put back as it was"
        )
        raise


def shared(value: Tensor) -> Tensor:
    """The mean of a scalar over all processes as a tensor, for an optimizer that decides by it."""
    return value if count() == 1 else value.new_tensor(means(value, device=value.device)[0])


def extremes(value: int, device: torch.device) -> tuple[int, int]:
    """The least and the greatest of the processes' numbers."""
    if count() == 1:
        return value, value
    both = torch.tensor([-value, value], device=device)
    _reduce(both, dist.ReduceOp.MAX)
    return -int(both[0]), int(both[1])


def any_true(flag: bool, device: torch.device) -> bool:
    """True on every process if the flag is true on any."""
    return bool(extremes(int(flag), device)[1])


def least(value: int | None, device: torch.device) -> int | None:
    """The least of the processes' numbers; None where one of them has none."""
    fewest = extremes(-1 if value is None else value, device)[0]
    return None if fewest < 0 else fewest


def alike(window: list[Any], device: torch.device) -> list[Any]:
    """A window of batches, cut to what the process with the fewest has: each batch is a collective to the others."""
    return window[: extremes(len(window), device)[0]]


_nested = False
_blocks = 0


@contextmanager
def together() -> Iterator[None]:
    """Run a block that all processes run: when one fails there, the others end with its reason.

    A process that fails leaves its reason in the store of the process group. The others hang in a collective until it
    has ended, and that breaks; they find the reason then. Under one process, and inside another such block, it does
    nothing.

    Raises:
        RankError: Another process has failed.
    """
    global _nested, _blocks
    if _nested or count() == 1:
        yield
        return
    _blocks += 1
    watch = _Watch(f"lrfinder/{_blocks}")
    _nested = True
    try:
        yield
    except BaseException as error:
        reason = watch.reason() if isinstance(error, RuntimeError) else None
        if reason is None:
            watch.tell(error)
            raise
        raise RankError(reason) from error
    finally:
        _nested = False
        watch.end()


class _Watch:
    """Looks out for a peer that fails, by a thread: the store may end with the process that holds it."""

    def __init__(self, name: str) -> None:
        from torch.distributed import distributed_c10d

        self._store: Any = distributed_c10d.PrefixStore(name, distributed_c10d._get_default_store())
        self._reason: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name=name, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        with suppress(RuntimeError):
            while not self._ended.wait(POLL):
                if self._store.check(["reason"]):
                    self._reason = self._store.get("reason").decode()
                    self._store.add("aware", 1)
                    return

    def reason(self) -> str | None:
        """Why a peer has failed, or None where none has; a thread that is about to find out is waited for."""
        self._thread.join(2 * POLL)
        return self._reason

    def tell(self, error: BaseException) -> None:
        """Leave a reason for the peers, and give them the time to find it before this process ends."""
        lines = " ".join(f"{type(error).__name__}: {error}".split())
        self.end()
        with suppress(RuntimeError):
            self._store.compare_set("reason", "", f"rank {dist.get_rank()} failed: {lines}")
            waiting = time.monotonic() + PATIENCE
            aware = self._store.add("aware", 1)
            while aware < count() and time.monotonic() < waiting:
                time.sleep(POLL / 10)
                aware = self._store.add("aware", 0)

    def end(self) -> None:
        """Look no longer."""
        self._ended.set()
        self._thread.join(PATIENCE)
