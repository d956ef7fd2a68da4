"""Signals that wait until a restore has ended."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["held_signals"]

SIGNALS = signal.valid_signals()


@contextmanager
def held_signals() -> Iterator[None]:
    """Deliver what signals raise (Ctrl-C, the error of a dead worker) after the block, not in the midst of it; nests.

    In other threads than the main one nothing is to be done: Python delivers every signal to the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    with ExitStack() as stack:
        # Registered first and so called last, when every handler is back in its place.
        stack.callback(_deliver, came)
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                stack.callback(signal.signal, number, handler)
                signal.signal(number, lambda number, _: came.append(number))
        yield


def _deliver(came: list[int]) -> None:
    for number in sorted(set(came)):
        signal.raise_signal(number)
