"""Signals that come while a training is put back wait until that is done."""

import signal
import threading

import pytest
from torch import nn
from twins import Meter

from lrfinder.snapshot.signals import held_signals
from lrfinder.snapshot.snapshot import forward_only, preserved


class Signalling:
    """An object whose restore sends a signal to the process, some times in a row."""

    def __init__(self, number=signal.SIGINT, times=1):
        self.number, self.times, self.loads, self.handle = number, times, 0, iter(())

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        self.loads += 1
        for _ in range(self.times):
            signal.raise_signal(self.number)


class Refilled(dict):
    """A dictionary that sends SIGINT when it is refilled, at which moment it is empty if it had a new key."""

    def __setitem__(self, key, value):
        signal.raise_signal(signal.SIGINT)
        super().__setitem__(key, value)


class Preserved:
    """A training that is kept with something that signals in the middle of it."""

    def __init__(self, signalling):
        self.model, self.meter = nn.Linear(1, 1, bias=False), Meter()
        nn.init.zeros_(self.model.weight)
        self.others = [signalling, self.meter]

    def block(self):
        return preserved([self.model], [], self.others)

    def change(self, error=None):
        nn.init.ones_(self.model.weight)
        self.meter.count = 1
        if error is not None:
            raise error

    @property
    def is_whole(self):
        return self.model.weight.item() == self.meter.count == 0


@pytest.fixture
def _worker_died():
    """A handler like that of torch, which raises an error when a worker of a loader has died."""

    def raise_error(*_):
        raise RuntimeError("a worker was killed")

    before = signal.signal(signal.SIGCHLD, raise_error)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("_worker_died")
@pytest.mark.parametrize(
    ("signalling", "error", "raised"),
    [
        (Signalling(), None, KeyboardInterrupt),
        (Signalling(times=3), None, KeyboardInterrupt),
        (Signalling(), ZeroDivisionError("boom"), KeyboardInterrupt),
        (Signalling(signal.SIGCHLD), None, RuntimeError),
    ],
    ids=["once", "thrice", "after an error", "a dead worker"],
)
def test_a_signal_in_the_midst_of_a_restore_is_raised_after_it(signalling, error, raised):
    """What comes after the interrupted part is put back too; an error of the block is the context of the signal's."""
    t = Preserved(signalling)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

    with pytest.raises(raised, match=r"^$|^a worker was killed$") as caught, t.block():
        t.change(error)

    assert t.is_whole
    assert caught.value.__context__ is error
    assert {number: signal.getsignal(number) for number in handlers} == handlers


@pytest.mark.parametrize("guard", [lambda module: preserved([module], []), lambda module: forward_only([module])])
def test_ctrl_c_in_the_midst_of_refilling_a_dictionary_is_raised_after_it(guard):
    """A dictionary that is empty for a moment, because a key was added, does not stay so, in either guard."""
    module = nn.BatchNorm1d(1)
    module.held = Refilled(a=1)

    def change():
        module.held["new"] = 2
        module.running_mean.fill_(7.0)

    with pytest.raises(KeyboardInterrupt, match=r"^$"), guard(module):
        change()

    assert (module.held, module.running_mean.item()) == ({"a": 1}, 0.0)


def test_ctrl_c_in_a_restore_within_the_block_is_raised_after_it():
    """A restore that a search makes between two trials is whole as well."""
    t, seen = Preserved(Signalling()), []

    with pytest.raises(KeyboardInterrupt, match=r"^$"), t.block() as snapshot:
        _restored(t, snapshot, seen)

    assert seen == [True]


def _restored(t, snapshot, seen):
    """Restore a changed training, and note whether it was whole when the interrupt came."""
    t.change()
    try:
        snapshot.restore()
    finally:
        seen.append(t.is_whole)


def test_signals_wait_for_the_end_of_the_outermost_block():
    """The end of an inner one delivers to the outer one."""
    reached = []

    with pytest.raises(KeyboardInterrupt, match=r"^$"), held_signals():
        reached.append(_held_within())

    assert reached == ["after the inner block"]


def _held_within():
    with held_signals():
        signal.raise_signal(signal.SIGINT)
    return "after the inner block"


def test_a_training_is_put_back_in_another_thread():
    """Where Python delivers no signal, and no handler can be set."""
    t = Preserved(Meter())

    def work():
        with t.block():
            t.change()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert t.is_whole


def test_a_training_that_failed_is_put_back_once():
    """A restore copies every weight: with an error under way, too, it is made once."""
    counted = Signalling(times=0)

    with pytest.raises(ZeroDivisionError, match="boom"), preserved([], [], [counted]):
        raise ZeroDivisionError("boom")

    assert counted.loads == 1
