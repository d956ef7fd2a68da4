"""What of a Trainer is set aside while the LR is measured: logs, metrics, callbacks, profiler, the request to stop."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning_callbacks._compat import Callback, Trainer, of_trainer
from lrfinder.snapshot.signals import held_signals

__all__ = ["set_aside"]

HOOKS = frozenset(name for name in dir(Callback) if name.startswith("on_") or name in ("setup", "teardown"))


class _Silent:
    """Stands for a callback whose hooks must not run; a module's own hook may look for it and read from it."""

    def __init__(self, callback: Any) -> None:
        self._callback = callback

    @property  # type: ignore[misc]  # so that `isinstance` finds the callback's class
    def __class__(self) -> type:
        return type(self._callback)

    def __getattr__(self, name: str) -> Any:
        return _do_nothing if name in HOOKS else getattr(self._callback, name)


def _do_nothing(*_: Any, **__: Any) -> None:
    """What a hook is while it must not run."""


@contextmanager
def set_aside(trainer: Trainer) -> Iterator[None]:
    """Give a Trainer fresh results, metrics, loggers and profiler, and silent callbacks; its own are back at exit.

    `self.log` works inside and goes nowhere.
    """
    callbacks: list[Any] = vars(trainer)["callbacks"]
    loop, connector = trainer.fit_loop.epoch_loop, trainer._logger_connector
    metrics = type(connector)(trainer)
    # What was logged so far can be read.
    for name in ("_callback_metrics", "_logged_metrics", "_progress_bar_metrics"):
        getattr(metrics, name).update(getattr(connector, name))
    silent = of_trainer(trainer, "loggers.logger", "DummyLogger")
    unobserved = of_trainer(trainer, "profilers", "PassThroughProfiler")
    swaps = [
        (loop, "_results", type(loop._results)(training=True)),
        (trainer, "_logger_connector", metrics),
        (trainer, "callbacks", [_Silent(callback) for callback in callbacks]),
        (trainer, "loggers", [silent()] if trainer.loggers else []),
        (trainer, "profiler", unobserved()),
        (trainer, "should_stop", False),
    ]
    held = [(owner, name, getattr(owner, name)) for owner, name, _ in swaps]
    try:
        for owner, name, stand_in in swaps:
            setattr(owner, name, stand_in)
        yield
    finally:
        # The error of a dead worker comes from a signal's handler, at any line.
        with held_signals():
            for owner, name, own in held:
                setattr(owner, name, own)
