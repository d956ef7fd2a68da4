"""Pilots: which batches they train on and are evaluated on, which peaks they try, and what they leave behind."""

import math
from collections import UserDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from builders import explored, horizon
from least_squares import Recursion
from quadratic import QuadraticLoop
from torch.utils.data import DataLoader
from twins import dataset, training

from lrfinder import TorchLoop
from lrfinder.schedules import Constant, Triangular
from lrfinder.search import pilot as module
from lrfinder.search.explore import FARTHEST, PER_DECADE, TrialBatches, explore
from lrfinder.search.pilot import draw_pilot, draw_pilots, in_small, next_about_best
from lrfinder.training.batch import tensors

STEPS = 40


class Numbered(QuadraticLoop):
    """A loop whose batches are numbers from 0, in a new order in every epoch."""

    def __init__(self, per_epoch=None):
        super().__init__()
        self.per_epoch = per_epoch

    def draw(self):
        (number,) = super().draw()
        epoch, i = divmod(number - 1, self.per_epoch or math.inf)
        return [i if epoch == 0 else int(np.random.default_rng(int(epoch)).permutation(self.per_epoch)[i])]


def numbers(batches):
    """The batches of a pilot that are trained on, each once, and those that evaluate, as plain numbers."""
    return list(dict.fromkeys(batch[0] for batch in batches.train)), [batch[0] for batch in batches.evaluation]


def drawn(steps=STEPS, total_steps=400, per_epoch=None):
    """The numbers of one pilot."""
    return numbers(draw_pilot(Numbered(per_epoch), steps, horizon(total_steps, per_epoch)))


def run(loop=None, *, first_peak=0.5, budget=1e4):
    """A pilot on batches of its own."""
    loop = loop or QuadraticLoop()
    with loop.preserved() as snapshot:
        batches = [loop.draw() for _ in range(STEPS + 13)]
        made = TrialBatches(batches[:STEPS], batches[STEPS:], 13 / 3)
        return explore(loop, snapshot, made, first_peak=first_peak, next_peak=next_about_best, budget=budget)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("per_epoch", [2, 3, 7, 20, 53, 60, 100, 400, 1_000])
def test_pilots_are_evaluated_on_nothing_that_they_were_trained_on(per_epoch, count):
    """One that no longer fits into the epoch begins with the next; those of one epoch have batches of their own."""
    pilots = [
        numbers(made) for made in draw_pilots(Numbered(per_epoch), [STEPS] * count, horizon(per_epoch, per_epoch))
    ]

    for trained, evaluated in pilots:
        assert trained
        assert evaluated
        assert not set(trained) & set(evaluated)


@pytest.mark.parametrize(("per_epoch", "count"), [(1_000, 4), (2 * 53, 2)])
def test_pilots_of_one_epoch_have_no_batch_in_common(per_epoch, count):
    """Where an epoch has room for all of them, if only just, none is left out between them."""
    loop = Numbered(per_epoch)
    made = draw_pilots(loop, [STEPS] * count, horizon(per_epoch, per_epoch))

    used = [number for one in made for part in numbers(one) for number in part]
    assert len(set(used)) == len(used) == loop.drawn == count * 53
    assert [one.forward_cost for one in made] == [13 / 3] * count


@pytest.mark.parametrize(("epochs", "batches"), [(0.5, 40), (1, 40), (4, 20), (16, 10), (100, 4), (1_600, 1)])
def test_a_pilot_has_the_square_root_of_the_epochs(epochs, batches):
    """Forty steps of E epochs run over 40 / sqrt(E) batches, again and again in their order; the record says so."""
    made = draw_pilot(Numbered(100), STEPS, horizon(int(100 * epochs), 100))

    assert (len(numbers(made)[0]), made.steps_per_epoch) == (batches, batches)
    assert [batch[0] for batch in made.train] == [i % batches for i in range(STEPS)]


@pytest.mark.parametrize(
    ("total_steps", "per_epoch", "trained", "evaluated"),
    [(20, 20, range(15), range(15, 20)), (10_000, None, range(40), range(40, 53)), (100, 1, [0], [0])],
    ids=["one short epoch", "no known length", "a single batch"],
)
def test_the_batches_that_are_not_trained_on_evaluate(total_steps, per_epoch, trained, evaluated):
    """At most three quarters of an epoch are trained on, and a third as many batches as steps evaluate.

    Without a known epoch every step has a batch of its own; a single batch does both.
    """
    assert drawn(total_steps=total_steps, per_epoch=per_epoch) == ([*trained], [*evaluated])


