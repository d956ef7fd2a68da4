"""Both Lightning packages: the base of whichever is installed, and helpers from the one that a Trainer belongs to."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrfinder.errors import InputError

__all__ = ["PACKAGES", "Callback", "LightningModule", "Trainer", "of_trainer", "package_of"]

PACKAGES = ("pytorch_lightning", "lightning.pytorch")
"""Two full copies of one library; a callback of one is not always accepted by the other."""

if TYPE_CHECKING:
    from pytorch_lightning import Callback, LightningModule, Trainer
else:
    LightningModule = Trainer = Any

    def _bases() -> tuple[type, ...]:
        found = []
        for package in PACKAGES:
            try:
                found.append(import_module(package).Callback)
            except ModuleNotFoundError:
                continue
        if not found:
            raise ModuleNotFoundError("lightning_callbacks needs Lightning: pip install pytorch-lightning")
        return tuple(found)

    class Callback(*_bases()):
        """A callback for the Trainer and the command line of every Lightning that is installed."""


def package_of(trainer: Trainer) -> str:
    """Return the package that a Trainer's class, or a Lightning class below it, comes from; InputError for another."""
    for cls in type(trainer).__mro__:
        for package in PACKAGES:
            if cls.__module__.startswith(f"{package}."):
                return package
    raise InputError(f"`trainer` must be a Lightning Trainer, got {type(trainer).__name__}; pass the one that fits")


def of_trainer(trainer: Trainer, module: str, name: str) -> Any:
    """A name from a module of the Trainer's own package."""
    return getattr(import_module(f"{package_of(trainer)}.{module}"), name)
