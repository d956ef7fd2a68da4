"""What a tuning may cost, and what its steps are spent on."""

import math
from dataclasses import dataclass
from itertools import count
from numbers import Integral, Real

from lrfinder.checks import check_whole
from lrfinder.errors import InputError

__all__ = [
    "FEWEST_STEPS",
    "FEWEST_TO_TRY",
    "LEAST",
    "MOST_SHARE",
    "SEARCH",
    "SHARE",
    "SHORTEST",
    "Spending",
    "budget_for",
    "check_budget",
    "least_for_a_pilot",
    "pilot_steps_on_plateau",
    "spend",
    "steps_of",
]

SHARE, LEAST, MOST_SHARE = 0.05, 300, 1 / 3
"""Part of the training that a tuning may cost unless a budget is given: at least 300 steps, at most a third of it."""

SHORTEST, FEWEST = 30, 10
"""Steps of the shortest training of which a third pays for a search, and of that search."""

REMEDY = "300 is a good choice, and 0.05 is 5 % of the training"

SEARCH = 100
"""Steps of the search before the pilots, and of all where that leaves too few for a pilot."""

FEWEST_TO_TRY = 75
"""Steps of a search below which there are no trials: all of them are swept."""

FEWEST_STEPS = 36
"""Steps of the shortest pilot: with fewer it shows no more than a short trial; 24 did not on benchmarks/tasks.py."""

PLANNED_PEAKS = 3.5
"""Peaks that the budget of a pilot is planned for: some trials diverge early, and leave room for others."""

TWO_PEAKS, ONE_PEAK, LONGEST_TIMES = 2.15, 1.15, 4
"""Peaks that the rest of a budget pays for on a plateau, with the evaluation before and up to three steps that a
GradScaler repeats. No trial is longer than four times those without a plateau, so that several peaks are tried."""

LONG_ENOUGH = 48
"""Steps from which two trials on a plateau are better than a single one that is longer: nothing is known of a rate that
was compared with no other."""

LONG, MOST_PILOTS = 160, 4
"""Steps from which trials are not made longer: the budget goes into a second pilot on other batches, up to four."""


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
    """Return the step-equivalents that a tuning may cost, of a budget in steps, as a share below 1, or by default.

    Fewer than ten steps, or a training too short for the default, raise InputError.

    >>> budget_for(10_000), budget_for(600), budget_for(5_000, 0.1), budget_for(5_000, 400)
    (500, 200, 500, 400)
    """
    if budget is None:
        check_whole(
            "total_steps", total_steps, "for so short a training pass `budget` in steps, or use find_lr", least=SHORTEST
        )
        return int(min(max(SHARE * total_steps, LEAST), MOST_SHARE * total_steps))
    steps = steps_of(budget, total_steps)
    if steps < FEWEST:
        raise InputError(
            f"`budget` must come to at least {FEWEST} steps, got {budget}, which is {steps} of a training of "
            f"{total_steps:,}; name more, or use find_lr"
        )
    return steps


def steps_of(budget: float, total_steps: int, name: str = "budget") -> int:
    """Return the steps that a budget comes to, of steps or as a share of the training; InputError for what is none."""
    check_budget(budget, name)
    return int(budget if budget >= 1 else budget * total_steps)


def check_budget(budget: object, name: str = "budget") -> None:
    """Raise InputError for what is neither whole steps, ten at least, nor a share of the training below 1."""
    size = float(budget) if not isinstance(budget, bool) and isinstance(budget, Real) else math.nan
    is_share, is_whole = 0 < size < 1, isinstance(budget, Integral) or (size >= FEWEST and size.is_integer())
    if math.isnan(size) or not (is_share or is_whole):
        raise InputError(f"`{name}` must be whole steps, or a share of the training below 1, got {budget!r}; {REMEDY}")
    if not is_share:
        check_whole(name, int(size), REMEDY, least=FEWEST)


def spend(steps: int, total_steps: int) -> Spending:
    """Return what a budget is spent on; no trial has more steps than the training.

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


def pilot_steps(budget: float, pilots: int = 1, peaks: float = PLANNED_PEAKS) -> int:
    """Return the optimizer steps of a trial where so many pilots share a budget and each is to try so many peaks."""
    # An evaluation costs a ninth of a trial's steps (`pilot.EVAL_BATCHES_PER_STEP`), so nine tenths are steps.
    return math.floor(9 * budget / (pilots * peaks * 10))


def pilot_steps_on_plateau(left: float, total_steps: int, planned: int) -> int:
    """Return the steps of a pilot's trials where the loss rests on a plateau: few and long.

    They are those of two trials that `left` of the budget pays for, or where these would be short of a single one; 0
    where that is short as well. Without a plateau a trial was `planned` to have so many, 0 where there would be none.

    >>> pilot_steps_on_plateau(242, 1_000, planned=51), pilot_steps_on_plateau(30, 300, planned=0)
    (101, 0)
    """
    most = min(total_steps, LONGEST_TIMES * planned or total_steps)
    two, one = (min(most, pilot_steps(left, peaks=peaks)) for peaks in (TWO_PEAKS, ONE_PEAK))
    steps = two if two >= max(LONG_ENOUGH, planned) else one
    return steps if steps >= max(FEWEST_STEPS, planned) else 0


def least_for_a_pilot() -> int:
    """Return the smallest budget that pays for a pilot."""
    return next(steps for steps in count(SEARCH) if spend(steps, steps).pilots)
