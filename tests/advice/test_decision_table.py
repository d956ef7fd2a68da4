"""Which schedule and warm-up a situation is answered with, and how well founded the answer says it is."""

import math

import pytest
import torch

from lrfinder import Facts, InputError
from lrfinder.advice.recommend import Request, check, peak, plan
from lrfinder.advice.schedule_factor import peak_factor
from lrfinder.evidence.evidence import Evidence, Status
from lrfinder.schedules import (
    CATALOGUE,
    Constant,
    Cosine,
    Custom,
    Exponential,
    Linear,
    StableDecay,
    Triangular,
    WarmRestarts,
    Warmup,
)
from lrfinder.schedules.bound import bound, predicted, sampled

ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.999), steps_per_epoch=100)
SGD = Facts(optimizer="SGD", betas=(0.9, 0.0))
MUON = Facts(optimizer="Muon", betas=(0.95, 0.0))
QUICK_ADAM = Facts(optimizer="AdamW", betas=(0.9, 0.95))


def evidence(facts=SGD, minimum=0.01, diverged_at=1.0):
    """A measurement whose loss was lowest at ten times `minimum`."""
    return Evidence(None, {"steepest": 0.01, "minimum": minimum}, Status.OK, diverged_at=diverged_at, facts=facts)


def advised(asked, facts=SGD, **measured):
    """The plan for a asked."""
    return plan(evidence(facts, **measured), asked)


def body(schedule):
    """The shape behind the warm-up."""
    return schedule.body if isinstance(schedule, Warmup) else schedule


@pytest.mark.parametrize(
    ("asked", "facts", "shape", "warmup", "grade"),
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
        (Request(50), SGD, Linear(48), 2, "strong"),
        (Request(49), SGD, StableDecay(49, 0.5), 0, "weak"),
        (Request(49), ADAM, StableDecay(44, 0.5), 5, "weak"),
        (Request(5), ADAM, StableDecay(4, 0.5), 1, "weak"),
        (Request(4), ADAM, Constant(), 0, "weak"),
        (Request(1), SGD, Constant(), 0, "weak"),
        (Request(open_ended=True), SGD, StableDecay(None, shape="sqrt"), 50, "moderate"),
        (Request(open_ended=True), ADAM, StableDecay(None, shape="sqrt"), 2000, "moderate"),
        (Request(2000, "cosine"), SGD, Cosine(1900), 100, "moderate"),
        (Request(2000, "triangular"), SGD, Triangular(250, base=0.1), 0, "moderate"),
        (Request(2000, Cosine(2000)), SGD, Cosine(2000), 0, "moderate"),
    ],
)
def test_a_situation_has_its_answer(asked, facts, shape, warmup, grade):
    """Each branch of the procedure: the family, the warm-up, and the grade of the first reason."""
    made = advised(asked, facts)

    assert (body(made.schedule), made.warmup, made.reasons[0].grade) == (shape, warmup, grade)


@pytest.mark.parametrize(("minimum", "warmup"), [(0.05, 200), (0.02, 100), (None, 100)])
def test_sgd_near_its_edge_is_warmed_up_for_longer(minimum, warmup):
    """A loss that is lowest at half of the divergence doubles the climb; one far below it, or none, does not."""
    assert advised(Request(2000), minimum=minimum).warmup == warmup


def test_the_edge_changes_the_runner_up():
    """Near divergence the next best is one cycle, elsewhere a cosine."""
    near, far = (advised(Request(2000), minimum=minimum).runner_up for minimum in (0.05, 0.01))

    assert (near.split(",")[0], far.split(":")[0]) == ("one cycle", "cosine to zero")


def test_adam_near_its_edge_is_not():
    """The longer climb is SGD's."""
    assert advised(Request(2000), ADAM, minimum=0.05).warmup == 100


def test_adams_warm_up_says_why_it_is_shorter_than_custom():
    """Where 2 / (1 - beta2) would ask for more than 5 %, the reason says that 5 % was measured."""
    assert "5 % of the training, which served best in trials" in advised(Request(2000), ADAM).reasons[1].text
    assert "5 %" not in advised(Request(100_000), ADAM).reasons[1].text


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("AdamWScheduleFree", "averages"),
        ("SGDScheduleFree", "warm-up"),
        ("RAdamScheduleFree and AdamW", "averages"),
        ("Prodigy", "multiplier"),
        ("DAdaptAdam", "multiplier"),
        ("DoG", "distance"),
        ("LDoG", "distance"),
        ("Rprop", "sign"),
        ("LBFGS", "line search"),
    ],
)
def test_a_self_scheduling_optimizer_gets_an_explanation(name, word):
    """No decay is attached: a constant factor, the sentence that says why, and code without a scheduler."""
    made = advised(Request(2000), Facts(optimizer=name, betas=(0.9, 0.999)))

    assert (made.schedule, made.warmup) == (Constant(), 0)
    assert "sets its own pace" in made.reasons[0].text
    assert word in made.reasons[0].text
    assert "no scheduler" in made.code


