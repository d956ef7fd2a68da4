"""The printout, which has the answer first, and the whole, which has everything: at most 100 columns."""

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
from lrfinder.display.layout import WIDTH, sparkline
from lrfinder.display.report import MOST_LINES, text
from lrfinder.display.words import FACTORS
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


def line_with(part, text):
    """The one line of a text that holds a part."""
    (line,) = [line for line in text.splitlines() if part in line]
    return line


def unwrapped(text):
    """A text without its line ends."""
    return " ".join(text.split())


def width(text):
    """Columns of the longest line of a text."""
    return max(map(len, text.splitlines()))


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

    for written in (str(found), found.explain()):
        assert width(written) <= WIDTH
        assert not [c for c in written if unicodedata.category(c) == "Cc" and c != "\n"]
    assert found.explain().count("steepest descent") == 1


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
def test_every_report_fits_a_screen(asked, options):
    """Any schedule's does, with trials and without, without a plan too: 25 lines of 100 columns; the whole, 100."""
    found = result(asked, **options)

    for one in (found, LRResult(found.evidence, None)):
        assert width(str(one)) <= WIDTH
        assert len(str(one).splitlines()) <= MOST_LINES == 25
        assert width(one.explain()) <= WIDTH


def test_what_a_search_cost_is_written():
    """The report names the cost in optimizer steps and in percent of the training, trials included."""
    validated = swept(Quadratic(2.0), steps=60, lr_min=1e-4, val_loader=BATCHES, total_steps=1_000)
    tried = swept(Quadratic(2.0), steps=100)

    percent = f"{validated.cost_steps / 10:.2g} %"

    assert 0 < len(validated.curve) < validated.cost_steps <= 60
    assert f"cost {validated.cost_steps} steps, {percent} of the training" in line_with("cost", str(validated))
    assert line_with("cost", str(tried)).endswith(f"cost {tried.cost_steps} steps")


def test_the_steps_of_both_passes_are_written():
    """The whole says that there were two, and how many steps they had together."""
    twice, once = swept(Quadratic(2.0)), swept(Quadratic(2.0), rule="valley")
    words = twice.explain()

    steps = len(twice.curve) + len(twice.evidence.coarse)
    assert "in two passes: diverged from" in line_with("swept", words)
    assert line_with("swept", words).endswith(f"stopped after {steps} steps")
    assert "passes" not in line_with("swept", once.explain())


@pytest.mark.parametrize("losses", [descent(), descent()[:70]], ids=["all", "nothing diverged"])
@pytest.mark.parametrize(
    "asked", [Request(2000), Request(), Request(2000, rule="valley")], ids=["weighed", "open", "rule"]
)
def test_every_suggestion_has_a_line_of_its_own(asked, losses):
    """The line holds the name of the rule and its rate; those without an answer share the last one."""
    found = result(asked, losses=losses)

    for name, lr in found.suggestions.items():
        lines = re.findall(f"^    {re.escape(RULES[name].label)} .*", found.explain(), re.MULTILINE)
        assert [line.split(RULES[name].label)[1].strip() for line in lines] == ([] if lr is None else [f"{lr:.2e}"])
    without = [RULES[name].label for name, lr in found.suggestions.items() if lr is None]
    assert re.findall(r"^    no answer by (.*)", found.explain(), re.MULTILINE) == (
        [", ".join(without)] if without else []
    )


@pytest.mark.parametrize("rule", [None, "valley", "divergence"])
def test_the_first_line_is_the_answer(rule):
    """It holds the suggested peak, its interval, the rule that was asked for, and the schedule."""
    found = result(Request(200, rule=rule))
    low, high = found.interval
    by = f", by your rule {rule}" if rule else ""

    first = unwrapped(str(found).split("\n\n")[0])

    assert first.startswith(f"peak {found.lr:.2e} ({low:.1e} to {high:.1e}){by}, {found.plan.schedule_text}")
    assert str(found).startswith(f"peak {found.lr:.2e}")
    assert found.explain().startswith(str(found).split("\n\n")[0])


