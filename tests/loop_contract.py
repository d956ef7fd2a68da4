"""What every `Loop` keeps to, as laws over a loop that a test hands in: `for law in LAWS: law(subject)`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from lrfinder.loop import Loop

LR = 1e-3
"""A rate at which a step changes the training, and leaves it sound."""


@dataclass
class Subject:
    """A loop in a training at its start, everything of the training in comparable form, each swept group's rate."""

    loop: Loop
    state: Callable[[], object]
    rates: Callable[[], list[float]]


def stepped(loop):
    """A batch, and the loss before a step that was made on it."""
    for _ in range(9):
        batch = loop.draw()
        loss = loop.step(batch)
        if loss is not None:
            return batch, loss
    raise AssertionError("nine steps in a row were skipped")


def it_has_every_name(subject):
    """The members of the protocol are all there."""
    wanted = {name for name in (*vars(Loop), *Loop.__annotations__) if not name.startswith("_")}

    assert [name for name in wanted if not hasattr(subject.loop, name)] == []


def the_facts_are_of_the_training(subject):
    """The reference group is one of the groups and has a rate; one process is its own chief and agrees with itself."""
    loop, facts = subject.loop, subject.loop.facts

    assert facts.bases[facts.reference] > 0
    assert len(facts.bases) == len(subject.rates())
    assert (facts.ranks, loop.is_chief, loop.agree(True), loop.agree(False)) == (1, True, True, False)


def a_rate_that_is_set_scales_every_group(subject):
    """It reads back exactly, and the groups keep the ratios of their bases however often it is set."""
    loop, facts = subject.loop, subject.loop.facts
    with loop.preserved():
        for lr in (1e-7, 3.3, 7.7e-5, 0.7):
            loop.lr = lr

            assert loop.lr == lr
            assert subject.rates() == [lr * (base / facts.bases[facts.reference]) for base in facts.bases]


def draws_do_not_end(subject):
    """Each is a sequence of at least one micro-batch; the loader starts again where it ends."""
    with subject.loop.preserved():
        drawn = [subject.loop.draw() for _ in range(3 * (subject.loop.facts.steps_per_epoch or 3) + 1)]

    assert all(isinstance(batch, Sequence) and len(batch) > 0 for batch in drawn)


def a_step_trains(subject):
    """It returns the loss as a number, and changes the training."""
    with subject.loop.preserved():
        subject.loop.lr = LR
        before = subject.state()
        _, loss = stepped(subject.loop)

        assert isinstance(loss, float)
        assert subject.state() != before


def a_loss_leaves_no_trace(subject):
    """Neither in the mode of evaluation nor as a repetition of the step; it is a number, and costs a part of a step."""
    with subject.loop.preserved():
        batch, _ = stepped(subject.loop)
        before = subject.state()

        losses = [subject.loop.loss(batch), subject.loop.loss(batch, train=True), subject.loop.loss(batch)]

        assert all(isinstance(loss, float) for loss in losses)
        assert subject.loop.losses_per_step >= 1
        assert losses[0] == losses[2]
        assert subject.state() == before


def a_training_loss_repeats_the_step(subject):
    """Back at the start, the loss of the last step is had again."""
    with subject.loop.preserved() as snapshot:
        batch, loss = stepped(subject.loop)
        snapshot.restore()

        assert subject.loop.loss(batch, train=True) == pytest.approx(loss, rel=1e-6)


def a_restored_training_repeats_itself(subject):
    """The same batches from the same start give the same losses, as often as wanted."""
    with subject.loop.preserved() as snapshot:
        batches = [subject.loop.draw() for _ in range(3)]
        runs = []
        for _ in range(3):
            snapshot.restore()
            subject.loop.lr = LR
            runs.append([subject.loop.step(batch) for batch in batches])

    assert runs[0] == runs[1] == runs[2]


def everything_is_put_back_after_an_error(subject):
    """What was raised is raised on, Ctrl-C too."""
    before = subject.state()

    def fail(kind):
        with subject.loop.preserved():
            subject.loop.lr = 2 * LR
            stepped(subject.loop)
            raise kind("on purpose")

    for kind in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(kind, match="on purpose"):
            fail(kind)
        assert subject.state() == before


def preserved_blocks_nest(subject):
    """The inner one puts everything back to where it began, the outer one to the start, the rate included."""
    before = subject.state()

    with subject.loop.preserved():
        subject.loop.lr = LR
        stepped(subject.loop)
        between = subject.state()
        with subject.loop.preserved():
            stepped(subject.loop)

        assert subject.state() == between

    assert subject.state() == before


def held_out_batches_are_the_same_at_every_call(subject):
    """There are none, or one whose loss can be compared."""
    with subject.loop.preserved():
        first, again = subject.loop.held_out(), subject.loop.held_out()
        assert (first is None) == (again is None)
        if first is not None:
            assert subject.loop.loss(first) == subject.loop.loss(again)


LAWS = (
    it_has_every_name,
    the_facts_are_of_the_training,
    a_rate_that_is_set_scales_every_group,
    draws_do_not_end,
    a_step_trains,
    a_loss_leaves_no_trace,
    a_training_loss_repeats_the_step,
    a_restored_training_repeats_itself,
    everything_is_put_back_after_an_error,
    preserved_blocks_nest,
    held_out_batches_are_the_same_at_every_call,
)