def test_adafactor_is_told_by_its_flag():
    """With relative_step it ignores its LR and gets an explanation; without, it is scheduled like any other."""
    relative, plain = (
        advised(Request(2000), Facts(optimizer="Adafactor", relative_step=flag)) for flag in (True, False)
    )

    assert "relative_step=False" in relative.reasons[0].text
    assert (relative.schedule, body(plain.schedule)) == (Constant(), Linear(1900))


def test_a_self_scheduling_optimizer_keeps_the_schedule_that_was_asked_for():
    """The user's word counts, with the explanation as a warning."""
    made = advised(Request(2000, "cosine"), Facts(optimizer="Prodigy"))

    assert body(made.schedule) == Cosine(1900)
    assert made.warnings[-1].startswith("The optimizer sets its own pace.")


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "SGD", "RMSprop", "Lion", "Adagrad", "model"])
def test_other_optimizers_are_not_taken_for_self_scheduling(name):
    """Every usual optimizer gets a decay."""
    assert body(advised(Request(2000), Facts(optimizer=name)).schedule) == Linear(1900)


def test_fine_tuning_takes_a_third_of_the_peak():
    """The peak and the lower end go down, the upper end stays, and a weak reason says why."""
    scratch, tuned = (advised(Request(2000, "linear", finetune=flag)) for flag in (False, True))

    assert tuned.lr == pytest.approx(scratch.lr / 3)
    assert tuned.interval == pytest.approx((scratch.interval[0] / 3, scratch.interval[1]))
    assert (tuned.reasons[-1].grade, "third" in tuned.reasons[-1].text) == ("weak", True)


def test_a_rule_is_not_scaled_for_fine_tuning():
    """The rule that was asked for is the peak, and no reason speaks of a third."""
    made = advised(Request(2000, rule="steepest", finetune=True))

    assert made.lr == 0.01
    assert "third" not in " ".join(reason.text for reason in made.reasons)


def test_the_stability_margin_holds_the_peak():
    """A family with a higher peak stays below half of the divergence, and a reason says so."""
    held = advised(Request(2000, "log_anneal"), diverged_at=0.04, minimum=None)

    assert held.lr == pytest.approx(0.02)
    assert "held at half of where the sweep diverged" in held.reasons[-1].text


def test_a_peak_of_the_rules_is_explained():
    """Where no trials decide, a reason says what the peak is."""
    made = advised(Request(2000))

    assert "the geometric mean of what the rules say" in made.reasons[-1].text
    assert "rules" not in " ".join(reason.text for reason in advised(Request(2000, rule="steepest")).reasons)


def test_early_stopping_is_warned_of():
    """Whatever the schedule is."""
    for schedule in ("recommended", "cosine"):
        assert (
            "Early stopping may end the training" in advised(Request(2000, schedule, early_stopping=True)).warnings[-1]
        )


def test_a_noisy_curve_is_warned_of_in_every_branch():
    """The warnings of the measurement stand before those of the table."""
    noisy = Evidence(None, {"steepest": 0.01}, Status.OK, noise=0.5, facts=SGD)

    warnings = plan(noisy, Request(2000, early_stopping=True)).warnings

    assert ["noisy" in warnings[0], "Early stopping" in warnings[1]] == [True, True]


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_named_family_is_compared_with_the_default(name):
    """The runner-up is the recommended schedule with the cost that the bound predicts, except for the line itself."""
    made = advised(Request(2000, name))

    if name == "linear":
        assert made.runner_up is None
    else:
        assert made.runner_up.startswith("the recommended warm-up over 100 steps, then a line to zero")
        assert ("excess loss" in made.runner_up) == (name != "reduce_on_plateau")


def test_the_predicted_cost_is_the_bounds():
    """A constant costs half as much again as the default; the default's cost beside it is that much less."""
    shapes = Constant(), Warmup(Linear(950), 50)
    constant, line = (bound(map(shape, range(1000))).loss for shape in shapes)

    made = advised(Request(1000, Constant()))

    assert f"{100 * (1 - line / constant):.0f} % less excess loss" in made.runner_up


