"""Which learning rate, and which schedule: a range test for torch that leaves no trace.

    from lrfinder import find_lr

    found = find_lr(model, loader, loss_fn=loss_fn, optimizer=optimizer, total_steps=2000)
    print(found)

The names below are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from lrfinder._version import __version__

if TYPE_CHECKING:
    from lightning_callbacks import AutoLR, DecaySchedule
    from lrfinder import schedules
    from lrfinder.advice.plan import Plan
    from lrfinder.display.plot import plot_schedule
    from lrfinder.errors import InputError, LRFinderError, LRFinderWarning, NoSignalError, RankError, StateLeak
    from lrfinder.evidence.curve import Curve
    from lrfinder.evidence.evidence import Evidence
    from lrfinder.evidence.rules import RULES
    from lrfinder.evidence.status import Status
    from lrfinder.find import find_lr, range_test
    from lrfinder.loop import Facts, Loop
    from lrfinder.result import LRResult, SearchSpace
    from lrfinder.training.scheduler import attach
    from lrfinder.training.step_loop import StepLoop
    from lrfinder.training.torch_loop import TorchLoop
    from lrfinder.tune import tune_loop, tune_lr

_NAMES = {
    "lightning_callbacks": ["AutoLR", "DecaySchedule"],
    "lrfinder.advice.plan": ["Plan"],
    "lrfinder.display.plot": ["plot_schedule"],
    "lrfinder.errors": ["InputError", "LRFinderError", "LRFinderWarning", "NoSignalError", "RankError", "StateLeak"],
    "lrfinder.evidence.curve": ["Curve"],
    "lrfinder.evidence.evidence": ["Evidence"],
    "lrfinder.evidence.rules": ["RULES"],
    "lrfinder.evidence.status": ["Status"],
    "lrfinder.find": ["find_lr", "range_test"],
    "lrfinder.loop": ["Facts", "Loop"],
    "lrfinder.result": ["LRResult", "SearchSpace"],
    "lrfinder.training.scheduler": ["attach"],
    "lrfinder.training.step_loop": ["StepLoop"],
    "lrfinder.training.torch_loop": ["TorchLoop"],
    "lrfinder.tune": ["tune_loop", "tune_lr"],
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}
_ROOMS = ("schedules",)
"""Packages that are reached as attributes."""

__all__ = [
    "RULES",
    "AutoLR",
    "Curve",
    "DecaySchedule",
    "Evidence",
    "Facts",
    "InputError",
    "LRFinderError",
    "LRFinderWarning",
    "LRResult",
    "Loop",
    "NoSignalError",
    "Plan",
    "RankError",
    "SearchSpace",
    "StateLeak",
    "Status",
    "StepLoop",
    "TorchLoop",
    "__version__",
    "attach",
    "find_lr",
    "plot_schedule",
    "range_test",
    "schedules",
    "tune_loop",
    "tune_lr",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home at its first use."""
    if name == "race":
        from lrfinder.keywords import warn_of_old_name

        warn_of_old_name("race", "tune_loop")
        name = "tune_loop"
    if name in _ROOMS:
        return import_module(f"lrfinder.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'lrfinder' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