def test_held_out_batches_evaluate_one_by_one():
    """No batch is drawn for evaluation; a micro-batch is charged a third of its part of a step."""
    loop = Numbered(100)
    made = draw_pilot(loop, STEPS, horizon(100, 100), held_out=["a", "b", "c", "d"])

    assert made.evaluation == [["a"], ["b"], ["c"], ["d"]]
    assert (loop.drawn, made.forward_cost) == (40, 4 / 3)


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: [(x, 1)], lambda x: [{"x": [x]}], lambda x: [UserDict(x=x)]])
def test_batches_that_fill_the_memory_are_used_again(wrap, monkeypatch):
    """With room for eight batches six are trained on and two evaluate, however the tensors are packed."""
    monkeypatch.setattr(module, "KEPT_BYTES", 8 * 400)
    loop = Numbered()
    loop.draw = lambda: wrap(torch.zeros(100))

    made = draw_pilot(loop, STEPS, horizon(1_000))

    assert (made.steps_per_epoch, len(made.evaluation), len(made.train)) == (6, 2, STEPS)


@pytest.mark.parametrize("wrap", [lambda loader: loader, lambda loader: lambda: loader], ids=["loader", "function"])
def test_batches_that_workers_send_are_taken_out_of_shared_memory(wrap):
    """Else a pilot would hold hundreds of files open."""
    t = training()
    loader = DataLoader(t.loader.dataset, batch_size=8, num_workers=1)
    loop = TorchLoop(t.model, wrap(loader), loss_fn=F.cross_entropy, optimizer=t.optimizer)
    with loop.preserved():
        made = draw_pilot(loop, 3, horizon(3, 8))

    kept = [tensor for batch in (*made.train, *made.evaluation) for micro in batch for _, tensor in tensors(micro)]
    assert len(kept) >= 8
    assert not any(tensor.is_shared() for tensor in kept)


def test_a_shuffled_loader_is_drawn_from_as_it_is():
    """All batches of a pilot within one epoch are parts of it: no sample twice."""
    loop = TorchLoop(training().model, DataLoader(dataset(80), batch_size=8, shuffle=True), loss_fn=F.cross_entropy)
    with loop.preserved():
        made = draw_pilot(loop, STEPS, horizon(10, 10))

    unique = {id(batch): batch for batch in (*made.train, *made.evaluation)}.values()
    rows = torch.cat([micro[0] for batch in unique for micro in batch])
    assert len(rows.unique(dim=0)) == len(rows) == 80


@pytest.mark.parametrize(
    ("schedule", "total_steps", "factors"),
    [(Constant(), 1_000, [1.0] * 4), (lambda step: step / 1_000, 1_000, [0.125, 0.375, 0.625, 0.875])],
)
def test_a_step_of_a_pilot_has_the_mean_factor_of_the_steps_that_it_stands_for(schedule, total_steps, factors):
    """A schedule is followed by the part of the way, whatever its length."""
    shape = in_small(schedule, total_steps, 4)

    assert [shape((i + 0.5) / 4) for i in range(4)] == pytest.approx(factors, abs=1e-3)


def test_a_cycle_is_not_seen_at_one_phase():
    """The mean factor of a pilot is that of the schedule, though it is as long as that has cycles."""
    shape = in_small(Triangular(50, 0.01), 10_200, 51)

    assert np.mean([shape((i + 0.5) / 51) for i in range(51)]) == pytest.approx(0.5, abs=0.1)


