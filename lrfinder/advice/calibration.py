"""Every constant that moves the suggested peak or its interval, in one record: value, unit, meaning, origin.

The formula that uses them is in `lrfinder.advice.peak`, the decision table in `lrfinder.advice.decision_table`. Neither
holds a number of its own, and the benchmarks call the same functions with other values
(`dataclasses.replace(FITTED, edge_spread=0.6)`).
"""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["FITTED", "Calibration"]

_SUITE = "make bench-fit, on the families of benchmarks/suite"
_EDGES = "the 34 trainings of benchmarks/tasks.py, whose sweeps had one pass"
_HAND = "by hand, on all trainings of benchmarks/suite"
_FURTHER = "make bench-further, on six trainings with Adagrad and six long ones"
_FIRST = "eight small trainings, before there were trials"
_BUDGET = "make bench-tuning, on the 34 trainings of benchmarks/tasks.py"
_PRACTICE = "published recipes; not fitted here"
_STEP_LAW = "make bench-rescale, on half of 1,911 published language-model trainings (Step Law)"
_GRIDS = "make bench-rescale, on its grids of batch x length x rate"
_BOTH = "make bench-rescale, on that half and its grids with AdamW"
_THEORY = "McCandlish et al., 2018, and Malladi et al., 2022"


def _value(value: float, does: str, chosen_by: str, unit: str = "") -> Any:
    return field(default=value, metadata={"does": does, "chosen_by": chosen_by, "unit": unit})


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants; the metadata of each field says what it does, what chose it, and its unit.

    Spreads are standard deviations.
    """

    edge_to_peak: float = _value(0.112, "The peak of linear decay to zero over the edge of the short trials.", _SUITE)
    edge_to_peak_sgd: float = _value(0.282, "The same for SGD.", _SUITE)
    edge_spread: float = _value(0.45, "Deviation of the best peak from the short trials'.", _SUITE, "decades")
    open_spread: float = _value(1.0, "The same where no trial above the best has lost.", _HAND, "decades")
    unsure: float = _value(1.5, "Deviations grow by this where no trial improved the loss, or encloses it.", _HAND)
    edge_over_onset: float = _value(10**0.15, "The edge over the rate where a sweep began to diverge.", _EDGES)
    edge_over_lowest: float = _value(10**0.2, "The edge over the rate where a sweep was lowest.", _EDGES)
    edge_over_last: float = _value(10**-0.65, "The edge over the last rate of a sweep.", _EDGES)
    decaying_edge: float = _value(3.0, "What multiplies the edge where steps shrink by themselves (Adagrad).", _FURTHER)
    adagrad_exponent: float = _value(0.5, "Adagrad's steps shrink as this power of 1 / step.", "its definition")
    usual_normalised: float = _value(
        0.355, "Usual peak over the size of the weights, for optimizers that divide by the gradient's size.", _SUITE
    )
    usual_lion: float = _value(0.00398, "Usual peak over the size of the weights, for Lion.", _SUITE)
    usual_adagrad: float = _value(2.51, "Usual peak over the size of the weights, for Adagrad.", _SUITE)
    usual_sgd: float = _value(100.0, "Usual peak x loss / ((1 - momentum) x squared size of the weights), SGD.", _SUITE)
    pretrained: float = _value(
        0.2, "What a model knows before training, from which the usual peak is less sure.", _PRACTICE, "of the loss"
    )
    usual_spread: float = _value(0.55, "Deviation of the best peak from the usual one.", _SUITE, "decades")
    usual_spread_sgd: float = _value(0.85, "The same for SGD.", _SUITE, "decades")
    pilot_spread: float = _value(0.35, "Deviation of the best peak from that of a pilot.", _SUITE, "decades")
    pilot_spread_grows: float = _value(
        0.3, "What a decade between the lengths of training and pilot adds to it.", _SUITE, "decades"
    )
    steps_exponent: float = _value(0.2, "The best peak falls as this power of the number of steps.", _SUITE)
    steps_exponent_sgd: float = _value(0.2, "The same for SGD.", _SUITE)
    stray_share: float = _value(0.15, "Weight of the wide part of each source's distribution.", _SUITE)
    stray_width: float = _value(4.0, "Width of that part over the narrow one.", _HAND)
    regret_below: float = _value(0.3, "Regret of a peak a decade too low.", _HAND, "of the best loss")
    regret_above: float = _value(0.85, "Regret of a peak a decade too high.", _SUITE, "of the best loss")
    worst_regret: float = _value(1.0, "Regret beyond which nothing more can be lost.", _HAND, "of the best loss")
    reference_density: float = _value(12.5, "Speed of the sweep that rules are brought to.", _FIRST, "rates per decade")
    rules_spread: float = _value(0.42, "Deviation of the best peak from the rules' mean.", _FIRST, "decades")
    under_divergence: float = _value(0.5, "The rules' peak is held to this times the rate that diverged.", _FIRST)
    finetune_factor: float = _value(1 / 3, "Without pilots the peak for fine-tuning is lowered by this.", _PRACTICE)
    interval_deviations: float = _value(1.28, "Half of an 80 % interval.", "the normal distribution", "deviations")
    sweep_edge_to_peak: float = _value(0.2, "The peak over the edge that a sweep shows, without trials.", _BUDGET)
    lone_pilot: float = _value(0.5, "A pilot that is the only one starts at this times the expected peak.", _BUDGET)
    bound_spread: float = _value(0.3, "Deviation of a schedule's best peak from that of the bound.", _FIRST, "decades")
    shortest_catalogued: float = _value(
        50, "Shorter trainings take schedules' factors from the bound.", _FIRST, "steps"
    )
    shortest_decay: float = _value(5, "Shorter trainings keep a constant rate.", _PRACTICE, "steps")
    shortest_shape: float = _value(50, "Shorter trainings get a plain trapezoid.", _PRACTICE, "steps")
    near_divergence: float = _value(
        0.3, "A sweep that is lowest above this times the rate that diverged wants a longer warm-up (SGD).", _PRACTICE
    )
    warmup: float = _value(0.05, "Warm-up, and the most that Adam's averages get.", _FIRST, "of the training")
    finetune_warmup: float = _value(0.06, "Warm-up of fine-tuning.", _PRACTICE, "of the training")
    muon_warmup: float = _value(0.01, "Warm-up of Muon.", _PRACTICE, "of the training")
    long_warmup: float = _value(0.10, "Warm-up where the best rate is near divergence.", _PRACTICE, "of the training")
    least_adam_warmup: float = _value(0.01, "The least warm-up with Adam.", _PRACTICE, "of the training")
    muon_cooldown: float = _value(0.6, "Cooldown of Muon.", _PRACTICE, "of the training")
    cooldown: float = _value(
        0.5, "Cooldown where the training may go on, or is short.", "Hägele et al., 2024", "of the training"
    )
    critical_over_noise: float = _value(3.16, "The batch where Adam's peak stops rising, over the noise scale.", _GRIDS)
    critical_over_noise_sgd: float = _value(3.98, "The same for SGD.", _GRIDS)
    noise_power: float = _value(0.5, "Power of the batch with which Adam's peak rises below that batch.", _THEORY)
    noise_power_sgd: float = _value(1.0, "The same for SGD.", _THEORY)
    noise_spread: float = _value(0.2, "Deviation that a decade of the batch adds, by the noise.", _GRIDS, "decades")
    noise_spread_sgd: float = _value(0.12, "The same for SGD.", _GRIDS, "decades")
    batch_exponent: float = _value(0.25, "Where no noise was seen, the peak rises as this power of the batch.", _BOTH)
    batch_exponent_sgd: float = _value(0.75, "The same for SGD.", _GRIDS)
    batch_spread: float = _value(0.35, "Deviation that a decade of the batch adds then.", _STEP_LAW, "decades")
    batch_spread_sgd: float = _value(0.28, "The same for SGD.", _GRIDS, "decades")
    samples_exponent: float = _value(0.05, "The peak falls as this power of the samples, the batch the same.", _BOTH)
    samples_exponent_sgd: float = _value(0.3, "The same for SGD.", _GRIDS)
    samples_spread: float = _value(0.25, "Deviation that a decade of the samples adds.", _STEP_LAW, "decades")
    samples_spread_sgd: float = _value(0.2, "The same for SGD.", _GRIDS, "decades")
    parameters_exponent: float = _value(0.4, "Adam's peak falls as this power of the parameters.", _STEP_LAW)
    parameters_spread: float = _value(0.3, "Deviation that a decade of the parameters adds.", _STEP_LAW, "decades")
    stopped_early_end: float = _value(1 / 50, "End of the exponential decay where early stopping may come.", _PRACTICE)


FITTED = Calibration()
"""What the package uses."""
