"""A search before a Trainer's first batch, the LR set, the schedule attached."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, Literal

from torch.optim import Optimizer

from lightning_callbacks._attached import Attached, plain
from lightning_callbacks._compat import Callback, LightningModule, Trainer
from lightning_callbacks._first_step import FirstStep
from lightning_callbacks._hooks import unhook
from lightning_callbacks._horizon import steps_to_cool_down, warn_of_no_test
from lightning_callbacks._loggers import deliver
from lightning_callbacks._options import (
    EvaluateIn,
    EvaluateOn,
    Existing,
    Interval,
    Mode,
    OnNoSignal,
    OnResume,
    Options,
    Snapshots,
    Tune,
    one_line,
)
from lightning_callbacks._request import FitRequest, request_for
from lightning_callbacks._resume import Resumed
from lightning_callbacks._schedulers import put, rescale_in
from lightning_callbacks._search import search_in_fit
from lightning_callbacks._trainer import TrainerLoop, check_can_leave, is_averaging, leave_fit
from lrfinder import LRResult, NoSignalError, Plan, StepLoop, attach
from lrfinder.errors import InputError
from lrfinder.evidence.rules import RuleFunction
from lrfinder.keywords import warn_of_old_name
from lrfinder.schedules import Schedule
from lrfinder.training.param_groups import find_reference
from lrfinder.training.scheduler import ScheduledLR

__all__ = ["AutoLR"]

NAME = "lr-auto"
OPTIONS = frozenset(one.name for one in fields(Options))


class AutoLR(Callback):
    """Finds the learning rate before the first batch, sets it, attaches the recommended schedule, and trains on.

    Where the training is long it is tuned by pilots, as by `tune_lr`; else the range test of `find_lr` is run. Both run
    through the Trainer's strategy and leave no trace: weights, optimizer, logs, counters, callbacks and
    random streams are as before. On resume nothing is measured again; the schedule goes on where it was.

    Options that `find_lr`, `tune_lr` or `TorchLoop` has too mean what they mean there: `help(lrfinder.find_lr)`.

    Attributes:
        result: What was found, to `print` and to `plot`, as `find_lr` returns it; None before the first batch.
        plan: What to train with, `result.plan`; None where there is no reliable rate.

    Args:
        tune: `auto` tunes where 5 % of the steps to come are at least 300 and no rule is named; True always, False
            never.
        budget: What a tuning may cost, as in `tune_lr`.
        steps: What a range test may cost, as in `find_lr`.
        lr_min: First rate.
        lr_max: Last rate.
        rule: None, or the rule whose rate is taken.
        schedule: As in `find_lr`; None sets the LR alone.
        finetune: The model is pretrained.
        interval: Whether the schedule counts optimizer steps or epochs.
        existing: For a scheduler that the module configures: `keep` finds the peak for its shape and rescales it,
            `replace` drops it for `schedule`.
        at_epochs: The epochs before whose first batch to test; a later test plans for the steps that remain.
        mode: `apply` sets what was found, `report` says it and trains on untouched, `only` says it and trains nothing.
        on_resume: For a training that goes on with another length, batch or number of ranks: `keep` keeps the schedule
            and says what it would be, `rescale` sets that, as `LRResult.rescale` does.
        on_no_signal: Where there is no reliable rate: `keep` trains on as configured, `error` raises.
        evaluate_on: `training` reads the loss before each step, `validation` that of four validation batches after it.
        sweep: With several optimizers, the index of the one to sweep; None scales all jointly.
        groups: With `tune=True`, tune the ratios between parameter groups too, as in `tune_lr`.
        group_budget: What that may cost besides.
        also: Further objects whose state is put back, as in `TorchLoop`.
        snapshot: Whether frozen parameters are copied, as in `TorchLoop`.
        snapshot_device: Where the copies are kept, as in `TorchLoop`.
        evaluate_in: The mode that trials are evaluated in, as in `TorchLoop`.
        verbose: Whether the chief rank prints the report.
        measure: The old name of `evaluate_on`, for this release only.

    Raises:
        InputError: An option that cannot be used.

    Example:
        >>> from lightning_callbacks import AutoLR
        >>> AutoLR(steps=60, schedule="cosine").plan is None
        True
    """

    def __init__(
        self,
        *,
        tune: Tune = "auto",
        budget: float | None = None,
        steps: int = 100,
        lr_min: float = 1e-7,
        lr_max: float = 10.0,
        rule: str | RuleFunction | None = None,
        schedule: str | Schedule | None = "recommended",
        finetune: bool = False,
        interval: Interval = "step",
        existing: Existing = "keep",
        at_epochs: Sequence[int] = (0,),
        mode: Mode = "apply",
        on_no_signal: OnNoSignal = "keep",
        on_resume: OnResume = "keep",
        evaluate_on: EvaluateOn = "training",
        sweep: int | None = None,
        groups: Literal["each"] | Sequence[str] | None = None,
        group_budget: float | None = None,
        also: Sequence[object] = (),
        snapshot: Snapshots = "auto",
        snapshot_device: str | None = None,
        evaluate_in: EvaluateIn | None = None,
        verbose: bool = True,
        measure: EvaluateOn | None = None,
    ) -> None:
        if measure is not None:
            warn_of_old_name("measure", "evaluate_on")
            evaluate_on = measure
        # Every argument but the old name is an option of the same name.
        self.options = Options(**{name: value for name, value in locals().items() if name in OPTIONS})
        self._forget()

    def __getattr__(self, name: str) -> Any:
        """An option, by its name."""
        if name in OPTIONS:
            return getattr(self.options, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        """Set an option, which is checked as at first, or anything else."""
        if name in OPTIONS:
            self.options = replace(self.options, **{name: value})  # type: ignore[arg-type]
        else:
            super().__setattr__(name, value)

    def __repr__(self) -> str:
        return one_line(self, OPTIONS)

    def _forget(self) -> None:
        """Everything that a fit finds out."""
        self.result: LRResult | None = None
        self._tested: list[int] = []
        self._attached: Attached | None = None
        self._is_starting = False
        self._scheduler: ScheduledLR | None = None
        self._first_step: FirstStep | None = None
        self._clock: tuple[float, int] | None = None
        self._trainer: Trainer | None = None

    @property
    def plan(self) -> Plan | None:
        """What to train with, or None where nothing was measured or the curve gave no answer."""
        return self.result.plan if self.result else None

    def begin_cooldown(self, steps: int) -> None:
        """Let an open-ended schedule cool down from the next step on.

        Args:
            steps: Optimizer steps of the cooldown, at the end of which the training should stop.

        Raises:
            InputError: No schedule of this callback is attached, or it is not open-ended.
        """
        if self._scheduler is None or self._attached is None:
            raise InputError("`begin_cooldown` must be called while an attached schedule runs, got none; fit first")
        self._scheduler.begin_cooldown(steps)
        self._attached = replace(self._attached, schedule=self._scheduler.schedule, cooling=True)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget an earlier training, unless this Trainer goes on with it."""
        if stage == "fit":
            if trainer.global_step == 0:
                self._forget()
            self._trainer = trainer

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach the schedule of a training that is resumed, before Lightning puts its state back."""
        self._attach_again(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where a resumed training differs from what the schedule was planned for, or rescale that."""
        self._clock, self._is_starting = (time.monotonic(), trainer.global_step), True
        if self._attached is not None and self.result is not None and not is_averaging(trainer):
            resumed = Resumed(trainer, self.result, self._attached)
            if resumed.changes:
                self._go_on(trainer, resumed)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Test where one is due, and cool down in time."""
        due = set(self.options.at_epochs) - set(self._tested)
        if batch_idx == 0 and trainer.current_epoch in due:
            if getattr(trainer, "fast_dev_run", 0):
                pl_module.print("lrfinder: AutoLR searches nothing in a fast_dev_run; the rates stay as they are")
            else:
                self._test(trainer)
        elif self._is_starting and self.result is None:
            warn_of_no_test(trainer, self.options.at_epochs)
        self._is_starting = False
        self._cool_down_in_time(trainer)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Check that the first real step runs at the rate that was applied."""
        first = self._first_step
        if first is not None and first.optimizer is optimizer:
            self._first_step = None
            first.check(pl_module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the module back the hook that steps its own schedulers."""
        unhook(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give it back after a fit that an error ends too, for which there is no `teardown`."""
        unhook(pl_module)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this callback, as plain data."""
        result = None if self.result is None else self.result.to_json()
        return {"result": result, "tested": list(self._tested), **plain(self._attached)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a checkpoint holds; strategies that restore late attach the schedule here."""
        self.result = None if state_dict["result"] is None else LRResult.parse(state_dict["result"])
        self._tested = list(state_dict["tested"])
        self._attached = Attached.parse(state_dict, self.options.schedule)
        trainer = self._trainer
        if trainer is not None and trainer.strategy.restore_checkpoint_after_setup:
            self._attach_again(trainer)

    def _test(self, trainer: Trainer) -> None:
        """Search, report it, and do what `mode` wants."""
        # Before anything is measured, which would be lost otherwise.
        if self.options.mode == "only":
            check_can_leave(trainer)
        options = self.options
        loop = TrainerLoop(trainer, **options.of_loop)
        request = request_for(trainer, loop, options, self._scheduler)
        self.result = search_in_fit(options, trainer, loop, request)
        self._tested.append(trainer.current_epoch)
        if self.result is None:
            return
        if loop.is_chief:
            if options.verbose:
                # Beside the progress bar, not into it.
                trainer.lightning_module.print(request.in_words(self.result, is_applied=options.mode == "apply"))
            deliver(trainer, self.result)
        if self.result.plan is None and options.on_no_signal == "error":
            raise NoSignalError(self.result.status.sentence)
        if options.mode == "only":
            leave_fit(trainer)
        if options.mode == "apply" and self.result.plan is not None:
            self._apply(trainer, loop, request, self.result.plan)

    def _apply(self, trainer: Trainer, loop: StepLoop, request: FitRequest, plan: Plan) -> None:
        """Set the rate, and attach the schedule where one is wanted."""
        optimizer, reference = find_reference(loop.swept)
        evidence = None if self.result is None else self.result.evidence
        ratios = None if evidence is None else evidence.tuned_ratios
        if not rescale_in(trainer, loop.swept, plan.lr, request.top, replaces=request.attaches, ratios=ratios):
            return
        if request.attaches and plan.schedule is not None:
            self._scheduler = attach(optimizer, plan.schedule, lr=plan.lr)
            put(trainer, self._scheduler, name=NAME)
            self._attached = Attached.of(trainer, self._scheduler.schedule, plan.lr, trainer.global_step)
        self._clock = (time.monotonic(), trainer.global_step)
        self._first_step = FirstStep(optimizer, reference, float(optimizer.param_groups[reference]["lr"]))

    def _go_on(self, trainer: Trainer, resumed: Resumed) -> None:
        """Rescale the schedule to what has changed where that is asked for and possible; else say what it would be."""
        found = resumed.rescaled
        plan = None if found is None else found.plan
        if self.options.on_resume == "keep" or plan is None or plan.schedule is None:
            return resumed.warn(found)
        self.result = found
        self._attached = Attached.of(trainer, plan.schedule, plan.lr, resumed.attached.began)
        self._attach_again(trainer)
        if self.options.verbose and trainer.is_global_zero:
            trainer.lightning_module.print(resumed.in_words(plan))

    def _attach_again(self, trainer: Trainer) -> None:
        """Put the schedule of this training into a Trainer whose optimizers were made anew."""
        if self._attached is not None and not is_averaging(trainer):
            self._scheduler = self._attached.attach(trainer)
            put(trainer, self._scheduler, name=NAME)

    def _cool_down_in_time(self, trainer: Trainer) -> None:
        """Under `max_time`, begin the cooldown when four fifths of the time are over."""
        attached, clock = self._attached, self._clock
        if attached is None or clock is None or attached.cooling or attached.length is not None:
            return
        if steps := steps_to_cool_down(trainer, *clock):
            with suppress(InputError):  # in its warm-up: later; or a schedule of the user's that has its own end: never
                self.begin_cooldown(steps)
