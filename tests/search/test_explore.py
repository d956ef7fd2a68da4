"""What all trials have in common, whatever is tried next: where they begin, what they cost, how they end."""

import math

import numpy as np
import pytest
import torch
from quadratic import QuadraticLoop, Skipping

from lrfinder import Facts, LRFinderWarning
from lrfinder.search.explore import TrialBatches, explore, peak_at, stride
from lrfinder.search.trial import warmup_and_linear

STEPS, EVALUATED = 14, 6
FORWARD = EVALUATED / 3
FIRST = 0.1
DIVERGES = 24
"""The grid index of a peak of 100, at which the quadratic of curvature 2 diverges within a few steps."""

every_evaluation = pytest.mark.parametrize(
    "reads_steps", [True, False], ids=["by its last steps", "by batches of their own"]
)


def run(loop=None, indices=(0,), *, reads_steps=False, budget=1e4, evaluated=EVALUATED, **options):
    """Trials at grid indices one after another, on a training that has moved since its snapshot."""
    loop, after_first = loop or QuadraticLoop(), iter(indices[1:])
    with loop.preserved() as snapshot:
        train = [loop.draw() for _ in range(STEPS)]
        evaluation = train[-evaluated:] if reads_steps else [loop.draw() for _ in range(evaluated)]
        batches = TrialBatches(train, evaluation, evaluated / 3, reads_steps, steps_per_epoch=7)
        loop.theta = 7.0 * loop.theta
        options = {"next_peak": lambda explored: next(after_first, None), **options}
        found = explore(loop, snapshot, batches, first_peak=FIRST, budget=budget, **options)
        return found, loop.theta


@every_evaluation
def test_every_trial_and_the_evaluation_before_begin_at_the_snapshot(reads_steps):
    """A loss does not depend on what was tried before, and the training ends where the snapshot was taken."""
    (several, after), (alone, _) = (run(indices=i, reads_steps=reads_steps) for i in ((0, 4, DIVERGES, -4), (0, -4)))

    assert several.start == alone.start == 1.0
    assert several.losses[:2] == alone.losses
    assert after == 1.0


@every_evaluation
@pytest.mark.parametrize("count", [0, 1, 3])
def test_trials_are_paid_from_the_budget(reads_steps, count):
    """The evaluation before them costs its forwards, a trial its steps and, unless it reads them, one evaluation."""
    trial = STEPS + (0 if reads_steps else FORWARD)

    found, _ = run(indices=(0, 1, 2, 3), budget=FORWARD + (count + 1) * trial - 0.1, reads_steps=reads_steps)

    assert (len(found.lrs), found.cost) == (count, pytest.approx(FORWARD + count * trial))


def test_a_trial_that_diverges_ends_early():
    """The steps that it did not make, and its evaluation, are left for others."""
    found, _ = run(
        indices=(DIVERGES,) * 2 + (0,), next_peak=lambda explored: None if DIVERGES in explored.after else DIVERGES
    )

    assert found.losses[1] is None
    assert STEPS + 2 * FORWARD < found.cost < STEPS + 2 * FORWARD + STEPS / 2


@pytest.mark.parametrize("offset", [-1.0, -0.999])
def test_a_loss_that_starts_about_zero_has_the_scale_of_the_sweep(offset):
    """A trial whose loss rises for a moment goes on where `loss_scale` says how far the loss fell before."""
    with_scale, without = (run(QuadraticLoop(offset=offset), (0, 9), loss_scale=scale)[0] for scale in (1.0, 0.0))

    assert with_scale.losses[1] == pytest.approx(offset)
    assert without.losses[1] is None


@every_evaluation
@pytest.mark.parametrize("skips", [1, 3, 8])
def test_the_first_step_is_repeated_until_it_is_made(skips, reads_steps):
    """A GradScaler that looks for its scale shortens no trial, and what that takes is charged."""
    (plain, _), (skipped, _) = (run(loop, (0, 1), reads_steps=reads_steps) for loop in (None, Skipping(skips)))

    assert skipped.losses == plain.losses
    assert skipped.cost == plain.cost + skips * 2


def test_no_trial_is_begun_that_repeated_steps_could_make_too_long():
    """Once a trial took eight steps more, the next one must have as much room."""
    costs = [run(Skipping(8), (0, 1, 2), budget=budget)[0].cost for budget in range(30, 90)]

    # The first trial cannot know: it may exceed a budget that pays for it without its repeated steps.
    assert all(cost <= budget or cost == STEPS + 8 + 2 * FORWARD for budget, cost in enumerate(costs, 30))


@pytest.mark.parametrize("skips", [9, 1000])
def test_a_trial_without_a_step_has_diverged(skips):
    """Skipped steps later in a trial leave the others; a trial of nothing but skipped steps shows nothing."""
    found, _ = run(Skipping(skips))

    assert (found.losses[0] is None) is (skips == 1000)


class Full(QuadraticLoop):
    """A training that runs out of memory above a rate of 1."""

    def step(self, batch):
        if self.lr > 1.0:
            self.theta += 1.0
            raise torch.OutOfMemoryError("no room")
        return super().step(batch)


def test_a_trial_that_runs_out_of_memory_is_left_out():
    """It is charged, counts as diverged for the rule, is recorded nowhere, and the training is put back."""
    seen = []

    def next_peak(explored):
        seen.append(dict(explored.after))
        return {1: 16, 2: 4}.get(len(seen))

    with pytest.warns(LRFinderWarning, match="the trial to a peak of 10 ran out of memory and is left out"):
        found, after = run(Full(), next_peak=next_peak)

    assert seen[1][16] is None
    assert found.lrs == (peak_at(FIRST, 0), peak_at(FIRST, 4))
    assert found.cost == 3 * STEPS + 3 * FORWARD
    assert after == 1.0


