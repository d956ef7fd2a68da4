"""What a tuned result shows: its runs, the report, the picture, the file."""

import io
import json
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import descent, recorded

import lrfinder
from lrfinder import Facts, InputError, LRResult, Status, tune_lr
from lrfinder.advice.recommend import Request, plan
from lrfinder.display.report import WIDTH, text
from lrfinder.evidence.evidence import add_edge_trials, add_pilots, read_curve
from lrfinder.evidence.trials import Trials

RACE = Trials((1e-3, 1e-2, 1e-1), (1.5, 1.0, None), 14, 2.0, is_sure=True, cost=42.0)
REHEARSAL = Trials((1e-3, 1e-2, 1e-1), (0.6, 0.4, 1.2), 60, 2.0, is_sure=True, cost=200.0)
OPEN = Trials((1e-3, 1e-2), (0.9, 0.5), 60, 2.0, is_sure=True, cost=130.0)
EXPLODED = Trials((1e-3, 1e-2, 1e-1), (0.6, 0.4, None), 60, 2.0, is_sure=True, cost=200.0)


@pytest.fixture(autouse=True)
def _no_figure_left():
    """Close what a test drew."""
    yield
    plt.close("all")


def tuned(*pilots, facts=None, status=None):
    """The result of a sweep, a race and pilots."""
    evidence = add_pilots(
        add_edge_trials(read_curve(recorded(descent()), facts or Facts()), [RACE]), pilots or [REHEARSAL]
    )
    if status is not None:
        return LRResult(replace(evidence, status=status), None)
    return LRResult(evidence, plan(evidence, Request(5000)))


def labels(ax):
    """What the legend says, each on one line."""
    return [" ".join(text.get_text().split()) for text in ax.get_legend().get_texts()]


def line_of(ax, label):
    """The one line of a picture whose label begins so."""
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith(label)]
    return line


def test_a_real_tuning_holds_every_run():
    """`trials` lists the trials, then the pilots; their cost and the sweep's is what was spent."""
    torch.manual_seed(0)
    x = torch.randn(512, 4)
    batches = [(rows, rows @ torch.ones(4, 1)) for rows in x.split(16)]

    found = tune_lr(torch.nn.Linear(4, 1), batches, total_steps=900, progress=False)

    assert found.trials == (*found.evidence.edge_trials, *found.evidence.pilots)
    assert found.trials[0].steps == 14 < found.trials[-1].steps
    assert found.cost_steps == math.ceil(len(found.curve) + sum(trials.cost for trials in found.trials))


def test_the_verbs_of_tuning_are_at_the_face():
    """`tune_lr` and `race` are imported from lrfinder, as `find_lr` is."""
    assert {"tune_lr", "tune_loop"} <= set(lrfinder.__all__)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(lower=st.floats(0.05, 1.9), upper=st.floats(0.05, 1.9), gap=st.floats(0.1, 2))
def test_the_fit_is_the_parabola_through_three_runs(lower, upper, gap):
    """It goes from neighbour to neighbour through the best, as NumPy's own fit does."""
    lrs = (1e-3, 1e-2, 10 ** (gap - 2))
    trials = Trials(lrs, (0.05 + lower, 0.05, 0.05 + upper), 60, 2.0, is_sure=True, cost=1.0)
    if max(lower, upper) > 1.9:
        return
    theirs = np.polyfit(np.log(lrs), trials.losses, 2)

    at, losses = zip(*trials.fit, strict=True)

    assert (at[0], at[-1]) == pytest.approx((lrs[0], lrs[-1]))
    assert losses == pytest.approx(np.polyval(theirs, np.log(at)), abs=1e-6)


def test_the_lowest_point_of_the_fit_is_the_best():
    """What is drawn is what the number is read off."""
    lowest = min(REHEARSAL.fit, key=lambda point: point[1])[0]

    assert math.log(lowest / REHEARSAL.best) == pytest.approx(0, abs=math.log(100) / 40)


@pytest.mark.parametrize("losses", [(0.9, 0.5), (0.5, 0.9), (None, None), ()])
def test_a_best_run_without_neighbours_has_no_fit(losses):
    """At an end of what was tried, or where nothing was won, there is nothing to draw."""
    trials = Trials((1e-3, 1e-2)[: len(losses)], losses, 60, 2.0, is_sure=False, cost=1.0)

    assert trials.fit == ()


def test_the_head_says_tuning_where_there_are_rehearsals():
    """The report of a tuning is told from that of a range test by its first line, and says what was spent."""
    lines = str(tuned()).splitlines()

    assert lines[0] == "lrfinder: tuning of model"
    assert "  spent         the cost of 328 steps, 6.6 % of the training" in lines


