import io
from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
from recorded import descent, noise, recorded

from lrfinder import Curve, Evidence, Facts, InputError, LRResult, Status
from lrfinder.advice.recommend import Request, plan
from lrfinder.display.plot import COLOURS, figure_of, plot_schedule
from lrfinder.evidence.evidence import add_edge_trials, read_curve
from lrfinder.evidence.trials import Trials
from lrfinder.schedules import Custom, Epochwise, Linear, StableDecay, StepDecay, Then, Warmup
from lrfinder.search.sweep import exponential_range


@pytest.fixture(autouse=True)
def _no_window(monkeypatch):
    """Fail where a window would open, and close what a test drew."""
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("show was called"))
    yield
    plt.close("all")


def found(losses=None, facts=None, rule=None):
    """The result of a sweep over these losses, planned where it is `ok`."""
    evidence = read_curve(recorded(losses or descent()), facts or Facts(), rule)
    return LRResult(evidence, plan(evidence, Request(500)) if evidence.status == "ok" else None)


def drawn(ax):
    """Render axes as a file would."""
    ax.figure.savefig(io.BytesIO(), format="png", dpi=40)


def labels(ax):
    """What the legend says."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_given_axes_are_drawn_on_and_returned():
    """`ax` comes back."""
    _, ax = plt.subplots()

    assert found().plot(ax) is ax


def test_every_miniature_run_lies_inside_the_picture():
    """Those below and above the swept range widen it; one that exploded lies on its upper edge."""
    trials = Trials((1e-9, 1e-3, 1e3), (2.2, 0.9, None), steps=14, start=2.3, is_sure=True, cost=60.0)
    result = LRResult(add_edge_trials(found().evidence, [trials]), None)

    ax = result.plot()

    (runs,) = [line for line in ax.lines if str(line.get_label()).startswith("trial of 14 steps")]
    (left, right), (_, high) = ax.get_xlim(), ax.get_ylim()
    assert left < 1e-9
    assert right > 1e3
    assert list(runs.get_ydata()) == [2.2, 0.9, high]


def test_given_axes_need_no_other_figure():
    """No figure is made where one is given."""
    _, ax = plt.subplots()
    before = plt.get_fignums()

    found().plot(ax)

    assert plt.get_fignums() == before


def test_without_axes_a_figure_is_made():
    """`plot()` draws on a figure of its own."""
    ax = found().plot()

    assert [ax.figure.number] == plt.get_fignums()
    drawn(ax)


def test_all_that_was_found_is_in_the_legend():
    """Raw and smooth losses, every suggestion, the peak, its interval and the divergence."""
    named = " ".join(labels(found().plot()))

    rules = ("steepest descent", "valley", "minimum / 10", "divergence / 4")
    for part in ("loss after the step", "smoothed", *rules, "interval", "diverges"):
        assert part in named
    assert f"suggested peak {found().lr:.2g}" in named


def test_the_raw_points_are_those_of_the_record():
    """The picture shows each rate with the loss that its update led to."""
    result = found()

    (points,) = [line for line in result.plot().lines if line.get_label() == "loss after the step"]

    assert list(zip(points.get_xdata(), points.get_ydata(), strict=True)) == list(result.curve.pairs())


STATUSES = {
    "ok": descent(),
    "flat": [1.0] * 100,
    "too_noisy": noise(0),
    "too_short": [1.0, 1.1, float("nan"), *[1.0] * 7],
    "out_of_range": [2.0 - 1e-3 * 1.05**i for i in range(100)],
}


@pytest.mark.parametrize(("status", "losses"), STATUSES.items(), ids=STATUSES)
def test_every_status_can_be_drawn(status, losses):
    """With a plan or without, the picture renders and its title says which."""
    result = found(losses)

    ax = result.plot()
    drawn(ax)

    assert result.status == status
    assert (f"no suggestion ({status})" in ax.get_title(loc="left")) is (status != "ok")


@pytest.mark.parametrize("points", [0, 1])
def test_a_curve_without_pairs_can_be_drawn(points):
    """A sweep that ended at once is an empty picture, not an error."""
    curve = Curve(exponential_range(1e-3, 1.0, 10)[:points], [1.0] * points, stopped="non_finite")

    drawn(LRResult(read_curve(curve, Facts()), None).plot())


def test_evidence_without_a_curve_can_be_drawn():
    """A result that never swept is an empty picture, not an error."""
    drawn(LRResult(Evidence(None, {}, Status.TOO_SHORT), None).plot())


def test_a_suggestion_at_the_first_rate_is_drawn():
    """Index 0 is a place like any other."""
    ax = found(rule=lambda curve: curve.lrs[0]).plot()

    (marker,) = [line for line in ax.lines if "<lambda>" in line.get_label()]
    assert list(marker.get_xdata()) == [1e-7]


@pytest.mark.parametrize("name", ["$x_", "_hidden", "a_b^c", r"\frac{", "$\\alpha", "%s {}", "x" * 300])
def test_odd_names_can_be_drawn(name):
    """Mathematics, markup and length in names of models, optimizers and rules do not fail the picture."""

    def own(curve):
        return 1e-3

    own.__name__ = name

    ax = found(facts=Facts(model=name, optimizer=name), rule=own).plot()
    drawn(ax)

    assert any(label.endswith(" 0.001") for label in labels(ax))


def test_the_runs_and_their_edge_are_named():
    """The edge of the trials has a line of its own; a run that exploded stands at the top, and that is told."""
    result = found()
    runs = Trials((1e-3, 1e-2, 1e-1), (1.5, 1.0, None), 14, 2.0, is_sure=True, cost=42.0)

    named = " ".join(labels(replace(result, evidence=replace(result.evidence, edge_trials=(runs,))).plot()))

    assert f"the runs' edge {runs.edge:.2g}" in named
    assert "trial of 14 steps (at the top: off the scale)" in " ".join(named.split())


def test_every_picture_has_one_look():
    """A result, a plan and a schedule are drawn in the style sheet's frame, each axis named."""
    result = found()

    for ax in (result.plot(), result.plan.plot(), plot_schedule(result.plan.schedule)):
        assert not ax.spines["top"].get_visible()
        assert ax.get_xlabel()
        assert ax.get_ylabel()


