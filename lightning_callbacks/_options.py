"""The options of `AutoLR`, one record: what each may be is checked where it is made."""

import inspect
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from textwrap import shorten
from typing import Any, Literal, get_args, get_origin

from lrfinder.checks import check_choice, check_flag
from lrfinder.errors import InputError
from lrfinder.evidence.rules import RuleFunction
from lrfinder.schedules import CATALOGUE, Schedule
from lrfinder.search.budget import check_budget
from lrfinder.search.measure import EvaluateOn
from lrfinder.training.host import EvaluateIn
from lrfinder.training.options import check_state

__all__ = [
    "EvaluateIn",
    "EvaluateOn",
    "Existing",
    "Interval",
    "Mode",
    "OnNoSignal",
    "OnResume",
    "Options",
    "Snapshots",
    "Tune",
    "one_line",
]

Tune = Literal["auto"] | bool
Mode = Literal["apply", "report", "only"]
Interval = Literal["step", "epoch"]
Existing = Literal["keep", "replace"]
OnNoSignal = Literal["keep", "error"]
OnResume = Literal["keep", "rescale"]
Snapshots = Literal["auto", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked of `AutoLR`, where each is explained; InputError for one that cannot be used."""

    tune: Tune
    budget: float | None
    steps: int
    lr_min: float
    lr_max: float
    rule: str | RuleFunction | None
    schedule: str | Schedule | None
    finetune: bool
    interval: Interval
    existing: Existing
    at_epochs: Sequence[int]
    mode: Mode
    on_no_signal: OnNoSignal
    on_resume: OnResume
    evaluate_on: EvaluateOn
    sweep: int | None
    groups: Literal["each"] | Sequence[str] | None
    group_budget: float | None
    also: Sequence[object]
    snapshot: Snapshots
    snapshot_device: str | None
    evaluate_in: EvaluateIn | None
    verbose: bool

    @property
    def of_loop(self) -> dict[str, Any]:
        """Those that say how to train while searching."""
        return {name: getattr(self, name) for name in ("sweep", "also", "snapshot", "snapshot_device", "evaluate_in")}

    def __post_init__(self) -> None:
        if isinstance(self.schedule, str):
            check_choice("schedule", self.schedule, ("recommended", *CATALOGUE))
        check_choice("tune", self.tune, ("auto", True, False))
        for one in fields(self):
            if get_origin(one.type) is Literal:
                check_choice(one.name, getattr(self, one.name), get_args(one.type))
        check_choice("evaluate_in", self.evaluate_in, (None, *get_args(EvaluateIn)))
        check_flag("finetune", self.finetune)
        check_flag("verbose", self.verbose)
        check_state("also", self.also)
        _check_cost(self.tune, self.budget)
        _check_groups(self.tune, self.groups, self.group_budget)
        object.__setattr__(self, "at_epochs", _epochs(self.at_epochs))


def one_line(callback: object, options: Collection[str]) -> str:
    """Return a callback as the call that makes it, in one line: its options, but for those at their defaults."""
    usual = {p.name: p.default for p in inspect.signature(type(callback).__init__).parameters.values()}
    given = {name: getattr(callback, name) for name in usual if name in options}
    words = [f"{name}={_short(value)}" for name, value in given.items() if value != usual[name]]
    return f"{type(callback).__name__}({', '.join(words)})"


def _short(value: object) -> str:
    """An object in a few words: models, whose repr has many lines, by their class."""
    text = repr(value)
    return text if "\n" not in text else shorten(text, 40, placeholder=" ...")


def _check_cost(tune: Tune, budget: float | None) -> None:
    """Refuse a budget that is none, or that nothing will spend."""
    if budget is None:
        return
    check_budget(budget)
    if tune is False:
        raise InputError(f"`budget` must be left out beside tune=False, which costs `steps`, got {budget}")


def _check_groups(tune: Tune, groups: object, group_budget: float | None) -> None:
    """Refuse ratios between groups where nothing is tuned, or a budget for none."""
    if group_budget is not None:
        check_budget(group_budget)
        if groups is None:
            raise InputError(f"`group_budget` must be left out where no `groups` are named, got {group_budget}")
    if groups is not None and tune is not True:
        raise InputError(f"`groups` must be tuned by pilots, got {groups!r} with tune={tune!r}; pass tune=True")


def _epochs(at_epochs: Sequence[int]) -> tuple[int, ...]:
    if isinstance(at_epochs, (str, int)) or not all(isinstance(e, int) and e >= 0 for e in at_epochs):
        raise InputError(f"`at_epochs` must be whole epoch numbers from 0 on, as in (0,), got {at_epochs!r}")
    return tuple(at_epochs)