@pytest.mark.parametrize("steps", [1500, 10_000, 1_000_000])
def test_a_sample_ranks_as_all_steps_would(steps):
    """A thousand of the steps give a line's bound and a cycle's as a thousand-step training has them."""
    line, cycles = predicted(Linear(steps), steps), predicted(Triangular(steps // 8, base=0.1), steps)

    assert line.cost == pytest.approx(1, abs=0.01)
    assert cycles.cost == pytest.approx(predicted(Triangular(125, base=0.1), 1000).cost, abs=0.03)


def test_many_cycles_are_not_seen_at_one_phase():
    """A cycle as long as the sample's stride is seen at all of its phases."""
    seen = sampled(Triangular(500, base=0.1), 1_000_000)

    assert (min(seen), sum(seen) / len(seen), max(seen)) == pytest.approx((0.1, 0.55, 1.0), abs=0.02)


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        (Linear(2000), 1.0),
        (Constant(), 0.28),
        (Warmup(Constant(), 100), 0.28),
        (StableDecay(None), 0.53),
        (StableDecay(2000, cooldown=0.8), 0.83),
        (Custom(lambda step: 1 - step / 2000), 1.0),
        (lambda step: 0.5 * (1 - step / 2000), 2.0),
        (WarmRestarts.fit(2000, 3), 0.83),
    ],
)
def test_a_schedule_of_ones_own_has_the_factor_of_the_bound(schedule, factor):
    """What the catalogue would build has its prior; any other member, and any function, what the bound gives."""
    assert peak_factor(schedule, 2000)[0] == pytest.approx(factor, rel=0.02)


def test_an_own_schedule_is_no_surer_than_the_bound():
    """Its spread is that of theory, and widens the interval."""
    widths = [
        math.log10(high / low)
        for _, low, high in (peak(evidence(), s, 2000) for s in (Linear(2000), lambda step: 1 - step / 2000))
    ]

    assert widths[0] < widths[1]


def test_a_schedule_that_ends_elsewhere_is_warned_of():
    """A line over another length than the training's is told."""
    assert advised(Request(2000, Linear(1000))).warnings == ("The schedule ends at step 1,000, the training at 2,000.",)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"total_steps": 10, "epochs": 1}, "`epochs` must be left out beside `total_steps`=10, got 1"),
        ({"total_steps": 10, "open_ended": True}, "`open_ended` must be left out where the length is known"),
        ({"epochs": 1, "open_ended": True}, "`open_ended` must be left out where the length is known"),
        ({"schedule": "cosine", "open_ended": True}, "`schedule` must be .* where `open_ended` is asked for, got 'cos"),
        ({"epochs": 0}, "`epochs` must be a finite number above 0, got 0"),
        ({"epochs": 1, "steps_per_epoch": 2.5}, "`steps_per_epoch` must be a positive whole number, got 2.5"),
        ({"epochs": 1}, "`steps_per_epoch` must be given with `epochs`=1 for a loader without length, got None"),
        ({"schedule": Linear}, "`schedule` must be a name or a function of the step, got the class Linear"),
        ({"schedule": lambda step: 3e-4}, "`schedule` must give factors of the peak, .* got 0.0003 at the highest"),
        ({"schedule": lambda step: 100.0}, "`schedule` must give factors of the peak, .* got 100 at the highest"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(asked, message):
    """One sentence each, before anything is measured."""
    with pytest.raises(InputError, match=message):
        check(Request(**asked), SGD)


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        (Request(epochs=3), 300),
        (Request(epochs=3, steps_per_epoch=7), 21),
        (Request(epochs=0.5), 50),
        (Request(epochs=0.001), 1),
        (Request(20), 20),
        (Request(), None),
    ],
)
def test_epochs_are_turned_into_steps(asked, steps):
    """By the loader's steps per epoch or the given ones, and at least one step."""
    assert asked.horizon(ADAM) == steps


LAW_STEPS = [1, 2, 4, 5, 49, 50, 10**6]


@pytest.mark.parametrize("facts", [SGD, ADAM, MUON, Facts(optimizer="LBFGS")], ids=lambda facts: facts.optimizer)
@pytest.mark.parametrize("steps", LAW_STEPS)
@pytest.mark.parametrize("flag", ["nothing", "finetune", "may_extend", "early_stopping"])
def test_every_plan_keeps_the_laws(facts, steps, flag):
    """For every optimizer, length and purpose."""
    keeps_the_laws(advised(Request(steps, **({} if flag == "nothing" else {flag: True})), facts), steps)


@pytest.mark.parametrize("steps", LAW_STEPS)
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_named_plan_keeps_the_laws(name, steps):
    """For every family and length."""
    keeps_the_laws(advised(Request(steps, name), ADAM), steps)


def keeps_the_laws(made, steps):
    """Rates are finite, not negative and at most the peak; the climb lies inside; the interval holds the peak."""
    factors = [made.schedule(t) for t in {*range(0, steps, max(1, steps // 97)), steps - 1, steps, 10 * steps}]
    assert all(math.isfinite(factor) and 0 <= factor <= 1 for factor in factors)
    assert 0 <= made.warmup < steps
    assert made.interval[0] <= made.lr <= made.interval[1]
    assert math.isfinite(made.lr)
    assert made.total_steps == steps
    assert made.lr_at(0.0) > 0


def test_the_flag_of_adafactor_is_read_from_the_group():
    """A loop over an optimizer whose group says relative_step tells it in its facts."""
    from lrfinder import TorchLoop

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD([{"params": model.parameters(), "relative_step": True}], lr=0.1)

    assert TorchLoop(model, [(torch.ones(1, 2), torch.ones(1, 1))], optimizer=optimizer).facts.relative_step
