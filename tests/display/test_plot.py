"""The pictures of a result, a tuning, a plan and a schedule: they show what the records hold."""

import io

import matplotlib.pyplot as plt
import pytest
from builders import EDGE, PILOT, evidence, measured, result, trials
from recorded import descent, noise

from lrfinder import Curve, Facts, InputError, LRResult, NoSignalError, Status
from lrfinder.advice.request import Request
from lrfinder.display.plot import COLOURS, figure_of, plot_schedule
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


def test_a_figure_for_a_file_is_not_held_by_pyplot():
    """`figure_of` leaves no figure open."""
    found = result()

    figure_of(found.evidence, found.plan).savefig(io.BytesIO(), format="png", dpi=40)

    assert plt.get_fignums() == []


def test_the_style_sheet_can_be_used_for_other_pictures():
    """`lrfinder.pictures` is a style of matplotlib's, and its colours are those of the pictures and the rules."""
    with plt.style.context("lrfinder.pictures"):
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]

    assert set(cycle) <= {*COLOURS.values(), *(rule.colour for rule in RULES.values())}


def test_all_that_was_found_is_in_the_legend():
    """Raw and smooth losses, every suggestion, the peak, its interval and the divergence are named."""
    found = result()

    named = " ".join(labels(found.plot()))

    rules = ("steepest descent", "valley", "minimum / 10", "divergence / 4")
    for part in ("loss after the step", "smoothed", *rules, "interval", "diverges", f"suggested peak {found.lr:.2g}"):
        assert part in named


def test_the_raw_points_are_those_of_the_record():
    """The picture shows each rate with the loss that its update led to."""
    found = result()

    points = line_of(found.plot(), "loss after the step")

    assert list(zip(points.get_xdata(), points.get_ydata(), strict=True)) == list(found.curve.pairs())


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


def test_a_suggestion_at_the_first_rate_is_drawn():
    """The marker of a user's own rule stands at its rate, the first one included."""
    ax = result(rule=lambda curve: curve.lrs[0]).plot()

    (marker,) = [line for line in ax.lines if "<lambda>" in line.get_label()]
    assert list(marker.get_xdata()) == [1e-7]


@pytest.mark.parametrize("name", ["$x_", "_hidden", "a_b^c", r"\frac{", "$\\alpha", "%s {}", "x" * 300])
def test_odd_names_can_be_drawn(name):
    """Mathematics, markup and length in names of models, optimizers and rules do not fail the picture."""

    def own(curve):
        return 1e-3

    own.__name__ = name

    ax = drawn(result(facts=Facts(model=name, optimizer=name), rule=own).plot())

    assert any(label.endswith(" 0.001") for label in labels(ax))


def test_every_short_trial_lies_inside_the_picture():
    """Those below and above the swept range widen it; one that diverged lies on its upper edge."""
    far = trials((1e-9, 2.2), (1e-3, 0.9), (1e3, None), start=2.3)

    ax = LRResult(measured(edge_trials=[far]), None).plot()

    (left, right), (_, high) = ax.get_xlim(), ax.get_ylim()
    assert left < 1e-9
    assert right > 1e3
    assert list(line_of(ax, "trial of 14 steps").get_ydata()) == [2.2, 0.9, high]


def test_trials_off_the_scale_are_named_so():
    """The edge has a line of its own, and the legend says that a trial or pilot that diverged stands at the top."""
    short, pilots = labels(result(edge_trials=[EDGE]).plot()), labels(tuned(DIVERGED).plot())

    assert f"edge of the trials {EDGE.edge:.2g}" in short
    assert "trial of 14 steps (at the top: off the scale)" in short
    assert "pilot of 60 steps (at the top: off the scale)" in pilots


def test_the_picture_of_a_tuning_shows_its_parts():
    """Pilots, fit, interval, peak and the way to it are named, and none of the rules."""
    found = tuned()

    ax = found.plot()

    assert ax.get_title(loc="left") == "Tuning of model with optimizer"
    assert labels(ax) == [
        "80 % interval",
        f"suggested peak {found.lr:.2g}",
        "loss before",
        "pilot of 60 steps",
        "fit through the best",
        "from its best to the peak",
    ]


def test_the_picture_of_a_tuning_draws_what_the_pilots_hold():
    """It has points at every peak and loss, the fit of the record, and an arrow from the best to the peak."""
    found = tuned()

    ax = found.plot()

    assert list(line_of(ax, "pilot of").get_ydata()) == list(PILOT.losses)
    assert list(line_of(ax, "fit").get_xdata()) == [lr for lr, _ in PILOT.fit]
    (arrow,) = ax.texts
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
    shown = [line for line in ax.lines if line.get_marker() == "P"]
    assert len(shown) == len(pilots)
    for line in shown:
        assert left < min(line.get_xdata()) <= max(line.get_xdata()) < right
        assert low < min(line.get_ydata()) <= max(line.get_ydata()) <= high


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


def test_the_picture_of_a_lost_function_is_empty():
    """Where a file could not hold the schedule the title says so."""
    read = LRResult.parse(result(Request(2000, lambda step: 1.0)).to_json())

    assert read.plot_schedule().get_title(loc="left") == "a function that the file could not hold"


def test_without_a_plan_there_is_no_schedule_to_draw():
    """The sentence of the status is raised."""
    with pytest.raises(NoSignalError, match="there is no schedule to draw: The loss never fell"):
        result(losses=[1.0] * 100).plot_schedule()


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
