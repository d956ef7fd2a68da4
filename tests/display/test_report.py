import unicodedata
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quadratic import BATCHES, Quadratic, swept, uphill
from recorded import descent, recorded

import lrfinder
from lrfinder import Facts, LRResult
from lrfinder.advice.recommend import Request, plan
from lrfinder.display.report import WIDTH, sparkline
from lrfinder.evidence.evidence import read_curve
from lrfinder.evidence.trials import Trials
from lrfinder.schedules import CATALOGUE, Custom, Linear, Warmup

ODD_NAMES = ["N" * 400, "na\nme\r\n", "<b>[red]%s{}</b>", "Ж" * 120, "\x1b[31m\u200b", "two words " * 30, ""]


def found(asked=None, facts=None):
    """The result of a good sweep."""
    evidence = read_curve(recorded(descent()), facts or Facts())
    return LRResult(evidence, plan(evidence, asked or Request(2000)))


def nothing():
    """The result of a sweep that gave no rate."""
    return swept(uphill())


def named(name):
    """A result that carries a name in every place where one comes from outside, its rule's included."""

    def own(curve):
        return 1e-3

    def shape(step):
        return 1.0

    own.__name__ = shape.__name__ = name
    evidence = read_curve(recorded(descent()), Facts(model=name, optimizer=name, loss=name), own)
    asked = Request(2000, shape, next(reversed(evidence.suggestions)))
    return LRResult(evidence, plan(evidence, asked))


def line_with(text, result):
    """The one line of a report that holds a text."""
    (line,) = [line for line in str(result).splitlines() if text in line]
    return line


def test_what_a_search_cost_is_told():
    """In optimizer steps and as a share of the training, validation batches and trials included."""
    judged = swept(Quadratic(2.0), steps=60, lr_min=1e-4, val_loader=BATCHES, total_steps=1_000)
    raced = swept(Quadratic(2.0), steps=100)

    share = f"{judged.cost_steps / 10:.2g} %"
    assert 0 < len(judged.curve) < judged.cost_steps <= 60
    assert (
        line_with("spent", judged) == f"  spent         the cost of {judged.cost_steps} steps, {share} of the training"
    )
    assert line_with("spent", raced) == f"  spent         the cost of {raced.cost_steps} steps"


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_no_line_is_longer_than_a_hundred_columns(name):
    """Whatever models, optimizers, losses, rules and schedules are called."""
    assert max(len(line) for line in str(named(name)).splitlines()) <= WIDTH


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_names_do_not_break_the_layout(name):
    """A name adds no line of its own and no control character."""
    text = str(named(name))

    assert not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]
    assert text.count("steepest descent") == 1


@settings(derandomize=True, deadline=None, max_examples=100)
@given(name=st.text(max_size=200))
def test_any_name_fits(name):
    """No string of any alphabet is too odd for a line of a hundred characters."""
    assert max(len(line) for line in str(named(name)).splitlines()) <= WIDTH


@pytest.mark.parametrize(
    "asked", [Request(2000), Request(None), Request(2000, rule="divergence")], ids=["weighed", "open", "divergence"]
)
def test_the_steepest_descent_has_a_line_of_its_own(asked):
    """The name and its rate, and nothing else."""
    result = found(asked)

    assert line_with("steepest descent", result).split() == [
        "steepest",
        "descent",
        f"{result.suggestions['steepest']:.2e}",
    ]


def test_every_suggestion_has_a_line():
    """A rule without an answer says so."""
    result = swept(Quadratic(2.0), lr_max=0.9)

    assert result.suggestions["divergence"] is None
    assert line_with("divergence / 4", result).endswith("no answer")
    assert line_with("valley", result).endswith(f"{result.suggestions['valley']:.2e}")


def test_the_peak_comes_with_its_interval():
    """One line holds the suggested rate, the range it lies in and where it comes from."""
    result = found()
    low, high = result.interval

    line = line_with("suggested peak LR", result)

    assert f"{result.lr:.2e}   80 % interval {low:.1e} to {high:.1e}" in line


@pytest.mark.parametrize("name", ["valley", "divergence"])
def test_a_rule_that_was_asked_for_is_told(name):
    """The report says that the peak is one rule's own."""
    assert f"(by your rule {name})" in line_with("suggested peak LR", found(Request(2000, rule=name)))


