"""What a tuning leaves open: what its pilots did not settle, and what a budget did not pay for."""

import pytest
from builders import EDGE, evidence, trials

from lrfinder import Curve, Status
from lrfinder.advice.notes import Cost, add_notes
from lrfinder.advice.recommend import make_plan
from lrfinder.advice.request import Request

ENCLOSED, LOWEST, HIGHEST = (0.6, 0.4, 1.2), (0.4, 0.6, 1.2), (1.2, 0.6, 0.4)
RISEN, RISEN_ANYHOW = (2.1, 2.5, 3.0), (2.5, 2.1, None)
FLAT = Curve((1e-4, 1e-3, 1e-2, 1e-1), (2.0, 2.0, 2.0, 2.0))
UNMOVED = trials((1e-2, 2.0), is_sure=False, cost=20.0)


def notes(*losses, steps=5_000, budget=300, edge_trials=EDGE, status=Status.OK):
    """The warnings and the reasons that are added to a plan whose pilots came to these losses."""
    pilots = [trials(*zip((1e-3, 1e-2, 1e-1), each, strict=True), steps=60, cost=190.0) for each in losses]
    found = evidence(curve=FLAT, status=status, edge_trials=[edge_trials], pilots=pilots, cost_steps=290)
    plan = make_plan(found, Request(steps))
    noted = add_notes(plan, found, Cost(budget, 100, least_for_pilots=240, least_for_trials=75))
    return noted.warnings[len(plan.warnings) :], [one.text for one in noted.reasons[len(plan.reasons) :]]


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([LOWEST], "lowest"),
        ([HIGHEST], "highest"),
        ([LOWEST, HIGHEST], "highest or lowest"),
        ([LOWEST, RISEN], "lowest"),
        ([ENCLOSED], None),
        ([ENCLOSED, LOWEST], None),
    ],
)
def test_a_best_pilot_at_an_end_is_warned_of(losses, end):
    """Where no pilot has its best trial between others the best peak may lie beyond; one that has is enough."""
    words = f"The best pilot is the {end} that the budget paid for; a larger one would look beyond."

    assert notes(*losses)[0] == ((words,) if end else ())


@pytest.mark.parametrize(("losses", "is_lower_better"), [(RISEN, True), (RISEN_ANYHOW, False)])
def test_pilots_that_only_raised_the_loss_say_in_which_direction(losses, is_lower_better):
    """The peak of `find_lr` may be too high where lower peaks raised the loss less; else nothing is known."""
    (warning,), _ = notes(losses)

    assert warning.startswith("No pilot lowered the loss of its evaluation batches, so that the peak is that of `find_")
    assert ("the lower the peak the less the loss rose, so it may be too high" in warning) == is_lower_better


@pytest.mark.parametrize(("budget", "is_without_trials"), [(74, True), (75, False), (239, False)])
def test_a_small_budget_says_what_it_did_not_look_at(budget, is_without_trials):
    """Below what short trials take the peak is read off the sweep, whatever the length of the training."""
    (warning,), _ = notes(budget=budget)

    assert warning.startswith(f"The budget of {budget} steps is too small for pilots; they take 240.")
    assert ("whatever the length of the training" in warning) == is_without_trials


@pytest.mark.parametrize(
    ("options", "is_plateau"), [({}, False), ({"edge_trials": UNMOVED, "status": Status.FLAT}, True)]
)
def test_a_plateau_is_explained(options, is_plateau):
    """A reason says why there are few and long pilots where the sweep is flat and a trial left the loss alone."""
    reasons = notes(ENCLOSED, **options)[1]

    assert any("a trial left the loss where it was" in reason for reason in reasons) == is_plateau


def test_pilots_that_learned_nothing_are_said_to_count_for_little():
    """They lowered the loss, but only as far as a constant prediction goes."""
    pilot = trials((1e-3, 0.6), (1e-2, 0.4), (1e-1, 1.2), steps=60, learned=(0.0, 0.05, 0.0))
    found = evidence(curve=FLAT, edge_trials=[EDGE], pilots=[pilot], cost_steps=290)
    plan = make_plan(found, Request(5_000))

    added = add_notes(plan, found, Cost(300, 100, least_for_pilots=240, least_for_trials=75)).warnings

    assert added[len(plan.warnings) :] == (
        "The pilots only learned what a constant prediction attains, so they count for little.",
    )
