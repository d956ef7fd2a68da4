"""The request and the horizon: which lengths can be asked for, and how they are resolved."""

import pytest

from lrfinder import Facts, InputError
from lrfinder.advice.recommend import check_request
from lrfinder.advice.request import QUOTED_STEPS, Horizon, Request
from lrfinder.schedules import Linear

EPOCHS_OF_100 = Facts(steps_per_epoch=100)


@pytest.mark.parametrize(
    ("asked", "horizon"),
    [
        (Request(epochs=3), Horizon(300, 100)),
        (Request(epochs=3, steps_per_epoch=7), Horizon(21, 7)),
        (Request(epochs=0.5), Horizon(50, 100)),
        (Request(epochs=0.001), Horizon(1, 100)),
        (Request(20), Horizon(20, 100)),
        (Request(20, steps_per_epoch=7), Horizon(20, 7)),
        (Request(), Horizon(QUOTED_STEPS, 100, is_known=False)),
        (Request(open_ended=True), Horizon(QUOTED_STEPS, 100, is_known=False)),
    ],
    ids=str,
)
def test_a_request_has_one_horizon(asked, horizon):
    """Epochs count the given steps, else the loader's, one at least; no length stands for 1,000 steps, not known."""
    assert asked.horizon(EPOCHS_OF_100) == horizon


@pytest.mark.parametrize(
    ("horizon", "epochs"), [(Horizon(250, 100), 2.5), (Horizon(50, 100), 1.0), (Horizon(250), 1.0)], ids=str
)
def test_a_horizon_has_one_epoch_at_least(horizon, epochs):
    """A part of an epoch counts as one, and so does a training whose epochs are not known."""
    assert horizon.epochs == epochs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"total_steps": 10, "epochs": 1}, "`epochs` must be left out beside `total_steps`=10, got 1"),
        ({"total_steps": 10, "open_ended": True}, "`open_ended` must be left out where the length is known"),
        ({"epochs": 1, "open_ended": True}, "`open_ended` must be left out where the length is known"),
        ({"schedule": "cosine", "open_ended": True}, "`schedule` must be .* where `open_ended` is asked for, got 'cos"),
        ({"epochs": 0}, "`epochs` must be a finite number above 0, got 0"),
        ({"epochs": 1, "steps_per_epoch": 2.5}, "`steps_per_epoch` must be a positive whole number, got 2.5"),
        ({"epochs": 1}, "`steps_per_epoch` must be given with `epochs`=1 for a loader without length, got None"),
        ({"schedule": "linaer"}, "`schedule` must be \"recommended\", one of .*constant.*linear.*got 'linaer'"),
        ({"schedule": 0.1}, "`schedule` must be a name or a function of the step, got float"),
        ({"schedule": Linear}, "`schedule` must be a name or a function of the step, got the class Linear"),
        ({"schedule": lambda step: 3e-4}, "`schedule` must give factors of the peak, .* got 0.0003 at the highest"),
        ({"schedule": lambda step: 100.0}, "`schedule` must give factors of the peak, .* got 100 at the highest"),
        ({"schedule": lambda step: 1 - step / 100}, "must give finite factors of at least 0, got -"),
        ({"schedule": lambda step: float("nan")}, "must give finite factors of at least 0, got nan"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(options, message):
    """One sentence names the option, what it must be and what it was, before anything is measured."""
    with pytest.raises(InputError, match=message):
        check_request(Request(**options), Facts())