def test_the_rates_of_five_moments_are_told():
    """The LR at 0, 25, 50, 75 and 100 % of the training stands under its share."""
    result = found()

    rates = line_with("    LR  ", result).split()[1:]

    assert line_with("training  0 %", result).split()[1:] == ["0", "%", "25", "%", "50", "%", "75", "%", "100", "%"]
    assert rates == [f"{result.plan.lr_at(share):.2e}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)]


def test_the_schedule_is_drawn_on_one_line():
    """Sixty bars climb through the warm-up and fall to the lowest."""
    bars = line_with("█", found()).strip()

    assert len(bars) == 60
    assert (bars[0], bars[-1], max(bars)) == ("▁", "▁", "█")


@pytest.mark.parametrize(
    ("values", "bars"),
    [([0.0, 0.5, 1.0], "▁▅█"), ([0.0, 0.0], "▁▁"), ([7.0], "█"), ([-3.0, 1.0, float("nan")], "▁█▁"), ([-1.0], "▁")],
)
def test_a_sparkline_draws_any_values(values, bars):
    """The highest bar is the largest value; what is not above zero is on the ground."""
    assert sparkline(values) == bars


def test_without_a_horizon_the_report_speaks_in_shares():
    """The peak is that of a thousand steps, and the report says so and how to get one's own."""
    text = " ".join(str(found(Request(None))).split())

    assert "in shares of the training (peak as for 1,000 steps; pass total_steps= for yours)" in text
    assert "found.apply(optimizer)" in text


def test_reasons_are_told_with_their_grade():
    """Every reason of the plan stands in the report."""
    text = " ".join(str(found()).split())

    assert all(str(reason) in text for reason in found().plan.reasons)


def test_warnings_are_told():
    """What a person should know before trusting the number stands under it."""
    result = found()

    warned = LRResult(result.evidence, replace(result.plan, warnings=("Mind the gap.",)))

    assert line_with("Mind the gap.", warned).split()[0] == "but"


@pytest.mark.parametrize(
    ("losses", "ending"),
    [
        (descent()[:70], "the whole ladder, nothing diverged"),
        (descent(), "diverged from"),
        ([*descent()[:60], float("nan"), *descent()[61:]], "the loss was no longer finite after 61 steps"),
    ],
)
def test_how_the_sweep_ended_is_told(losses, ending):
    """Completed, diverged or not finite, in words."""
    assert ending in str(LRResult(read_curve(recorded(losses), Facts()), None))


def test_groups_ranks_and_batches_are_told():
    """What was trained: the base rate, how many groups, samples and ranks."""
    facts = Facts(optimizer="SGD", bases=(0.1, 0.01), batch_size=64, ranks=2)

    assert "SGD (base LR 0.1, 2 groups), 64 samples a step, 2 ranks" in str(found(facts=facts))


def test_without_a_signal_the_report_says_what_to_try():
    """No suggestion, the status and its sentence; no schedule and no code."""
    text = " ".join(str(nothing()).split())

    assert f"no suggestion flat: {nothing().status.sentence}" in text
    assert "suggested" not in text


def half(step):
    """A schedule of the user's own."""
    return 0.5


SHAPES = [*sorted(CATALOGUE), "recommended", half, Custom(half), Warmup(half, 5)]
every_shape = pytest.mark.parametrize("schedule", SHAPES, ids=[*SHAPES[:-3], "function", "custom", "warmed"])


@every_shape
def test_the_lines_of_code_run(schedule):
    """Executed as printed, beside `found` and an optimizer, they attach the plan's schedule at its peak."""
    result = found(Request(2000, schedule))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    code = "\n".join(line[4:] for line in str(result).split("to use it\n")[1].splitlines())

    namespace = {"found": result, "optimizer": optimizer}
    exec(code, namespace)

    assert namespace["schedule"] == result.plan.schedule
    assert optimizer.param_groups[0]["lr"] == pytest.approx(result.plan.lr_at(0.0), rel=0.01)


def test_the_line_of_code_without_a_horizon_runs():
    """Without a schedule the line applies the rate."""
    result = found(Request(None))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)

    exec(result.plan.code, {"found": result, "optimizer": optimizer, "lrfinder": lrfinder})

    assert optimizer.param_groups[0]["lr"] == pytest.approx(result.lr)


@every_shape
def test_every_schedule_fits_the_width(schedule):
    """Whatever schedule is asked for, its words, picture and code stay within a hundred columns."""
    assert max(len(line) for line in str(found(Request(123_456, schedule))).splitlines()) <= WIDTH


def test_a_schedule_of_one_step_can_be_told():
    """The shortest horizon there is has a report."""
    assert "for 1 steps" in str(found(Request(1, Linear(1))))


def test_the_miniature_runs_are_told():
    """The losses before and after, the edge with what it means, and that the rules are there for comparison."""
    result = found()
    runs = Trials((1e-3, 1e-2, 1e-1), (1.5, 1.0, None), 14, 2.0, is_sure=True, cost=42.0)

    told = replace(result, evidence=replace(result.evidence, edge_trials=(runs,)))

    assert line_with("loss before", told).split() == ["loss", "before", "2"]
    assert line_with("loss after", told).split() == ["loss", "after", "1.5", "1", "exploded"]
    assert f"{runs.edge:.2e}: above it most of the best gain is lost" in line_with("their edge", told)
    assert "for comparison" in line_with("read off the sweep", told)
    assert "for comparison" not in line_with("read off the sweep", result)
    assert max(map(len, str(told).splitlines())) <= WIDTH
