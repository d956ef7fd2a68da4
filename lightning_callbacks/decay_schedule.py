"""Any schedule of the catalogue in a Trainer, without a test."""

from typing import Any, Literal

from lightning_callbacks._compat import Callback, LightningModule, Trainer
from lightning_callbacks._hooks import unhook
from lightning_callbacks._horizon import remaining_epochs, remaining_steps
from lightning_callbacks._options import one_line
from lightning_callbacks._schedulers import put
from lightning_callbacks._trainer import is_averaging
from lrfinder import attach
from lrfinder.errors import InputError
from lrfinder.schedules import CATALOGUE, ReduceOnPlateau, Schedule
from lrfinder.schedules.compose import plateau_in

__all__ = ["DecaySchedule"]


class DecaySchedule(Callback):
    """Attaches a schedule, so that the LR changes at every step or every epoch.

    Before `AutoLR` in the callbacks it is the shape that AutoLR finds the peak for.

    Args:
        schedule: A name of `lrfinder.schedules.CATALOGUE`, built for the Trainer's own length, or a schedule.
        lr: The peak of the reference group, the others keeping their ratio; None takes the module's own rates.
        interval: Whether the schedule counts optimizer steps or epochs. A `ReduceOnPlateau` is asked at the end of
            every epoch, when its metric is complete.
        monitor: The logged metric that a `ReduceOnPlateau` follows.
        mode: Whether a better metric is smaller or larger.

    Raises:
        InputError: An option that cannot be used.

    Example:
        >>> from lightning_callbacks import DecaySchedule
        >>> DecaySchedule("cosine", lr=1e-3).interval
        'step'
        >>> DecaySchedule("reduce_on_plateau", monitor="accuracy", mode="max").monitor
        'accuracy'
    """

    def __init__(
        self,
        schedule: str | Schedule,
        lr: float | None = None,
        interval: Literal["step", "epoch"] = "step",
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        if interval not in ("step", "epoch"):
            raise InputError(f'`interval` must be "step" or "epoch", got {interval!r}')
        if isinstance(schedule, str) and schedule not in CATALOGUE:
            known = ", ".join(sorted(CATALOGUE))
            raise InputError(f"`schedule` must be one of {known}, or a schedule, got {schedule!r}")
        _check_monitor(schedule, monitor, mode)
        self.schedule, self.lr, self.interval = schedule, lr, interval
        self.monitor, self.mode = monitor, mode
        self._warmup_steps = 0
        self._scheduler: Any = None

    def __repr__(self) -> str:
        return one_line(self, ("schedule", "lr", "interval", "monitor", "mode"))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach the schedule before Lightning restores a resumed training; InputError where it cannot be attached."""
        _check_attachable(trainer, pl_module)
        self._warmup_steps, self._scheduler = 0, None
        if is_averaging(trainer):
            return
        schedule = self._build(trainer)
        optimizer = trainer.optimizers[0]
        self._scheduler = attach(optimizer, schedule, lr=self.lr, last_epoch=-1)
        plateau = plateau_in(schedule)
        self._warmup_steps = 0 if plateau is None else plateau[1]
        put(trainer, self._scheduler, interval="epoch" if plateau else self.interval, monitor=self.monitor)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the schedule's place in a training that was begun without it."""
        done = trainer.global_step if self.interval == "step" else trainer.current_epoch
        if self._scheduler is not None and self.monitor is None and self._scheduler.last_epoch == 0:
            self._scheduler.load_state_dict({**self._scheduler.state_dict(), "last_epoch": done})

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Step the warm-up to the plateau, which Lightning itself only steps with a metric."""
        if self._warmup_steps and self._scheduler.last_epoch < min(self._warmup_steps, trainer.global_step):
            self._scheduler.step()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the module back the hook that steps its own schedulers."""
        unhook(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give it back after a fit that an error ends too, for which there is no `teardown`."""
        unhook(pl_module)

    def _build(self, trainer: Trainer) -> Schedule:
        """The schedule, a name built for the length of this training."""
        if not isinstance(self.schedule, str):
            return self.schedule
        if self.schedule == "reduce_on_plateau":
            return ReduceOnPlateau(mode=self.mode)
        _ = trainer.estimated_stepping_batches  # loads the data, so that their length is known
        length = remaining_steps(trainer) if self.interval == "step" else remaining_epochs(trainer)
        if length is None:
            raise InputError(
                f"`schedule` must be a schedule of a length of its own where the training has no known one, got the "
                f"name {self.schedule!r}; pass it built, or give the Trainer `max_steps` or `max_epochs`"
            )
        return CATALOGUE[self.schedule].build(length)


def _check_monitor(schedule: str | Schedule, monitor: str | None, mode: str) -> None:
    """A metric is wanted by a plateau, and by nothing else."""
    if mode not in ("min", "max"):
        raise InputError(f'`mode` must be "min" or "max", got {mode!r}; "min" is for a loss')
    found = None if isinstance(schedule, str) else plateau_in(schedule)
    needs = schedule == "reduce_on_plateau" or found is not None
    if needs and monitor is None:
        raise InputError(f"`monitor` must name the logged metric that {schedule!r} follows, got None")
    if not needs and monitor is not None:
        raise InputError(f"`monitor` must be None for {schedule!r}, which follows the step alone, got {monitor!r}")
    if found is not None and found[0].mode != mode:
        raise InputError(f"`mode` must be that of the schedule, {found[0].mode!r}, got {mode!r}; say it in both places")


def _check_attachable(trainer: Trainer, module: LightningModule) -> None:
    if not module.automatic_optimization:
        raise InputError(
            "`schedule` cannot be attached under manual optimization, where Lightning steps no scheduler; return "
            "`lrfinder.attach(optimizer, schedule)` from configure_optimizers and call `self.lr_schedulers().step()` "
            f"after each optimizer step in {type(module).__name__}"
        )
    if trainer.lr_scheduler_configs:
        theirs = type(trainer.lr_scheduler_configs[0].scheduler).__name__
        raise InputError(
            f"`schedule` needs an optimizer without a scheduler, got one with the {theirs} that the module "
            "configures; take one of the two out"
        )
