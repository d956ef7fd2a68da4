"""Which search a test makes inside a Trainer, the range test or a tuning, and what it finds."""

from dataclasses import dataclass
from typing import Any, Literal

from lightning_callbacks._compat import Trainer
from lightning_callbacks._horizon import stops_early
from lightning_callbacks._request import FitRequest
from lrfinder import LRResult, StepLoop, range_test, tune_loop
from lrfinder.errors import InputError
from lrfinder.evidence.rules import RuleFunction
from lrfinder.search.budget import LEAST, SHARE, SHORTEST, check_budget

__all__ = ["Search", "Tune", "check_cost", "searched"]

Tune = Literal["auto"] | bool


@dataclass(frozen=True, slots=True)
class Search:
    """How a test searches, as the user asked.

    Args:
        tune: Whether to rehearse the training.
        budget: What that may cost.
        steps: What a range test may cost.
        lr_min: First rate.
        lr_max: Last rate.
        rule: Whose rate to take.
        evaluate_on: Which loss to read.
        finetune: Whether the model is pretrained.
    """

    tune: Tune
    budget: float | None
    steps: int
    lr_min: float
    lr_max: float
    rule: str | RuleFunction | None
    evaluate_on: Literal["training", "validation"]
    finetune: bool = False


def searched(search: Search, trainer: Trainer, loop: StepLoop, request: FitRequest) -> LRResult:
    """Rehearse the training, or run the range test.

    Args:
        search: How.
        trainer: About to train its first batch of an epoch.
        loop: Over it.
        request: What the test is for.

    Returns:
        What was found.

    Raises:
        InputError: A tuning that was asked for and cannot be made here, each case in one sentence.
    """
    options: dict[str, Any] = {
        "total_steps": request.total_steps,
        "schedule": request.schedule,
        "early_stopping": stops_early(trainer),
        "finetune": search.finetune,
        "lr_min": search.lr_min,
        "lr_max": search.lr_max,
        "evaluate_on": search.evaluate_on,
        "progress": bool(getattr(trainer.progress_bar_callback, "is_enabled", False)),
    }
    if _tunes(search, loop, request.total_steps):
        return tune_loop(loop, budget=search.budget, **options)
    return range_test(loop, open_ended=request.is_open_ended, steps=search.steps, rule=search.rule, **options)


def check_cost(tune: Tune, budget: float | None) -> None:
    """Refuse a budget that is none, or that nothing will spend.

    Raises:
        InputError: Either.
    """
    if budget is None:
        return
    check_budget(budget)
    if tune is False:
        raise InputError(f"`budget` must be left out beside tune=False, which costs `steps`, got {budget}")


def _tunes(search: Search, loop: StepLoop, total_steps: int | None) -> bool:
    """Whether to rehearse; raises InputError where that was asked for and cannot be done."""
    hindrances = {
        "under manual optimization, where a loss cannot be had without a step": not loop.can_measure,
        "where the length of the training is not known; give the Trainer `max_steps`, or `max_epochs` with a loader "
        "that has a length": total_steps is None,
        f"for a training of fewer than {SHORTEST} steps; pass `budget` in steps": search.budget is None
        and total_steps is not None
        and total_steps < SHORTEST,
        "where a rule is named, whose rate is read off a sweep": search.rule is not None,
    }
    hindered = [why for why, is_so in hindrances.items() if is_so]
    if search.tune is True and hindered:
        raise InputError(f'`tune` must be "auto" or False {hindered[0]}, got True')
    if search.tune == "auto":
        return not hindered and total_steps is not None and SHARE * total_steps >= LEAST
    return search.tune
