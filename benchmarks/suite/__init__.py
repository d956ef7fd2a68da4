"""The wide suite: trainings on many sources of data, with models, losses and optimizers of many kinds.

`TRAININGS` lists them by name. Those on CIFAR-10, MNIST and text read their data from the folder that `LRFINDER_DATA`
names; README.md says what lies there.
"""

from suite import earlier, handwriting, laws, letters, pictures, rows, signals, tuned
from suite.base import Family, Training

__all__ = ["NEW", "TRAININGS", "Family", "Training", "available"]

NEW = {
    training.name: training
    for module in (pictures, handwriting, letters, tuned, rows, signals, laws)
    for training in module.TRAININGS
}
TRAININGS = NEW | {training.name: training for training in earlier.TRAININGS}


def available(trainings=TRAININGS):
    """Those that can be run here, and why others cannot."""
    reasons = {name: training.absent() for name, training in trainings.items()}
    left = {name: reason for name, reason in reasons.items() if reason}
    return [training for name, training in trainings.items() if name not in left], left
