"""Faults that are put into a search, one at a time, and what became of the training."""

import sys
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

import torch
import torch.nn.functional as F
from sites import SITES, Blown, Fuse, trained
from twins import identities, state_of

import lrfinder
from lrfinder import StateLeak
from lrfinder.memory import OUT_OF_MEMORY

PACKAGE = str(Path(lrfinder.__file__).parent)

ERRORS = (Blown, KeyboardInterrupt, SystemExit, torch.OutOfMemoryError)


def calls_of(site):
    """How often a whole search passes a place."""
    fuse = Fuse()
    torch.manual_seed(0)
    case = SITES[site](fuse)
    with fuse:
        case.search()
    return fuse.calls


def outcome(site, call, error):
    """What became of a training whose search failed in a call of a place."""
    torch.manual_seed(0)
    fuse = Fuse(call, error)
    case = SITES[site](fuse)
    became = _after(case, error, fuse)
    return became if fuse.calls > call else "not reached"


def _after(case, wanted, fault):
    """Run a search into which an error falls, and compare the training with what it was.

    Returns:
        "restored" where the error was raised on and all is as before; "run lost" where a miniature run was, with a
        warning, and all is as before; "said" where the error, or a note on it, tells what could not be put back, and
        all else is as before; else what went wrong.
    """
    before, objects = state_of(case.training), identities(case.training)
    raised = None
    with warnings.catch_warnings(record=True) as caught, fault:
        warnings.simplefilter("always")
        try:
            case.search()
        except BaseException as error:
            raised = error
    notes = " ".join([str(raised), *getattr(raised, "__notes__", ())])
    if state_of(case.training) != before or identities(case.training) != objects:
        return f"changed, after {raised!r}"
    if isinstance(raised, StateLeak) or "could not be put back" in notes:
        return "said"
    if raised is None and issubclass(wanted, OUT_OF_MEMORY):
        return "run lost" if any("ran out of memory" in str(w.message) for w in caught) else "lost without a word"
    return "restored" if isinstance(raised, wanted) else f"not raised on, but {raised!r}"


class Lines:
    """Counts how often each line of the package is passed, and lets Ctrl-C fall into one passage."""

    def __init__(self, line=None, passage=0, armed=True):
        self.passed, self.line, self.passage, self.armed = Counter(), line, passage, armed

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
        if event == "line" and self.armed:
            here = (frame.f_code.co_filename, frame.f_lineno)
            self.passed[here] += 1
            if here == self.line and self.passed[here] - 1 == self.passage:
                raise KeyboardInterrupt("by hand, at a line")
        return self._traced


def passages():
    """Every line that a search passes, with its first, middle and last passage."""
    torch.manual_seed(0)
    case = trained()
    with Lines() as lines:
        case.search()
    return [(line, n) for line, times in sorted(lines.passed.items()) for n in sorted({0, times // 2, times - 1})]


def outcome_at_line(line, passage):
    """What became of a training into whose search Ctrl-C fell at a line."""
    torch.manual_seed(0)
    return _after(trained(), KeyboardInterrupt, Lines(line, passage))


def passages_while_leaving():
    """Every line that is passed after a first Ctrl-C, with its first and last passage."""
    torch.manual_seed(0)
    lines = Lines(armed=False)
    case = leaving(lines)
    with lines, suppress(KeyboardInterrupt):
        case.search()
    return [(line, n) for line, times in sorted(lines.passed.items()) for n in sorted({0, times - 1})]


def leaving(lines):
    """A search that Ctrl-C ends in a race, from where on the lines count."""

    def loss_fn(output, target):
        fuse()
        return F.cross_entropy(output, target)

    def interrupt(*args):
        lines.armed = True
        return KeyboardInterrupt(*args)

    fuse = Fuse(50, interrupt)
    fuse.is_armed = True
    return trained(loss_fn=loss_fn)


def outcome_of_a_second(line, passage):
    """What became of a training whose search was interrupted, and interrupted again on the way out."""
    torch.manual_seed(0)
    lines = Lines(line, passage, armed=False)
    return _after(leaving(lines), KeyboardInterrupt, lines)
