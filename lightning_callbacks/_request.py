"""What a test is asked for: the horizon, the schedule that the peak is for, and whether to attach it."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from lightning_callbacks._compat import Trainer
from lightning_callbacks._hooks import step_by_hook
from lightning_callbacks._horizon import remaining_epochs, remaining_steps, steps_per_epoch
from lightning_callbacks._options import Interval, Options
from lightning_callbacks._schedulers import Pace, shape_of
from lrfinder import LRResult, Plan, StepLoop
from lrfinder.advice.snippet import lightning_code
from lrfinder.display import report
from lrfinder.errors import InputError
from lrfinder.loop import MAX_SKIPS
from lrfinder.schedules import CATALOGUE, Constant, Epochwise, ReduceOnPlateau, Schedule, Warmup
from lrfinder.training.param_groups import find_reference
from lrfinder.training.scheduler import ScheduledLR

__all__ = ["FitRequest", "request_for"]

WARMUP_SHARE = 0.05
"""Share of the epochs that are warm-up, where a schedule counts epochs."""

NOTHING = "nothing: the training goes on at the rates that it had"

MOST_LINES = 12
"""Lines of a report in the middle of a Trainer's log."""

LOOK_AHEAD = 1_000
"""Steps of a module's own scheduler that are looked at where the length of the training is not known."""


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What one test is for.

    Args:
        total_steps: Optimizer steps that remain, or None where the end is open.
        schedule: What the peak is for.
        attaches: Whether the schedule is to be attached.
        top: The rate of the reference group now, or the highest that the module's own scheduler will bring it to.
        note: What is done with the result, as a phrase.
    """

    total_steps: int | None
    schedule: str | Schedule
    attaches: bool
    top: float
    note: str

    @property
    def is_open_ended(self) -> bool:
        """Whether to plan for a cooldown that is begun when the training should end."""
        return self.total_steps is None and isinstance(self.schedule, str)

    def in_words(self, result: LRResult, *, is_applied: bool) -> str:
        """Return the report of a result: with what is done with it, or how to use it in a Trainer."""
        plan = result.plan
        code = None if plan is None else (lightning_code(plan) if self.attaches else None) or _by_hand_in(plan)
        done = None if not is_applied else NOTHING if plan is None else self.note
        return report.text(
            result.evidence,
            plan,
            done=done,
            code=code,
            who="AutoLR",
            whole="result.explain() of AutoLR",
            most=MOST_LINES,
        )


def _by_hand_in(plan: Plan) -> str:
    return f"# nothing was set: make the optimizer with lr={plan.lr:.3g} in configure_optimizers"


def request_for(trainer: Trainer, loop: StepLoop, options: Options, ours: ScheduledLR | None) -> FitRequest:
    """Work out what a test is for before an epoch's first batch; InputError for a schedule that cannot be attached.

    `ours` is the scheduler of an earlier test, which the next one replaces.
    """
    total, schedule = remaining_steps(trainer), options.schedule
    optimizer, reference = find_reference(loop.swept)
    configs = [
        c for c in trainer.lr_scheduler_configs if c.scheduler.optimizer is optimizer and c.scheduler is not ours
    ]
    if configs and options.existing == "keep":
        names = " and ".join(type(c.scheduler).__name__ for c in configs)
        _check_default(schedule, names)
        pace = Pace(trainer.current_epoch, trainer.num_training_batches, trainer.accumulate_grad_batches)
        by_hand = not trainer.lightning_module.automatic_optimization
        configs = _as_stepped_by_hand(loop, configs) if by_hand else configs
        step_one = step_by_hook(trainer)
        try:
            # A hook of the module's own may change anything else of it.
            with nullcontext() if step_one is None else loop.preserved():
                shape, top = shape_of(configs, optimizer, reference, total or LOOK_AHEAD, pace, step_one)
        except Exception as error:
            if step_one is None:
                raise
            note = f"the rate is set, as a constant: `lr_scheduler_step` could not be called ahead of time ({error})"
            return FitRequest(total, Constant(), False, float(optimizer.param_groups[reference]["lr"]), note)
        return FitRequest(total, shape, False, top, f"the rate is set, and the {names} attached before follows it")
    base = loop.facts.bases[loop.facts.reference]
    if not trainer.lightning_module.automatic_optimization:
        return _by_hand(trainer, schedule, base)
    if schedule is None:
        return FitRequest(total, Constant(), False, base, "the rate is set, without a schedule")
    _check_blind(schedule)
    note = "the rate is set and the schedule attached; the Trainer steps it"
    return FitRequest(total, _shape(trainer, schedule, options.interval, total), True, base, note)


def _shape(trainer: Trainer, schedule: str | Schedule, interval: Interval, total: int | None) -> str | Schedule:
    """The schedule for `range_test`, one that counts epochs included."""
    if total is None and isinstance(schedule, str):
        _check_open(schedule)
        return Constant() if schedule == "constant" else schedule
    if interval == "step":
        return schedule
    per_epoch, epochs = steps_per_epoch(trainer), remaining_epochs(trainer)
    if per_epoch is None:
        raise InputError('`interval` must be "step" where the loader has no length, got "epoch"')
    if isinstance(schedule, str):
        length = epochs or -(-(total or 1) // per_epoch)
        name = "linear" if schedule == "recommended" else schedule
        schedule = CATALOGUE[name].build(length, round(WARMUP_SHARE * length))
    return Epochwise(schedule, per_epoch)


def _as_stepped_by_hand(loop: StepLoop, configs: list[Any]) -> list[Any]:
    """Configs as the module steps its schedulers, by update or by epoch, seen in one update that is put back."""
    before = [config.scheduler.last_epoch for config in configs]
    with loop.preserved():
        for _ in range(MAX_SKIPS + 1):
            if loop.step(loop.draw()) is not None:
                break
        moved = [c.scheduler.last_epoch != done for c, done in zip(configs, before, strict=True)]
    ticks = ["step" if has_moved else "epoch" for has_moved in moved]
    return [replace(config, interval=tick, frequency=1) for config, tick in zip(configs, ticks, strict=True)]


def _by_hand(trainer: Trainer, schedule: str | Schedule | None, base: float) -> FitRequest:
    """Under manual optimization Lightning steps no scheduler: the peak is for a constant rate."""
    if schedule not in ("recommended", None):
        raise InputError(
            f"`schedule` must be None under manual optimization, where Lightning steps no scheduler, got {schedule!r}; "
            "return `lrfinder.attach(optimizer, schedule)` from configure_optimizers and call "
            "`self.lr_schedulers().step()` after each optimizer step, and AutoLR will rescale it"
        )
    note = (
        "the rate is set, for a constant LR: Lightning steps no scheduler under manual optimization. For a schedule "
        "return lrfinder.attach(optimizer, schedule) from configure_optimizers and call self.lr_schedulers().step()"
    )
    return FitRequest(remaining_steps(trainer), Constant(), False, base, note)


def _check_default(schedule: str | Schedule | None, theirs: str) -> None:
    if schedule not in ("recommended", None):
        raise InputError(
            f'`existing` must be "replace" to attach a schedule of yours, got "keep" with {schedule!r} while the '
            f"module configures {theirs}; leave `schedule` out to keep that one"
        )


def _check_blind(schedule: str | Schedule) -> None:
    body: object = schedule
    while isinstance(body, Warmup):
        body = body.body
    if isinstance(body, ReduceOnPlateau) or body == "reduce_on_plateau":
        raise InputError(
            f"`schedule` must follow the step alone, got {schedule!r}, which needs a metric; put "
            'DecaySchedule("reduce_on_plateau", monitor="val_loss") before AutoLR in the callbacks, which then '
            "finds the LR for it"
        )


def _check_open(schedule: str) -> None:
    if schedule in CATALOGUE and schedule not in ("constant", "stable_decay"):
        raise InputError(
            f'`schedule` must be "recommended", "constant" or "stable_decay" where the training has no known end, '
            f"got {schedule!r}; give the Trainer `max_steps`, or `max_epochs` with a loader that has a length"
        )
