"""What the best peak is multiplied by when a training changes: its batch, its length, its size."""

import math
from dataclasses import dataclass

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.advice.optimizers import Kind
from lrfinder.advice.plan import Factor, FactorName

__all__ = ["Change", "change_factors"]


@dataclass(frozen=True, slots=True)
class Change:
    """How a training changes, each the new number over the old one.

    Args:
        batch: Samples of one optimizer step, over all ranks.
        samples: Samples that the whole training sees, with repetition.
        parameters: Weights that are trained.
    """

    batch: float = 1.0
    samples: float = 1.0
    parameters: float = 1.0


def change_factors(
    kind: Kind, change: Change, noise: float | None = None, calibration: Calibration = FITTED
) -> tuple[tuple[Factor, ...], float]:
    """Return what the best peak is multiplied by, and the standard deviation of its log10.

    With the constants of the calibration (SGD has its own), for a quantity that is r times as large:

    - batch, at the same samples: ((1 + c) / (1 + c / r))**noise_power with c = critical_over_noise x the noise over the
      batch, so r**noise_power while noise dominates and 1 where it does not; r**batch_exponent without the noise;
    - samples, at the same batch: r**-samples_exponent;
    - parameters, at the same of both: r**-parameters_exponent.

    The variance is that of a decade times the decades of r, added up.

    Args:
        kind: Of optimizer; what is not SGD counts as Adam.
        change: Of the training.
        noise: Variance of the gradient over its squared mean at the batch before the change, or None.
        calibration: The constants.

    Returns:
        A factor for each quantity that changes, and one deviation for all, in decades.

    Example:
        >>> for noise in (None, 30, 0.03):
        ...     (factor,), deviation = change_factors("adam", Change(batch=4), noise)
        ...     print(f"{factor.value:.2f}, give or take {deviation:.2f} decades")
        1.41, give or take 0.27 decades
        1.97, give or take 0.16 decades
        1.03, give or take 0.16 decades
    """
    suffix = "_sgd" if kind == "sgd" else ""

    def constant(name: str) -> float:
        return float(getattr(calibration, f"{name}{suffix}"))

    rules: list[tuple[FactorName, float, float, float]] = []
    if change.batch != 1 and noise is not None:
        critical = constant("critical_over_noise") * noise
        value = ((1 + critical) / (1 + critical / change.batch)) ** constant("noise_power")
        rules.append(("batch", change.batch, value, constant("noise_spread")))
    elif change.batch != 1:
        rules.append(("batch", change.batch, change.batch ** constant("batch_exponent"), constant("batch_spread")))
    if change.samples != 1:
        value = change.samples ** -constant("samples_exponent")
        rules.append(("samples", change.samples, value, constant("samples_spread")))
    if change.parameters != 1:
        value = change.parameters**-calibration.parameters_exponent
        rules.append(("parameters", change.parameters, value, calibration.parameters_spread))
    variance = sum(spread**2 * abs(math.log10(ratio)) for _, ratio, _, spread in rules)
    return tuple(Factor("peak", name, value) for name, _, value, _ in rules), math.sqrt(variance)
