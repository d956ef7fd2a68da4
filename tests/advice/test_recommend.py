import math
import statistics
from functools import lru_cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quadratic import Quadratic, swept
from recorded import descent, recorded
from sklearn.datasets import load_digits
from torch import nn

from lrfinder import Facts, InputError, LRResult, find_lr
from lrfinder.advice.recommend import Request, chosen, peak, plan
from lrfinder.evidence.evidence import Evidence, Status, read_curve
from lrfinder.schedules import CATALOGUE, Constant, Linear, Warmup

LINE = Linear(1000)


def evidence(**suggestions):
    """Evidence that holds these suggestions and no curve."""
    return Evidence(None, suggestions, Status.OK)


def measured():
    """Evidence of a good curve."""
    return read_curve(recorded(descent()), Facts())


def test_suggestions_are_weighed_in_log_space():
    """The peak is the geometric mean of what the rules say."""
    lr, _, _ = peak(evidence(steepest=1e-3, valley=1e-1, minimum=None, divergence=None), LINE, 1000)

    assert lr == pytest.approx(1e-2)


def test_the_peak_is_at_most_half_of_the_divergence():
    """Rules that point beyond the divergence are held below it."""
    held = Evidence(None, {"steepest": 1.0}, Status.OK, diverged_at=0.1)

    assert peak(held, LINE, 1000)[0] == pytest.approx(0.05)


def test_disagreement_widens_the_interval():
    """Rules four decades apart leave more room than rules that agree."""
    agreed, split = ({"steepest": 1e-2, "valley": 1e-2}, {"steepest": 1e-4, "valley": 1.0})

    widths = [math.log10(high / low) for _, low, high in (peak(evidence(**s), LINE, 1000) for s in (agreed, split))]

    assert widths[0] < widths[1]


def test_one_rule_alone_is_not_taken_for_agreement():
    """A single suggestion has a wider interval than two that agree."""
    one, two = ({"steepest": 1e-2}, {"steepest": 1e-2, "valley": 1e-2})

    widths = [math.log10(high / low) for _, low, high in (peak(evidence(**s), LINE, 1000) for s in (one, two))]

    assert widths[0] > widths[1]


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_another_schedule_moves_the_peak_by_its_factor(name):
    """One number, one schedule: the peak follows the catalogue's factor against the line's."""
    for_line, for_this = (plan(measured(), Request(500, schedule)) for schedule in ("linear", name))

    assert for_this.lr / for_line.lr == pytest.approx(CATALOGUE[name].peak_factor)


def test_the_warm_up_does_not_hide_the_family():
    """The factor is that of the body: a constant after a warm-up is a constant."""
    bare, warmed = (plan(measured(), Request(500, s)) for s in (Constant(), Warmup(Constant(), 25)))

    assert bare.lr == warmed.lr


@pytest.mark.parametrize("name", ["steepest", "valley", "minimum", "divergence"])
def test_a_named_rule_is_taken_unscaled(name):
    """The rate is the rule's own for whatever schedule, and the plan says whose it is."""
    seen = measured()

    asked = plan(seen, Request(500, "constant", name))

    assert (asked.lr, asked.rule) == (seen.suggestions[name], name)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    exponents=st.lists(st.floats(-12, 12), min_size=1, max_size=4),
    rule=st.sampled_from([None, "steepest"]),
    schedule=st.sampled_from([*CATALOGUE, "recommended"]),
    total_steps=st.one_of(st.none(), st.integers(1, 10**7)),
)
def test_the_interval_holds_the_rate(exponents, rule, schedule, total_steps):
    """Whatever the rules say, low <= lr <= high, all positive and finite."""
    seen = evidence(
        **dict(zip(["steepest", "valley", "minimum", "divergence"], (10**e for e in exponents), strict=False))
    )

    made = plan(seen, Request(total_steps, schedule, rule))
    low, high = made.interval

    assert 0 < low <= made.lr <= high < math.inf


def test_a_rule_without_answer_gives_no_plan():
    """Where the rule that was asked for says nothing, nothing else is put in its place."""
    assert plan(evidence(steepest=1e-2, divergence=None), Request(500, rule="divergence")) is None


def test_without_a_suggestion_there_is_no_plan():
    """No rule, no plan."""
    assert plan(evidence(steepest=None, divergence=None), Request(500)) is None


def test_without_a_horizon_there_is_no_schedule():
    """The peak is that of a thousand steps, and the shape is still told for them."""
    open_ended, thousand = plan(measured(), Request(None)), plan(measured(), Request(1000))

    assert (open_ended.schedule, open_ended.total_steps) == (None, None)
    assert (open_ended.lr, open_ended.shape) == (thousand.lr, thousand.schedule)


def test_a_schedule_of_the_users_own_needs_no_horizon():
    """A function of the step is planned with as it is."""

    def halves(step):
        return 0.5**step

    assert plan(measured(), Request(None, halves)).schedule is halves


