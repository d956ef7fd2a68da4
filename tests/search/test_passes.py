"""A sweep in two passes: which rates it tries, what it costs, and when one pass stays."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from least_squares import LeastSquares
from quadratic import BATCHES, Quadratic, QuadraticLoop
from twins import check_no_trace, sweep, training

from lrfinder import Facts, find_lr, range_test
from lrfinder.evidence.divergence import onset
from lrfinder.evidence.evidence import read_curve
from lrfinder.evidence.rules import RULES
from lrfinder.search.passes import sweep_in_passes, wants_passes
from lrfinder.search.sweep import exponential_range

SHORT = exponential_range(1e-7, 10.0, 28)
"""The rates that the sweep of a search of a hundred steps may cost."""


def passes(loop, lrs=SHORT):
    """The curve of both passes, and what only the coarse one saw."""
    with loop.preserved() as snapshot:
        return sweep_in_passes(loop, snapshot, lrs)


def decades(lrs):
    """Decades between neighbours."""
    return [math.log10(b / a) for a, b in pairwise(lrs)]


@pytest.mark.parametrize("h", [2.0, 20.0, 200.0])
def test_the_steps_are_spent_where_the_loss_moves(h):
    """Far below 2/h there is a rate a decade; from a decade below the fall on nearly four, until it diverges."""
    curve, _ = passes(QuadraticLoop(h=h))

    moving = [lr for lr in curve.lrs if lr >= 0.005 * 2 / h]
    assert (curve.stopped, curve.lrs[0]) == ("diverged", 1e-7)
    assert max(decades(moving)) <= 0.27
    assert decades(curve.lrs)[0] == pytest.approx(1.0)


@pytest.mark.parametrize("h", [2.0, 200.0, 1e5])
def test_the_blow_up_lies_where_the_quadratic_is_unstable(h):
    """Within a rate of 2/h, though a coarse pass of 1e5 steps right into the optimum and hides the rise."""
    curve, _ = passes(QuadraticLoop(h=h))

    assert 0.99 <= onset(curve) / (2 / h) <= curve.lrs[-1] / curve.lrs[-2]


def test_the_fine_pass_begins_where_the_coarse_one_did():
    """The training is put back between them, and what both saw is kept."""
    loop = QuadraticLoop(h=2.0)

    curve, coarse = passes(loop)

    second = next(i for i, (a, b) in enumerate(pairwise(loop.rates), start=1) if b < a)
    theta, expected = 1.0, []
    for lr in loop.rates[second:]:
        expected.append(theta**2)
        theta -= lr * 2.0 * theta
    assert curve.losses[-len(expected) :] == expected
    assert sorted([*coarse.lrs, *curve.lrs]) == sorted(loop.rates)


def test_the_fine_pass_goes_on_until_it_diverges_or_the_range_ends():
    """Where a coarse pass saw a rise that the fine one does not, it goes on at the same ratio, to the last rate."""
    loop = QuadraticLoop(script=[1.0, 1.0, 1.0, 0.9, 5.0, 90.0, math.nan, *[1.0 - 0.001 * i for i in range(100)]])

    curve, coarse = passes(loop)

    assert (coarse.stopped, curve.stopped, curve.lrs[-1]) == ("non_finite", "completed", 10.0)
    fine = decades(curve.lrs)[3:]
    assert fine == pytest.approx([fine[0]] * len(fine))


def test_a_coarse_pass_that_ends_at_once_leaves_a_plain_sweep():
    """It says nothing of the range, so all other steps are spread over it."""
    loop = QuadraticLoop(script=[1.0, math.nan, *[1.0] * 30])

    curve, coarse = passes(loop)

    assert curve.lrs == pytest.approx(exponential_range(1e-7, 10.0, 26))
    assert coarse.steps == 2


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.sampled_from([0.0, 0.5, 0.99, 1.0, 1.01, 3.0, 1e6, math.nan]), min_size=80, max_size=80))
def test_whatever_the_losses_both_passes_cost_less_than_twice_the_steps(losses):
    """The trials of a search pay for what exceeds them; rates ascend, inside the range that was asked for."""
    loop = QuadraticLoop(script=[1.0, *losses])

    curve, coarse = passes(loop)

    assert curve.steps + coarse.steps == loop.drawn <= 2 * len(SHORT)
    assert all(SHORT[0] <= lr <= SHORT[-1] for lr in (*curve.lrs, *coarse.lrs))
    assert read_curve(curve, Facts(), coarse=coarse).cost_steps == loop.drawn


@pytest.mark.parametrize("bad", [math.nan, 1e300])
def test_a_bad_first_batch_of_the_fine_pass_ends_it(bad):
    """The coarse pass had good batches before, so that it is no reason to refuse the training."""
    curve, coarse = passes(QuadraticLoop(script=[1.0] * 8 + [9.0, bad, *[1.0] * 30]))

    assert curve.stopped == "non_finite"
    assert [*curve.lrs, *coarse.lrs] == pytest.approx([10.0**i for i in range(-7, 2)])


def test_one_loss_is_a_divergence_where_the_coarse_pass_had_one():
    """A spike near the rate of the first blow-up ends the fine pass, one far below is a bad batch."""
    blow_up = [1.0, 1.01, 0.99, 1.0, 0.9, 5.0, 90.0, 1e3, 1e4]
    fine = [1.0 + 0.01 * (-1) ** i for i in range(19)]

    near, far = (
        passes(QuadraticLoop(script=[*blow_up, *fine[:at], 40.0, *fine[at:], *fine, *fine]))[0] for at in (13, 1)
    )

    assert (near.stopped, near.losses[-1]) == ("diverged", 40.0)
    assert far.losses.index(40.0) < len(far) - 1


@pytest.mark.parametrize(
    ("lrs", "wants"),
    [
        (SHORT, True),
        (exponential_range(1e-7, 10.0, 100), False),
        (exponential_range(1e-3, 1.0, 28), False),
        (exponential_range(1e-7, 10.0, 12), False),
    ],
    ids=["short", "dense", "a narrow range", "too few"],
)
def test_two_passes_are_made_where_rates_are_few_but_enough(lrs, wants):
    """With eight rates to the decade one pass shows everything; with a dozen in all the second would be too short."""
    assert wants_passes(lrs) is wants


@pytest.mark.parametrize("options", [{"rule": "steepest"}, {"steps": 60}, {"val_loader": BATCHES * 4}], ids=str)
def test_one_pass_stays_where_all_steps_are_swept_or_held_out_batches_are_read(options):
    """Its rates have one ratio, and nothing is kept besides."""
    model = Quadratic(2.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    found = find_lr(model, BATCHES, optimizer=optimizer, progress=False, **options)

    assert found.evidence.coarse is None
    assert decades(found.curve.lrs) == pytest.approx([decades(found.curve.lrs)[0]] * (len(found.curve) - 1))


@pytest.mark.parametrize("seed", range(5))
def test_every_rule_has_an_answer_where_the_loss_falls(seed):
    """On noisy least squares, whose loss falls to a tenth before it diverges."""
    found = range_test(LeastSquares(seed, size=64, columns=8, noise=0.05), progress=False)

    assert found.evidence.coarse is not None
    assert None not in [found.suggestions[name] for name in RULES]
    assert found.status == "ok"


def test_two_searches_of_one_state_give_one_answer():
    """Both passes and the trials read the same batches, with the same random numbers."""
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(sweep(training(), steps=100))

    assert found[0].evidence.coarse is not None
    assert found[0] == found[1]


def test_two_passes_leave_no_trace():
    """Ten steps later the training is as its twin that was never swept."""
    check_no_trace(training, lambda t: sweep(t, steps=100))


def test_a_peak_above_the_fine_pass_can_be_planned_for_again():
    """`recommend` takes any peak inside the range that either pass tried."""
    found = range_test(QuadraticLoop(h=2.0), progress=False)

    assert found.evidence.lr_range == (1e-7, 10.0)
    assert found.recommend(total_steps=1_000).lr == found.lr