def test_out_of_memory_is_raised_where_other_ranks_wait():
    """In a job of several ranks the others would wait for this one for ever."""
    loop = Full()
    loop.facts = Facts(ranks=2)

    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        run(loop, (0, 16))


class Spoiled(QuadraticLoop):
    """A quadratic whose loss is not a number where `is_spoiled(loop, batch)`; its step there is skipped."""

    def __init__(self, is_spoiled):
        super().__init__()
        self.is_spoiled = is_spoiled

    def loss(self, batch, *, train=False):
        return math.nan if self.is_spoiled(self, batch) else super().loss(batch)

    def step(self, batch):
        return None if self.is_spoiled(self, batch) else super().step(batch)


@every_evaluation
@pytest.mark.parametrize("batch", [[STEPS - 1], [STEPS + 2], None], ids=["trained on", "apart", "all"])
def test_an_evaluation_batch_without_a_finite_loss_is_left_out(batch, reads_steps):
    """The others evaluate, so that the start is their mean; without any the forwards are charged and nothing is run."""
    found, _ = run(Spoiled(lambda loop, drawn: batch in (drawn, None)), (0, 4), reads_steps=reads_steps)

    if batch is None:
        assert (found.lrs, found.best, found.is_sure, found.cost) == ((), None, False, FORWARD)
    else:
        assert (found.start, found.is_sure, len(found.lrs)) == (1.0, True, 2)
        assert all(math.isfinite(loss) for loss in found.losses)


def test_an_evaluation_that_is_no_longer_finite_is_a_trial_that_diverged():
    """The last step may break what every loss before it did not show."""
    found, _ = run(Spoiled(lambda loop, batch: batch[0] > STEPS and loop.theta not in (1.0, 7.0)))

    assert found.losses == (None,)


def test_a_trial_runs_its_shape_at_its_peak():
    """Its rates are the peak times the shape at the middle of every step; without a schedule a twentieth warms up."""
    loop, steps = QuadraticLoop(), []

    run(loop, (4,), next_peak=lambda explored: None, on_step=lambda *step: steps.append(step))

    assert loop.rates == pytest.approx([FIRST * warmup_and_linear((i + 0.5) / STEPS) for i in range(STEPS)])
    assert [lr for lr, _ in steps] == loop.rates
    assert [warmup_and_linear(part) for part in (0.025, 0.05, 0.525, 1.0)] == pytest.approx([0.5, 1.0, 0.5, 0.0])


def test_the_record_keeps_what_it_was_asked_for():
    """Peaks ascend in whatever order they were run; `on_trial` gets the number of a trial and the best peak so far."""
    made = []

    found, _ = run(indices=(0, 4, -4), factor=0.5, min_gain=0.25, on_trial=lambda *trial: made.append(trial))

    assert made == [(1, peak_at(FIRST, 0)), (2, peak_at(FIRST, 4)), (3, peak_at(FIRST, 4))]
    assert found.lrs == tuple(peak_at(FIRST, index) for index in (-4, 0, 4))
    assert (found.steps, found.factor, found.min_gain, found.steps_per_epoch) == (STEPS, 0.5, 0.25, 7)
    assert (run()[0].factor, run()[0].min_gain) == (1.0, 0.0)


@pytest.mark.parametrize("evaluated", [1, 2, 13])
def test_evaluation_losses_that_all_fall_are_sure(evaluated):
    """A few are enough; without curvature none falls."""
    assert run(indices=(0, DIVERGES), evaluated=evaluated)[0].is_sure
    assert not run(QuadraticLoop(h=0.0), indices=(0, DIVERGES), evaluated=evaluated)[0].is_sure


def test_a_single_trial_is_never_sure():
    """It was compared with nothing."""
    assert not run(indices=(0,))[0].is_sure
    assert run(indices=(0, -4))[0].is_sure


def test_evaluation_losses_of_pure_noise_are_hardly_ever_sure():
    """Of forty trials whose losses rise as often as they fall at most six pass for an improvement."""

    class Noisy(QuadraticLoop):
        stream = np.random.default_rng(5)

        def loss(self, batch, *, train=False):
            return float(self.stream.normal())

    assert sum(run(Noisy(), evaluated=13)[0].is_sure for _ in range(40)) <= 6


@pytest.mark.parametrize(
    ("gains", "indices"),
    [
        ({0: 1.0}, 4),
        ({0: 1.0, 4: 1.0}, 4),
        ({0: 1.0, 4: 2.5}, 4),
        ({0: 1.0, 4: 2.6}, 8),
        ({4: 2.6, 0: 1.0}, 8),
        ({0: 1.0, 8: 9.0}, 16),
        ({0: 1.0, 16: 90.0}, 16),
        ({-4: 9.0, 0: 1.0, 4: 2.6}, 8),
        ({0: -1.0, 4: 2.6}, 4),
        ({0: -math.inf, 4: -math.inf}, 4),
    ],
)
def test_a_gain_that_grows_as_the_peak_does_doubles_the_stride(gains, indices):
    """The two highest peaks say whether it grew by four fifths of what they did; two decades is the longest stride."""
    assert stride(gains) == indices


def test_eight_grid_indices_are_a_decade():
    """The first peak stands at 0, others below and above it."""
    assert [peak_at(FIRST, index) for index in (-8, 0, 4)] == pytest.approx([0.01, 0.1, 0.1 * 10**0.5])
