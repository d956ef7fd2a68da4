"""Pilots: which batches they train on and are judged by, which peaks they try, what they cost and leave behind."""

import math
import random
from collections import UserDict
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from least_squares import LeastSquares, Recursion
from quadratic import QuadraticLoop
from torch.utils.data import DataLoader
from twins import dataset, state_of, training

from lrfinder import Facts, LRFinderWarning, TorchLoop
from lrfinder.evidence.trials import Trials, warmup_and_linear
from lrfinder.search import pilot as module
from lrfinder.search.edge import FARTHEST, PER_DECADE
from lrfinder.search.pilot import PilotBatches, draw_pilot, draw_pilots, run_pilot
from lrfinder.training.batch import tensors

STEPS = 40


class Numbered(QuadraticLoop):
    """Windows that are numbers from 0, in a new order in every epoch."""

    def __init__(self, per_epoch=None):
        super().__init__()
        self.facts = Facts(steps_per_epoch=per_epoch)

    def draw(self):
        (number,) = super().draw()
        epoch, i = divmod(number - 1, self.facts.steps_per_epoch or math.inf)
        return [i if epoch == 0 else int(np.random.default_rng(int(epoch)).permutation(self.facts.steps_per_epoch)[i])]


def set_up(steps=STEPS, total_steps=400, per_epoch=None, **options):
    """The windows and the judges of a stage, as plain numbers."""
    made = draw_pilot(Numbered(per_epoch), steps, total_steps, **options)
    return [window[0] for window in made.windows], [judge[0] for judge in made.judges]


def rehearsed(loop=None, *, first_peak=0.5, budget=1e4, steps=STEPS, judges=13, **options):
    """A pilot on windows of its own, and its loop."""
    loop = loop or QuadraticLoop()
    with loop.preserved() as snapshot:
        batches = [loop.draw() for _ in range(steps + judges)]
        made = PilotBatches(steps, batches[:steps], batches[steps:], judges / 3)
        return run_pilot(
            loop, snapshot, made, shape=warmup_and_linear, first_peak=first_peak, budget=budget, **options
        ), loop


def places(trials, first_peak):
    """Where the trials lie, in eighths of a decade from `first_peak`."""
    return [round(PER_DECADE * math.log10(lr / first_peak)) for lr in trials.lrs]


class Wanting(QuadraticLoop):
    """A loss that is least where all steps ran below `wanted` and the highest as near to it as can be."""

    def __init__(self, wanted):
        super().__init__()
        self.wanted = wanted

    def step(self, batch):
        self.theta = max(self.lr, self.theta if self.theta != 1.0 else 0.0)
        return 1.0

    def loss(self, batch, *, train=False):
        return 100.0 if self.theta == 1.0 else abs(math.log10(self.theta / self.wanted))


@pytest.mark.parametrize("per_epoch", [2, 3, 7, 20, 53, 400])
def test_nothing_that_judges_was_trained_on(per_epoch):
    """Within an epoch the windows of training and of judging are disjoint, and both are there."""
    windows, judges = set_up(total_steps=per_epoch, per_epoch=per_epoch)

    assert windows
    assert judges
    assert not set(windows) & set(judges)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("per_epoch", [7, 53, 60, 100, 1_000])
def test_later_rehearsals_are_judged_on_nothing_that_they_were_trained_on(per_epoch, count):
    """A stage that no longer fits into the epoch begins with the next one."""
    for made in draw_pilots(Numbered(per_epoch), count, STEPS, 3 * per_epoch):
        windows, judges = ({batch[0] for batch in part} for part in (made.windows, made.judges))
        assert judges
        assert not windows & judges


def test_stages_of_one_epoch_share_nothing():
    """Where an epoch has room for all of them, each pilot has windows of its own."""
    made = draw_pilots(Numbered(1_000), 4, STEPS, 1_000)

    used = [batch[0] for one in made for batch in (*one.windows, *one.judges)]
    assert len(set(used)) == len(used)


@pytest.mark.parametrize(("epochs", "windows"), [(0.5, 40), (1, 40), (2, 20), (4, 10), (10, 4), (40, 1), (1_000, 1)])
def test_as_many_epochs_in_small(epochs, windows):
    """Forty steps of E epochs run over 40 / E windows."""
    assert len(set_up(total_steps=int(100 * epochs), per_epoch=100)[0]) == windows


