"""Attach a schedule to a torch optimizer: the thin adapters that own the bases and hold no formula."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, overload

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrfinder.checks import check_number, check_whole
from lrfinder.errors import InputError
from lrfinder.schedules import (
    CATALOGUE,
    PlateauState,
    ReduceOnPlateau,
    Schedule,
    Shape,
    cool_down,
    from_plain,
    to_plain,
)
from lrfinder.schedules.compose import plateau_in
from lrfinder.schedules.custom import check_schedule
from lrfinder.training.param_groups import as_list, reference_index, set_rate

__all__ = ["PlateauLR", "ScheduledLR", "attach", "check_attachable"]

_LEFTOVERS = ("max_lr", "min_lr", "swa_lr", "max_momentum", "base_momentum")


@overload
def attach(
    optimizer: Optimizer, schedule: Schedule, *, lr: float | None = None, last_epoch: int = -1
) -> "ScheduledLR": ...


@overload
def attach(
    optimizer: Sequence[Optimizer], schedule: Schedule, *, lr: float | None = None, last_epoch: int = -1
) -> "list[ScheduledLR]": ...


def attach(
    optimizer: Optimizer | Sequence[Optimizer], schedule: Schedule, *, lr: float | None = None, last_epoch: int = -1
) -> "ScheduledLR | list[ScheduledLR]":
    """Return a torch scheduler that runs an optimizer along a schedule, and set the first rate.

    Every group's rate is its peak times `schedule(step)`. The groups keep their ratios: the first group with a
    trainable parameter peaks at `lr`, group i at lr * base_i / base_ref, where a base is the group's `initial_lr`, or
    its `lr` where no scheduler ever was. Both entries are rewritten, and what other schedulers left in the groups
    is dropped. Use the result as any torch scheduler: `optimizer.step()`, then `scheduler.step()`; with a
    `ReduceOnPlateau` also `scheduler.step(metric)` at every check.

    Args:
        optimizer: the optimizer to run, or a list of them, whose groups are counted as those of one.
        schedule: a shape of `lrfinder.schedules`, or any function of the step.
        lr: the peak of the reference group; by default every group's current rate is its peak (when resuming with
            `last_epoch`, its `initial_lr`).
        last_epoch: the last optimizer step that is already done, -1 for none.

    Returns:
        A `ScheduledLR`, or a `PlateauLR` where the schedule needs a metric; of a list one for each optimizer, to be
        stepped after it.

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
    optimizers = check_attachable(optimizer)
    groups = [group for one in optimizers for group in one.param_groups]
    shape = _shape(schedule)
    done = check_whole("last_epoch", last_epoch, "pass the last step that is done, -1 for none", least=-1)
    peaks = _peaks(groups, lr, resumes=done >= 0)
    shape(done + 1)
    for group, peak in zip(groups, peaks, strict=True):
        _rewrite(group, peak)
    kind = ScheduledLR if plateau_in(shape) is None else PlateauLR
    schedulers = [kind(one, shape, done) for one in optimizers]
    return schedulers if isinstance(optimizer, (list, tuple)) else schedulers[0]


def check_attachable(optimizer: Optimizer | Sequence[Optimizer]) -> list[Optimizer]:
    """Return the optimizers as a list; InputError for one that torch's schedulers do not take."""
    optimizers = as_list(optimizer)
    for one in optimizers:
        if not isinstance(one, Optimizer):
            raise InputError(f"`optimizer` must be a torch Optimizer, got {type(one).__name__}; pass the bare one")
    return optimizers


class ScheduledLR(LRScheduler):
    """A schedule on an optimizer, in closed form: each group's rate is its base times `schedule(last_epoch)`.

    Make one with `attach`. `base_lrs` holds the peaks, `schedule` the shape, `last_epoch` the step whose rate is set.
    A group that is added later keeps its own rate until the next step: that rate divided by the factor it was added
    at is its base (or the rate itself where the factor is 0, or the group's own `initial_lr`).
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        self.schedule = schedule
        super().__init__(optimizer, last_epoch)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.schedule!r}, base_lrs={self.base_lrs}, last_epoch={self.last_epoch})"

    def step(self, epoch: Any = None) -> None:
        """Go on to the next step's rate; an `epoch`, which some callers pass, is ignored."""
        self._adopt()
        super().step()

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate of every group at `last_epoch`."""
        factor = self._factor()
        return [float(base) * factor for base, _ in zip(self.base_lrs, self.optimizer.param_groups, strict=False)]

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rate of every group as plain floats."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def begin_cooldown(self, steps: int) -> None:
        """Begin the cooldown of an open-ended schedule at the next step, which itself runs at the full rate.

        It takes so many optimizer steps, in the shape and to the floor of the `StableDecay`.
        """
        self.schedule = cool_down(self.schedule, steps, at=self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain data: the schedule's name and parameters, the bases and the step."""
        return {
            "schedule": to_plain(self.schedule),
            "base_lrs": [float(base) for base in self.base_lrs],
            "last_epoch": int(self.last_epoch),
            "_step_count": int(self._step_count),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave, and set its rates.

        Its schedule replaces the attached one; a function cannot be saved, so the schedule with the function must be
        attached already.
        """
        if set(state_dict) != set(self.state_dict()):
            keys = sorted(state_dict)
            raise InputError(f"`state_dict` must be one of this scheduler, got the keys {keys}; was another one saved?")
        saved = state_dict["schedule"]
        schedule = self.schedule if saved == to_plain(self.schedule) else from_plain(saved)
        if (plateau_in(schedule) is None) != (plateau_in(self.schedule) is None):
            raise InputError(
                f"`state_dict` must hold a schedule of the attached kind, got {schedule!r}; attach that one"
            )
        self.schedule = schedule
        self.base_lrs = [float(base) for base in state_dict["base_lrs"]]
        self.last_epoch = int(state_dict["last_epoch"])
        self._step_count = int(state_dict["_step_count"])
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=False):
            group["initial_lr"] = base
        self._fill()

    def _factor(self) -> float:
        """Return the factor of the peak at `last_epoch`."""
        return float(self.schedule(self.last_epoch))

    def _adopt(self) -> None:
        """Give each group that was added since the last step its base."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            own, factor = float(group["lr"]), self._factor()
            self.base_lrs.append(float(group.setdefault("initial_lr", own / factor if factor else own)))

    def _fill(self) -> None:
        """Set every group's rate."""
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=False):
            set_rate(group, float(rate))