def test_the_schedule_is_drawn_below_the_rates_of_five_moments():
    """Sixty bars rise through the warm-up and fall; each LR stands under its percentage of the training."""
    found = result()

    bars, rates = line_with("█", str(found)).strip(), line_with("  LR  ", str(found)).split()[1:]

    assert (len(bars), bars[0], bars[-1], max(bars)) == (60, "▁", "▁", "█")
    assert re.findall(r"\d+ %", line_with("  training  ", str(found))) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert rates == [f"{found.plan.lr_at(part):.2e}" for part in (0.0, 0.25, 0.5, 0.75, 1.0)]


EPOCHS_OF_16 = {"facts": Facts(steps_per_epoch=16)}
GROUPS = {"facts": Facts(optimizer="SGD", bases=(0.1, 0.01), batch_size=64, ranks=2)}
LONGER = (60 / 2_000) ** FITTED.steps_exponent
NOT_KNOWN = "for a training of unknown length: the peak is as for 1,000 steps; pass total_steps= for yours"
WRITTEN = {
    "epochs": (Request(epochs=10), EPOCHS_OF_16, "for a training of 160 steps (10 epochs of 16)"),
    "one epoch": (Request(16), EPOCHS_OF_16, "for a training of 16 steps (1 epoch of 16)"),
    "no length": (Request(), {}, NOT_KNOWN),
    "open end": (
        Request(open_ended=True),
        {},
        "for a training without a known end, of which the first 1,000 steps are shown",
    ),
    "completed": (None, {"losses": descent()[:70]}, "the whole range, without a divergence"),
    "diverged": (None, {"losses": descent()}, "diverged from"),
    "not finite": (
        None,
        {"losses": [*descent()[:60], float("nan"), *descent()[61:]]},
        "the loss was no longer finite after 61 steps",
    ),
    "groups and ranks": (None, GROUPS, "SGD (base LR 0.1, 2 groups), 64 samples a step, 2 ranks"),
    "a tuning": (None, TUNING, "tuning of model "),
    "its cost": (Request(5000), TUNING, "cost 328 steps, 6.6 % of the training"),
    "its length": (Request(2_000), TUNING, f"{LONGER:.2g} for 2,000 steps instead of 60"),
}


@pytest.mark.parametrize(("asked", "options", "words"), WRITTEN.values(), ids=WRITTEN)
def test_what_was_trained_and_how_it_ended_is_written(asked, options, words):
    """The whole names what is measured, how the sweep ended, what it cost, and the length of the schedule."""
    assert words in unwrapped(result(asked, **options).explain())


def test_what_is_not_known_is_not_written():
    """A function that a file could not hold has no rates."""
    lost = LRResult.parse(result(Request(2000, half)).to_json())

    assert "a function that the file could not hold" in str(lost)
    assert "  training  " not in str(lost)


@pytest.mark.parametrize(
    ("values", "bars"),
    [([0.0, 0.5, 1.0], "▁▅█"), ([0.0, 0.0], "▁▁"), ([7.0], "█"), ([-3.0, 1.0, float("nan")], "▁█▁"), ([-1.0], "▁")],
)
def test_a_sparkline_draws_any_values(values, bars):
    """The highest bar is the largest value; what is not above zero has the lowest."""
    assert sparkline(values) == bars


def test_reasons_and_warnings_are_written():
    """Every reason stands in the whole with its grade, and so does the runner-up; warnings stand in the report."""
    found = result()

    warned = LRResult(found.evidence, replace(found.plan, warnings=("Mind the gap.",)))

    assert all(str(reason) in unwrapped(warned.explain()) for reason in found.plan.reasons)
    assert f" or {found.plan.runner_up}" in unwrapped(warned.explain())
    assert line_with("Mind the gap.", str(warned)).split()[0] == "but"


def test_warnings_without_room_are_counted():
    """A report never grows beyond its lines: what does not fit is counted, and stands in the whole."""
    found = result(**TUNING)
    warnings = tuple(
        f"Warning {i} has a few more words than fit on one line, so that each takes two lines of the report, as here."
        for i in range(12)
    )

    warned = LRResult(found.evidence, replace(found.plan, warnings=warnings))
    shown = str(warned).count("Warning ")

    assert len(str(warned).splitlines()) <= MOST_LINES
    assert 1 <= shown < 12
    assert f"found.explain() has {12 - shown} more warnings, and every" in str(warned)
    assert warned.explain().count("Warning ") == 12


