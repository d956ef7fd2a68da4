"""Schedulers in a Trainer: ours put in, the module's own run on a copy and rescaled."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lightning_callbacks._compat import Trainer, of_trainer
from lightning_callbacks._hooks import step_without_hook
from lrfinder.errors import InputError, LRFinderWarning
from lrfinder.schedules import Constant, Custom, Schedule, Warmup, from_plain
from lrfinder.schedules.compose import plateau_in
from lrfinder.training.foresee import rates_ahead
from lrfinder.training.ratios import apply_rates
from lrfinder.training.scheduler import PlateauLR, ScheduledLR

__all__ = ["Pace", "put", "schedule_from", "shape_of"]


@dataclass(frozen=True, slots=True)
class Pace:
    """When a Trainer steps schedulers: by the batch within the epoch, or by the epoch.

    Args:
        epoch: The epoch that the training is at.
        batches: Batches of an epoch, or infinity.
        parts: Batches of an optimizer step.
    """

    epoch: int
    batches: float
    parts: int

    def is_due(self, config: Any, done: int) -> bool:
        """Whether a scheduler steps after so many optimizer steps."""
        steps = math.inf if math.isinf(self.batches) else math.ceil(self.batches / self.parts)
        if config.interval == "epoch":
            return done % steps == 0 and (self.epoch + done // steps) % config.frequency == 0
        batch = min(((done - 1) % steps + 1) * self.parts, self.batches)
        return bool(batch % config.frequency == 0)


def put(
    trainer: Trainer,
    scheduler: ScheduledLR,
    *,
    interval: Literal["step", "epoch"] = "step",
    name: str | None = None,
    monitor: str | None = None,
) -> None:
    """Let a Trainer step a scheduler, log it, save it and restore it, in place of those that its optimizer has.

    LearningRateMonitor calls it `name`, or else `lr-` and the optimizer's class. With a `monitor` it follows that
    logged metric at the end of every epoch.
    """
    config = of_trainer(trainer, "utilities.types", "LRSchedulerConfig")(
        scheduler, name=name, interval=interval, reduce_on_plateau=monitor is not None, monitor=monitor
    )
    others = [other for other in trainer.lr_scheduler_configs if other.scheduler.optimizer is not scheduler.optimizer]
    trainer.strategy.lr_scheduler_configs = [*others, config]
    step_without_hook(trainer, scheduler)


def rescale_in(
    trainer: Trainer,
    swept: Sequence[Optimizer],
    lr: float,
    top: float,
    *,
    replaces: bool,
    ratios: Sequence[float] | None = None,
) -> bool:
    """Bring the rate `top` to `lr`, with the schedulers that are not replaced; a warning where one does not follow."""
    of_swept = [c.scheduler for c in trainer.lr_scheduler_configs if c.scheduler.optimizer in swept]
    try:
        apply_rates(swept, lr, *([] if replaces else of_swept), peak=top, ratios=ratios)
    except InputError as error:
        if replaces or not of_swept:
            raise
        warnings.warn(
            f"the learning rate was not set, and the training goes on at the rates that it had: {error}. Pass "
            'existing="replace" to attach the recommended schedule instead',
            LRFinderWarning,
            stacklevel=2,
        )
        return False
    return True


def _on_plateau(config: Any) -> bool:
    """Whether a scheduler's next rate depends on a metric, so that it cannot be foretold."""
    return bool(config.reduce_on_plateau) or isinstance(config.scheduler, (ReduceLROnPlateau, PlateauLR))


def schedule_from(plain: Mapping[str, Any] | None, given: str | Schedule | None) -> Schedule | None:
    """Return the schedule that a checkpoint names; a function cannot be saved, so the one given now is meant."""
    if plain is None:
        return None
    if plain.get("family") == "custom" and callable(given):
        return given
    return from_plain(plain)


def shape_of(
    configs: Sequence[Any],
    optimizer: Optimizer,
    reference: int,
    steps: int,
    pace: Pace,
    step_one: Callable[[Any, int], None] | None = None,
) -> tuple[Schedule, float]:
    """Return what schedulers will do to group `reference` of their optimizer in so many steps, and the highest rate.

    It is found by stepping copies of them, as factors of that rate, by the module's own `step_one` where it has one.
    Where a metric decides, that is a constant, after the warm-up to it.
    """
    foreseen = [config for config in configs if not _on_plateau(config)]
    if not foreseen:
        return _below_plateau(configs[0].scheduler, optimizer, reference)
    if len(foreseen) == 1 and _is_fresh(foreseen[0]) and step_one is None:
        return foreseen[0].scheduler.schedule, float(foreseen[0].scheduler.base_lrs[reference])
    rates = rates_ahead(
        [config.scheduler for config in foreseen],
        optimizer,
        reference,
        steps,
        lambda which, done: pace.is_due(foreseen[which], done),
        step_one,
    )
    top = max(rates)
    factors = [rate / top for rate in rates]
    names = " and ".join(type(config.scheduler).__name__ for config in foreseen)
    name = f"{names} of the module"
    return Custom(lambda step: factors[min(step, len(factors) - 1)], name=name, owner="module"), top


def _below_plateau(scheduler: Any, optimizer: Optimizer, reference: int) -> tuple[Schedule, float]:
    """A constant rate, and the warm-up to it where that is under way."""
    plateau = plateau_in(scheduler.schedule) if isinstance(scheduler, PlateauLR) else None
    if plateau is not None and scheduler.last_epoch < plateau[1]:
        return Warmup(Constant(), plateau[1]), float(scheduler.base_lrs[reference])
    return Constant(), float(optimizer.param_groups[reference]["lr"])


def _is_fresh(config: Any) -> bool:
    """Whether this is a schedule of ours by step, at its beginning: its shape is known."""
    scheduler = config.scheduler
    return config.interval == "step" and isinstance(scheduler, ScheduledLR) and scheduler.last_epoch == 0