class PlateauLR(ScheduledLR):
    """A `ReduceOnPlateau` on an optimizer: `step()` advances the warm-up, `step(metric)` takes a check in.

    Make one with `attach`. During the warm-up metrics are ignored. A third level of classes, because it
    differs from its parent in the one factor that the metrics earn and must be a torch scheduler as well.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        self.feedback = PlateauState()
        super().__init__(optimizer, schedule, last_epoch)

    def step(self, metrics: Any = None, epoch: Any = None) -> None:  # type: ignore[override]  # as torch's own plateau
        """Take the metric of a check in; without one, go on by a step of the warm-up. An `epoch` is ignored."""
        if metrics is None:
            return super().step()
        plateau, warmup = self._plateau()
        self._adopt()
        if self.last_epoch >= warmup:
            _, self.feedback = plateau.update(self.feedback, float(metrics))
            self._fill()

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain data: that of the schedule, and what the plateau remembers."""
        return {**super().state_dict(), "plateau": asdict(self.feedback)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave, and set its rates."""
        super().load_state_dict(state_dict)
        self.feedback = PlateauState(**state_dict["plateau"])
        self._fill()

    def _factor(self) -> float:
        """Return the factor of the peak at `last_epoch`, after the cuts so far."""
        plateau, _ = self._plateau()
        return super()._factor() * plateau.factor_after(self.feedback.cuts)

    def _plateau(self) -> tuple[ReduceOnPlateau, int]:
        """Return the plateau and the steps of warm-up before it."""
        found = plateau_in(self.schedule)
        if found is None:
            raise InputError(f"`schedule` must be a ReduceOnPlateau, got {self.schedule!r}; make this with attach")
        return found


def _shape(schedule: Schedule) -> Shape:
    """Return the schedule as a shape whose values are checked."""
    if isinstance(schedule, str) and schedule in CATALOGUE:
        build = f"CATALOGUE[{schedule!r}].build(total_steps, warmup)"
        raise InputError(f"`schedule` must be a schedule or a function of the step, got {schedule!r}; pass {build}")
    given: object = schedule
    if given is None or type(given).__name__ in ("Plan", "LRResult"):
        raise InputError(
            f"`schedule` must be a schedule or a function of the step, got {type(given).__name__}; pass "
            "found.plan.schedule and lr=found.plan.lr, of a search that knows the length: find_lr(..., total_steps=...)"
        )
    return check_schedule("schedule", schedule)


def _peaks(groups: Sequence[dict[str, Any]], lr: float | None, *, resumes: bool) -> list[float]:
    """Return every group's peak."""
    without = [i for i, group in enumerate(groups) if group.get("lr") is None]
    if without:
        raise InputError(
            f"`optimizer` must have an `lr` in every group to run along a schedule, got none in group {without[0]}; "
            "give it one, as in lr=1e-3"
        )
    bases = [float(group.get("initial_lr", group["lr"])) for group in groups]
    if lr is None:
        if resumes and not all("initial_lr" in group for group in groups):
            raise InputError(f"`lr` must be given where no scheduler ever wrote `initial_lr`, got {lr}; pass the peak")
        peaks = bases if resumes else [float(group["lr"]) for group in groups]
        if not any(peaks):
            raise InputError(f"`lr` must be given where every group's rate is 0, got {lr}; pass the peak")
        return peaks
    peak = check_number("lr", lr, "(0, inf)", "pass the peak of the first trainable group")
    base = bases[reference_index(groups)]
    check_number("the reference group's rate", base, "(0, inf)", f"set it, or leave out lr={peak:g}, which scales it")
    return [peak * (own / base) for own in bases]


def _rewrite(group: dict[str, Any], peak: float) -> None:
    """Make a peak a group's rate and base, and drop what other schedulers left there."""
    # Cyclic and averaging schedulers read these back from the group, and would undo the schedule.
    for key in _LEFTOVERS:
        group.pop(key, None)
    group["initial_lr"] = peak
    set_rate(group, peak)
