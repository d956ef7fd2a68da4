"""Short trials on quadratics, whose edge is known: annealed descent of curvature h diverges a little above 2 / h."""

import math

import pytest
from builders import explored
from quadratic import QuadraticLoop

from lrfinder import range_test
from lrfinder.advice.peak import swept_edge
from lrfinder.search.edge import STEPS, edge_batches, next_about_edge, next_unless_plateau
from lrfinder.search.explore import FARTHEST, explore

TRAIN = [[i] for i in range(STEPS)]


def run(loop, first_peak, *, budget=500.0, next_peak=next_about_edge):
    """Short trials of a loop about its edge."""
    with loop.preserved() as snapshot:
        batches = edge_batches(TRAIN, losses_per_step=3)
        return explore(loop, snapshot, batches, first_peak=first_peak, next_peak=next_peak, budget=budget)


@pytest.mark.parametrize("first_peak", [0.03, 0.3, 30.0])
@pytest.mark.parametrize("h", [0.5, 2.0, 20.0])
def test_the_edge_scales_with_the_curvature(h, first_peak):
    """Wherever the trials begin, the edge on a quadratic is a few times 2 / h, since the peak is held only shortly."""
    assert 1 < run(QuadraticLoop(h=h), first_peak).edge / (2 / h) < 8


def test_the_first_trial_lies_a_quarter_of_a_decade_below_the_edge_that_the_sweep_shows():
    """Every other peak is a whole number of eighths of a decade away from it."""
    evidence = range_test(QuadraticLoop(), progress=False).evidence
    first_peak = swept_edge(evidence.curve) * 10**-0.25

    indices = [8 * math.log10(lr / first_peak) for lr in evidence.edge_trials[0].lrs]

    assert min(map(abs, indices)) < 1e-9
    assert indices == pytest.approx([round(index) for index in indices], abs=1e-9)


@pytest.mark.parametrize(
    ("sizes", "held_out", "cost"),
    [
        ([1, 64, 64] * 4 + [1, 64], None, 2.0),
        ([1] * STEPS, ["a", "b", "c"], 1.0),
        ([1] + [2] * (STEPS - 1), ["a", "b", "c"], 0.5),
    ],
    ids=["the last six steps", "held out", "held out, of two micro-batches"],
)
def test_batches_evaluate_a_trial_at_the_cost_of_a_forward(sizes, held_out, cost):
    """The last six steps are read as they come, for two steps before any trial; held-out batches one by one."""
    made = edge_batches([[0] * size for size in sizes], held_out, losses_per_step=3)

    assert made.evaluation == ([[batch] for batch in held_out] if held_out else made.train[-6:])
    assert (made.forward_cost, made.reads_steps) == (cost, held_out is None)


class Cliff(QuadraticLoop):
    """A loss of 1 up to a rate of 1, and no number beyond."""

    def step(self, batch):
        return 1.0 if self.lr <= 1.0 else math.nan

    def loss(self, batch, *, train=False):
        return 1.0


@pytest.mark.parametrize("first_peak", [0.1, 30.0])
def test_two_trials_on_a_plateau_end_the_exploration(first_peak):
    """Trials that diverged are no plateau; two that left the loss alone are enough; trials that improve go on."""
    found, goes_on = (run(Cliff(), first_peak, next_peak=rule) for rule in (next_unless_plateau, next_about_edge))

    assert [loss for loss in found.losses if loss is not None] == [1.0, 1.0]
    assert len(goes_on.lrs) > len(found.lrs)
    both = [run(QuadraticLoop(), first_peak, next_peak=rule) for rule in (next_unless_plateau, next_about_edge)]
    assert both[0] == both[1]


TABLE = {
    "nothing gained: below": ({0: 11.0}, -4),
    "diverged: below": ({0: None}, -4),
    "nothing gained, less lost above: further up": ({0: 12.0, 4: 11.0}, 8),
    "nothing gained, less lost below: further down": ({0: 12.0, -4: 11.0}, -8),
    "nothing gained at the lowest index: above": ({-FARTHEST: 11.0}, 4 - FARTHEST),
    "gained: above": ({0: 5.0}, 4),
    "less gained above: below": ({0: 5.0, 4: 5.1}, -4),
    "exactly half of it lost: above": ({-4: 6.0, 0: 5.0, 4: 7.5}, 8),
    "gained in proportion to the peak: two strides above": ({0: 9.0, 4: 6.5}, 12),
    "best between others: middle of the bracket": ({-4: 6.0, 0: 5.0, 4: None}, 2),
    "the bracket's lower end need not be the best": ({-4: 6.0, 0: 5.0, 4: 6.0, 8: None}, 6),
    "a bracket of two: its middle": ({-4: 6.0, 0: 5.0, 2: None, 4: None}, 1),
    "a bracket of one: known": ({-4: 6.0, 0: 5.0, 1: None, 4: None}, None),
    "nothing lost at the highest index: known": ({FARTHEST - 4: 6.0, FARTHEST: 5.0}, None),
    "nothing lost at the highest index, which is the lowest too: below": ({FARTHEST: 5.0}, FARTHEST - 4),
    "best at the lowest index: middle of the bracket": ({-FARTHEST: 5.0, 4 - FARTHEST: None}, 2 - FARTHEST),
}


@pytest.mark.parametrize(("after", "index"), TABLE.values(), ids=TABLE)
def test_the_next_peak_about_the_edge(after, index):
    """Up until half of the best gain of a loss of 10 is lost, one below the best, then the middle of the bracket."""
    assert next_about_edge(explored(after)) == index


def test_the_exploration_does_not_run_away():
    """Where every higher peak is better, or no peak gains anything, it ends a few decades from where it began."""

    class Better(QuadraticLoop):
        def step(self, batch):
            self.theta = min(self.theta, 1 / (1 + self.lr))
            return self.theta

        def loss(self, batch, *, train=False):
            return self.theta

    explorations = [run(loop, 0.1, budget=1e6) for loop in (Better(), QuadraticLoop(h=0.0))]

    assert all(max(found.lrs) / min(found.lrs) < 10**13 for found in explorations)
