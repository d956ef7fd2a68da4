"""What a training of the suite is: its family, its data, its model, its optimizer, and the scale of its loss."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from tasks import Batches, Split, Task

__all__ = ["Batches", "Family", "Split", "Training", "of_source", "on_disk", "packaged", "path_of", "split_rows"]

ROOT = Path(__file__).parents[2]


class Family(NamedTuple):
    """What trainings share that are left out together: the source of their data, and the kind of model.

    Args:
        source: Where the data come from.
        kind: Of model.
    """

    source: str
    kind: str


def path_of(file):
    """Where a file of the data folder is: in `LRFINDER_DATA`, by default in `shared/data` beside the repository."""
    return Path(os.environ.get("LRFINDER_DATA", ROOT.parent / "shared" / "data")) / file


def nothing():
    """What a training needs whose data are made, or come with scikit-learn."""


def on_disk(file):
    """Why trainings on a file of the data folder cannot be run, or None."""
    return None if path_of(file).exists() else f"there is no {path_of(file)}; name the data's folder in LRFINDER_DATA"


def packaged(name):
    """Why trainings on the data of a package cannot be run, or None."""
    return None if importlib.util.find_spec(name) else f"{name} is not installed"


@dataclass(frozen=True)
class Training(Task):
    """A task with its family and what else an oracle needs; its grid is extended where the best rate lies at an end.

    Args:
        family: What it is left out with.
        clip: Largest norm of the gradient, or None.
        chunk: Held-out samples in one forward pass; None: all of them.
        absent: Returns why this training cannot be run here, or None.
    """

    family: Family
    clip: float | None = None
    chunk: int | None = 500
    absent: Callable[[], str | None] = nothing

    def validation_loss(self, model):
        """Mean loss of the held-out samples, in evaluation mode."""
        split, was_training = self.data(), model.training
        size = self.chunk or len(split.held_inputs)
        parts = zip(split.held_inputs.split(size), split.held_targets.split(size), strict=True)
        model.eval()
        with torch.no_grad():
            total = sum(len(inputs) * float(self.loss_fn(model(inputs), targets)) for inputs, targets in parts)
        model.train(was_training)
        return total / len(split.held_inputs)

    def trivial_loss(self):
        """The held-out loss of the best constant prediction, or None where the loss has no such formula here."""
        formula = CONSTANT.get(self.loss_fn)
        return formula and formula(self.data().held_targets)


def _entropy(classes):
    """Cross-entropy of the shares of the classes."""
    shares = classes.flatten().bincount() / classes.numel()
    return float(-(shares * shares.clamp(min=1e-12).log()).sum())


def _binary_entropy(labels):
    """The same of each column of zeros and ones, mean over columns."""
    shares = labels.float().mean(0)
    return float(F.binary_cross_entropy(shares, shares))


def _variance(numbers):
    """Squared distance from the mean of each column."""
    return float((numbers - numbers.mean(0)).double().square().mean())


def _deviation(numbers):
    """Distance from the median of each column."""
    return float((numbers - numbers.median(0).values).double().abs().mean())


CONSTANT = {
    F.cross_entropy: _entropy,
    F.binary_cross_entropy_with_logits: _binary_entropy,
    F.mse_loss: _variance,
    F.l1_loss: _deviation,
}
"""By loss, what the best constant prediction attains."""


def of_source(source, prefix, absent=nothing):
    """A maker of trainings on one source of data, whose names begin alike."""

    def make(name, kind, *fields, **options):
        return Training(f"{prefix}-{name}", *fields, family=Family(source, kind), absent=absent, **options)

    return make


def split_rows(inputs, targets, held_out, standardised=True):
    """The last rows held out; inputs standardised by the others, column by column."""
    if standardised:
        mean, deviation = inputs[:-held_out].mean(0), inputs[:-held_out].std(0)
        inputs = (inputs - mean) / deviation.clamp(min=1e-6)
    return Split(inputs[:-held_out], targets[:-held_out], inputs[-held_out:], targets[-held_out:])