def test_the_rehearsals_are_reported():
    """Their length, peaks, losses, and the best beside the trials."""
    block = str(tuned()).split("\n\n")[3]

    assert block == (
        "  pilots        60 steps each, all from the same start: the schedule and the epochs in small\n"
        "    loss before     2\n"
        "    to a peak of    1.0e-03   1.0e-02   1.0e-01\n"
        "    loss after      0.6       0.4       1.2\n"
        f"    the best        {REHEARSAL.best:.2e}: on a parabola through the best run and its neighbours"
    )


def test_a_best_at_the_end_is_reported_as_one_of_those_tried():
    """Where nothing was fitted, nothing of a parabola is said."""
    assert "    the best        1.00e-02: of those that were tried\n" in str(tuned(OPEN))


def test_rehearsals_that_win_nothing_are_reported_so():
    """Where no run lowered the loss there is no best one, and that is said."""
    lost = Trials((1e-3, 1e-2), (2.5, 3.0), 60, 2.0, is_sure=False, cost=130.0)

    assert "    the best        none: no run lowered the loss\n" in str(tuned(lost))


@pytest.mark.parametrize("status", [None, Status.FLAT])
def test_a_tuning_fits_into_a_hundred_columns(status):
    """With many runs, with a plan and without."""
    lrs = tuple(1e-6 * 2.0**i for i in range(20))
    many = Trials(lrs, tuple(1 + abs(i - 9) / 20 for i in range(20)), 240, 2.0, is_sure=True, cost=1e6)

    assert max(map(len, str(tuned(many, facts=Facts(model="N" * 300), status=status)).splitlines())) <= WIDTH


def test_what_was_done_replaces_how_to_do_it():
    """`report.text` ends with what was done with a result, or tells how to use it."""
    assert text(tuned(), "all of it").endswith("\n\n  applied       all of it")
    assert "to use it" not in text(tuned(), "all of it")
    assert text(tuned(status=Status.FLAT), "nothing").endswith("\n\n  applied       nothing")


def test_the_picture_of_a_tuning_shows_its_parts():
    """Pilots, fit, interval, peak and the way to it, and none of the rules."""
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


def test_the_picture_draws_what_the_runs_hold():
    """Points at every peak and loss, the fit as it is in the record, an arrow from the best to the peak."""
    found = tuned()

    ax = found.plot()

    assert list(line_of(ax, "pilot of").get_ydata()) == list(REHEARSAL.losses)
    assert list(line_of(ax, "fit").get_xdata()) == [lr for lr, _ in REHEARSAL.fit]
    (arrow,) = ax.texts
    assert (arrow.xyann[0], arrow.xy[0]) == (REHEARSAL.best, found.lr)


@pytest.mark.parametrize("pilots", [[EXPLODED], [OPEN], [REHEARSAL, EXPLODED, OPEN]], ids=len)
@pytest.mark.parametrize("status", [None, Status.FLAT])
def test_every_tuning_can_be_drawn(pilots, status):
    """With runs that exploded, with several pilots, with a plan and without, all inside the picture."""
    ax = tuned(*pilots, status=status).plot()
    ax.figure.savefig(io.BytesIO(), format="png", dpi=40)

    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    runs = [line for line in ax.lines if line.get_marker() == "P"]
    assert len(runs) == len(pilots)
    for line in runs:
        assert left < min(line.get_xdata()) <= max(line.get_xdata()) < right
        assert low < min(line.get_ydata()) <= max(line.get_ydata()) <= high


def test_a_run_off_the_scale_is_told():
    """One that exploded stands at the top of the picture."""
    assert "pilot of 60 steps (at the top: off the scale)" in labels(tuned(EXPLODED).plot())


def test_a_tuning_is_read_back_as_it_was_written():
    """The record of a tuning goes through JSON unchanged."""
    found = tuned(REHEARSAL, EXPLODED)

    assert LRResult.parse(found.to_json()) == found


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [("lrs", [1e-2, 1e-3, 1e-1], "`pilots` must be at rates"), ("losses", [1.0], "`pilots` must be lists of"),
     ("steps", 0, "`steps` must be positive"), ("factor", 0.0, "`factor` must be positive")],
)  # fmt: skip
def test_rehearsals_that_were_never_run_are_refused(field, value, sentence):
    """Rates out of order, lists of two lengths, no steps, no factor."""
    data = json.loads(tuned().to_json())
    data["evidence"]["pilots"][0][field] = value

    with pytest.raises(InputError, match=sentence):
        LRResult.parse(json.dumps(data))
