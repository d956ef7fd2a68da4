"""Searches without end in one process leave nothing behind: neither objects nor hooks, threads, files, figures."""

import gc
import io
import logging
import os
import resource
import signal
import threading
import warnings
from contextlib import redirect_stderr
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from twins import sweep, training

from lrfinder import LRResult


class Terminal(io.StringIO):
    def isatty(self):
        return True


def use(t):
    """Everything that a person does with a search: trials, a bar, a report, a picture, a file; a failure too."""
    with redirect_stderr(Terminal()):
        found = sweep(t, steps=75, progress=True)
    str(found)
    found.plot(Figure().subplots())
    LRResult.parse(found.to_json())
    sweep(t, steps=12, val_loader=t.loader)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        sweep(t, loss_fn=lambda output, target: 1 / 0)


def held(t):
    """What a process holds that could pile up."""
    gc.collect()
    hooks = [vars(m)[name] for m in t.model.modules() for name in vars(m) if name.endswith("_hooks")]
    hooks += [value for name, value in vars(t.optimizer).items() if name.endswith("_hooks")]
    loggers = [logging.root, *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    return {
        "hooks": sum(map(len, hooks)),
        "threads": threading.active_count(),
        "processes": len(torch.multiprocessing.active_children()),
        "files": len(os.listdir("/proc/self/fd")),
        "figures": plt.get_fignums(),
        "handlers": sum(len(logger.handlers) for logger in loggers),
        "filters": len(warnings.filters),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
        "tensors": sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()),
    }


def resident():
    """Kilobytes that the process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def grown(times, *, first_uses=2, workers=0):
    """What is held after some uses and after more; the objects that the collector knows by then, and the kilobytes."""
    t = training(num_workers=workers).train(2)
    for _ in range(first_uses):
        use(t)
        gc.collect()  # which waits with old circles until they are a quarter of all objects: tens of megabytes
    first, objects, size = held(t), len(gc.get_objects()), resident()
    for _ in range(times):
        use(t)
        gc.collect()
    second, more = held(t), len(gc.get_objects()) - objects
    return first, second, more, resident() - size


def test_searches_leave_nothing_behind():
    """After six uses there is what there was after two."""
    first, second, objects, _ = grown(4)

    assert second == first
    assert objects < 100


@pytest.mark.long
def test_searches_with_workers_leave_nothing_behind():
    """No worker, pipe or thread of a loader outlives its search."""
    first, second, _, _ = grown(2, workers=1)

    assert second == first


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_searches_leave_nothing_behind():
    """Three searches to each of 334 uses: from the 34th on the memory that is held grows by less than 8 MB."""
    first, second, objects, kilobytes = grown(300, first_uses=34)

    assert second == first
    assert objects < 1_000
    assert kilobytes < 8_000
