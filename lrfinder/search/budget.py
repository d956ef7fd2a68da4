"""What a tuning may cost, and what its steps are spent on."""

import math
from dataclasses import dataclass
from itertools import count
from numbers import Integral, Real

from lrfinder.checks import check_whole
from lrfinder.errors import InputError
from lrfinder.search.pilot import FEWEST_STEPS, pilot_steps

__all__ = [
    "LEAST",
    "SEARCH",
    "SHARE",
    "SHORTEST",
    "Spending",
    "budget_for",
    "check_budget",
    "least_for_a_pilot",
    "lengthened",
    "spend",
]

SHARE, LEAST, MOST_SHARE = 0.05, 300, 1 / 3
"""Of the training, what a tuning may cost unless told otherwise: 300 steps at least, a third of it at most."""

SHORTEST, FEWEST = 30, 10
"""Steps of the shortest training of which a third pays for a search, and of that search."""

SEARCH = 100
"""Steps of the search before the pilots, and of all where that leaves these too few."""

TWO_TRIALS, ONE_TRIAL, LONGEST_TIMES = 2.15, 1.15, 4
"""On a plateau: the rest is what judges a trial before, and up to three steps that a GradScaler repeats. No trial is
longer than four times those without a plateau, so that a large budget still tries several peaks."""

LONG, MOST_PILOTS = 160, 4
"""Trials longer than this are made fewer: the budget goes into a second pilot on other batches, up to four."""


@dataclass(frozen=True, slots=True)
class Spending:
    """How a budget is spent.

    Args:
        steps: All of it, in step-equivalents; a forward alone counts a third.
        search: What the search before the pilots may cost of them.
        pilots: How many there are.
        length: Optimizer steps of their trials.
    """

    steps: int
    search: int
    pilots: int
    length: int


def budget_for(total_steps: int, budget: float | None = None) -> int:
    """Return the steps that a tuning may cost.

    Args:
        total_steps: Optimizer steps of the training.
        budget: Steps, a share of the training below 1, or None for the default.

    Returns:
        Step-equivalents.

    Raises:
        InputError: Neither, fewer than ten steps, or a training too short for the default.

    >>> budget_for(10_000), budget_for(600), budget_for(5_000, 0.1), budget_for(5_000, 400)
    (500, 200, 500, 400)
    """
    if budget is None:
        check_whole(
            "total_steps", total_steps, "for so short a training pass `budget` in steps, or use find_lr", least=SHORTEST
        )
        return int(min(max(SHARE * total_steps, LEAST), MOST_SHARE * total_steps))
    check_budget(budget)
    steps = int(budget if budget >= 1 else budget * total_steps)
    if steps < FEWEST:
        raise InputError(
            f"`budget` must come to at least {FEWEST} steps, got {budget}, which is {steps} of a training of "
            f"{total_steps:,}; name more, or use find_lr"
        )
    return steps


def check_budget(budget: object) -> None:
    """Refuse what is no budget for any training.

    Raises:
        InputError: Neither whole steps nor a share of the training, or fewer than ten steps.
    """
    size = float(budget) if not isinstance(budget, bool) and isinstance(budget, Real) else math.nan
    is_share, is_whole = 0 < size < 1, isinstance(budget, Integral) or (size >= FEWEST and size.is_integer())
    if math.isnan(size) or not (is_share or is_whole):
        raise InputError(
            f"`budget` must be whole steps, or a share of the training below 1, got {budget!r}; 300 is a good choice"
        )
    if not is_share:
        check_whole("budget", int(size), "300 is a good choice", least=FEWEST)


def spend(steps: int, total_steps: int) -> Spending:
    """Return what a budget is spent on.

    Args:
        steps: The budget.
        total_steps: Optimizer steps of the training, which no trial exceeds.

    >>> spend(300, 1_000)
    Spending(steps=300, search=100, pilots=1, length=51)
    >>> spend(200, 1_000)
    Spending(steps=200, search=100, pilots=0, length=0)
    """
    search = min(steps, SEARCH)
    if pilot_steps(steps - search) < FEWEST_STEPS:
        return Spending(steps, search, 0, 0)
    pilots = min(MOST_PILOTS, max(1, pilot_steps(steps - search) // LONG))
    return Spending(steps, search, pilots, min(total_steps, pilot_steps(steps - search, pilots)))


def lengthened(left: float, total_steps: int, planned: int) -> int:
    """Return the steps of the trials of a pilot that is to leave a plateau, which are few and long.

    Args:
        left: Step-equivalents that are left of the budget.
        total_steps: Optimizer steps of the training, which no trial exceeds.
        planned: Steps of a trial without a plateau, 0 where there would be none.

    Returns:
        Those of two trials, or where these would be short of a single one; 0 where that is short as well.

    >>> lengthened(242, 1_000, planned=51), lengthened(56, 300, planned=0), lengthened(30, 300, planned=0)
    (101, 43, 0)
    """
    most = min(total_steps, LONGEST_TIMES * planned or total_steps)
    two, one = (min(most, pilot_steps(left, trials=trials)) for trials in (TWO_TRIALS, ONE_TRIAL))
    length = two if two >= 2 * FEWEST_STEPS else one
    return length if length >= max(FEWEST_STEPS, planned) else 0


def least_for_a_pilot() -> int:
    """Return the smallest budget that pays for a pilot."""
    return next(steps for steps in count(SEARCH) if spend(steps, steps).pilots)
