"""The record of a measurement: what is read off a curve, and how trials are added to it."""

import math

import pytest
from builders import evidence, trials
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import descent, recorded

from lrfinder import Facts, InputError, Status
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.evidence import add_edge_trials, add_pilots, read_curve
from lrfinder.evidence.smoothing import SmoothCurve
from lrfinder.search.sweep import exponential_range

LOST_ABOVE = (0.1, 1.0), (1.0, 2.0)
"""Trials from a loss of 2 whose edge is 10**-0.5."""


def test_noise_is_the_deviation_over_the_drop():
    """A deviation of 0.05 about a curve that falls by 1.5 is a noise of a thirtieth."""
    assert read_curve(recorded(descent(noise=0.05)), Facts()).noise == pytest.approx(0.05 / 1.5, rel=0.3)


@pytest.mark.parametrize(("tail", "points", "cost"), [([], 1.0, 60), ([math.nan], 1.0, 61), ([], 4 / 3, 80)])
def test_the_cost_counts_every_optimizer_step(tail, points, cost):
    """The step whose loss was not finite was made too, and a rate may cost more than a step."""
    assert read_curve(recorded(descent()[:60] + tail * 40), Facts(), cost_of_point=points).cost_steps == cost


def test_a_coarse_pass_costs_its_steps():
    """What it saw besides the curve is kept, the step whose loss was not finite counted."""
    curve, coarse = Curve([1e-3, 1e-2], [2.0, 1.0]), Curve([0.1, 1.0], [1.0, 9.0], stopped="non_finite")

    found = read_curve(curve, Facts(), coarse=coarse)

    assert (found.coarse, found.cost_steps) == (coarse, 5)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    losses=st.lists(st.one_of(st.floats(-1e12, 1e12), st.floats(-3, 3)), min_size=1, max_size=60),
    scale=st.sampled_from([1e-12, 1.0]),
    stopped=st.sampled_from(["completed", "diverged", "non_finite"]),
)
def test_any_curve_can_be_read(losses, scale, stopped):
    """Whatever finite losses a sweep saw, there is a status, and only finite numbers."""
    curve = Curve(exponential_range(1e-6, 1.0, 60)[: len(losses)], [loss * scale for loss in losses], stopped=stopped)

    found = read_curve(curve, Facts())

    assert found.status in Status
    assert found.noise is None or 0 <= found.noise < math.inf


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"suggestions": {"steepest": 0.0}}, "`steepest` must be a positive rate or None, got 0.0"),
        ({"diverged_at": -1.0}, "`diverged_at` must be a positive rate or None, got -1.0"),
        (
            {"smooth": SmoothCurve([0.1], [1.0, 2.0], [0.0], 0.0)},
            r"`smooth` must be lists of one length, .* \[1, 2, 1\]",
        ),
        ({"smooth": SmoothCurve([], [], [], 0.0)}, r"`smooth` must be lists of one length, not empty, got \[0, 0, 0\]"),
        ({"smooth": SmoothCurve([0.1, 0.1], [1.0] * 2, [0.0] * 2, 0.0)}, "`smooth` must be at rates that are positive"),
    ],
)
def test_evidence_that_no_search_leaves_is_refused(fields, message):
    """Rates that are not positive and smoothed lists that do not belong together have one sentence each."""
    with pytest.raises(InputError, match=message):
        evidence(**fields)


@pytest.mark.parametrize(("add", "field"), [(add_edge_trials, "edge_trials"), (add_pilots, "pilots")])
def test_trials_are_added_with_their_cost(add, field):
    """The status is decided anew where there is a sweep; a record without a trial leaves its cost alone."""
    before = read_curve(recorded([1.0] * 40), Facts())
    made, none = trials(*LOST_ABOVE, cost=60.0), trials(cost=2.4, is_sure=False)

    after = add(before, [made, none])

    assert (before.status, after.status) == ("flat", "ok")
    assert (getattr(after, field), after.cost_steps) == ((made,), 40 + 63)
    assert add(evidence(status=Status.FLAT), [made]).status is Status.FLAT


@pytest.mark.parametrize(
    ("swept", "losses", "is_sure", "is_plateau"),
    [
        ([2.0] * 28, (2.0, None), False, True),
        ([2.0] * 28, (2.0, 1.5), True, False),
        ([2.0] * 28, (2.2, 2.3), False, False),
        ([2.0] * 28, (None, None), False, False),
        ([2.0] * 28, (1.7, 1.8), False, False),
        (descent(), (2.0, 1.9), False, False),
    ],
    ids=["unchanged", "one sure", "all worsened", "all diverged", "all fell, perhaps by chance", "the sweep is ok"],
)
def test_a_plateau_is_a_trial_that_changed_nothing_beside_none_that_improved(swept, losses, is_sure, is_plateau):
    """Trials that raised the loss, or may have lowered it, are no plateau, nor is a sweep that can be read."""
    made = trials((0.1, losses[0]), (1.0, losses[1]), is_sure=is_sure)

    assert add_edge_trials(read_curve(recorded(swept), Facts()), [made]).is_plateau is is_plateau
