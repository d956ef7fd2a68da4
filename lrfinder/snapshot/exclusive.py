"""One search at a time in a process."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lrfinder.errors import InputError

__all__ = ["clear", "exclusive"]

_search = threading.Lock()
"""Locked while a search runs."""


@contextmanager
def exclusive() -> Iterator[None]:
    """Raise InputError while another search runs in this process: two would put each other's changes back."""
    if not _search.acquire(blocking=False):
        raise InputError(
            "a search must be the only one in its process while it runs, got a second one inside or beside it "
            "(they share the random streams, and perhaps the model); start it when the first has returned, or, where "
            "none runs because one was cut off, call `lrfinder.snapshot.exclusive.clear()`"
        )
    try:
        yield
    finally:
        clear()


def clear() -> None:
    """Note that no search runs, so that the next one may begin; for use where one was cut off while it ended."""
    if _search.locked():
        _search.release()


if hasattr(os, "register_at_fork"):
    # A worker inherits the memory of a search, not the search.
    os.register_at_fork(after_in_child=clear)
