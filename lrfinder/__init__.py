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
    from lrfinder.curve import Curve
    from lrfinder.errors import InputError, LRFinderError, LRFinderWarning, NoSignalError, RankError, StateLeak
    from lrfinder.evidence import Evidence, Status
    from lrfinder.finder import find_lr, range_test
    from lrfinder.loop import Facts, Loop
    from lrfinder.plan import Plan
    from lrfinder.result import LRResult
    from lrfinder.rules import RULES
    from lrfinder.scheduler import attach
    from lrfinder.torch_loop import TorchLoop
    from lrfinder.tuner import race, tune_lr

_HOMES = {
    "Curve": "curve",
    "Evidence": "evidence",
    "Facts": "loop",
    "InputError": "errors",
    "LRFinderError": "errors",
    "LRFinderWarning": "errors",
    "LRResult": "result",
    "Loop": "loop",
    "NoSignalError": "errors",
    "Plan": "plan",
    "RULES": "rules",
    "RankError": "errors",
    "StateLeak": "errors",
    "Status": "evidence",
    "TorchLoop": "torch_loop",
    "attach": "scheduler",
    "find_lr": "finder",
    "race": "tuner",
    "range_test": "finder",
    "tune_lr": "tuner",
}

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
    "TorchLoop",
    "__version__",
    "attach",
    "find_lr",
    "race",
    "range_test",
    "tune_lr",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lrfinder' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    value = getattr(import_module(f"lrfinder.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
