"""The printout: what was measured, the peak and how it was computed, the schedule, in at most 100 columns."""

import re
import unicodedata
from dataclasses import replace
from typing import get_args

import pytest
from builders import EDGE, PILOT, evidence, result, trials
from hypothesis import example, given, settings
from hypothesis import strategies as st
from quadratic import BATCHES, Quadratic, swept, uphill
from recorded import descent

from lrfinder import Facts, LRResult
from lrfinder.advice.calibration import FITTED
from lrfinder.advice.plan import FactorName
from lrfinder.advice.request import Request
from lrfinder.display.report import FACTORS, WIDTH, sparkline, text
from lrfinder.evidence.rules import RULES
from lrfinder.result import conclude
from lrfinder.schedules import CATALOGUE, Custom, Linear, Warmup

TUNING = {"edge_trials": [EDGE], "pilots": [PILOT]}
MANY = trials(*((1e-6 * 2.0**i, 1 + abs(i - 9) / 20) for i in range(20)), steps=240, cost=1e6)
DRAWN = Facts(
    model="N" * 300, optimizer="AdamW", betas=(0.9, 0.999), batch_size=2, steps_per_epoch=60, weights=0.1, ranks=2
)
"""Facts with which every factor of an estimate has something to correct."""


def named(name):
    """A result that carries a name wherever one comes from outside, its rule's included."""

    def own(curve):
        return 1e-3

    def shape(step):
        return 1.0

    own.__name__ = shape.__name__ = name
    first = result(facts=Facts(model=name, optimizer=name, loss=name), rule=own)
    rule = next(reversed(first.suggestions))
    return result(Request(2000, shape, rule), facts=first.facts, rule=own)


def line_with(part, found):
    """The one line of a report that holds a text."""
    (line,) = [line for line in str(found).splitlines() if part in line]
    return line


def unwrapped(found):
    """A report without its line ends."""
    return " ".join(str(found).split())


def width(found):
    """Columns of the longest line of a report."""
    return max(map(len, str(found).splitlines()))


@settings(max_examples=6 * settings.default.max_examples)
@given(name=st.text(max_size=200))
@example(name="N" * 400)
@example(name="na\nme\r\n")
@example(name="<b>[red]%s{}</b>")
@example(name="Ж" * 120)
@example(name="\x1b[31m\u200b")
@example(name="two words " * 30)
@example(name="")
def test_any_name_keeps_the_layout(name):
    """No name of a model, optimizer, loss, rule or schedule makes a long line, a line more, or a control character."""
    found = named(name)

    assert width(found) <= WIDTH
    assert str(found).count("steepest descent") == 1
    assert not [c for c in str(found) if unicodedata.category(c) == "Cc" and c != "\n"]


def half(step):
    """A schedule of the user's own."""
    return 0.5


REQUESTS = {
    **{name: Request(123_456, name) for name in (*CATALOGUE, "recommended")},
    "function": Request(123_456, half),
    "custom": Request(123_456, Custom(half)),
    "warmed": Request(123_456, Warmup(half, 5)),
    "one step": Request(1, Linear(1)),
    "thirty": Request(30),
    "no length": Request(),
    "open end": Request(open_ended=True),
    "fine-tuning": Request(10**6, finetune=True, early_stopping=True),
}
MEASURED = {"range test": {}, "tuning": TUNING, "many": {"pilots": [MANY] * 4, "facts": DRAWN}}


@pytest.mark.parametrize("options", MEASURED.values(), ids=MEASURED)
@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
def test_every_report_fits_a_hundred_columns(asked, options):
    """Words, picture and code of any schedule do, with trials and without, and so does a report without a plan."""
    found = result(asked, **options)

    assert width(found) <= WIDTH
    assert width(LRResult(found.evidence, None)) <= WIDTH