def test_without_a_signal_the_report_says_what_to_try():
    """There is the status with its sentence, and neither a schedule nor code."""
    found = swept(uphill())

    assert unwrapped(str(found)).startswith(f"no suggestion (flat): {found.status.sentence}")
    assert "use it" not in str(found)


def test_the_short_trials_are_written():
    """The whole shows their losses before and after, and the edge; the rules are there for comparison then."""
    alone, found = result().explain(), result(edge_trials=[EDGE]).explain()

    assert line_with("loss before", found).split() == ["loss", "before", "2"]
    assert line_with("loss after", found).split() == ["loss", "after", "1.5", "1", "exploded"]
    assert f"{EDGE.edge:.2e}: above it most of the best gain is lost" in line_with("their edge  ", found)
    assert line_with("read off the sweep", found).endswith(", for comparison:")
    assert line_with("read off the sweep", alone).endswith("sweep:")


def test_the_pilots_are_written():
    """Their length, peaks and losses stand in a block with the best of them."""
    block = result(**TUNING).explain().split("\n\n")[-1]

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
    assert line_with("the best  ", result(pilots=[pilot]).explain()).endswith(words)


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
        assert part.format(**peaks) in unwrapped(found.explain())


@pytest.mark.parametrize("facts", [DRAWN, Facts(optimizer="Adagrad"), Facts(optimizer="SGD", betas=(0.9, 0.0))])
def test_every_factor_of_an_estimate_is_written(facts):
    """Its value stands with what it is for, unless it rounds to 1; no name of a factor is without words."""
    found = result(Request(2_000), facts=facts, **TUNING)
    factors = [factor for factor in found.plan.factors if factor.source != "peak" and f"{factor.value:.2g}" != "1"]

    report = unwrapped(found.explain())

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
    report = unwrapped(result(Request(2000, rule=rule, finetune=True), **options).explain())

    assert ("For fine-tuning the peak is 0.33 of what was measured" in report) == is_explained


def test_a_peak_that_is_held_below_the_divergence_is_explained():
    """Rules that point beyond the divergence are multiplied by a factor, and the report says what for."""
    found = conclude(evidence(suggestions={"steepest": 1.0}, diverged_at=0.1), Request(2000))

    assert "times 0.05 to stay below where the sweep diverged." in unwrapped(found.explain())


SAID = {
    "sources that agree": ({"edge_trials": [EDGE]}, "the short trials: 2e-03, and nothing else."),
    "sources that do not": ({"facts": DRAWN, **TUNING}, "they disagree by a factor of "),
    "no trials": ({}, "The rules on the curve: "),
}


@pytest.mark.parametrize(("options", "words"), SAID.values(), ids=SAID)
def test_how_sure_it_is_says_what_agrees(options, words):
    """One sentence says what the interval means, and each source with the peak that it comes to."""
    block = unwrapped(str(result(**options)).split("how sure")[1])

    assert block.startswith("In 8 of 10 such trainings the best peak lies in the interval.")
    assert words.lower() in block.lower()


def test_what_was_done_replaces_how_to_do_it():
    """The report has the line that attaches the result, lines given instead, or what was done with the result."""
    found = result()

    attached, given, done, nothing = (
        text(found.evidence, plan, **options)
        for plan, options in (
            (found.plan, {}),
            (found.plan, {"code": found.plan.code}),
            (found.plan, {"done": "all of it"}),
            (None, {"done": "nothing"}),
        )
    )

    assert "  use it        scheduler = found.attach(optimizer)\n" in attached
    assert all(line in given for line in found.plan.code.splitlines())
    assert "  applied       all of it\n" in done
    assert "use it" not in done
    assert "  applied       nothing\n" in nothing


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("options", MEASURED.values(), ids=MEASURED)
def test_a_report_inside_a_log_is_short(asked, options):
    """At most twelve lines are asked for there: the answer, what was done and how sure it is stay."""
    found = result(asked, **options)

    lines = text(found.evidence, found.plan, done="the rate is set", most=12).splitlines()

    assert len(lines) <= 12
    assert "" not in lines
    assert {line.strip().split("  ")[0] for line in lines} >= {"applied", "how sure", "more"}
