"""The named corrections between what trials measured and the peak."""

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.advice.optimizers import kind_of, own_decay
from lrfinder.advice.plan import Factor
from lrfinder.advice.request import Horizon
from lrfinder.loop import Facts

__all__ = ["final_speed", "length_factor"]


def final_speed(facts: Facts, steps: int) -> float:
    """Return the mean part of its final speed that plain momentum has reached in a trial of so many steps.

    That is the mean over the steps t of 1 - beta**t; 1 without momentum, and for Adam, which corrects for it.
    """
    beta, second = facts.betas
    if second or not 0 < beta < 1:
        return 1.0
    return 1 - (1 - beta**steps) / (steps * (1 - beta))


def length_factor(facts: Facts, steps: int, horizon: Horizon, calibration: Calibration = FITTED) -> Factor:
    """Return what the best peak of a pilot of so many steps is multiplied by for the training's length.

    An optimizer that shrinks its own steps (Adagrad) wants a higher peak for a longer training.
    """
    fitted = calibration.steps_exponent_sgd if kind_of(facts) == "sgd" else calibration.steps_exponent
    exponent = fitted - own_decay(facts, calibration)
    return Factor("pilots", "steps", (steps / horizon.steps) ** exponent, steps, horizon.steps)
