import math

import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import PlateauState, ReduceOnPlateau, describe


def factors(plateau, metrics):
    """The factor after each metric."""
    state, given = PlateauState(), []
    for metric in metrics:
        factor, state = plateau.update(state, metric)
        given.append(factor)
    return given


def test_patience_two_cuts_at_the_third_bad_check():
    """Two checks without improvement are ignored, the third cuts; Keras would cut at the second."""
    assert factors(ReduceOnPlateau(0.5, patience=2), [1, 1, 1, 1, 1, 1, 1]) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_checks_in_the_cooldown_do_not_count():
    """After a cut, `cooldown` checks cannot count as bad."""
    plateau = ReduceOnPlateau(0.5, patience=0, cooldown=2)

    assert factors(plateau, [1, 1, 1, 1, 1]) == [1, 0.5, 0.5, 0.5, 0.25]


def test_a_maximum_is_watched_from_below():
    """In mode "max" a larger metric is better and a smaller one is bad."""
    assert factors(ReduceOnPlateau(0.5, patience=0, mode="max"), [0.1, 0.2, 0.3, 0.2]) == [1, 1, 1, 0.5]


@pytest.mark.parametrize(("mode", "little", "enough"), [("min", -10.9, -11.1), ("max", -9.1, -8.9)])
def test_the_threshold_asks_for_more_also_where_metrics_are_negative(mode, little, enough):
    """A metric that beats a best of -10 by less than a tenth of its size is bad, by more than that it is good."""
    plateau = ReduceOnPlateau(0.5, patience=0, threshold=0.1, mode=mode)

    assert factors(plateau, [-10, little]) == [1, 0.5]
    assert factors(plateau, [-10, enough]) == [1, 1]


def test_without_a_threshold_the_same_metric_again_is_bad():
    """What improves is lower, however little."""
    assert factors(ReduceOnPlateau(0.5, patience=0, threshold=0), [1, 1 - 1e-9, 1 - 1e-9]) == [1, 1, 0.5]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_is_bad(bad, mode):
    """NaN and infinity never improve anything, not even as the first metric, and leave the best as it was."""
    plateau = ReduceOnPlateau(0.5, patience=0, mode=mode)

    assert factors(plateau, [bad, 1.0, bad, 1.0]) == [0.5, 0.5, 0.25, 0.125]


def test_the_first_bad_check_is_the_first_of_the_patience():
    """Nothing counts against a training before its first metric."""
    assert factors(ReduceOnPlateau(0.5, patience=1), [math.nan, math.nan]) == [1, 0.5]


def test_ten_bad_checks_are_ignored_unless_told():
    """The eleventh cuts to a tenth."""
    assert factors(ReduceOnPlateau(), [1] * 12) == pytest.approx([1.0] * 11 + [0.1])


@pytest.mark.parametrize(("patience", "checks"), [(1, "1 check"), (2, "2 checks")])
def test_words_name_the_patience(patience, checks):
    """A description says how long a metric may stall."""
    text = describe(ReduceOnPlateau(0.5, patience))

    assert text == f"the rate times 0.5 whenever the metric has not improved for more than {checks}"


def test_cuts_stop_at_the_floor():
    """However often it cuts, the factor stays at the floor."""
    assert factors(ReduceOnPlateau(0.1, patience=0, floor=0.05), [1, 1, 1, 1]) == [1, 0.1, 0.05, 0.05]


def test_a_state_changes_by_an_update_alone():
    """What is remembered is a record: nothing in it can be set, and nothing be hung on it."""
    state = PlateauState()

    with pytest.raises(AttributeError, match="cannot assign to field 'cuts'"):
        state.cuts = 1
    assert not hasattr(state, "__dict__")


def test_before_any_metric_the_factor_is_one():
    """Called with a step alone, a plateau is constant."""
    assert {ReduceOnPlateau()(t) for t in range(100)} == {1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 1}, r"`factor` must be a number in \(0, 1\), got 1"),
        ({"patience": -1}, "`patience` must be a whole number of at least 0, got -1"),
        ({"threshold": -0.1}, r"`threshold` must be a number in \[0, 1\), got -0.1"),
        ({"mode": "auto"}, "`mode` must be 'min' or 'max', got 'auto'"),
        ({"cooldown": 0.5}, "`cooldown` must be a whole number of at least 0, got 0.5"),
        ({"floor": 2}, r"`floor` must be a number in \[0, 1\], got 2"),
    ],
)
def test_senseless_parameters_are_rejected(arguments, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        ReduceOnPlateau(**arguments)
