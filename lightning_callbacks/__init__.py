"""Callbacks for PyTorch Lightning: the learning rate found, and decayed, inside a Trainer.

    from lightning_callbacks import AutoLR

    Trainer(max_epochs=10, callbacks=[AutoLR()]).fit(module)

They work with `pytorch_lightning` and with `lightning.pytorch`, which are imported when a name below is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_callbacks.auto_lr import AutoLR
    from lightning_callbacks.decay_schedule import DecaySchedule

_HOMES = {"AutoLR": "auto_lr", "DecaySchedule": "decay_schedule"}

__all__ = ["AutoLR", "DecaySchedule"]


def __getattr__(name: str) -> object:
    """Import a public name from its home at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lightning_callbacks' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"lightning_callbacks.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
