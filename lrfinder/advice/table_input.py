"""What the decision table looks at."""

from dataclasses import dataclass

from lrfinder.advice.calibration import FITTED, Calibration
from lrfinder.advice.optimizers import Kind, kind_of, own_pace
from lrfinder.advice.request import Horizon, Request
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.rules import UNDER_MINIMUM
from lrfinder.loop import Facts

__all__ = ["TableInput", "table_input"]


@dataclass(frozen=True, slots=True)
class TableInput:
    """What the table looks at.

    Args:
        horizon: Length of the training.
        request: What the user asks for.
        kind: What kind of optimizer it is.
        beta2: Decay of Adam's second average, 0 without one.
        lowest_over_divergence: LR of the lowest loss over that of the divergence; None where either is unknown.
        pace: What the optimizer does instead of following a schedule, or None.
        calibration: The thresholds and parts of the training.
    """

    horizon: Horizon
    request: Request
    kind: Kind = "other"
    beta2: float = 0.0
    lowest_over_divergence: float | None = None
    pace: str | None = None
    calibration: Calibration = FITTED

    @property
    def steps(self) -> int:
        """Optimizer steps of the training, or those that a plan speaks of."""
        return self.horizon.steps

    @property
    def is_near_divergence(self) -> bool:
        """Whether plain or momentum SGD does best close to where it diverges."""
        ratio = self.lowest_over_divergence
        return self.kind == "sgd" and ratio is not None and ratio > self.calibration.near_divergence


def table_input(facts: Facts, request: Request, evidence: Evidence | None = None) -> TableInput:
    """Return what the table needs to know; there is no evidence before anything is measured."""
    lowest = None if evidence is None else evidence.suggestions.get("minimum")
    diverged_at = None if evidence is None else evidence.diverged_at
    ratio = None if lowest is None or diverged_at is None else lowest * UNDER_MINIMUM / diverged_at
    return TableInput(
        horizon=request.horizon(facts),
        request=request,
        kind=kind_of(facts),
        beta2=facts.betas[1],
        lowest_over_divergence=ratio,
        pace=own_pace(facts),
    )