def test_the_style_sheet_can_be_used_for_other_pictures():
    """`lrfinder.pictures` is a style of matplotlib's, and its colours are those of the range test."""
    with plt.style.context("lrfinder.pictures"):
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]

    assert set(cycle) <= set(COLOURS.values())


def test_a_figure_for_a_file_is_not_held_by_pyplot():
    """`figure_of` leaves no figure open."""
    figure_of(found()).savefig(io.BytesIO(), format="png", dpi=40)

    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("schedule", "end"),
    [
        (Linear(10), 10),
        (Warmup(Linear(10), 5), 15),
        (Then(Linear(10), Linear(10), at=4), 14),
        (Epochwise(Linear(3), 20), 60),
        (StableDecay(None), None),
        (Warmup(StableDecay(None), 5), None),
        (StepDecay(0.5, every=3), None),
        (Custom(lambda step: 1.0), None),
        (lambda step: 1.0, None),
    ],
)
def test_a_schedule_is_drawn_to_its_end(schedule, end):
    """Its axis ends where the schedule does, at 1,000 steps where it has no end, or at the step that is asked for."""
    assert plot_schedule(schedule).get_xlim() == (0, end or 1000)
    assert plot_schedule(schedule, 7).get_xlim() == (0, 7)


@pytest.mark.parametrize("steps", [0, 2.5])
def test_a_picture_of_no_steps_is_refused(steps):
    """The number of steps is a positive whole one."""
    with pytest.raises(InputError, match="`steps` must be a positive whole number, got"):
        plot_schedule(Linear(10), steps)


def test_a_huge_schedule_is_drawn_from_a_sample():
    """A picture of a million steps holds a few thousand points."""
    (line,) = plot_schedule(Linear(10**6)).get_lines()

    assert 1000 < len(line.get_xdata()) < 5000