def test_an_epoch_is_not_used_up_by_training():
    """At most three quarters of an epoch are trained on, the rest judges."""
    windows, judges = set_up(total_steps=20, per_epoch=20)

    assert (len(windows), len(judges)) == (15, 5)


def test_a_loader_without_length_is_one_epoch():
    """Every step has a window of its own, and a third as many judge."""
    windows, judges = set_up(total_steps=10_000)

    assert windows == list(range(40))
    assert judges == list(range(40, 53))


def test_a_single_batch_is_trained_on_and_judges():
    """Nothing else is there."""
    windows, judges = set_up(total_steps=100, per_epoch=1)

    assert windows == judges == [0]


def test_held_out_batches_judge_one_by_one():
    """No window is drawn for judging; a micro-batch is charged a third of its share of a step."""
    loop = Numbered(100)
    made = draw_pilot(loop, STEPS, 100, held_out=["a", "b", "c", "d"])

    assert made.judges == [["a"], ["b"], ["c"], ["d"]]
    assert (loop.drawn, made.forward) == (40, 4 / 3)


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: [(x, 1)], lambda x: [{"x": [x]}], lambda x: [UserDict(x=x)]])
def test_what_fills_the_memory_is_used_again(wrap, monkeypatch):
    """With room for eight windows, six are trained on and two judge, however the tensors are packed."""
    monkeypatch.setattr(module, "KEPT_BYTES", 8 * 400)
    loop = Numbered()
    loop.draw = lambda: wrap(torch.zeros(100))

    made = draw_pilot(loop, STEPS, 1_000)

    assert (len(made.windows), len(made.judges)) == (6, 2)


def test_windows_are_trained_on_again_in_their_order():
    """Three windows make seven steps of 0, 1, 2, 0, 1, 2, 0."""
    loop, seen = QuadraticLoop(), []
    loop.step = lambda batch: seen.append(batch) or 1.0
    with loop.preserved() as snapshot:
        made = PilotBatches(7, ["a", "b", "c"], ["d"], 1 / 3)
        run_pilot(loop, snapshot, made, shape=warmup_and_linear, first_peak=0.1, budget=8.0)

    assert seen == list("abcabca")


def test_an_arm_runs_the_shape_at_its_peak():
    """Its rates are the peak times the shape at the middle of every step."""
    _, loop = rehearsed(first_peak=0.1, budget=STEPS + 9, steps=STEPS)

    assert loop.rates == pytest.approx([0.1 * warmup_and_linear((i + 0.5) / STEPS) for i in range(STEPS)])


def test_three_arms_half_a_decade_apart_come_first():
    """The next two fill the gaps beside the best, and then there is no more to try."""
    budget_of_three, _ = rehearsed(Wanting(0.5), budget=3 * STEPS + 20)
    all_of_it, _ = rehearsed(Wanting(0.5))

    assert places(budget_of_three, 0.5) == [-4, 0, 4]
    assert places(all_of_it, 0.5) == [-4, -2, 0, 2, 4]


@pytest.mark.parametrize("decades", [-4.0, -2.2, 1.4, 4.0])
def test_the_bracket_follows_the_best_peak(decades):
    """However far the guess was off, the best run ends with a neighbour a quarter of a decade away on either side."""
    wanted = 0.5 * 10**decades
    trials, _ = rehearsed(Wanting(wanted), budget=1e5)

    best = min(range(len(trials.lrs)), key=lambda i: trials.losses[i])
    beside = [math.log10(trials.lrs[best + 1] / trials.lrs[best]), math.log10(trials.lrs[best] / trials.lrs[best - 1])]
    assert beside == pytest.approx([0.25, 0.25])
    assert math.log10(trials.best / wanted) == pytest.approx(0, abs=0.125)


@pytest.mark.parametrize("decades", [-5, -4, -3])
def test_a_guess_far_below_is_left_in_long_strides(decades):
    """A win that grows as the peak does is far from the best: eight trials suffice for decades."""
    first_peak = 0.41 * 10**decades
    loop = Recursion(bend=3.625)

    best = rehearsed(loop, first_peak=first_peak, budget=13 / 3 + 8 * (STEPS + 13 / 3))[0].best

    assert math.log10(best / 0.41) == pytest.approx(0, abs=0.25)


