"""The pictures of a result, a tuning, a plan and a schedule: they show what the records hold."""

import io

import matplotlib.pyplot as plt
import pytest
from builders import EDGE, PILOT, evidence, measured, result, trials
from quadratic import Quadratic, swept
from recorded import descent, noise

from lrfinder import Curve, Facts, InputError, LRResult, NoSignalError, Status
from lrfinder.advice.request import Request
from lrfinder.display.plot import COLOURS, plot_schedule
from lrfinder.evidence.evidence import read_curve
from lrfinder.evidence.rules import RULES
from lrfinder.schedules import CATALOGUE, Custom, Epochwise, Linear, StableDecay, StepDecay, Then, Warmup
from lrfinder.search.sweep import exponential_range

HIGHEST_IS_BEST = trials((1e-3, 0.9), (1e-2, 0.5), steps=60, cost=130.0)
DIVERGED = trials((1e-3, 0.6), (1e-2, 0.4), (1e-1, None), steps=60, cost=200.0)


def tuned(*pilots):
    """A result with short trials and pilots."""
    return result(Request(5000), edge_trials=[EDGE], pilots=pilots or [PILOT])


def drawn(ax):
    """Render axes as a file would, and return them."""
    ax.figure.savefig(io.BytesIO(), format="png", dpi=40)
    return ax


def labels(ax):
    """What the legend says, each entry on one line."""
    return [" ".join(text.get_text().split()) for text in ax.get_legend().get_texts()]


def line_of(ax, label):
    """The one line of a picture whose label begins so."""
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith(label)]
    return line


DRAWERS = {
    "range test": result().plot,
    "tuning": tuned().plot,
    "plan": result().plot_schedule,
    "schedule": lambda ax=None: plot_schedule(Linear(10), ax=ax),
}
every_drawer = pytest.mark.parametrize("draw", DRAWERS.values(), ids=DRAWERS)


@every_drawer
def test_given_axes_are_drawn_on_and_returned(draw):
    """No other figure is made where axes are given."""
    _, ax = plt.subplots()
    before = plt.get_fignums()

    assert draw(ax) is ax
    assert plt.get_fignums() == before


@every_drawer
def test_without_axes_a_figure_is_made_in_one_look(draw):
    """It is drawn in the frame of the style sheet, each axis named."""
    ax = drawn(draw())

    assert [ax.figure.number] == plt.get_fignums()
    assert not ax.spines["top"].get_visible()
    assert ax.get_xlabel()
    assert ax.get_ylabel()


def test_the_style_sheet_can_be_used_for_other_pictures():
    """`lrfinder.pictures` is a style of matplotlib's, and its colours are those of the pictures and the rules."""
    with plt.style.context("lrfinder.pictures"):
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]

    assert set(cycle) <= {*COLOURS.values(), *(rule.colour for rule in RULES.values())}


def test_all_that_was_found_is_drawn_and_named():
    """Each rate with the loss that its update led to, smooth losses, suggestions, peak, interval and divergence."""
    found = result()

    ax = found.plot()

    rules, named = ("steepest descent", "valley", "minimum / 10", "divergence / 4"), " ".join(labels(ax))
    for part in ("loss after a step", "smoothed", *rules, "80 % interval", "diverges at", "suggested peak"):
        assert part in named
    points = line_of(ax, "loss after a step")
    assert list(zip(points.get_xdata(), points.get_ydata(), strict=True)) == list(found.curve.pairs())


def test_the_title_is_the_answer():
    """Peak and interval stand above the picture, at the colour of their line; below them what was searched."""
    found = result(facts=Facts(model="Net", optimizer="SGD"))

    ax = found.plot()

    low, high = found.plan.interval
    assert ax.get_title(loc="left") == f"suggested peak {found.lr:.2g} (80 % interval {low:.2g} to {high:.2g})"
    assert [text.get_text() for text in ax.texts] == ["range test of Net with SGD"]
    assert line_of(ax, "suggested peak").get_color() == COLOURS["lr"]


@pytest.mark.parametrize(("rule", "is_hollow"), [(None, True), ("valley", False)], ids=["none", "its own"])
def test_rules_that_do_not_decide_are_hollow_and_small(rule, is_hollow):
    """The rule that was asked for is filled, and larger than the others; without one the trials decide."""
    ax = result(Request(2000, rule=rule), edge_trials=[EDGE]).plot()

    valley, other = line_of(ax, "valley"), line_of(ax, "minimum / 10")
    assert (valley.get_markerfacecolor() == "white") is is_hollow
    assert (valley.get_markersize() == other.get_markersize()) is is_hollow
    assert ("rules, for comparison:" in labels(ax)) is is_hollow


