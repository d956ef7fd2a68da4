"""The rates that schedulers will set, seen on copies of them."""

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

__all__ = ["double_of", "rates_ahead"]


def rates_ahead(
    schedulers: Sequence[Any],
    optimizer: Optimizer,
    reference: int,
    steps: int,
    is_due: Callable[[int, int], bool] = lambda which, done: True,
    step_one: Callable[[Any, int], object] | None = None,
) -> list[float]:
    """Return the rates that group `reference` will run at in its next optimizer steps; nothing is moved.

    `is_due(which, done)` says whether a scheduler, by its index, steps after so many optimizer steps, and
    `step_one(scheduler, done)` steps it, where that is not its own `step()`.
    """
    # Copies of the schedulers drive a stand-in: the weights are neither copied nor touched.
    double = double_of(optimizer)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copies = [copy.deepcopy(s, {id(optimizer): double, id(s.optimizer): double}) for s in schedulers]
        for step in range(steps):
            rates.append(float(double.param_groups[reference]["lr"]))
            for which, scheduler in enumerate(copies):
                if is_due(which, step + 1):
                    scheduler.step() if step_one is None else step_one(scheduler, step + 1)
    return rates


def double_of(optimizer: Any) -> Optimizer:
    """Return an optimizer with the same groups and none of the weights, on which copies of schedulers can be run."""
    stand_ins = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in optimizer.param_groups]
    double = torch.optim.SGD(stand_ins, lr=1.0)
    double.defaults = dict(optimizer.defaults)
    for mine, its in zip(double.param_groups, optimizer.param_groups, strict=True):
        mine.update({key: copy.deepcopy(value) for key, value in its.items() if key != "params"})
    return double