def test_what_a_search_cost_is_written():
    """The report names the cost in optimizer steps and in percent of the training, trials included."""
    validated = swept(Quadratic(2.0), steps=60, lr_min=1e-4, val_loader=BATCHES, total_steps=1_000)
    tried = swept(Quadratic(2.0), steps=100)

    percent = f"{validated.cost_steps / 10:.2g} %"

    assert 0 < len(validated.curve) < validated.cost_steps <= 60
    assert line_with("spent", validated).endswith(
        f"the cost of {validated.cost_steps} steps, {percent} of the training"
    )
    assert line_with("spent", tried) == f"  spent         the cost of {tried.cost_steps} steps"


def test_the_steps_of_both_passes_are_written():
    """The report says that there were two, and how many steps they had together."""
    twice, once = swept(Quadratic(2.0)), swept(Quadratic(2.0), rule="valley")

    steps = len(twice.curve) + len(twice.evidence.coarse)
    assert "in two passes: diverged from" in line_with("swept", twice)
    assert line_with("swept", twice).endswith(f"stopped after {steps} steps")
    assert "passes" not in line_with("swept", once)


@pytest.mark.parametrize("losses", [descent(), descent()[:70]], ids=["all", "nothing diverged"])
@pytest.mark.parametrize(
    "asked", [Request(2000), Request(), Request(2000, rule="valley")], ids=["weighed", "open", "rule"]
)
def test_every_suggestion_has_a_line_of_its_own(asked, losses):
    """The line holds the name of the rule and its rate; those without an answer share the last one."""
    found = result(asked, losses=losses)

    for name, lr in found.suggestions.items():
        lines = re.findall(f"^    {re.escape(RULES[name].label)} .*", str(found), re.MULTILINE)
        assert [line.split(RULES[name].label)[1].strip() for line in lines] == ([] if lr is None else [f"{lr:.2e}"])
    without = [RULES[name].label for name, lr in found.suggestions.items() if lr is None]
    assert re.findall(r"^    no answer by (.*)", str(found), re.MULTILINE) == ([", ".join(without)] if without else [])


@pytest.mark.parametrize("rule", [None, "valley", "divergence"])
def test_the_peak_comes_with_its_interval(rule):
    """One line holds the suggested rate, its interval, and the rule that was asked for."""
    found = result(Request(2000, rule=rule))
    low, high = found.interval

    line = line_with("suggested peak LR", found)

    assert f"{found.lr:.2e}   80 % interval {low:.1e} to {high:.1e}" in line
    assert line.endswith(f"(by your rule {rule})" if rule else f"{high:.1e}")


def test_the_schedule_is_drawn_above_the_rates_of_five_moments():
    """Sixty bars rise through the warm-up and fall; each LR stands under its percentage of the training."""
    found = result()

    bars, rates = line_with("█", found).strip(), line_with("    LR  ", found).split()[1:]

    assert (len(bars), bars[0], bars[-1], max(bars)) == (60, "▁", "▁", "█")
    assert re.findall(r"\d+ %", line_with("training  0 %", found)) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert rates == [f"{found.plan.lr_at(part):.2e}" for part in (0.0, 0.25, 0.5, 0.75, 1.0)]


EPOCHS_OF_16 = {"facts": Facts(steps_per_epoch=16)}
GROUPS = {"facts": Facts(optimizer="SGD", bases=(0.1, 0.01), batch_size=64, ranks=2)}
LONGER = (60 / 2_000) ** FITTED.steps_exponent
NOT_KNOWN = "suggested schedule, in parts of the training (peak as for 1,000 steps; pass total_steps= for yours)"
WRITTEN = {
    "epochs": (Request(epochs=10), EPOCHS_OF_16, "suggested schedule for 160 steps (10 epochs of 16): "),
    "one epoch": (Request(16), EPOCHS_OF_16, "suggested schedule for 16 steps (1 epoch of 16): "),
    "no length": (Request(), {}, NOT_KNOWN),
    "open end": (Request(open_ended=True), {}, "suggested schedule, of which the first 1,000 steps are shown"),
    "completed": (None, {"losses": descent()[:70]}, "the whole range, nothing diverged"),
    "diverged": (None, {"losses": descent()}, "diverged from"),
    "not finite": (
        None,
        {"losses": [*descent()[:60], float("nan"), *descent()[61:]]},
        "the loss was no longer finite after 61 steps",
    ),
    "groups and ranks": (None, GROUPS, "SGD (base LR 0.1, 2 groups), 64 samples a step, 2 ranks"),
    "a tuning": (None, TUNING, "lrfinder: tuning of model "),
    "its cost": (Request(5000), TUNING, "spent the cost of 328 steps, 6.6 % of the training"),
    "its length": (Request(2_000), TUNING, f"{LONGER:.2g} for 2,000 steps instead of 60"),
}