def test_the_search_does_not_run_away():
    """Where every higher peak is better, or every lower one, it ends a few decades from where it began."""
    upward, _ = rehearsed(Wanting(1e30), budget=1e6)
    downward, _ = rehearsed(Wanting(1e-30), budget=1e6)

    assert max(places(upward, 0.5)) <= FARTHEST + 4
    assert min(places(downward, 0.5)) >= -FARTHEST - 4


@pytest.mark.parametrize("first_peak", [0.5, 50.0])
def test_arms_that_explode_end_early(first_peak):
    """What they save is left for others: more trials than the budget would pay at full length."""
    trials, _ = rehearsed(first_peak=first_peak, budget=4 * (STEPS + 13 / 3) + 20)

    lost = [loss for loss in trials.losses if loss is None]
    assert len(lost) > 0
    assert trials.cost < len(trials.lrs) * STEPS
    assert trials.best is not None


@pytest.mark.parametrize("budget", [30, 44, 45, 90, 150, 151, 200, 333.3])
def test_the_budget_is_kept(budget):
    """No trial is begun that might not be paid; what is not affordable at all is not run."""
    trials, _ = rehearsed(budget=budget)

    assert trials.cost <= max(budget, 13 / 3)
    assert (len(trials.lrs) > 0) == (budget >= STEPS + 2 * 13 / 3)


def test_repeated_steps_are_paid_from_the_budget():
    """A GradScaler that skips the first steps of every trial makes it longer, and none is begun that cannot be paid."""

    class Skipping(QuadraticLoop):
        tries = 0

        def step(self, batch):
            self.tries = self.tries + 1 if self.theta == 1.0 else 0
            return None if 0 < self.tries <= 8 else super().step(batch)

    budgets = range(100, 160, 3)
    assert all(rehearsed(Skipping(), budget=b)[0].cost <= b for b in budgets)


def test_a_loss_that_is_no_number_loses_the_arm():
    """NaN in the middle of a trial, from which it never comes back."""

    class Spoiled(QuadraticLoop):
        def step(self, batch):
            loss = super().step(batch)
            return math.nan if self.lr > 0.3 else loss

    trials, _ = rehearsed(Spoiled())

    assert [lr for lr, loss in zip(trials.lrs, trials.losses, strict=True) if loss is None] == [
        lr for lr in trials.lrs if lr > 0.31
    ]
    assert 0 < trials.best < 0.5


