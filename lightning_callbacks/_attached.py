"""A schedule that was attached, and the training that it was planned for: what a checkpoint holds of both."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lightning_callbacks._compat import Trainer
from lightning_callbacks._horizon import all_steps
from lightning_callbacks._schedulers import schedule_from
from lrfinder import attach
from lrfinder.schedules import Schedule, to_plain
from lrfinder.training.scheduler import ScheduledLR

__all__ = ["Attached", "loaded_batch", "plain"]


def loaded_batch(trainer: Trainer) -> int | None:
    """Samples of an optimizer step on this rank, as the loader is set; None where one number does not say it."""
    size = getattr(trainer.train_dataloader, "batch_size", None)
    return size * trainer.accumulate_grad_batches if isinstance(size, int) else None


@dataclass(frozen=True, slots=True)
class Attached:
    """A schedule that was attached.

    Args:
        schedule: It.
        peak: The rate of the reference group that its factor 1 stands for.
        began: The optimizer step at which it was attached.
        length: The optimizer steps of the whole training then, or None where its end was open.
        batch: `loaded_batch` then.
        cooling: Whether its cooldown was begun.
    """

    schedule: Schedule
    peak: float
    began: int
    length: int | None
    batch: int | None
    cooling: bool = False

    @classmethod
    def of(cls, trainer: Trainer, schedule: Schedule, peak: float, began: int) -> "Attached":
        """Return a schedule as planned for the training as it is now."""
        return cls(schedule, peak, began, all_steps(trainer), loaded_batch(trainer))

    @classmethod
    def parse(cls, state: Mapping[str, Any], given: str | Schedule | None) -> "Attached | None":
        """Read what `plain` returned; `given` is the schedule that is asked for now, as a function cannot be saved."""
        schedule = schedule_from(state["attached"], given)
        # A checkpoint of the release before has no batch.
        others = (state["peak"], state["began"], state["length"], state.get("batch"), state["cooling"])
        return None if schedule is None else cls(schedule, *others)

    def attach(self, trainer: Trainer) -> ScheduledLR:
        """Return a scheduler of a Trainer's first optimizer, at the step that the training has reached."""
        done = max(0, trainer.global_step - self.began)
        return attach(trainer.optimizers[0], self.schedule, lr=self.peak, last_epoch=done - 1)


def plain(attached: Attached | None) -> dict[str, Any]:
    """Return what was attached, if anything was, as plain data."""
    numbers = {one.name: getattr(attached, one.name, None) for one in fields(Attached) if one.name != "schedule"}
    return {"attached": None if attached is None else to_plain(attached.schedule), **numbers}