@pytest.mark.parametrize(("asked", "options", "words"), WRITTEN.values(), ids=WRITTEN)
def test_what_was_trained_and_how_it_ended_is_written(asked, options, words):
    """The report names what is measured, how the sweep ended, what it cost, and the length of the schedule."""
    assert words in unwrapped(result(asked, **options))


def test_what_is_not_known_is_not_written():
    """A function that a file could not hold has no rates."""
    lost = LRResult.parse(result(Request(2000, half)).to_json())

    assert "a function that the file could not hold" in str(lost)
    assert "training  0 %" not in str(lost)


@pytest.mark.parametrize(
    ("values", "bars"),
    [([0.0, 0.5, 1.0], "▁▅█"), ([0.0, 0.0], "▁▁"), ([7.0], "█"), ([-3.0, 1.0, float("nan")], "▁█▁"), ([-1.0], "▁")],
)
def test_a_sparkline_draws_any_values(values, bars):
    """The highest bar is the largest value; what is not above zero has the lowest."""
    assert sparkline(values) == bars


def test_reasons_and_warnings_are_written():
    """Every reason stands in the report with its grade, and so do the runner-up and the warnings."""
    found = result()

    warned = LRResult(found.evidence, replace(found.plan, warnings=("Mind the gap.",)))

    assert all(str(reason) in unwrapped(warned) for reason in found.plan.reasons)
    assert f" or {found.plan.runner_up}" in unwrapped(warned)
    assert line_with("Mind the gap.", warned).split()[0] == "but"


def test_without_a_signal_the_report_says_what_to_try():
    """There is the status with its sentence, and neither a schedule nor code."""
    found = swept(uphill())

    assert f"no suggestion flat: {found.status.sentence}" in unwrapped(found)
    assert "suggested" not in str(found)


def test_the_short_trials_are_written():
    """The report shows their losses before and after, and the edge; the rules are there for comparison then."""
    alone, found = result(), result(edge_trials=[EDGE])

    assert line_with("loss before", found).split() == ["loss", "before", "2"]
    assert line_with("loss after", found).split() == ["loss", "after", "1.5", "1", "exploded"]
    assert f"{EDGE.edge:.2e}: above it most of the best gain is lost" in line_with("their edge  ", found)
    assert line_with("read off the sweep", found).endswith(", for comparison:")
    assert line_with("read off the sweep", alone).endswith("sweep:")


def test_the_pilots_are_written():
    """Their length, peaks and losses stand in a block with the best of them."""
    block = str(result(**TUNING)).split("\n\n")[3]

    assert block == (
        "  pilots        60 steps each, all from the same start: the schedule and the epochs in small\n"
        "    loss before     2\n"
        "    to a peak of    1.0e-03   1.0e-02   1.0e-01\n"
        "    loss after      0.6       0.4       1.2\n"
        f"    the best        {PILOT.best:.2e}: on a parabola through the best trial and its neighbours"
    )


