"""Why a plan was rescaled as it was, in sentences."""

from lrfinder.advice.calibration import FITTED
from lrfinder.advice.change import Change
from lrfinder.advice.optimizers import Kind, kind_of, own_pace
from lrfinder.advice.plan import Factor, Grade, Reason, Setting
from lrfinder.loop import Facts

__all__ = ["reason_of_decay", "reasons_of", "warnings_of_change"]

FAR, FAR_IN_SIZE = 100, 5
"""Ratio of a batch or a length, and of a model's size, beyond which a plan warns."""

_ADAM = "published trainings of language models with AdamW"
_SGD = "small trainings with momentum"
_NOISE = (
    "the noise of the gradient was measured. It puts the batch from which the peak stops rising at about {size}; "
    "below it the peak rises {how}. So it was in small trainings on pictures and text"
)
_BATCH = (
    "in {where} it rose with the batch while that was small, and not where it was large. Which yours is was not "
    "measured: this is the middle, and the interval is wider"
)
_SAMPLES = "at the same batch it falls with the length, hardly in {where}, more on small tasks"
_SAMPLES_SGD = "at the same batch it falls with the length, by this much in {where}"
_PARAMETERS = "so it was in {where}, of which larger ones had lower peaks; width and depth were not told apart"
TEXTS = {"batch": _BATCH, "samples": _SAMPLES, "parameters": _PARAMETERS}
"""By quantity, what its factor stands on."""

NOUNS = {"batch": "batch", "samples": "training, in samples,", "parameters": "model"}


def reasons_of(
    facts: Facts, before: Setting, after: Setting, change: Change, noise: float | None, factors: tuple[Factor, ...]
) -> tuple[Reason, ...]:
    """Return a sentence for each quantity that changes: the rule, what it stands on, and for which regime."""
    kind, reasons = kind_of(facts), []
    grade: Grade = "moderate" if kind in ("adam", "sgd") else "weak"
    other = "" if grade == "moderate" else ", of which this optimizer is none"
    for factor in factors:
        ratio, sizes = getattr(change, factor.name), _sizes(factor.name, before, after)
        head = f"The {NOUNS[factor.name]} is {ratio:.3g} times as large{sizes}, and the peak {_times(factor.value)}"
        if own_pace(facts) is not None:
            reasons.append(Reason(f"{head}: the optimizer sets its own pace, and no rule for it was measured.", "weak"))
        elif factor.name == "batch" and noise is not None:
            reasons.append(Reason(f"{head}: {_by_noise(kind, before, noise)}{other}.", grade))
        else:
            is_sgd = kind == "sgd"
            text = _SAMPLES_SGD if is_sgd and factor.name == "samples" else TEXTS[factor.name]
            text = text.format(where=_SGD if is_sgd else _ADAM)
            reasons.append(Reason(f"{head}: {text}{other}.", grade))
    return tuple(reasons)


def _by_noise(kind: Kind, before: Setting, noise: float) -> str:
    """What the measured noise says of the batch before the change."""
    critical = noise * (FITTED.critical_over_noise_sgd if kind == "sgd" else FITTED.critical_over_noise)
    samples = before.samples_of_step
    size = f"{critical:.2g} times the old one" if samples is None else f"{critical * samples:,.0f} samples"
    return _NOISE.format(size=size, how="with it" if kind == "sgd" else "with its square root")


def _times(value: float) -> str:
    return f"{value:.2g} times what it was" if value != 1 else "stays"


def _sizes(name: str, before: Setting, after: Setting) -> str:
    """The old and the new number in brackets, where they are known."""
    old, new = before.samples_of_step, after.samples_of_step
    if name == "parameters":
        old, new = before.parameters, after.parameters
    return "" if name == "samples" or old is None or new is None else f" ({new:,} instead of {old:,})"


def reason_of_decay(old: float, new: float) -> Reason:
    """Say which weight decay keeps the rate times it times the steps."""
    text = (
        f"A weight decay of {new:.2g} would keep rate x decay x steps, if it was {old:.2g} at the peak before: how "
        "much of its early weights the training forgets (arXiv 2505.13738). That is a suggestion: nothing sets it."
    )
    return Reason(text, "moderate")


def warnings_of_change(change: Change) -> tuple[str, ...]:
    """Return what a person should know where more changes than in any training that was looked at."""
    found = []
    for name, most in (("batch", FAR), ("samples", FAR), ("parameters", FAR_IN_SIZE)):
        ratio = getattr(change, name)
        if max(ratio, 1 / ratio) > most:
            found.append(
                f"The {NOUNS[name]} changes {max(ratio, 1 / ratio):,.3g} times, far more than in the trainings that "
                "the rule is from: measure anew before a long run."
            )
    return tuple(found)
