"""What of a Trainer is set aside while the LR is measured: logs, metrics, callbacks, profiler, the request to stop."""

from collections.abc import Iterator
from contextlib import contextmanager

from lightning_callbacks._compat import Trainer, of_trainer

__all__ = ["set_aside"]


@contextmanager
def set_aside(trainer: Trainer) -> Iterator[None]:
    """Give a Trainer fresh results, metrics, loggers, profiler and no callbacks; the real ones are back at exit.

    `self.log` works inside and goes nowhere.
    """
    loop, connector = trainer.fit_loop.epoch_loop, trainer._logger_connector
    silent = of_trainer(trainer, "loggers.logger", "DummyLogger")
    unobserved = of_trainer(trainer, "profilers", "PassThroughProfiler")
    swaps = [
        (loop, "_results", type(loop._results)(training=True)),
        (trainer, "_logger_connector", type(connector)(trainer)),
        (trainer, "callbacks", []),
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
        for owner, name, own in held:
            setattr(owner, name, own)
