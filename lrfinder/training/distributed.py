"""What the processes that train together agree on; one process agrees with itself."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeAlias, cast

import torch
from torch import Tensor
from torch import distributed as dist

from lrfinder.errors import InputError, RankError

__all__ = ["Group", "Ranks", "fail_together", "is_chief"]

POLL, PATIENCE = 0.2, 3.0
"""Seconds between two looks at whether a peer has failed, and how long one that fails waits until all have looked."""

LARGEST_BIT = 32
"""Numbers whose least is looked for lie below two to this power."""


class Reducer(Protocol):
    """The processes of a framework that brings its own collectives."""

    def reduce(self, value: Tensor) -> Tensor:
        """Return the mean of a scalar over all processes."""

    def any(self, flag: bool) -> bool:
        """Return true on every process if the flag is true on any."""


Group: TypeAlias = "dist.ProcessGroup | Reducer | None"
"""Who trains together: a process group, an object with `reduce` and `any`, or all processes of `torch.distributed`."""


class Ranks:
    """The processes that train together, and the device where they exchange numbers.

    Every method is a collective: all ranks call it, and all get the same answer. What is no group raises InputError.
    """

    def __init__(self, group: Group, device: torch.device) -> None:
        is_reducer = all(callable(getattr(group, name, None)) for name in ("reduce", "any"))
        if not (group is None or is_reducer or (dist.is_available() and isinstance(group, dist.ProcessGroup))):
            raise InputError(
                "`group` must be a process group of torch.distributed, an object with `reduce` and `any`, or None, "
                f"got {group!r:.60}"
            )
        self._reducer = cast("Reducer", group) if is_reducer else None
        self._group: Any = None if is_reducer else group
        self._device = device

    @property
    def size(self) -> int:
        """Their number."""
        return _world_size(self._group)

    @property
    def is_chief(self) -> bool:
        """Whether this is the one that prints, draws and writes."""
        return is_chief(self._group)

    def mean(self, *values: Tensor | float) -> list[float]:
        """Return the mean of each scalar."""
        if self._reducer is not None:
            return [float(self._reducer.reduce(self._as_tensor(value))) for value in values]
        if self.size == 1:
            return [float(value) for value in values]
        total = torch.tensor([float(value) for value in values], dtype=torch.float64, device=self._device)
        self._reduce(total, dist.ReduceOp.SUM)
        return [float(value) / self.size for value in total]

    def any(self, flag: bool) -> bool:
        """Return whether the flag is true on any rank."""
        if self._reducer is not None:
            return self._reducer.any(flag)
        if self.size == 1:
            return flag
        flags = torch.tensor(int(flag), device=self._device)
        self._reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)

    def mean_of_step(self, loss: Tensor | float | None, samples: int) -> tuple[float, float] | None:
        """Return the mean loss of a step and the mean number of its samples; None where any rank has skipped it."""
        if self._reducer is None:
            # One collective, which no rank leaves out: all learn of a step that one of them skipped.
            mean, skipped, mean_samples = self.mean(0.0 if loss is None else loss, loss is None, samples)
            return None if skipped else (mean, mean_samples)
        # Asked for before the loss: a rank without one knows no precision to send it in.
        if self.any(loss is None) or loss is None:
            return None
        mean, mean_samples = self.mean(loss, samples)
        return mean, mean_samples

    def least(self, value: int | None) -> int | None:
        """Return the least of numbers from 0 on; None where one rank has none."""
        if self.any(value is None) or value is None:
            return None
        least = 0
        # Bit by bit, since all that every framework's collectives can answer exactly is yes or no.
        for bit in reversed(range(LARGEST_BIT)):
            if not self.any(value < least + 2**bit):
                least += 2**bit
        return least

    def truncate(self, batch: list[Any], most: int) -> list[Any]:
        """Cut up to `most` micro-batches to as many as the rank with the fewest has: a step on each is a collective."""
        return batch[: next(n for n in range(most, -1, -1) if not self.any(len(batch) < n))]

    def _as_tensor(self, value: Tensor | float) -> Tensor:
        if isinstance(value, Tensor):
            return value.detach().clone()
        wide = torch.float32 if self._device.type == "mps" else torch.float64
        return torch.tensor(float(value), dtype=wide, device=self._device)

    def _reduce(self, value: Tensor, op: Any) -> None:
        """Reduce in place; where a rank is gone the error says so."""
        try:
            dist.all_reduce(value, op=op, group=self._group)
        except RuntimeError as error:
            error.add_note(
                "lrfinder: another process of this training has failed or ended in the search; its own error says why. "
                "Here everything is put back as it was"
            )
            raise


def is_chief(group: Any = None) -> bool:
    """Return whether this process is the one of a torch group that prints, draws and writes."""
    return _world_size(group) == 1 or dist.get_rank(group) == 0


def _world_size(group: Any = None) -> int:
    return dist.get_world_size(group) if dist.is_available() and dist.is_initialized() else 1


_nested = False
_blocks = 0


@contextmanager
def fail_together() -> Iterator[None]:
    """Run a block that all processes run: when one fails there, the others end with its reason.

    A process that fails leaves its reason in the store of the process group. The others hang in a collective until it
    has ended, and that breaks; they find the reason then. Under one process, and inside another such block, it does
    nothing.

    Raises:
        RankError: Another process has failed.
    """
    global _nested, _blocks
    if _nested or _world_size() == 1:
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
            watch.report(error)
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
        # A daemon, so that a process that fails is not kept from ending by it.
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

    def report(self, error: BaseException) -> None:
        """Leave a reason for the peers, and give them the time to find it before this process ends."""
        lines = " ".join(f"{type(error).__name__}: {error}".split())
        self.end()
        with suppress(RuntimeError):
            self._store.compare_set("reason", "", f"rank {dist.get_rank()} failed: {lines}")
            waiting = time.monotonic() + PATIENCE
            aware = self._store.add("aware", 1)
            while aware < _world_size() and time.monotonic() < waiting:
                time.sleep(POLL / 10)
                aware = self._store.add("aware", 0)

    def end(self) -> None:
        """Look no longer."""
        self._ended.set()
        self._thread.join(PATIENCE)