@pytest.mark.parametrize("total_steps", [5, 19, 20, 1000, 10**6])
def test_the_recommended_schedule_ends_with_its_horizon(total_steps):
    """The warm-up lies inside the horizon, the factor is zero after it and never above one."""
    made = plan(measured(), Request(total_steps))

    assert made.warmup < total_steps
    assert made.schedule(total_steps) == 0
    assert max(made.schedule(t) for t in range(0, total_steps, max(1, total_steps // 100))) <= 1


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_warm_up_that_is_told_is_the_schedules(name):
    """`warmup` counts the steps of the schedule's own warm-up, none where the family climbs by itself."""
    schedule, warmup, _ = chosen(name, 1000)

    assert warmup == (schedule.steps if isinstance(schedule, Warmup) else 0)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("linaer", "`schedule` must be \"recommended\", one of .*constant.*linear.*got 'linaer'"),
        (0.1, "`schedule` must be a name or a function of the step, got float"),
        (lambda step: 1 - step / 100, "must give finite factors of at least 0, got -"),
        (lambda step: math.nan, "must give finite factors of at least 0, got nan"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule, message):
    """An unknown name, no function, a function that gives impossible factors: one sentence each."""
    with pytest.raises(InputError, match=message):
        chosen(schedule, 1000)


def test_rules_far_apart_are_warned_of():
    """Two decades of disagreement ask for a look at the picture."""
    assert "2.0 decades apart" in plan(evidence(steepest=1e-4, valley=1e-2), Request(500)).warnings[0]


def test_a_noisy_curve_is_warned_of():
    """A deviation of half the drop asks for a larger batch."""
    noisy = Evidence(None, {"steepest": 1e-2}, Status.OK, noise=0.5)

    assert "noisy" in plan(noisy, Request(500)).warnings[0]


def test_the_rate_at_a_share_is_that_of_the_schedule():
    """`lr_at` reads the schedule from its first to its last step."""
    made = plan(measured(), Request(500))

    rates = [made.lr_at(share) for share in (0.0, 0.5, 1.0)]

    assert rates == [made.lr * made.schedule(t) for t in (0, round(0.5 * 499), 499)]


class Digits:
    """scikit-learn's digits and a small net, afresh for every seed."""

    def __init__(self):
        raw = load_digits()
        self.data = torch.utils.data.TensorDataset(torch.tensor(raw.data).float() / 16, torch.tensor(raw.target))

    def log_lr(self, optimizer, seed, **arguments):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        batches = torch.utils.data.DataLoader(
            self.data, 64, shuffle=True, generator=torch.Generator().manual_seed(seed)
        )
        held = optimizer(model.parameters(), lr=0.1)
        return math.log10(find_lr(model, batches, optimizer=held, progress=False, **arguments).lr)


@lru_cache
def median_on_digits(optimizer, **arguments):
    """The median log LR over three seeds."""
    digits = Digits()
    return statistics.median(digits.log_lr(optimizer, seed, **arguments) for seed in range(3))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_the_suggestion_does_not_move_with_the_steps(optimizer):
    """On digits, twice the steps move the median of three seeds by less than 0.15 decades."""
    moved = median_on_digits(optimizer, steps=200) - median_on_digits(optimizer)

    assert moved == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("ends", [{"lr_min": 1e-8}, {"lr_min": 1e-6}, {"lr_max": 100.0}], ids=str)
@pytest.mark.parametrize(("optimizer", "tolerance"), [(torch.optim.SGD, 0.3), (torch.optim.Adam, 0.15)])
def test_the_suggestion_does_not_move_with_the_ends(optimizer, tolerance, ends):
    """On digits, an end moved by a decade moves the median of three seeds by less than the noise between seeds.

    That is 0.15 decades under Adam, and 0.3 under plain SGD, whose short sweep falls by little before it diverges.
    """
    moved = median_on_digits(optimizer, **ends) - median_on_digits(optimizer)

    assert moved == pytest.approx(0, abs=tolerance)


@pytest.mark.parametrize("loss_scale", [10.0, 1e-3])
def test_the_suggestion_does_not_move_with_the_loss_scale_under_adam(loss_scale):
    """The loss in other units has the same rate, where eps is out of the way."""
    plain, scaled = (
        swept(Quadratic(2.0, 0.1, factor=factor), torch.optim.Adam, options={"eps": 0.0}).lr
        for factor in (1.0, loss_scale)
    )

    assert scaled == pytest.approx(plain, rel=1e-6)


def test_the_code_for_several_optimizers_keeps_their_ratio():
    """The printed lines scale all of them by one ratio and attach the schedule to each."""
    optimizers = [torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=lr) for lr in (0.1, 0.4)]
    seen = read_curve(recorded(descent()), Facts(bases=(0.1, 0.4), optimizers=2))
    found = LRResult(seen, plan(seen, Request(100)))

    exec(found.plan.code, names := {"found": found, "optimizers": optimizers})

    first, second = (o.param_groups[0]["initial_lr"] for o in optimizers)
    assert (first, second) == (pytest.approx(found.lr), pytest.approx(4 * found.lr))
    assert len(names["schedulers"]) == 2
