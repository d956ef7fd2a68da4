"""Attach a schedule to a torch optimizer: the thin adapter that owns the bases and holds no formula."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrfinder.errors import InputError
from lrfinder.schedules import CATALOGUE, Custom, Schedule, Shape, from_plain, to_plain

__all__ = ["ScheduledLR", "attach"]

_LEFTOVERS = ("max_lr", "min_lr", "swa_lr", "max_momentum", "base_momentum")


def attach(
    optimizer: Optimizer, schedule: Schedule, *, lr: float | None = None, last_epoch: int = -1, warmup: int = 0
) -> LRScheduler:
    """Return a torch scheduler that runs an optimizer along a schedule, and set the first rate.

    Every group's rate is its peak times `schedule(step)`. The groups keep their ratios: the first group with a
    trainable parameter peaks at `lr`, group i at lr * base_i / base_ref, where a base is the group's `initial_lr`, or
    its `lr` where no scheduler ever was. Both entries are rewritten, and what other schedulers left in the groups
    is dropped. Use the result as any torch scheduler: `optimizer.step()`, then `scheduler.step()`.

    Args:
        optimizer: the optimizer to run.
        schedule: a shape of `lrfinder.schedules`, or any function of the step.
        lr: the peak of the reference group; by default every group's current rate is its peak (when resuming with
            `last_epoch`, its `initial_lr`).
        last_epoch: the last optimizer step that is already done, -1 for none.
        warmup: the steps of climb before a `ReduceOnPlateau`; other schedules are wrapped in `Warmup` by the caller,
            who knows the horizon.

    Returns:
        A scheduler whose state is small and plain, and which is defined beyond the schedule's end.

    Example:
        >>> import torch
        >>> from lrfinder.schedules import Linear
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        >>> scheduler = attach(optimizer, Linear(4), lr=0.1)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(optimizer.param_groups[0]["lr"])
        ...     optimizer.step()
        ...     scheduler.step()
        >>> [round(rate, 6) for rate in rates]
        [0.1, 0.075, 0.05, 0.025, 0.0]
    """
    if not isinstance(optimizer, Optimizer):
        raise InputError(
            f"`optimizer` must be a torch Optimizer, got {type(optimizer).__name__}; pass the bare optimizer"
        )
    shape = _shape(schedule)
    if warmup != 0:
        raise InputError(f"`warmup` must be 0 for {shape!r}, got {warmup!r}; write Warmup(shape over the rest, warmup)")
    if not isinstance(last_epoch, int) or last_epoch < -1:
        raise InputError(f"`last_epoch` must be a whole number of at least -1, got {last_epoch!r}; -1 starts afresh")
    peaks = _peaks(optimizer, lr, resumes=last_epoch >= 0)
    shape(last_epoch + 1)
    for group, peak in zip(optimizer.param_groups, peaks, strict=True):
        _rewrite(group, peak)
    return ScheduledLR(optimizer, shape, last_epoch)


class ScheduledLR(LRScheduler):
    """A schedule on an optimizer, in closed form: each group's rate is its base times `schedule(last_epoch)`.

    Make one with `attach`. `base_lrs` holds the peaks, `schedule` the shape, `last_epoch` the step whose rate is set.
    A group that is added later keeps its own rate until the next step: divided by the current factor, it is its base.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        self.schedule = schedule
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: object = None) -> None:
        """Go on to the next step's rate.

        Args:
            epoch: accepted for callers that pass one, and ignored.
        """
        self._adopt()
        super().step()

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate of every group at `last_epoch`."""
        factor = float(self.schedule(self.last_epoch))
        return [float(base) * factor for base, _ in zip(self.base_lrs, self.optimizer.param_groups, strict=False)]

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rate of every group as plain floats."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain data: the schedule's name and parameters, the bases and the step."""
        return {
            "schedule": to_plain(self.schedule),
            "base_lrs": [float(base) for base in self.base_lrs],
            "last_epoch": int(self.last_epoch),
            "_step_count": int(self._step_count),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state and set its rates.

        Args:
            state_dict: what `state_dict` gave. Its schedule replaces the attached one; a function cannot be saved,
                so one of the same name must be attached already.
        """
        missing = {"schedule", "base_lrs", "last_epoch", "_step_count"} - set(state_dict)
        if missing:
            raise InputError(
                f"`state_dict` must come from this scheduler, got one without {sorted(missing)}; "
                "was it saved by another scheduler?"
            )
        saved = state_dict["schedule"]
        if saved != to_plain(self.schedule):
            self.schedule = from_plain(saved)
        self.base_lrs = [float(base) for base in state_dict["base_lrs"]]
        self.last_epoch = int(state_dict["last_epoch"])
        self._step_count = int(state_dict["_step_count"])
        for group, base, rate in zip(self.optimizer.param_groups, self.base_lrs, self.get_lr(), strict=False):
            group["initial_lr"] = base
            _fill(group, float(rate))

    def _adopt(self) -> None:
        """Give each group that was added since the last step its base."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            factor = float(self.schedule(self.last_epoch))
            own = float(group["lr"])
            base = float(group.setdefault("initial_lr", own / factor if factor else own))
            self.base_lrs.append(base)


def _shape(schedule: Schedule) -> Shape:
    """Return the schedule as a shape whose values are checked."""
    if isinstance(schedule, Shape):
        return schedule
    if isinstance(schedule, str) and schedule in CATALOGUE:
        remedy = f"build it: CATALOGUE[{schedule!r}].build(total_steps, warmup)"
    else:
        remedy = "pass a shape such as Linear(1000), or a function of the step"
    if not callable(schedule) or isinstance(schedule, type):
        raise InputError(f"`schedule` must be callable with the step, got {schedule!r}; {remedy}")
    return Custom(schedule)


def _peaks(optimizer: Optimizer, lr: float | None, *, resumes: bool) -> list[float]:
    """Return every group's peak."""
    groups = optimizer.param_groups
    bases = [float(group.get("initial_lr", group["lr"])) for group in groups]
    if lr is None:
        if resumes and not all("initial_lr" in group for group in groups):
            raise InputError(f"`lr` must be given where no scheduler ever wrote `initial_lr`, got {lr}; pass the peak")
        peaks = bases if resumes else [float(group["lr"]) for group in groups]
        if not any(peaks):
            raise InputError(f"`lr` must be given where every group's rate is 0, got {lr}; pass the peak")
        return peaks
    if not (math.isfinite(lr) and lr > 0):
        raise InputError(
            f"`lr` must be a positive finite number, got {lr!r}; pass the peak of the first trainable group"
        )
    trainable = [any(p.requires_grad for p in group["params"]) for group in groups]
    base = bases[trainable.index(True)] if any(trainable) else bases[0]
    if not (math.isfinite(base) and base > 0):
        raise InputError(f"the reference group's base rate must be positive for `lr`={lr} to scale, got {base}; set it")
    return [float(lr) * (own / base) for own in bases]


def _rewrite(group: dict[str, Any], peak: float) -> None:
    """Make a peak a group's rate and base, and drop what other schedulers left there."""
    for key in _LEFTOVERS:
        group.pop(key, None)
    group["initial_lr"] = peak
    _fill(group, peak)


def _fill(group: dict[str, Any], rate: float) -> None:
    """Set a group's rate, in place where it is a tensor: a compiled or captured step holds on to that tensor."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