@pytest.mark.parametrize(
    ("pilot", "words"),
    [
        (trials((1e-3, 0.9), (1e-2, 0.5), steps=60), "1.00e-02: of those that were tried"),
        (trials((1e-3, 2.5), (1e-2, 3.0), steps=60, is_sure=False), "none: no trial lowered the loss"),
    ],
    ids=["at an end", "none"],
)
def test_a_best_pilot_without_a_fit_says_what_it_is(pilot, words):
    """Where nothing was fitted no parabola is named, and where no trial lowered the loss there is no best one."""
    assert line_with("the best  ", result(pilots=[pilot])).endswith(words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["The rules say {rules}, give or take a factor of {rules_spread}: the geometric mean of what they read"]),
        ({"edge_trials": [EDGE]}, ["The trials say {edge}, give or take a factor of {edge_spread}: their edge, "]),
        ({"pilots": [PILOT]}, ["The pilots say {pilots}, give or take a factor of {pilots_spread}: their best, "]),
        (
            {"pilots": [replace(PILOT, factor=0.5)]},
            ["give or take a factor of {pilots_spread}: their best, as for linear decay, "],
        ),
        (
            TUNING,
            ["The trials say {edge}, ", "The pilots say {pilots}, ", "of the middle of these, since too high costs"],
        ),
        (
            {"facts": DRAWN, **TUNING},
            ["Usual for AdamW with weights of this size: {usual}, give or take a factor of {usual_spread}."],
        ),
    ],
    ids=["rules", "edge", "pilots", "pilots along another schedule", "both", "usual"],
)
def test_the_peak_is_explained_by_its_estimates(options, words):
    """Each has a sentence with the peak that it comes to and how sure that is, and several have one on caution."""
    found = result(**options)
    peaks = {one.source: f"{found.plan.peak_of(one):.1e}" for one in found.plan.estimates}
    peaks |= {f"{one.source}_spread": f"{10**one.deviation:.2g}" for one in found.plan.estimates}

    for part in words:
        assert part.format(**peaks) in unwrapped(found)


@pytest.mark.parametrize("facts", [DRAWN, Facts(optimizer="Adagrad"), Facts(optimizer="SGD", betas=(0.9, 0.0))])
def test_every_factor_of_an_estimate_is_written(facts):
    """Its value stands with what it is for, unless it rounds to 1; no name of a factor is without words."""
    found = result(Request(2_000), facts=facts, **TUNING)
    factors = [factor for factor in found.plan.factors if factor.source != "peak" and f"{factor.value:.2g}" != "1"]

    report = unwrapped(found)

    assert factors
    assert set(FACTORS) == set(get_args(FactorName))
    for factor in factors:
        words = FACTORS[factor.name].split(" {")[0].format(optimizer=facts.optimizer)
        assert f"{factor.value:.2g} {words}" in report


@pytest.mark.parametrize(
    ("rule", "options", "is_explained"),
    [
        (None, {}, True),
        (None, {"edge_trials": [EDGE]}, True),
        (None, {"pilots": [PILOT]}, False),
        ("valley", {}, False),
    ],
    ids=["rules", "edge", "pilots", "a rule"],
)
def test_fine_tuning_is_explained_where_it_lowers_the_peak(rule, options, is_explained):
    """Pilots were run on the pretrained model itself, and a rule that was named is taken unscaled."""
    report = unwrapped(result(Request(2000, rule=rule, finetune=True), **options))

    assert ("For fine-tuning the peak is 0.33 of what was measured" in report) == is_explained


def test_a_peak_that_is_held_below_the_divergence_is_explained():
    """Rules that point beyond the divergence are multiplied by a factor, and the report says what for."""
    found = conclude(evidence(suggestions={"steepest": 1.0}, diverged_at=0.1), Request(2000))

    assert "times 0.05 to stay below where the sweep diverged." in unwrapped(found)


def test_what_was_done_replaces_how_to_do_it():
    """The report ends with the lines of code, or with what was done with the result, with a plan and without."""
    found = result()

    code, done, nothing = (
        text(found.evidence, plan, phrase)
        for plan, phrase in ((found.plan, None), (found.plan, "all of it"), (None, "nothing"))
    )

    assert code.split("to use it\n")[1] == "\n".join(f"    {line}" for line in found.plan.code.splitlines())
    assert done.endswith("\n\n  applied       all of it")
    assert "to use it" not in done
    assert nothing.endswith("\n\n  applied       nothing")