@pytest.mark.parametrize(
    ("bases", "named"), [((0.1,), "learning rate"), ((0.1, 0.01), "learning rate of the reference group")]
)
def test_the_reference_group_is_named_where_there_are_others(bases, named):
    """Of one group the axis says just what it is."""
    assert result(facts=Facts(bases=bases)).plot().get_xlabel() == named


def test_trials_have_a_panel_below_the_curve():
    """It shares the axis of the rates, shows the peak and its interval too, and the curve has none of the trials."""
    found = result(edge_trials=[EDGE])

    ax = found.plot()

    first, below = ax.figure.axes
    assert ax is first
    assert below.get_xlim() == first.get_xlim()
    assert below.get_ylabel() == "loss after a trial"
    assert any(list(line.get_xdata()) == [found.lr, found.lr] for line in below.lines)
    assert not any("trial" in label for label in labels(first))


def test_a_subfigure_gets_every_panel_and_axes_the_curve():
    """Where there was no sweep, the trials stand on the axes."""
    found = result(edge_trials=[EDGE])
    part, _ = plt.figure().subfigures(1, 2)

    assert found.plot(part).figure is part
    assert len(part.axes) == 2
    assert "trial of 14 steps" not in labels(found.plot(plt.figure().add_subplot()))
    assert "trial of 14 steps" in labels(LRResult(evidence(edge_trials=[EDGE]), None).plot())


def test_the_rest_of_a_coarse_pass_is_drawn_pale():
    """Its rates are in the picture with the losses that they led to; of one pass there are none."""
    found = swept(Quadratic(2.0))

    pale = line_of(found.plot(), "in the coarse pass")

    assert list(zip(pale.get_xdata(), pale.get_ydata(), strict=True)) == list(found.evidence.coarse.pairs())
    assert "in the coarse pass" not in labels(swept(Quadratic(2.0), rule="valley").plot())


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
    found = result(losses=losses)

    ax = drawn(found.plot())

    assert found.status == status
    assert (f"no suggestion ({status})" in ax.get_title(loc="left")) is (status != "ok")


@pytest.mark.parametrize("points", [None, 0, 1], ids=["no sweep", "no point", "one point"])
def test_a_curve_without_pairs_can_be_drawn(points):
    """A sweep that ended at once, or was never made, is an empty picture, not an error."""
    seen = evidence(status=Status.TOO_SHORT)
    if points is not None:
        seen = read_curve(
            Curve(exponential_range(1e-3, 1.0, 10)[:points], [1.0] * points, stopped="non_finite"), Facts()
        )

    drawn(LRResult(seen, None).plot())


@pytest.mark.parametrize("name", ["$x_", "_hidden", "a_b^c", r"\frac{", "$\\alpha", "%s {}", "x" * 300])
def test_odd_names_can_be_drawn(name):
    """Mathematics, markup and length in names do not fail the picture, nor does a suggestion at the first rate."""

    def own(curve):
        return curve.lrs[0]

    own.__name__ = name

    ax = drawn(result(facts=Facts(model=name, optimizer=name), rule=own).plot())

    assert any(label.endswith(" 1e-07") for label in labels(ax))


def test_every_short_trial_lies_inside_the_picture():
    """Those below and above the swept range widen it; one that exploded, or is far above the rest, is at the edge."""
    far = trials((1e-9, 2.2), (1e-3, 0.9), (1.0, 99.0), (1e3, None), start=2.3)

    ax = LRResult(measured(edge_trials=[far]), None).plot().figure.axes[1]

    (left, right), (_, top) = ax.get_xlim(), ax.get_ylim()
    assert left < 1e-9
    assert right > 1e3
    assert list(line_of(ax, "trial of 14 steps").get_ydata()) == [2.2, 0.9]
    for label, lr in ((f"loss above {top:.2g}", 1.0), ("exploded", 1e3)):
        at_top = line_of(ax, label)
        assert (list(at_top.get_xdata()), list(at_top.get_ydata())) == ([lr], [1.0])
        assert at_top.get_transform() == ax.get_xaxis_transform()


def test_the_edge_of_the_trials_is_named():
    """Its rate stands in the legend of the trials, of a tuning's pilots those that exploded."""
    assert f"edge {EDGE.edge:.2g}" in labels(result(edge_trials=[EDGE]).plot().figure.axes[1])
    assert "exploded" in labels(tuned(DIVERGED).plot())


