import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import PlateauState, ReduceOnPlateau


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


@pytest.mark.parametrize(("mode", "little", "enough"), [("min", -10.5, -11.5), ("max", -9.5, -8.5)])
def test_the_threshold_asks_for_more_also_where_metrics_are_negative(mode, little, enough):
    """A metric that beats a best of -10 by less than a tenth of its size is bad, by more than that it is good."""
    plateau = ReduceOnPlateau(0.5, patience=0, threshold=0.1, mode=mode)

    assert factors(plateau, [-10, little]) == [1, 0.5]
    assert factors(plateau, [-10, enough]) == [1, 1]


def test_a_metric_that_is_no_number_is_bad():
    """NaN and infinity never improve anything, not even as the first metric."""
    assert factors(ReduceOnPlateau(0.5, patience=0), [float("nan"), 1.0, float("inf")]) == [0.5, 0.5, 0.25]


def test_cuts_stop_at_the_floor():
    """However often it cuts, the factor stays at the floor."""
    assert factors(ReduceOnPlateau(0.1, patience=0, floor=0.05), [1, 1, 1, 1]) == [1, 0.1, 0.05, 0.05]


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
