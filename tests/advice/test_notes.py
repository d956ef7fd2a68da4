"""What the report of a tuning adds: what its pilots did not settle, and what a larger budget would buy."""

import pytest

from lrfinder import Facts, LRResult
from lrfinder.advice.notes import add_notes
from lrfinder.advice.plan import Request
from lrfinder.advice.recommend import plan
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.evidence import Evidence, Status
from lrfinder.evidence.trials import Trials
from lrfinder.search.budget import Spending

RACE = Trials((1e-3, 1e-2, 1e-1), (1.5, 1.0, 1.8), 14, 2.0, is_sure=True, cost=50.0)
STILL = Trials((1e-2,), (2.0,), 14, 2.0, is_sure=False, cost=20.0)
LRS = (1e-3, 1e-2, 1e-1)
ENCLOSED, LOWEST, HIGHEST = (0.6, 0.4, 1.2), (0.4, 0.6, 1.2), (1.2, 0.6, 0.4)
LOST, LOST_ANYHOW = (2.1, 2.5, 3.0), (2.5, 2.1, None)


def told(*losses, total_steps=5_000, steps=300, race=RACE, status=Status.OK):
    """The warnings and the reasons of a tuning whose pilots came to these losses."""
    gains = [min(loss for loss in each if loss is not None) < 2.0 for each in losses]
    pilots = tuple(
        Trials(LRS, each, 60, 2.0, is_sure=is_sure, cost=190.0) for each, is_sure in zip(losses, gains, strict=True)
    )
    flat = Curve((1e-4, 1e-3, 1e-2, 1e-1), (2.0, 2.0, 2.0, 2.0))
    evidence = Evidence(flat, {}, status, facts=Facts(), edge_trials=(race,), pilots=pilots, cost_steps=290)
    found = add_notes(LRResult(evidence, plan(evidence, Request(total_steps))), Spending(steps, 100, 1, 60))
    return " ".join(found.plan.warnings), " ".join(reason.text for reason in found.plan.reasons)


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([LOWEST], "lowest"),
        ([HIGHEST], "highest"),
        ([LOWEST, HIGHEST], "highest or lowest"),
        ([LOWEST, LOST], "lowest"),
    ],
)
def test_a_best_at_an_end_is_warned_of(losses, end):
    """Where no pilot encloses it the best may lie beyond."""
    warnings, _ = told(*losses)

    assert f"The best pilot is the {end} that the budget paid for; a larger one would look beyond." in warnings


@pytest.mark.parametrize("losses", [[ENCLOSED], [ENCLOSED, LOWEST]])
def test_one_enclosed_best_is_enough(losses):
    """Nothing is warned of."""
    assert told(*losses)[0] == ""


@pytest.mark.parametrize(("total_steps", "is_told"), [(5_000, True), (601, True), (600, False), (300, False)])
def test_no_larger_budget_is_named_that_is_the_whole_training(total_steps, is_told):
    """Twice 300 steps are no advice for a training of 600."""
    assert ("twice the budget, 600 steps" in told(ENCLOSED, total_steps=total_steps)[1]) == is_told


def test_rehearsals_that_only_lost_say_in_which_direction():
    """The peak of the trials may be too high where lower pilots lost less; else nothing is known."""
    lower, anyhow = told(LOST)[0], told(LOST_ANYHOW)[0]

    assert "No pilot lowered the loss of what judges it" in lower
    assert "the lower theirs the less they lost, so it may be too high" in lower
    assert anyhow == "No pilot lowered the loss of what judges it, so that the peak is that of `find_lr`."


@pytest.mark.parametrize(("steps", "is_swept_alone"), [(74, True), (75, False), (239, False)])
def test_a_small_budget_says_what_it_did_not_look_at(steps, is_swept_alone):
    """Below what trials take the length of the training is not seen."""
    warnings, _ = told(steps=steps)

    assert f"The budget of {steps} steps is too small to rehearse the training; that takes 240." in warnings
    assert ("whatever the length of the training" in warnings) == is_swept_alone


def test_a_plateau_is_explained():
    """Why there are few and long runs."""
    assert "a trial left the loss where it was" not in told(ENCLOSED)[1]
    assert "a trial left the loss where it was" in told(ENCLOSED, race=STILL, status=Status.FLAT)[1]


def test_no_plan_stays_none():
    """There is nothing to add to."""
    nothing = LRResult(Evidence(None, {}, Status.FLAT), None)

    assert add_notes(nothing, Spending(300, 100, 1, 60)) is nothing
