"""Trials on quadratics, whose edge is known: annealed descent of curvature h blows up a little above 2 / h."""

import math

import pytest
from quadratic import QuadraticLoop

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.evidence import Evidence, Status, add_edge_trials
from lrfinder.evidence.outcome import unchanged
from lrfinder.evidence.trials import Trials
from lrfinder.search.edge import STEPS, guess, race


def trials(*pairs, start=2.0, is_sure=True):
    """A record of trials: pairs of peak and loss."""
    lrs, losses = zip(*pairs, strict=True)
    return Trials(lrs, losses, steps=STEPS, start=start, is_sure=is_sure, cost=60.0)


def run(h=2.0, first_peak=0.1, budget=500.0, loop=None, **options):
    """A race on a quadratic, and its loop."""
    loop = loop or QuadraticLoop(h=h)
    with loop.preserved() as snapshot:
        return race(loop, snapshot, [[i] for i in range(STEPS)], first_peak=first_peak, budget=budget, **options), loop


class Skipping(QuadraticLoop):
    """Skips as many first steps of every trial as it is told to."""

    def __init__(self, skips):
        super().__init__()
        self.skips = skips

    def step(self, batch):
        self.tries = self.tries + 1 if self.theta == 1.0 else 0
        return None if 0 < self.tries <= self.skips else super().step(batch)

    tries = 0


class Spoiled(QuadraticLoop):
    """One batch, of the last six, that is not a number in a forward and is skipped in a step."""

    def loss(self, batch, *, train=False):
        return math.nan if batch == [STEPS - 2] else super().loss(batch)

    def step(self, batch):
        return None if batch == [STEPS - 2] else super().step(batch)


def test_the_edge_is_where_half_of_the_best_win_is_lost():
    """Of a win of 1 half is left halfway between runs that win 1 and nothing; the four levels lie evenly about it."""
    edge = trials((0.1, 1.0), (1.0, 2.0)).edge

    assert edge == pytest.approx(10**-0.5)


def test_every_level_is_found_between_its_own_runs():
    """Levels of 80, 60, 40 and 20 % on a line through 100, 50 and 0 %."""
    edge = trials((1.0, 1.0), (10.0, 1.5), (100.0, 2.0)).edge

    assert math.log10(edge) == pytest.approx((0.4 + 0.8 + 1.2 + 1.6) / 4)


def test_a_run_that_exploded_is_lost():
    """The edge lies between the last good peak and the one that exploded."""
    assert 0.1 < trials((0.1, 1.0), (1.0, None)).edge < 1.0


def test_the_edge_is_at_least_the_highest_peak_where_nothing_is_lost():
    """Without a peak that was too high, the highest is all that is known."""
    assert trials((0.1, 1.5), (1.0, 1.0)).edge == pytest.approx(1.0)


@pytest.mark.parametrize("losses", [(2.0, 2.5), (None, None), (3.0, None)])
def test_there_is_no_edge_where_nothing_is_won(losses):
    """Runs that do not lower the loss say nothing."""
    assert trials((0.1, losses[0]), (1.0, losses[1])).edge is None


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("shift", [-100.0, 0.0])
def test_the_edge_does_not_depend_on_the_scale_of_the_loss(scale, shift):
    """A loss in the millions below zero has the same edge."""
    pairs = ((0.1, 1.0), (1.0, 1.25), (10.0, 1.75))

    scaled = trials(*((lr, scale * (loss + shift)) for lr, loss in pairs), start=scale * (2.0 + shift))

    assert scaled.edge == pytest.approx(trials(*pairs).edge, rel=1e-4)


@pytest.mark.parametrize("first_peak", [0.03, 0.3, 30.0])
@pytest.mark.parametrize("h", [0.5, 2.0, 20.0])
def test_the_edge_scales_with_the_curvature(h, first_peak):
    """Wherever the race begins, the edge on a quadratic is a few times 2 / h, since the peak is held only shortly."""
    found, _ = run(h=h, first_peak=first_peak)

    assert 1 < found.edge / (2 / h) < 8


def test_the_budget_is_kept():
    """A race stops before the trial that might cost more than is left: two fit beside six forwards."""
    found, _ = run(budget=2 + 2 * STEPS + 1)

    assert len(found.lrs) == 2
    assert found.cost == 2 + 2 * STEPS


def test_a_hopeless_run_is_ended():
    """Far above the edge the loss grows tenfold within a few steps, and the rest of them is saved."""
    found, _ = run(first_peak=1e3, budget=2 + STEPS)

    assert found.losses == (None,)
    assert found.cost < 2 + STEPS / 2


