"""What is known of optimizers by the names of their classes: their kind, and which of them set their own pace."""

import re
from typing import Literal

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.loop import Facts

__all__ = ["Kind", "kind_of", "own_decay", "own_pace", "usual_lr"]

Kind = Literal["adam", "sgd", "muon", "other"]

ADAM_LIKE = ("adam", "lamb", "adabelief")

_AVERAGED = (
    "It averages its own iterates in place of a decay: a schedule on top would only slow it. Give it its own warm-up "
    "(`warmup_steps`, about 5 % of the training), call optimizer.train() and optimizer.eval(), and expect its best LR "
    "above the usual (1 to 10 times for AdamW, 10 to 50 times for SGD)."
)
_ESTIMATED = (
    "It estimates the size of its steps from the distance travelled, and its `lr` is a multiplier that should stay "
    "at 1: the rate measured here is advisory. A short warm-up keeps a wild first estimate away."
)

_PACED = (
    ("schedulefree", _AVERAGED),
    ("^(prodigy|dadapt|dog|ldog|dowg)", _ESTIMATED),
    ("^rprop", "It gives every weight a step of its own, which grows and shrinks with the gradient's sign alone."),
    ("^lbfgs", "It is a full-batch method whose line search or curvature sets the step; keep `lr` constant."),
)
"""What optimizers that schedule themselves do instead, by a pattern of their lower-case class names."""


def _first_name(facts: Facts) -> str:
    """The class name of the first swept optimizer, in lower case."""
    return facts.optimizer.lower().split(" and ")[0]


def kind_of(facts: Facts) -> Kind:
    """Return the kind of the first swept optimizer, as far as its class name tells."""
    name = _first_name(facts)
    if "muon" in name:
        return "muon"
    if name.startswith("sgd") or name == "asgd":
        return "sgd"
    return "adam" if any(word in name for word in ADAM_LIKE) else "other"


def usual_lr(facts: Facts, loss: float, calibration: Calibration = FITTED) -> float | None:
    """Return the peak of a linear decay that most trainings with such an optimizer want, or None where it is not known.

    It moves as it must: as the size of the weights where the gradient's own size is divided out, else as its square, as
    1 / loss (before training) and as 1 - momentum.
    """
    size, slow = facts.weights, 1 - facts.betas[0]
    name = _first_name(facts)
    if not size or not slow > 0:
        return None
    if kind_of(facts) in ("adam", "muon"):
        return calibration.usual_normalised * size
    by_size = {"rmsprop": calibration.usual_normalised * slow, "adagrad": calibration.usual_adagrad}
    if name in by_size:
        return by_size[name] * size
    if "lion" in name:
        return calibration.usual_lion * size
    return calibration.usual_sgd * size**2 * slow / loss if name == "sgd" and loss > 0 else None


def own_decay(facts: Facts, calibration: Calibration = FITTED) -> float:
    """Return the power of 1 / step with which an optimizer shrinks its own steps: a half for Adagrad, else nothing."""
    return calibration.adagrad_exponent if _first_name(facts) == "adagrad" else 0.0


def own_pace(facts: Facts) -> str | None:
    """Return what an optimizer does instead of following a schedule, as sentences; None where it follows one."""
    if facts.relative_step:
        return (
            "With relative_step=True it takes 1 / sqrt(step) times the size of the weights and ignores `lr`; "
            "pass relative_step=False to train along a schedule."
        )
    for name in facts.optimizer.lower().split(" and "):
        for pattern, sentence in _PACED:
            if re.search(pattern, name):
                return sentence
    return None
