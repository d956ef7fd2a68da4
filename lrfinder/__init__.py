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
    from lrfinder.advice.plan import Plan
    from lrfinder.display.plot import plot_schedule
    from lrfinder.errors import InputError, LRFinderError, LRFinderWarning, NoSignalError, RankError, StateLeak
    from lrfinder.evidence.curve import Curve
    from lrfinder.evidence.evidence import Evidence
    from lrfinder.evidence.rules import RULES
    from lrfinder.evidence.status import Status
    from lrfinder.find import find_lr, range_test
    from lrfinder.loop import Facts, Loop
    from lrfinder.result import LRResult
    from lrfinder.training.scheduler import attach
    from lrfinder.training.step_loop import StepLoop
    from lrfinder.training.torch_loop import TorchLoop
    from lrfinder.tune import tune_loop, tune_lr

_NAMES = {
    "advice.plan": ["Plan"],
    "display.plot": ["plot_schedule"],
    "errors": ["InputError", "LRFinderError", "LRFinderWarning", "NoSignalError", "RankError", "StateLeak"],
    "evidence.curve": ["Curve"],
    "evidence.evidence": ["Evidence"],
    "evidence.rules": ["RULES"],
    "evidence.status": ["Status"],
    "find": ["find_lr", "range_test"],
    "loop": ["Facts", "Loop"],
    "result": ["LRResult"],
    "training.scheduler": ["attach"],
    "training.step_loop": ["StepLoop"],
    "training.torch_loop": ["TorchLoop"],
    "tune": ["tune_loop", "tune_lr"],
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

__all__ = [
    "RULES",
    "Curve",
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
    "StateLeak",
    "Status",
    "StepLoop",
    "TorchLoop",
    "__version__",
    "attach",
    "find_lr",
    "plot_schedule",
    "range_test",
    "tune_loop",
    "tune_lr",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home at its first use."""
    if name == "race":
        from lrfinder.keywords import warn_of_old_name

        warn_of_old_name("race", "tune_loop")
        name = "tune_loop"
    if name == "schedules":
        return import_module("lrfinder.schedules")
    if name not in _HOMES:
        raise AttributeError(f"module 'lrfinder' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    value = getattr(import_module(f"lrfinder.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
