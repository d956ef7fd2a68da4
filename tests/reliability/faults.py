"""Faults that are put into a search, one at a time, and what became of the training."""

import os
import signal
import sys
import time
import warnings
from collections import Counter
from contextlib import nullcontext, suppress
from pathlib import Path

import torch
import torch.nn.functional as F
from sites import SITES, Blown, Fuse, before_call, trained
from torch.utils.data import DataLoader, Dataset
from twins import dataset, identities, state_of

import lrfinder
from lrfinder import StateLeak
from lrfinder.snapshot.contents import OUT_OF_MEMORY
from lrfinder.snapshot.exclusive import clear

PACKAGE = str(Path(lrfinder.__file__).parent)

ERRORS = (Blown, KeyboardInterrupt, SystemExit, torch.OutOfMemoryError)


def calls_of(site):
    """How often a whole search passes a site."""
    fuse = Fuse()
    torch.manual_seed(0)
    scenario = SITES[site](fuse)
    with fuse:
        scenario.search()
    return fuse.calls


def outcome(site, call, error):
    """What became of a training whose search failed in a call of a site."""
    torch.manual_seed(0)
    fuse = Fuse(call, error)
    scenario = SITES[site](fuse)
    became = _after(scenario, error, fuse)
    return became if fuse.calls > call else "not reached"


def _after(scenario, wanted, fault):
    """Run a search into which an error falls, and compare the training with what it was.

    Returns:
        "restored" where the error was raised on and all is as before; "trial lost" where one was, with a warning, and
        all is as before; "reported" where the error, or a note on it, names what could not be put back, and all else
        is as before; else what went wrong.
    """
    before, objects = state_of(scenario.training), identities(scenario.training)
    clear()  # a search that was interrupted in its very last line may have left the flag set
    raised = None
    with warnings.catch_warnings(record=True) as caught, fault:
        warnings.simplefilter("always")
        try:
            scenario.search()
        except BaseException as error:
            raised = error
    notes = " ".join([str(raised), *getattr(raised, "__notes__", ())])
    if state_of(scenario.training) != before or identities(scenario.training) != objects:
        return f"changed, after {raised!r}"
    if isinstance(raised, StateLeak) or "could not be put back" in notes:
        return "reported"
    if raised is None and issubclass(wanted, OUT_OF_MEMORY):
        return "trial lost" if any("ran out of memory" in str(w.message) for w in caught) else "lost without a word"
    return "restored" if isinstance(raised, wanted) else f"not raised on, but {raised!r}"


class Deadly(Dataset):
    """Rows in a worker process that is killed when it is asked for a certain one."""

    def __init__(self, deadly):
        self.inner, self.deadly, self.parent = dataset(), deadly, os.getpid()

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        if i == self.deadly and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner[i]


def outcome_of_a_dead_worker(row):
    """What became of a training whose loader lost its worker in a search."""
    torch.manual_seed(0)
    scenario = trained(loader=DataLoader(Deadly(row), 8, num_workers=1, multiprocessing_context="fork"))
    search = scenario.search

    def until_the_signal_came():
        try:
            search()
        finally:
            time.sleep(0.2)

    scenario.search = until_the_signal_came
    return _after(scenario, (RuntimeError, OSError, EOFError), nullcontext())


class Lines:
    """Counts how often each line of the package is passed, and sends SIGINT, as Ctrl-C does, in one passage."""

    def __init__(self, line=None, passage=0, active=True):
        self.passed, self.line, self.passage, self.active = Counter(), line, passage, active

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def _called(self, frame, event, _):
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) or (self.line is not None and name != self.line[0]):
            return None
        return self._traced

    def _traced(self, frame, event, _):
        if event == "line" and self.active:
            here = (frame.f_code.co_filename, frame.f_lineno)
            self.passed[here] += 1
            if here == self.line and self.passed[here] - 1 == self.passage:
                signal.raise_signal(signal.SIGINT)
        return self._traced


def passages():
    """Every line that a search passes, with its first, middle or last passage, in turn."""
    torch.manual_seed(0)
    scenario = trained()
    with Lines() as lines:
        scenario.search()
    return _in_turn(lines)


def passages_while_leaving():
    """Every line that is passed after a first Ctrl-C, with its first, middle or last passage, in turn."""
    torch.manual_seed(0)
    lines = Lines(active=False)
    scenario = leaving(lines)
    with lines, suppress(KeyboardInterrupt):
        scenario.search()
    return _in_turn(lines)


def _in_turn(lines):
    """Every line that was passed, with one of its passages."""
    return [(line, (0, n // 2, n - 1)[i % 3]) for i, (line, n) in enumerate(sorted(lines.passed.items()))]


def leaving(lines):
    """A search that Ctrl-C ends in a trial, from where on the lines count."""

    def interrupt(*args):
        lines.active = True
        return KeyboardInterrupt(*args)

    fuse = Fuse(50, interrupt)
    fuse.is_active = True
    return trained(loss_fn=before_call(fuse, F.cross_entropy))


def outcome_at_line(line, passage):
    """What became of a training into whose search Ctrl-C fell at a line."""
    torch.manual_seed(0)
    return _after(trained(), KeyboardInterrupt, Lines(line, passage))


def outcome_of_a_second(line, passage):
    """What became of a training whose search was interrupted, and interrupted again on the way out."""
    torch.manual_seed(0)
    lines = Lines(line, passage, active=False)
    return _after(leaving(lines), KeyboardInterrupt, lines)