@pytest.mark.parametrize("offset", [-1.0, -0.999])
def test_a_loss_that_starts_about_zero_is_not_hopeless(offset):
    """Its scale is what the sweep won of it: the edge is that of the same loss a hundred higher."""
    about_zero, _ = run(loop=QuadraticLoop(offset=offset), loss_scale=1.0)
    higher, _ = run(loop=QuadraticLoop(offset=100.0), loss_scale=1.0)

    assert about_zero.edge == pytest.approx(higher.edge, rel=0.05)


@pytest.mark.parametrize("skips", [1, 3, 8])
def test_the_first_step_of_a_run_is_repeated_until_it_is_made(skips):
    """A GradScaler that looks for its scale shortens no run; what it takes is charged."""
    plain, _ = run()
    skipped, _ = run(loop=Skipping(skips))

    assert skipped.losses == plain.losses
    assert skipped.cost == plain.cost + skips * len(plain.losses)


def test_a_batch_that_is_skipped_judges_nothing():
    """The others judge: the edge is that of a race without it, and every number is finite."""
    found, _ = run(loop=Spoiled())

    assert found.is_sure
    assert found.start == 1.0
    assert found.edge == pytest.approx(run()[0].edge, rel=0.2)


def test_runs_that_all_explode_leave_the_curve_as_it_was():
    """What even the lowest peak does not bear is no signal about the rate: a batch that is not a number does that."""
    blank = trials((0.1, None), (1.0, None), is_sure=False)

    evidence = add_edge_trials(Evidence(CURVE, {}, Status.OK, cost_steps=4), [blank])

    assert (evidence.status, evidence.edge) == (Status.OK, None)


def test_a_race_that_cannot_be_paid_is_none():
    """With a budget below one run nothing is run, and nothing is recorded but the forwards."""
    found, _ = run(budget=10.0)

    assert (found.lrs, found.edge, found.is_open) == ((), None, False)
    assert add_edge_trials(Evidence(CURVE, {}, Status.OK), [found]).edge_trials == ()


def test_windows_of_unequal_length_do_not_exhaust_the_budget():
    """A forward costs a third of a step, however short the first window is."""
    loop = QuadraticLoop()
    windows = [[0] * (1 if i % 3 == 0 else 64) for i in range(STEPS)]
    with loop.preserved() as snapshot:
        found = race(loop, snapshot, windows, first_peak=0.1, budget=20.0)

    assert found.cost == 2 + STEPS


def test_validation_that_is_not_a_number_is_a_run_that_exploded():
    """The last step may blow up what every loss before it did not show."""

    class Last(QuadraticLoop):
        def loss(self, batch, *, train=False):
            high = batch == ["held out"] and max(self.rates[-STEPS:], default=0.0) > 0.3
            return math.nan if high else super().loss(batch)

    found, _ = run(loop=Last(), held_out=["held out"], budget=60.0)

    assert None in found.losses
    assert all(loss is None or math.isfinite(loss) for loss in found.losses)


def test_the_training_is_put_back_to_its_start():
    """After the race the parameter is where it was."""
    _, loop = run()

    assert loop.theta == 1.0


def test_held_out_batches_judge_every_run():
    """What they say counts, and costs a third of a step each."""
    found, _ = run(held_out=[[0], [1], [2]], budget=1 + 2 * (STEPS + 1))

    assert len(found.lrs) == 2
    assert found.cost == 1 + 2 * (STEPS + 1)
    assert found.start == 1.0


def test_a_sure_race_makes_up_for_a_curve_that_could_not_be_read():
    """A flat curve with runs that clearly lower the loss is no obstacle; the cost is that of both."""
    evidence = add_edge_trials(Evidence(None, {}, Status.FLAT, cost_steps=34), [trials((0.1, 1.0), (0.3, None))])

    assert evidence.status is Status.OK
    assert evidence.cost_steps == 94


@pytest.mark.parametrize(("before", "after"), [("flat", "flat"), ("ok", "ok"), ("out_of_range", "too_noisy")])
def test_a_race_without_a_sure_win_makes_no_signal(before, after):
    """Noise does not become a signal by being run; a best rate at an end of the sweep does not survive it."""
    unsure = trials((0.1, 1.9), (0.3, None), is_sure=False)

    assert add_edge_trials(Evidence(None, {}, Status(before)), [unsure]).status == after


def test_a_race_that_wins_nowhere_overrules_the_curve():
    """A fall that no trial repeats was noise."""
    lost = trials((0.1, 2.1), (0.3, None), is_sure=False)

    assert add_edge_trials(Evidence(None, {}, Status.OK), [lost]).status is Status.FLAT


def test_a_race_is_sure_where_every_loss_fell_alike():
    """On a quadratic every loss falls; without curvature none does."""
    found, _ = run()
    flat, _ = run(h=0.0, budget=60.0)

    assert found.is_sure
    assert not flat.is_sure


