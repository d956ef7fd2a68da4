"""The edge as several records of trials, and as a sweep, show it."""

import pytest
from builders import trials

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.edge import edge_of_curve, edge_of_trials

LRS = [1e-3, 1e-2, 1e-1, 1.0, 10.0]
OVER = {"over_onset": 1.5, "over_lowest": 2.0, "over_last": 0.3}
LOW, HIGH = trials((0.1, 1.0), (1.0, 2.0)), trials((1.0, 1.0), (10.0, 2.0))
OPEN = trials((0.1, 1.5), (1.0, 1.0))
WORSENED = trials((0.1, 2.1), (0.3, None), is_sure=False)


@pytest.mark.parametrize(
    ("records", "edge"),
    [
        ([LOW], 10**-0.5),
        ([LOW, HIGH], 1.0),
        ([OPEN, HIGH], 10**0.5),
        ([WORSENED, LOW], 10**-0.5),
        ([OPEN], None),
        ([OPEN, WORSENED], None),
        ([], None),
    ],
)
def test_the_edge_of_several_trials_is_the_geometric_mean_of_those_that_have_one(records, edge):
    """Trials whose highest peak is the best, or that gained nothing, have no edge to count."""
    assert edge_of_trials(records) == (None if edge is None else pytest.approx(edge))


@pytest.mark.parametrize(
    ("losses", "stopped", "edge"),
    [
        ([3.0, 1.0, 1.5, 1.4, 9.0], "diverged", 1.0 * 1.5),
        ([3.0, 2.0, 1.0, 9.0], "diverged", 0.1 * 2.0),
        ([3.0, 2.0, 1.0, 0.5], "completed", (1.0 * 2.0 * 0.3) ** 0.5),
        ([3.0, 1.0, 2.0, 2.5], "completed", (1e-2 * 2.0 * 0.3) ** 0.5),
    ],
    ids=["began to diverge", "lowest", "falling to the end", "lowest in the middle"],
)
def test_the_edge_of_a_sweep_is_the_median_of_what_its_three_rates_say(losses, stopped, edge):
    """They are the rate of the lowest loss, the last rate and, where the sweep diverged, the rate where that began."""
    assert edge_of_curve(Curve(LRS[: len(losses)], losses, stopped=stopped), **OVER) == pytest.approx(edge)


@pytest.mark.parametrize("stopped", ["completed", "diverged"])
def test_the_edge_of_a_sweep_scales_with_its_rates(stopped):
    """The same losses at a hundred times the rates have a hundred times the edge."""
    losses = [2.0, 1.5, 1.0, 1.5, 3.0]

    higher = edge_of_curve(Curve([100 * lr for lr in LRS], losses, stopped=stopped), **OVER)

    assert higher == pytest.approx(100 * edge_of_curve(Curve(LRS, losses, stopped=stopped), **OVER))
