"""The record of a sweep: what it pairs, and what it refuses."""

import pytest

from lrfinder import Curve, InputError

LRS = [1e-3, 1e-2, 1e-1]


@pytest.mark.parametrize(
    ("after", "pairs"),
    [(None, [(1e-3, 2.0), (1e-2, 1.0)]), ([2.5, 1.5, 0.5], [(1e-3, 2.5), (1e-2, 1.5), (1e-1, 0.5)])],
)
def test_a_rate_is_paired_with_the_loss_its_update_led_to(after, pairs):
    """That is the next loss, so that the last rate has none, or the one that was evaluated after the step."""
    curve = Curve(LRS, [3.0, 2.0, 1.0], after=after)

    assert (list(curve.pairs()), len(curve)) == (pairs, 3)


@pytest.mark.parametrize(("lrs", "density"), [(LRS, 1.0), ([1e-3], 0.0), ([], 0.0), ([1e-5, 1e-4, 1e-3, 2e-3], 1.0)])
def test_the_density_counts_rates_per_decade(lrs, density):
    """The density is that of most neighbours, and zero where there are fewer than two."""
    assert Curve(lrs, lrs).points_per_decade == pytest.approx(density)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"losses": [1.0]}, r"must have the same length, got \[1, 3\]"),
        ({"after": [1.0]}, r"must have the same length, got \[1, 3\]"),
        ({"losses": [1.0, float("nan"), 1.0]}, r"a curve must hold finite numbers, up to 1e\+100, got"),
        ({"losses": [1.0, 1e101, 1.0]}, r"a curve must hold finite numbers, up to 1e\+100, got"),
        ({"after": [1.0, 1.0, float("inf")]}, r"a curve must hold finite numbers, up to 1e\+100, got"),
        ({"lrs": [1e-3, 1e-3, 1e-2]}, "`lrs` must be positive and ascend, got"),
        ({"lrs": [0.0, 1e-3, 1e-2]}, "`lrs` must be positive and ascend, got"),
        ({"stopped": "tired"}, "`stopped` must be one of completed, diverged, non_finite, got 'tired'"),
    ],
)
def test_what_no_sweep_records_is_refused(arguments, message):
    """Unequal lengths, values that are not finite, rates that do not ascend and an unknown end have a sentence each."""
    with pytest.raises(InputError, match=message):
        Curve(**{"lrs": LRS, "losses": [3.0, 2.0, 1.0], **arguments})


def test_a_curve_is_frozen():
    """What was recorded cannot be replaced."""
    with pytest.raises(AttributeError, match="cannot assign to field 'losses'"):
        Curve(LRS, LRS).losses = []