TABLE = {
    "not improved, not worsened: above": ({0: 10.1}, {}, 4),
    "worsened: below": ({0: 11.0}, {}, -4),
    "not worsened beside the scale of the sweep: above": ({0: 11.0}, {"loss_scale": 100.0}, 4),
    "diverged: below": ({0: None}, {}, -4),
    "not improved, the highest diverged: below": ({0: 10.0, 4: None}, {}, -4),
    "gained too little: above": ({0: 9.5}, {"min_gain": 1.0}, 4),
    "nothing improved at the highest index: known": ({FARTHEST: 10.0}, {}, None),
    "best is the highest: above": ({0: 5.0}, {}, 4),
    "gained in proportion to the peak: two strides above": ({0: 9.0, 4: 6.5}, {}, 12),
    "best is the highest index of all: known": ({FARTHEST - 4: 6.0, FARTHEST: 5.0}, {}, None),
    "best is the lowest: below": ({0: 5.0, 4: None}, {}, -4),
    "best is the lowest index of all: known": ({-FARTHEST: 5.0, 4 - FARTHEST: 6.0}, {}, None),
    "enclosed: the gap to the better neighbour, below": ({-4: 6.0, 0: 5.0, 4: 7.0}, {}, -2),
    "enclosed: the gap to the better neighbour, above": ({-4: 8.0, 0: 5.0, 4: 7.0}, {}, 2),
    "enclosed by one that diverged: the other gap": ({-4: None, 0: 5.0, 4: 7.0}, {}, 2),
    "one gap halved: the other one": ({-4: 6.0, -2: 5.5, 0: 5.0, 4: 7.0}, {}, 2),
    "a wide gap: its middle": ({-4: 8.0, 0: 5.0, 12: 7.0}, {}, 6),
    "nothing learned: a decade below": ({0: 5.0, 4: 4.0}, {"learned": {0: 0.01, 4: 0.0}}, -8),
    "nothing learned, and little gained at the lowest: above": ({0: 9.0, 4: 4.0}, {"learned": {0: 0.01, 4: 0.0}}, 12),
    "nothing learned at the lowest index: known": ({-FARTHEST: 5.0}, {"learned": {-FARTHEST: 0.0}}, None),
    "both gaps halved: known": ({-4: 6.0, -2: 5.5, 0: 5.0, 2: 6.0, 4: 7.0}, {}, None),
}


@pytest.mark.parametrize(("after", "options", "index"), TABLE.values(), ids=TABLE)
def test_the_next_peak_about_the_best(after, options, index):
    """Outwards until the best of a loss of 10 lies between others, then the gaps beside it are halved once."""
    assert next_about_best(explored(after, **options)) == index


class Preferring(QuadraticLoop):
    """A training that ends the better, the nearer the highest rate of its steps was to a `wanted` one."""

    def __init__(self, wanted):
        super().__init__()
        self.wanted = wanted

    def step(self, batch):
        self.theta = max(self.lr, self.theta if self.theta != 1.0 else 0.0)
        return 1.0

    def loss(self, batch, *, train=False):
        return 100.0 if self.theta == 1.0 else abs(math.log10(self.theta / self.wanted))


@pytest.mark.parametrize("decades", [-4.0, -2.2, 1.4, 4.0])
def test_the_best_peak_ends_between_neighbours_a_quarter_of_a_decade_away(decades):
    """However far off the first peak was."""
    wanted = 0.5 * 10**decades
    trials = run(Preferring(wanted), budget=1e5)

    best = min(range(len(trials.lrs)), key=lambda i: trials.losses[i])
    beside = [math.log10(trials.lrs[best + 1] / trials.lrs[best]), math.log10(trials.lrs[best] / trials.lrs[best - 1])]
    assert beside == pytest.approx([0.25, 0.25])
    assert math.log10(trials.best / wanted) == pytest.approx(0, abs=0.125)


@pytest.mark.parametrize("decades", [-5, -4, -3])
def test_a_first_peak_far_too_low_is_left_in_long_strides(decades):
    """A gain that grows as the peak does is far from the best: eight trials suffice for decades."""
    found = run(Recursion(bend=3.625), first_peak=0.41 * 10**decades, budget=13 / 3 + 8 * (STEPS + 13 / 3))

    assert math.log10(found.best / 0.41) == pytest.approx(0, abs=0.25)


@pytest.mark.parametrize("wanted", [1e30, 1e-30])
def test_the_search_does_not_run_away(wanted):
    """Where every higher peak is better, or every lower one, it ends five or six decades from where it began."""
    trials = run(Preferring(wanted), budget=1e6)

    assert max(abs(math.log10(lr / 0.5)) for lr in trials.lrs) <= (FARTHEST + 4) / PER_DECADE