def test_a_judge_that_is_no_number_loses_the_arm():
    """The last step may blow up what no loss before it showed."""

    class Last(QuadraticLoop):
        def loss(self, batch, *, train=False):
            high = batch[0] > STEPS and self.theta != 1.0 and self.rates[-STEPS // 2] > 0.3
            return math.nan if high else super().loss(batch)

    trials, _ = rehearsed(Last(), budget=3 * STEPS + 20)

    assert trials.losses[-1] is None
    assert trials.losses[0] is not None


def test_a_judge_that_never_was_a_number_is_left_out():
    """The others judge: nothing of the answer moves."""

    class Spoiled(QuadraticLoop):
        def loss(self, batch, *, train=False):
            return math.nan if batch == [STEPS + 3] else super().loss(batch)

    spoiled, _ = rehearsed(Spoiled())

    assert spoiled.best == pytest.approx(rehearsed()[0].best)
    assert spoiled.start == 1.0


def test_without_a_judge_nothing_is_run():
    """Judges that are all not a number cost their forwards, and leave an empty record."""

    class Spoiled(QuadraticLoop):
        def loss(self, batch, *, train=False):
            return math.nan

    trials, loop = rehearsed(Spoiled())

    assert (trials.lrs, trials.best, trials.is_sure, trials.cost) == ((), None, False, 13 / 3)
    assert loop.rates == []


def test_an_arm_that_runs_out_of_memory_is_left_out():
    """It is in the way of nothing and recorded nowhere, and its steps are charged."""

    class Full(QuadraticLoop):
        def step(self, batch):
            if self.lr > 1.0:
                raise torch.OutOfMemoryError("no room")
            return super().step(batch)

    with pytest.warns(LRFinderWarning, match="ran out of memory and is left out"):
        trials, loop = rehearsed(Full(), first_peak=0.5)

    assert max(trials.lrs) <= 1.1
    assert trials.best is not None
    assert loop.theta == 1.0


@contextmanager
def counted(loop):
    """A snapshot that counts.

    Yields:
        It, and a list with an entry for every time that the loop was put back.
    """
    restored = []
    with loop.preserved() as snapshot:
        yield SimpleNamespace(restore=lambda: restored.append(loop.theta) or snapshot.restore()), restored


def test_every_arm_begins_at_the_start():
    """The snapshot is restored before the judges, before every trial and at the end."""
    loop = QuadraticLoop()
    with counted(loop) as (snapshot, restored):
        trials = run_pilot(
            loop, snapshot, PilotBatches(9, [[0]], [[1]], 1 / 3), shape=warmup_and_linear, first_peak=0.1, budget=60.0
        )
        assert loop.theta == 1.0

    assert len(restored) == len(trials.lrs) + 2


def torch_rehearsal(seed=0):
    """A pilot of a real network with dropout, batch statistics and shuffled batches."""
    for seeded in (torch.manual_seed, np.random.seed, random.seed):
        seeded(seed)
    t = training().train(3)
    loop = TorchLoop(t.model, t.loader, loss_fn=F.cross_entropy, optimizer=t.optimizer)
    before = state_of(t)
    with loop.preserved() as snapshot:
        made = draw_pilot(loop, 10, 40)
        trials = run_pilot(loop, snapshot, made, shape=warmup_and_linear, first_peak=0.01, budget=60.0)
        inside = state_of(t)["parameters"]
    return trials, before, inside, state_of(t)


def test_a_network_is_put_back():
    """Weights are at their start when the pilot ends, everything is as before when the guard is left."""
    _, before, inside, after = torch_rehearsal()

    assert inside == before["parameters"]
    assert after == before


def test_the_same_seed_gives_the_same_record():
    """Bit for bit, with dropout and shuffling; another seed gives another."""
    (first, *_), (second, *_), (other, *_) = torch_rehearsal(), torch_rehearsal(), torch_rehearsal(1)

    assert first == second
    assert first != other


def record(*pairs, start=10.0, **options):
    """A record of trials: pairs of peak and loss."""
    lrs, losses = zip(*pairs, strict=True)
    return Trials(lrs, losses, steps=STEPS, start=start, is_sure=True, cost=60.0, **options)


@pytest.mark.parametrize("seed", range(20))
def test_the_best_peak_is_the_lowest_point_of_a_parabola(seed):
    """Through the best run and its neighbours in log LR, as numpy.polyfit has it, but at most half way to them."""
    stream = np.random.default_rng(seed)
    x = np.cumsum(stream.uniform(0.2, 2.0, size=5))
    losses = np.abs(x - x[2]) * stream.uniform(0.1, 3.0, size=5)
    a, b, _ = np.polyfit(x[1:4], losses[1:4], 2)
    vertex = np.clip(-b / (2 * a), (x[1] + x[2]) / 2, (x[2] + x[3]) / 2)

    best = record(*zip(np.exp(x).tolist(), losses.tolist(), strict=True)).best

    assert math.log(best) == pytest.approx(vertex, rel=1e-9)


def test_an_exploded_neighbour_counts_as_one_that_lost_all():
    """The parabola runs through a loss as far above the start as the best is below it."""
    at = (0.1, 8.0), (1.0, 4.0)

    assert record(*at, (10.0, None)).best == pytest.approx(record(*at, (10.0, 16.0)).best)
    assert record(*at, (10.0, 1e30)).best == pytest.approx(record(*at, (10.0, 16.0)).best)


@pytest.mark.parametrize(("losses", "best"), [((1.0, 2.0, 3.0), 0.1), ((3.0, 2.0, 1.0), 10.0), ((5.0, 5.0, 5.0), 0.1)])
def test_the_best_of_the_outermost_runs_is_that_run(losses, best):
    """There is no parabola beyond them."""
    assert record(*zip((0.1, 1.0, 10.0), losses, strict=True)).best == best


@pytest.mark.parametrize("losses", [(10.0, 10.0), (11.0, None), (None, None)])
def test_there_is_no_best_peak_where_nothing_is_won(losses):
    """Neither a loss that stays nor one that rises is a win."""
    assert record(*zip((0.1, 1.0), losses, strict=True)).best is None


def test_a_win_that_says_nothing_has_no_best_peak():
    """It must exceed `min_gain`."""
    assert record((0.1, 9.5), min_gain=0.4).best == 0.1
    assert record((0.1, 9.5), min_gain=0.6).best is None


@pytest.mark.parametrize("count", [1, 2, 13])
def test_judges_that_all_fall_are_sure(count):
    """Even a few of them."""
    assert rehearsed(judges=count)[0].is_sure


def test_judges_that_rise_as_often_as_they_fall_are_not_sure():
    """What every judge gives is noise about the same mean, for every trial anew."""

    class Noisy(QuadraticLoop):
        stream = np.random.default_rng(5)

        def loss(self, batch, *, train=False):
            return float(self.stream.normal())

    sure = [rehearsed(Noisy(), budget=150)[0].is_sure for _ in range(40)]

    assert sum(sure) <= 12


def test_most_judges_that_fall_are_sure():
    """On noisy least squares single judges rise by chance, and the signed ranks see the win all the same."""
    trials, _ = rehearsed(LeastSquares(noise=0.3), first_peak=0.2)

    assert trials.is_sure


def test_the_callbacks_are_told():
    """Every step with its rate and loss, every trial with their number and the best peak so far."""
    steps, arms_said = [], []

    trials, _ = rehearsed(on_step=lambda *step: steps.append(step), on_trial=lambda *trial: arms_said.append(trial))

    assert [number for number, _ in arms_said] == list(range(1, len(trials.lrs) + 1))
    assert arms_said[-1][1] in trials.lrs
    assert len(steps) <= len(trials.lrs) * STEPS


def test_the_windows_are_recorded():
    """So many epochs leave a single one for ten steps."""
    trials, *_ = torch_rehearsal()

    assert (trials.steps, trials.windows, trials.epochs) == (10, 1, 10.0)


@pytest.mark.parametrize("wrap", [lambda loader: loader, lambda loader: lambda: loader], ids=["loader", "function"])
def test_windows_that_workers_send_are_taken_out_of_shared_memory(wrap):
    """Else a pilot would hold hundreds of files open."""
    t = training()
    loader = DataLoader(t.loader.dataset, batch_size=8, num_workers=1)
    loop = TorchLoop(t.model, wrap(loader), loss_fn=F.cross_entropy, optimizer=t.optimizer)
    with loop.preserved():
        made = draw_pilot(loop, 3, 3, steps_per_epoch=8)

    kept = [tensor for window in (*made.windows, *made.judges) for batch in window for _, tensor in tensors(batch)]
    assert len(kept) >= 8
    assert not any(tensor.is_shared() for tensor in kept)


def test_the_factor_is_recorded():
    """What was run stands beside what a line would want."""
    assert rehearsed(factor=0.5)[0].factor == 0.5
    assert rehearsed()[0].factor == 1.0


def test_lrs_ascend():
    """In whatever order they were run."""
    trials, _ = rehearsed(Wanting(3.0))

    assert all(low < high for low, high in pairwise(trials.lrs))


def test_scores_do_not_depend_on_where_the_loss_is_zero():
    """A loss a hundred lower has the same trials and the same best."""
    high, _ = rehearsed(QuadraticLoop(), loss_scale=1.0)
    low, _ = rehearsed(QuadraticLoop(offset=-100.0), loss_scale=1.0)

    assert low.lrs == high.lrs
    assert low.best == pytest.approx(high.best, rel=1e-6)
    assert replace(low, losses=high.losses, start=high.start, cost=high.cost, lrs=high.lrs) == high


def test_a_loader_is_drawn_from_as_it_is():
    """Windows and judges of a shuffled loader are parts of one epoch: no sample twice."""
    data = dataset(80)
    t = training()
    loop = TorchLoop(t.model, DataLoader(data, batch_size=8, shuffle=True), loss_fn=F.cross_entropy)
    with loop.preserved():
        made = draw_pilot(loop, STEPS, 10)
    rows = torch.cat([micro[0] for batch in (*made.windows, *made.judges) for micro in batch])

    assert len(rows.unique(dim=0)) == len(rows) == 80
