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

__all__ = [
    "Group",
    "Reducer",
    "any_true",
    "check_group",
    "fail_together",
    "is_chief",
    "mean_of_step",
    "mean_over_ranks",
    "mean_tensor",
    "min_and_max_over_ranks",
    "min_over_ranks",
    "truncate_to_shortest",
    "world_size",
]

POLL, PATIENCE = 0.2, 3.0
"""Seconds between two looks at whether a peer has failed, and how long one that fails waits until all have looked."""


class Reducer(Protocol):
    """The processes of a framework that brings its own collectives."""

    def reduce(self, value: Tensor) -> Tensor:
        """Return the mean of a scalar over all processes."""

    def any(self, flag: bool) -> bool:
        """Return true on every process if the flag is true on any."""


Group: TypeAlias = "dist.ProcessGroup | Reducer | None"
"""Who trains together: a process group, an object with `reduce` and `any`, or all processes of `torch.distributed`."""


def check_group(group: object) -> None:
    """Raise InputError for a group with neither the collectives of torch nor `reduce` and `any`."""
    is_torch = dist.is_available() and isinstance(group, dist.ProcessGroup)
    if group is None or is_torch or all(callable(getattr(group, name, None)) for name in ("reduce", "any")):
        return
    raise InputError(
        f"`group` must be a process group of torch.distributed, an object with `reduce` and `any`, or None, "
        f"got {group!r:.60}"
    )


def _reducer(group: Group) -> Reducer | None:
    """The object that brings its own collectives, or None where torch does them."""
    return cast("Reducer", group) if hasattr(group, "any") else None


def world_size(group: Group = None) -> int:
    """Return the number of processes that train together."""
    torch_group: Any = None if _reducer(group) else group
    return dist.get_world_size(torch_group) if dist.is_available() and dist.is_initialized() else 1


def is_chief(group: Group = None) -> bool:
    """Return whether this is the process that prints, draws and writes."""
    torch_group: Any = None if _reducer(group) else group
    return world_size(group) == 1 or dist.get_rank(torch_group) == 0


def mean_over_ranks(*values: Tensor | float, device: torch.device, group: Group = None) -> list[float]:
    """Return the means of some scalars over all processes, the same on each."""
    reducer = _reducer(group)
    if reducer is not None:
        return [float(reducer.reduce(_as_tensor(value, device))) for value in values]
    if world_size(group) == 1:
        return [float(value) for value in values]
    total = torch.tensor([float(value) for value in values], dtype=torch.float64, device=device)
    _reduce(total, group=group)
    return [float(value) / world_size(group) for value in total]


def mean_of_step(
    loss: Tensor | float | None, samples: int, device: torch.device, group: Group = None
) -> tuple[float | None, float]:
    """Return the mean loss of a step, None where any process has skipped it, and the mean number of its samples."""
    reducer = _reducer(group)
    if reducer is not None:
        (mean_samples,) = mean_over_ranks(samples, device=device, group=group)
        # Asked for before the loss: a process without one knows no precision to send it in.
        if reducer.any(loss is None) or loss is None:
            return None, mean_samples
        return mean_over_ranks(loss, device=device, group=group)[0], mean_samples
    # One collective, which no rank leaves out: all learn of a step that one of them skipped.
    sent = (0.0 if loss is None else loss, loss is None, samples)
    mean, skipped, mean_samples = mean_over_ranks(*sent, device=device, group=group)
    return None if skipped else mean, mean_samples


def _as_tensor(value: Tensor | float, device: torch.device) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().clone()
    wide = torch.float32 if device.type == "mps" else torch.float64
    return torch.tensor(float(value), dtype=wide, device=device)


def _reduce(value: Tensor, op: Any = None, group: Group = None) -> None:
    """Reduce over all processes in place; where one is gone the error says so."""
    try:
        dist.all_reduce(value, op=dist.ReduceOp.SUM if op is None else op, group=cast("Any", group))
    except RuntimeError as error:
        error.add_note(
            "lrfinder: another process of this training has failed or ended in the search; its own error says why. "
            "Here everything is put back as it was"
        )
        raise


def mean_tensor(value: Tensor) -> Tensor:
    """Return the mean of a scalar over all processes as a tensor, for an optimizer that decides by it."""
    return value if world_size() == 1 else value.new_tensor(mean_over_ranks(value, device=value.device)[0])


def min_and_max_over_ranks(value: int, device: torch.device, group: Group = None) -> tuple[int, int]:
    """Return the least and the greatest of the processes' numbers."""
    reducer = _reducer(group)
    if reducer is not None:
        return _least(value, reducer), -_least(-value, reducer)
    if world_size(group) == 1:
        return value, value
    both = torch.tensor([-value, value], device=device)
    _reduce(both, dist.ReduceOp.MAX, group)
    return -int(both[0]), int(both[1])


def _least(value: int, reducer: Reducer) -> int:
    """The least of the processes' numbers, found by asking whether any lies below a bound."""
    width = 1
    while reducer.any(value < -width):
        width *= 2
    low = -width
    while not reducer.any(value < low + width):
        low, width = low + width, width * 2
    while width > 1:
        width //= 2
        if not reducer.any(value < low + width):
            low += width
    return low


def any_true(flag: bool, device: torch.device, group: Group = None) -> bool:
    """Return true on every process if the flag is true on any."""
    reducer = _reducer(group)
    return reducer.any(flag) if reducer is not None else bool(min_and_max_over_ranks(int(flag), device, group)[1])


def min_over_ranks(value: int | None, device: torch.device, group: Group = None) -> int | None:
    """Return the least of the processes' numbers; None where one of them has none."""
    fewest = _min(-1 if value is None else value, device, group)
    return None if fewest < 0 else fewest


def truncate_to_shortest(batch: list[Any], device: torch.device, group: Group = None) -> list[Any]:
    """Cut micro-batches to as many as the process with the fewest has: each is a collective to the others."""
    return batch[: _min(len(batch), device, group)]


def _min(value: int, device: torch.device, group: Group) -> int:
    reducer = _reducer(group)
    return min_and_max_over_ranks(value, device, group)[0] if reducer is None else _least(value, reducer)


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
    if _nested or world_size() == 1:
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
            while aware < world_size() and time.monotonic() < waiting:
                time.sleep(POLL / 10)
                aware = self._store.add("aware", 0)

    def end(self) -> None:
        """Look no longer."""
        self._ended.set()
        self._thread.join(PATIENCE)
