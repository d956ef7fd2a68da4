"""What every `Loop` keeps to, as laws over a loop that a test hands in: `for law in LAWS: law(case)`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from lrfinder.loop import Loop

LR = 1e-3
"""A rate at which a step changes the training, and leaves it sound."""


@dataclass
class Case:
    """A loop in a training that is at its start.

    Args:
        loop: What the laws are for.
        state: Everything of the training, random streams included, in a form that can be compared.
        rates: The rate of each swept group now.
    """

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


def it_has_every_name(case):
    """The members of the protocol are all there."""
    wanted = {name for name in (*vars(Loop), *Loop.__annotations__) if not name.startswith("_")}

    assert [name for name in wanted if not hasattr(case.loop, name)] == []


def the_facts_are_of_the_training(case):
    """The reference group is one of the groups and has a rate; there is at least one rank."""
    facts = case.loop.facts

    assert facts.bases[facts.reference] > 0
    assert len(facts.bases) == len(case.rates())
    assert (facts.ranks, case.loop.is_chief) == (1, True)


def a_rate_that_is_set_scales_every_group(case):
    """It reads back exactly, and the groups keep the ratios of their bases however often it is set."""
    loop, facts = case.loop, case.loop.facts
    with loop.preserved():
        for lr in (1e-7, 3.3, 7.7e-5, 0.7):
            loop.lr = lr

            assert loop.lr == lr
            assert case.rates() == [lr * (base / facts.bases[facts.reference]) for base in facts.bases]


def draws_do_not_end(case):
    """Each is a sequence of at least one micro-batch; the loader starts again where it ends."""
    with case.loop.preserved():
        drawn = [case.loop.draw() for _ in range(3 * (case.loop.facts.steps_per_epoch or 3) + 1)]

    assert all(isinstance(batch, Sequence) and len(batch) > 0 for batch in drawn)


def a_step_trains(case):
    """It returns the loss as a number, and changes the training."""
    with case.loop.preserved():
        case.loop.lr = LR
        before = case.state()
        _, loss = stepped(case.loop)

        assert isinstance(loss, float)
        assert case.state() != before


def a_loss_leaves_no_trace(case):
    """Neither in the mode of evaluation nor as a repetition of the step; it is a number."""
    if not case.loop.can_measure:
        return
    with case.loop.preserved():
        batch, _ = stepped(case.loop)
        before = case.state()

        losses = [case.loop.loss(batch), case.loop.loss(batch, train=True), case.loop.loss(batch)]

        assert all(isinstance(loss, float) for loss in losses)
        assert losses[0] == losses[2]
        assert case.state() == before


def a_training_loss_repeats_the_step(case):
    """Back at the start, the forward of the last step gives its loss again."""
    if not case.loop.can_measure:
        return
    with case.loop.preserved() as snapshot:
        batch, loss = stepped(case.loop)
        snapshot.restore()

        assert case.loop.loss(batch, train=True) == pytest.approx(loss, rel=1e-6)


def a_restored_training_repeats_itself(case):
    """The same batches from the same start give the same losses, as often as wanted."""
    with case.loop.preserved() as snapshot:
        batches = [case.loop.draw() for _ in range(3)]
        runs = []
        for _ in range(3):
            snapshot.restore()
            case.loop.lr = LR
            runs.append([case.loop.step(batch) for batch in batches])

    assert runs[0] == runs[1] == runs[2]


def everything_is_put_back(case):
    """After the block the training is as before it, its rate included."""
    before = case.state()

    with case.loop.preserved():
        case.loop.lr = 2 * LR
        stepped(case.loop)

    assert case.state() == before


def everything_is_put_back_after_an_error(case):
    """What was raised is raised on, Ctrl-C too."""
    before = case.state()

    def fail(kind):
        with case.loop.preserved():
            case.loop.lr = 2 * LR
            stepped(case.loop)
            raise kind("on purpose")

    for kind in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(kind, match="on purpose"):
            fail(kind)
        assert case.state() == before


def preserved_blocks_nest(case):
    """The inner one goes back to where it began, the outer one to the start."""
    before = case.state()

    with case.loop.preserved():
        case.loop.lr = LR
        stepped(case.loop)
        between = case.state()
        with case.loop.preserved():
            stepped(case.loop)

        assert case.state() == between

    assert case.state() == before


def held_out_batches_are_the_same_at_every_call(case):
    """There are none, or one whose loss can be compared."""
    with case.loop.preserved():
        first, again = case.loop.held_out(), case.loop.held_out()
        assert (first is None) == (again is None)
        if first is not None and case.loop.can_measure:
            assert case.loop.loss(first) == case.loop.loss(again)


def one_process_agrees_with_itself(case):
    """A flag is true where it is true."""
    assert (case.loop.agree(True), case.loop.agree(False)) == (True, False)


LAWS = (
    it_has_every_name,
    the_facts_are_of_the_training,
    a_rate_that_is_set_scales_every_group,
    draws_do_not_end,
    a_step_trains,
    a_loss_leaves_no_trace,
    a_training_loss_repeats_the_step,
    a_restored_training_repeats_itself,
    everything_is_put_back,
    everything_is_put_back_after_an_error,
    preserved_blocks_nest,
    held_out_batches_are_the_same_at_every_call,
    one_process_agrees_with_itself,
)