class Cliff(QuadraticLoop):
    """Flat up to a rate of 1, and no number beyond."""

    def step(self, batch):
        return 1.0 if self.lr <= 1.0 else math.nan

    def loss(self, batch, *, train=False):
        return 1.0


@pytest.mark.parametrize(("first_peak", "lost"), [(0.1, 0), (30.0, 4)])
def test_a_race_that_is_to_leave_a_plateau_ends_with_the_first_run_on_it(first_peak, lost):
    """Runs that exploded are no plateau, and one that left the loss where it was is enough."""
    found, _ = run(loop=Cliff(), first_peak=first_peak, ends_on_plateau=True)

    assert [loss is None for loss in found.losses] == [False, *[True] * lost]
    assert len(run(loop=Cliff(), first_peak=first_peak)[0].lrs) > len(found.lrs)


@pytest.mark.parametrize(
    ("losses", "loss_scale", "still"),
    [
        ([2.0, 2.01, 1.99, 2.0], 0.0, True),
        ([2.1, 1.9, 1.99, 1.98], 0.0, True),
        ([2.1, 1.9, 1.9, 1.7], 0.0, False),
        ([1.9, 2.1, 2.1, 2.1], 0.0, False),
        ([1.9, 2.1, 2.1, 2.1], 5.0, True),
        ([1.99, 1.99, 1.99, 1.99], 0.0, False),
        (None, 0.0, False),
    ],
)
def test_a_plateau_is_a_loss_that_hardly_moves(losses, loss_scale, still):
    """By two percent up or four down of the loss or of what the sweep won; a fall of every judge is none."""
    assert unchanged([2.0] * 4, losses, 0.0, loss_scale) is still


@pytest.mark.parametrize("first_peak", [0.03, 1e3])
def test_a_race_that_wins_is_not_ended_by_a_plateau(first_peak):
    """On a quadratic it is the same with and without, however far off it begins."""
    assert run(first_peak=first_peak, ends_on_plateau=True)[0] == run(first_peak=first_peak)[0]


def test_a_win_too_small_to_say_anything_is_not_sure():
    """What a batch's own noise explains is no win, and has no edge."""
    found, _ = run(min_gain=10.0)

    assert (found.is_sure, found.edge) == (False, None)


CURVE = Curve([1e-3, 1e-2, 1e-1, 1.0], [2.0, 1.5, 1.0, 3.0], stopped="diverged")


def test_doubt_is_shared_with_the_sweep():
    """Where no run is sure, the sweep's guess counts as much as the runs' edge; a sure one needs no help."""
    runs = (0.1, 1.0), (1.0, 2.0)
    doubtful = Evidence(CURVE, {}, Status.OK, edge_trials=(trials(*runs, is_sure=False),))
    sure = Evidence(CURVE, {}, Status.OK, edge_trials=(trials(*runs),))

    assert sure.edge == pytest.approx(10**-0.5)
    assert doubtful.edge == pytest.approx(math.sqrt(10**-0.5 * guess(CURVE)))


def test_a_race_that_never_lost_is_no_answer():
    """Where the highest peak that could be paid for is the best, the best one lies beyond; another race may know."""
    still_winning, other = trials((0.1, 1.5), (1.0, 1.0)), trials((1.0, 1.0), (10.0, 2.0))
    curve = Evidence(CURVE, {}, Status.OK)

    assert add_edge_trials(curve, [still_winning]).status is Status.OUT_OF_RANGE
    assert add_edge_trials(curve, [still_winning]).edge is None
    assert add_edge_trials(curve, [still_winning, other]).status is Status.OK
    assert add_edge_trials(curve, [still_winning, other]).edge == pytest.approx(other.edge)


def test_a_sure_race_that_never_lost_is_not_answered_by_one_without_a_win():
    """What is left has no edge, so there is no number."""
    still_winning, lost = trials((0.1, 1.5), (1.0, 1.0)), trials((0.1, 2.1), (0.3, None), is_sure=False)

    assert add_edge_trials(Evidence(CURVE, {}, Status.OK), [still_winning, lost]).status is Status.OUT_OF_RANGE


def test_several_races_are_averaged():
    """The edge of two races is their geometric mean."""
    races = trials((0.1, 1.0), (1.0, 2.0)), trials((1.0, 1.0), (10.0, 2.0))

    assert Evidence(CURVE, {}, Status.OK, edge_trials=races).edge == pytest.approx(1.0)


def test_the_guess_lies_where_a_sweep_turned():
    """It follows the ladder: all rates a hundred times as high, the guess too."""
    higher = Curve([100 * lr for lr in CURVE.lrs], CURVE.losses, stopped="diverged")

    assert 0.01 < guess(CURVE) < 1.0
    assert guess(higher) == pytest.approx(100 * guess(CURVE))