def test_the_picture_of_a_tuning_shows_its_parts():
    """Pilots, fit, interval, peak and the way to it are drawn from the records and named, and none of the rules."""
    found = tuned()

    ax = found.plot()

    named = ["suggested peak", "80 % interval", "loss before", "pilot of 60 steps"]
    assert labels(ax) == [*named, "fit through the best", "from its best to the peak"]
    assert list(line_of(ax, "pilot of").get_ydata()) == list(PILOT.losses)
    assert list(line_of(ax, "fit").get_xdata()) == [lr for lr, _ in PILOT.fit]
    arrow, about = ax.texts
    assert about.get_text() == "tuning of model with optimizer"
    assert (arrow.xyann[0], arrow.xy[0]) == (PILOT.best, found.lr)


@pytest.mark.parametrize(
    "pilots",
    [[DIVERGED], [HIGHEST_IS_BEST], [PILOT, DIVERGED, HIGHEST_IS_BEST], [trials((1e-2, 2.5), steps=60)]],
    ids=["diverged", "highest is best", "three", "raised the loss"],
)
@pytest.mark.parametrize("has_plan", [True, False])
def test_every_tuning_can_be_drawn(pilots, has_plan):
    """Every trial of every pilot lies inside the picture, with a plan and without."""
    found = tuned(*pilots)

    ax = drawn((found if has_plan else LRResult(found.evidence, None)).plot())

    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    heights = {"o": (low, high), "X": (0, 1), "^": (0, 1)}  # the last two in parts of the panel
    shown = [line for line in ax.lines if line.get_marker() in heights]
    points = [(line.get_marker(), *point) for line in shown for point in zip(*line.get_data(), strict=True)]
    assert len(points) == sum(len(pilot.lrs) for pilot in pilots)
    assert all(left < x < right and heights[mark][0] < y <= heights[mark][1] for mark, x, y in points)


PLANS = {
    **{name: Request(2000, name) for name in CATALOGUE},
    "one step": Request(1),
    "no length": Request(),
    "open end": Request(open_ended=True),
    "a million steps": Request(10**6),
}


@pytest.mark.parametrize("asked", PLANS.values(), ids=PLANS)
def test_every_plan_can_be_drawn(asked):
    """The peak lies inside the picture, whose axis is the training."""
    found = result(asked)

    ax = drawn(found.plot_schedule())

    assert ax.get_ylim()[1] > found.lr
    assert ax.get_xlim() == (0, found.plan.shown_steps)


@pytest.mark.parametrize(
    ("asked", "marks", "axis"),
    [
        (Request(2000), {"warm-up ends at step 100", "end at step 2,000"}, "optimizer step"),
        (Request(), {"warm-up ends at step 50"}, "optimizer step of a training of 1,000"),
        (Request(open_ended=True), {"warm-up ends at step 50"}, "optimizer step; goes on until a cooldown is begun"),
    ],
    ids=["2,000", "no length", "open end"],
)
def test_the_picture_of_a_plan_marks_what_is_known(asked, marks, axis):
    """The warm-up and the end stand in the legend; without a length the axis says what it shows."""
    ax = result(asked).plot_schedule()

    assert set(labels(ax)[1:]) == marks
    assert ax.get_xlabel() == axis


def test_without_a_schedule_there_is_none_to_draw():
    """The title says where a file could not hold it; without a plan the sentence of the status is raised."""
    read = LRResult.parse(result(Request(2000, lambda step: 1.0)).to_json())

    assert read.plot_schedule().get_title(loc="left") == "a function that the file could not hold"
    with pytest.raises(NoSignalError, match="there is no schedule to draw: The loss never fell"):
        result(losses=[1.0] * 100).plot_schedule()


@pytest.mark.parametrize(
    ("schedule", "end"),
    [
        (Linear(10), 10),
        (Linear(10**6), 10**6),
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
    """Its axis ends where the schedule does, at 1,000 steps where it has no end, or at the step that is asked for.

    A million steps are drawn from a sample.
    """
    ax = plot_schedule(schedule)

    assert ax.get_xlim() == (0, end or 1000)
    assert len(ax.get_lines()[0].get_xdata()) < 5000
    assert plot_schedule(schedule, 7).get_xlim() == (0, 7)
    with pytest.raises(InputError, match="`steps` must be a positive whole number, got 0"):
        plot_schedule(schedule, 0)
