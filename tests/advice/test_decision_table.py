"""The decision table and the warm-up's: which schedule a training gets, and how good the evidence for it is."""

import pytest
from builders import evidence

from lrfinder import Facts
from lrfinder.advice.decision_table import decide
from lrfinder.advice.request import Request
from lrfinder.advice.table_input import table_input
from lrfinder.schedules import (
    CATALOGUE,
    Constant,
    Cosine,
    Custom,
    Exponential,
    Linear,
    StableDecay,
    Triangular,
    Warmup,
    describe,
)
from lrfinder.schedules.bound import bound

ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.999), steps_per_epoch=100)
SGD = Facts(optimizer="SGD", betas=(0.9, 0.0))
MUON = Facts(optimizer="Muon", betas=(0.95, 0.0))
QUICK_ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.95))
PRODIGY = Facts(optimizer="Prodigy", betas=(0.9, 0.999))


def decided(request, facts=SGD, minimum=0.01):
    """The decision after a sweep that was lowest at ten times `minimum` and diverged at an LR of 1."""
    found = evidence(facts=facts, suggestions={"steepest": 0.01, "minimum": minimum}, diverged_at=1.0)
    return decide(table_input(facts, request, found))


def warmed(body, warmup):
    """A shape after so many steps of warm-up."""
    return Warmup(body, warmup) if warmup else body


@pytest.mark.parametrize(
    ("asked", "facts", "body", "warmup", "grade"),
    [
        (Request(2000), SGD, Linear(1900), 100, "strong"),
        (Request(2000), ADAM, Linear(1900), 100, "strong"),
        (Request(100_000), ADAM, Linear(98_000), 2000, "strong"),
        (Request(1_000_000), ADAM, Linear(990_000), 10_000, "strong"),
        (Request(2000), QUICK_ADAM, Linear(1960), 40, "strong"),
        (Request(100_000), QUICK_ADAM, Linear(99_000), 1000, "strong"),
        (Request(2000, finetune=True), ADAM, Linear(1880), 120, "strong"),
        (Request(2000, may_extend=True), SGD, StableDecay(1900, 0.5), 100, "strong"),
        (Request(2000, early_stopping=True), SGD, Exponential.to(0.02, 1900), 100, "moderate"),
        (Request(2000), MUON, StableDecay(1980, 0.6), 20, "moderate"),
        (Request(2000), PRODIGY, Constant(), 0, "moderate"),
        (Request(50), SGD, Linear(48), 2, "strong"),
        (Request(49), SGD, StableDecay(49, 0.5), 0, "weak"),
        (Request(49), ADAM, StableDecay(44, 0.5), 5, "weak"),
        (Request(5), ADAM, StableDecay(4, 0.5), 1, "weak"),
        (Request(4), ADAM, Constant(), 0, "weak"),
        (Request(1), SGD, Constant(), 0, "weak"),
        (Request(open_ended=True), SGD, StableDecay(None, shape="sqrt"), 50, "moderate"),
        (Request(open_ended=True), ADAM, StableDecay(None, shape="sqrt"), 2000, "moderate"),
        (Request(2000, "cosine"), SGD, Cosine(1900), 100, "moderate"),
        (Request(2000, "cosine"), PRODIGY, Cosine(1900), 100, "moderate"),
        (Request(2000, "triangular"), SGD, Triangular(250, base=0.1), 0, "moderate"),
        (Request(2000, Cosine(2000)), SGD, Cosine(2000), 0, "moderate"),
    ],
)
def test_a_training_gets_its_schedule(asked, facts, body, warmup, grade):
    """Each row of the table gives one shape, one warm-up, and one grade of its first reason."""
    decision = decided(asked, facts)

    assert (decision.schedule, decision.warmup) == (warmed(body, warmup), warmup)
    assert decision.reasons[0].grade == grade


@pytest.mark.parametrize(
    ("facts", "minimum", "warmup", "runner_up"),
    [
        (SGD, 0.05, 200, "one cycle"),
        (SGD, 0.02, 100, "cosine to zero"),
        (SGD, None, 100, "cosine to zero"),
        (ADAM, 0.05, 100, "cosine to zero"),
    ],
)
def test_sgd_near_divergence_is_warmed_up_for_longer(facts, minimum, warmup, runner_up):
    """A loss that is lowest at half of the divergence doubles the warm-up of SGD alone, and one cycle is next best."""
    decision = decided(Request(2000), facts, minimum)

    assert decision.warmup == warmup
    assert decision.runner_up.startswith(runner_up)


@pytest.mark.parametrize(("steps", "is_cut"), [(2000, True), (100_000, False)])
def test_the_warm_up_of_adam_says_why_it_is_shorter_than_custom(steps, is_cut):
    """Where 2 / (1 - beta2) is more than 5 % of the training, the reason says that 5 % served best."""
    assert (
        "5 % of the training, which served best in tests" in decided(Request(steps), ADAM).reasons[1].text
    ) == is_cut


@pytest.mark.parametrize(
    ("asked", "facts", "warning"),
    [
        (Request(2000, "cosine"), PRODIGY, "The optimizer sets its own pace."),
        (Request(2000, early_stopping=True), SGD, "Early stopping may end the training"),
        (Request(2000, "cosine", early_stopping=True), SGD, "Early stopping may end the training"),
        (Request(2000, Linear(1000)), SGD, "The schedule ends at step 1,000, the training at 2,000."),
    ],
)
def test_a_schedule_that_may_not_fit_is_warned_of(asked, facts, warning):
    """The schedule that was asked for is kept; without one the pace of the optimizer is a reason."""
    assert decided(asked, facts).warnings[-1].startswith(warning)
    assert "The optimizer sets its own pace" in decided(Request(2000), PRODIGY).reasons[0].text


@pytest.mark.parametrize(
    ("schedule", "whose"),
    [
        (Custom(lambda step: 0.99**step, name="of the module"), "The best peak of this schedule is"),
        (Custom(lambda step: 0.99**step, owner="module"), "The module attaches this schedule; its"),
        (Custom(lambda step: 0.99**step, owner="Trainer"), "The Trainer attaches this schedule; its"),
    ],
    ids=["user", "module", "Trainer"],
)
def test_the_reason_says_whose_schedule_it_is(schedule, whose):
    """It is the owner that says it, whatever the schedule is called."""
    assert decided(Request(2000, schedule)).reasons[0].text.startswith(whose)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_named_family_is_compared_with_the_default(name):
    """The runner-up is the recommended schedule with its cost by the bound; the default itself has none.

    The warm-up is that of the schedule: none where the family rises by itself.
    """
    default = decided(Request(2000)).schedule

    decision = decided(Request(2000, name))

    assert decision.warmup == (decision.schedule.steps if isinstance(decision.schedule, Warmup) else 0)
    if decision.schedule == default:
        assert decision.runner_up is None
    else:
        assert decision.runner_up.startswith(f"the recommended {describe(default)}")
        assert ("excess loss" in decision.runner_up) == (name != "reduce_on_plateau")


def test_the_predicted_cost_is_the_bounds():
    """The default beside a constant rate costs as much less as the last-iterate bound over all steps says."""
    default, constant = (bound(map(shape, range(1000))).loss for shape in (Warmup(Linear(950), 50), Constant()))

    runner_up = decided(Request(1000, Constant())).runner_up

    assert f"{100 * (1 - default / constant):.0f} % less excess loss" in runner_up
