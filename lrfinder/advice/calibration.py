"""Every constant that moves the suggested peak or its interval, in one record: value, unit, meaning, origin.

The formula that uses them is in `lrfinder.advice.peak`, the decision table in `lrfinder.advice.decision_table`. Neither
holds a number of its own, and the benchmarks call the same functions with other values
(`dataclasses.replace(FITTED, trust_in_pilots=0.9)`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["FITTED", "Calibration", "Constant", "constants"]

_EDGES = "make bench-fit, on the 34 trainings of benchmarks/tasks.py"
_PILOTS = "make bench-fit, on the pilots that make bench-tuning stored"
_FURTHER = "make bench-further, on six trainings with Adagrad and six long ones"
_FIRST = "eight small trainings, before there were trials"
_BUDGET = "make bench-tuning, on the 34 trainings of benchmarks/tasks.py"
_PRACTICE = "published recipes; not fitted here"


def _constant(value: float, does: str, chosen_by: str, unit: str = "") -> Any:
    return field(default=value, metadata={"does": does, "chosen_by": chosen_by, "unit": unit})


@dataclass(frozen=True, slots=True)
class Constant:
    """A field of the calibration, for documents.

    Args:
        name: Of the field.
        value: In `FITTED`.
        unit: Empty for a plain ratio or exponent.
        does: What it does.
        chosen_by: The command and the data that it was chosen by, or where it comes from.
    """

    name: str
    value: float
    unit: str
    does: str
    chosen_by: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants; `constants()` lists them with what each does and what chose it."""

    edge_to_peak: float = _constant(
        0.32, "The peak of a linear decay to zero over the edge of the short trials.", _EDGES
    )
    fewest_samples: float = _constant(100, "Fewer samples lower the peak no further.", _EDGES, "samples")
    plenty_samples: float = _constant(1_000, "More samples raise the peak no further.", _EDGES, "samples")
    samples_exponent: float = _constant(0.7, "The peak grows as this power of the number of samples.", _EDGES)
    epochs_exponent: float = _constant(0.4, "The peak falls as this power of the number of epochs.", _EDGES)
    steps_exponent: float = _constant(0.2, "The peak falls as this power of the number of steps.", _EDGES)
    usual_pull: float = _constant(
        0.4, "How far the peak is drawn to the usual one, in decades, where that is near.", _EDGES
    )
    usual_reach: float = _constant(2.0, "Distance to the usual peak at which the pull is halved.", _EDGES, "decades")
    usual_normalised: float = _constant(
        0.16, "Usual peak over the size of the weights, for optimizers that divide by the gradient's size.", _EDGES
    )
    usual_sgd: float = _constant(
        63.0, "Usual peak x loss / ((1 - momentum) x the squared size of the weights), for SGD.", _EDGES
    )
    edge_spread: float = _constant(
        0.41, "Standard deviation of the best peak about the short trials'.", _EDGES, "decades"
    )
    edge_over_onset: float = _constant(10**0.15, "The edge over the rate where a sweep began to diverge.", _EDGES)
    edge_over_lowest: float = _constant(10**0.2, "The edge over the rate where a sweep was lowest.", _EDGES)
    edge_over_last: float = _constant(10**-0.65, "The edge over the last rate of a sweep.", _EDGES)
    decaying_edge: float = _constant(
        3.0, "The edge is multiplied by this for an optimizer that shrinks its own steps (Adagrad).", _FURTHER
    )
    adagrad_exponent: float = _constant(0.5, "Adagrad's steps shrink as this power of 1 / step.", "its definition")
    trust_in_pilots: float = _constant(
        0.8, "Weight of the pilots in the mean with the short trials, in decades.", _PILOTS
    )
    full_pull_steps: float = _constant(60, "Longer pilots are drawn less to the usual peak.", _PILOTS, "steps")
    pull_fading: float = _constant(0.5, "That pull falls as this power of the length of a pilot.", _PILOTS)
    pilot_spread: float = _constant(
        0.36, "Standard deviation of the best peak about that of pilots of 40 steps.", _PILOTS, "decades"
    )
    pilot_spread_steps: float = _constant(40, "Length of the pilots that the spread is for.", _PILOTS, "steps")
    least_spread: float = _constant(0.2, "No interval is narrower than this deviation.", _PILOTS, "decades")
    spread_shrinks: float = _constant(
        0.13, "A decade more of pilots' steps narrows the spread by this.", _PILOTS, "decades"
    )
    spread_grows: float = _constant(
        0.3, "A decade more of the training's steps widens the spread by this.", _FURTHER, "decades"
    )
    usual_length_ratio: float = _constant(
        18, "A training this many times as long as its pilots has the plain spread.", _FURTHER
    )
    reference_density: float = _constant(
        12.5, "Speed of the sweep to which rules are brought.", _FIRST, "rates per decade"
    )
    rules_spread: float = _constant(
        0.42, "Standard deviation of the best peak about the rules' mean.", _FIRST, "decades"
    )
    under_divergence: float = _constant(0.5, "The rules' peak is held to this times the rate that diverged.", _FIRST)
    finetune_factor: float = _constant(1 / 3, "Without pilots the peak for fine-tuning is lowered by this.", _PRACTICE)
    interval_deviations: float = _constant(1.28, "Half of an 80 % interval.", "the normal distribution", "deviations")
    sweep_edge_to_peak: float = _constant(
        0.2, "The peak over the edge as a sweep shows it, with nothing else known.", _BUDGET
    )
    lone_pilot: float = _constant(0.5, "A pilot that is the only one starts at this times the expected peak.", _BUDGET)
    bound_spread: float = _constant(
        0.3, "Standard deviation of a schedule's best peak about the last-iterate bound's.", _FIRST, "decades"
    )
    shortest_catalogued: float = _constant(
        50, "Shorter trainings take a schedule's factor from the bound, not from the catalogue.", _FIRST, "steps"
    )
    shortest_decay: float = _constant(5, "Shorter trainings keep a constant rate.", _PRACTICE, "steps")
    shortest_shape: float = _constant(50, "Shorter trainings get a plain trapezoid.", _PRACTICE, "steps")
    near_divergence: float = _constant(
        0.3, "A sweep that is lowest above this times the rate that diverged wants a longer warm-up (SGD).", _PRACTICE
    )
    warmup: float = _constant(0.05, "Warm-up, and the most that Adam's averages get.", _FIRST, "of the training")
    finetune_warmup: float = _constant(0.06, "Warm-up of fine-tuning.", _PRACTICE, "of the training")
    muon_warmup: float = _constant(0.01, "Warm-up of Muon.", _PRACTICE, "of the training")
    long_warmup: float = _constant(
        0.10, "Warm-up where the best rate is near divergence.", _PRACTICE, "of the training"
    )
    least_adam_warmup: float = _constant(0.01, "The least warm-up with Adam.", _PRACTICE, "of the training")
    muon_cooldown: float = _constant(0.6, "Cooldown of Muon.", _PRACTICE, "of the training")
    cooldown: float = _constant(
        0.5, "Cooldown of a training that may go on, or is short.", "Hägele et al., 2024", "of the training"
    )
    stopped_early_end: float = _constant(
        1 / 50, "Where early stopping may end it, the exponential decay ends here.", _PRACTICE
    )


FITTED = Calibration()
"""What the package uses."""


def constants(calibration: Calibration = FITTED) -> Iterator[Constant]:
    """Walk through every constant with its value and meaning.

    Yields:
        One after another, in the order of the fields.
    """
    for one in fields(Calibration):
        yield Constant(one.name, getattr(calibration, one.name), **one.metadata)
