"""The range test on the doorstep of a Trainer's first batch, the LR set, the schedule attached."""

import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any, Literal, get_args

from torch.optim import Optimizer

from lightning_callbacks._compat import Callback, LightningModule, Trainer
from lightning_callbacks._horizon import all_steps, remaining_epochs, steps_to_cool_down
from lightning_callbacks._loggers import deliver
from lightning_callbacks._request import FitRequest, request_for
from lightning_callbacks._schedulers import put, scale
from lightning_callbacks._search import Search, Tune, check_cost, searched
from lightning_callbacks._trainer import TrainerLoop, check_can_leave, is_averaging, leave_fit
from lrfinder import LRResult, NoSignalError, Plan, StepLoop, attach
from lrfinder.checks import check_choice, check_flag
from lrfinder.display import report
from lrfinder.errors import InputError, LRFinderWarning
from lrfinder.evidence.rules import RuleFunction
from lrfinder.keywords import warn_of_old_name
from lrfinder.schedules import CATALOGUE, Schedule, from_plain, to_plain
from lrfinder.training.param_groups import find_reference
from lrfinder.training.scheduler import ScheduledLR

__all__ = ["AutoLR"]

NAME = "lr-auto"
NOTHING = "nothing: the training goes on at the rates that it had"
TOLERANCE = 1e-6
Mode = Literal["apply", "report", "only"]


class AutoLR(Callback):
    """Finds the learning rate before the first batch, sets it, attaches the recommended schedule, and trains on.

    Where the training is long it is rehearsed in small, as by `tune_lr`; else the range test of `find_lr` is run. Both
    run through the Trainer's strategy and leave no trace: weights, optimizer, logs, counters, callbacks and
    random streams are as before. On resume nothing is measured again; the schedule goes on where it was.

    Args:
        tune: `auto` rehearses where 5 % of the steps to come are at least 300, a loss can be had without a step and no
            rule is named; True always, False never.
        budget: What a tuning may cost, in steps or as a share of those to come; None is 5 % of them or 300 steps, and
            no more than a third.
        steps: Optimizer steps that a range test may cost.
        lr_min: First rate of the reference group, the first with a trainable parameter; the others keep their ratio.
        lr_max: Last rate.
        rule: None weighs everything measured; or a rule, by name or as a function of the curve, to take its rate.
        schedule: `recommended`, a name of `lrfinder.schedules.CATALOGUE`, a schedule, or None to set the LR alone.
        finetune: The model is pretrained and should keep what it knows.
        interval: Whether the schedule counts optimizer steps or epochs.
        existing: For a scheduler that the module configures: `keep` finds the peak for its shape and rescales it,
            `replace` drops it for `schedule`.
        at_epochs: The epochs before whose first batch to test; a later test plans for the steps that remain.
        mode: `apply` sets what was found, `report` says it and trains on untouched, `only` says it and trains nothing.
        on_no_signal: Where there is no reliable rate: `keep` trains on as configured, `error` raises.
        evaluate_on: `training` reads the loss before each step, `validation` that of four validation batches after it.
        sweep: With several optimizers, the index of the one to sweep; None scales all jointly.
        snapshot: `auto` does not copy frozen parameters where they are most of the model, `all` copies everything.
        snapshot_device: Where the copies are kept, `cpu` for a model that fills the accelerator; None: beside it.
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
        interval: Literal["step", "epoch"] = "step",
        existing: Literal["keep", "replace"] = "keep",
        at_epochs: Sequence[int] = (0,),
        mode: Mode = "apply",
        on_no_signal: Literal["keep", "error"] = "keep",
        evaluate_on: Literal["training", "validation"] = "training",
        sweep: int | None = None,
        snapshot: Literal["auto", "all"] = "auto",
        snapshot_device: str | None = None,
        verbose: bool = True,
        measure: Literal["training", "validation"] | None = None,
    ) -> None:
        if measure is not None:
            warn_of_old_name("measure", "evaluate_on")
            evaluate_on = measure
        if isinstance(schedule, str):
            check_choice("schedule", schedule, ("recommended", *CATALOGUE))
        check_choice("tune", tune, ("auto", True, False))
        check_choice("interval", interval, ("step", "epoch"))
        check_choice("existing", existing, ("keep", "replace"))
        check_choice("mode", mode, get_args(Mode))
        check_choice("on_no_signal", on_no_signal, ("keep", "error"))
        check_choice("evaluate_on", evaluate_on, ("training", "validation"))
        check_choice("snapshot", snapshot, ("auto", "all"))
        check_cost(tune, budget)
        self.tune, self.budget, self.steps = tune, budget, steps
        self.lr_min, self.lr_max, self.rule = lr_min, lr_max, rule
        self.finetune, self.verbose = check_flag("finetune", finetune), check_flag("verbose", verbose)
        self.schedule, self.interval, self.existing = schedule, interval, existing
        self.at_epochs = _epochs(at_epochs)
        self.mode, self.on_no_signal, self.evaluate_on = mode, on_no_signal, evaluate_on
        self.sweep, self.snapshot, self.snapshot_device = sweep, snapshot, snapshot_device
        self._forget()

    def _forget(self) -> None:
        """Everything that a fit finds out."""
        self.result: LRResult | None = None
        self._tested: list[int] = []
        self._attached: Schedule | None = None
        self._peak, self._began = 0.0, 0
        self._length: int | None = None
        self._cooling = self._is_starting = False
        self._scheduler: ScheduledLR | None = None
        self._expected: tuple[Optimizer, int, float] | None = None
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
        if self._scheduler is None:
            raise InputError("`begin_cooldown` must be called while an attached schedule runs, got none; fit first")
        self._scheduler.begin_cooldown(steps)
        self._attached, self._cooling = self._scheduler.schedule, True

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
        """Say where a resumed training has another length than the plan."""
        self._clock, self._is_starting = (time.monotonic(), trainer.global_step), True
        total = all_steps(trainer)
        if self._attached is not None and total != self._length:
            warnings.warn(
                f"the schedule was planned for {self._length} optimizer steps, and this training has {total}: it is "
                f"kept and stays at its end from step {self._length} on. For a new one add the epoch to `at_epochs`",
                LRFinderWarning,
                stacklevel=2,
            )

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Test where one is due, and cool down in time."""
        due = set(self.at_epochs) - set(self._tested)
        if batch_idx == 0 and trainer.current_epoch in due and not getattr(trainer, "fast_dev_run", 0):
            self._test(trainer)
        elif self._is_starting and self.result is None:
            self._warn_of_no_test(trainer)
        self._is_starting = False
        self._cool_down_in_time(trainer)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Check that the first real step runs at the rate that was applied."""
        if self._expected is None or self._expected[0] is not optimizer:
            return
        _, reference, lr = self._expected
        self._expected = None
        used = float(optimizer.param_groups[reference]["lr"])
        if abs(used - lr) > TOLERANCE * lr:
            warnings.warn(
                f"the first step ran at {used:.3g} and not at {lr:.3g}, which AutoLR had set: "
                f"{type(pl_module).__name__} or another callback sets the LR itself; take that out",
                LRFinderWarning,
                stacklevel=2,
            )

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this callback, as plain data."""
        return {
            "result": None if self.result is None else self.result.to_json(),
            "tested": list(self._tested),
            "attached": None if self._attached is None else to_plain(self._attached),
            "peak": self._peak,
            "began": self._began,
            "length": self._length,
            "cooling": self._cooling,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a checkpoint holds; strategies that restore late attach the schedule here."""
        self.result = None if state_dict["result"] is None else LRResult.parse(state_dict["result"])
        self._tested = list(state_dict["tested"])
        self._attached = _restored(state_dict["attached"], self.schedule)
        self._peak, self._began = state_dict["peak"], state_dict["began"]
        self._length, self._cooling = state_dict["length"], state_dict["cooling"]
        trainer = self._trainer
        if trainer is not None and trainer.strategy.restore_checkpoint_after_setup:
            self._attach_again(trainer)

    def _test(self, trainer: Trainer) -> None:
        """EvaluateOn, say it, and do what `mode` wants."""
        if self.mode == "only":
            check_can_leave(trainer)
        loop = TrainerLoop(trainer, sweep=self.sweep, snapshot=self.snapshot, snapshot_device=self.snapshot_device)
        request = request_for(trainer, loop, self.schedule, self.interval, self.existing, self._scheduler)
        search = Search(**{one.name: getattr(self, one.name) for one in fields(Search)})
        self.result = searched(search, trainer, loop, request)
        self._tested.append(trainer.current_epoch)
        if loop.is_chief:
            if self.verbose:
                done = request.note if self.result.plan is not None else NOTHING
                text = report.text(self.result.evidence, self.result.plan, done if self.mode == "apply" else None)
                trainer.lightning_module.print(text)  # beside the progress bar, not into it
            deliver(trainer, self.result)
        if self.result.plan is None and self.on_no_signal == "error":
            raise NoSignalError(self.result.status.sentence)
        if self.mode == "only":
            leave_fit(trainer)
        if self.mode == "apply" and self.result.plan is not None:
            self._apply(trainer, loop, request, self.result.plan)

    def _apply(self, trainer: Trainer, loop: StepLoop, request: FitRequest, plan: Plan) -> None:
        """Set the rate, and attach the schedule where one is wanted."""
        optimizer, reference = find_reference(loop.swept)
        scale(loop.swept, trainer.lr_scheduler_configs, plan.lr, peak=request.top)
        if request.attaches and plan.schedule is not None:
            self._scheduler = attach(optimizer, plan.schedule, lr=plan.lr)
            put(trainer, self._scheduler, name=NAME)
            self._attached = self._scheduler.schedule
            self._peak, self._began = plan.lr, trainer.global_step
            self._length, self._cooling = all_steps(trainer), False
        self._clock = (time.monotonic(), trainer.global_step)
        self._expected = (optimizer, reference, float(optimizer.param_groups[reference]["lr"]))

    def _warn_of_no_test(self, trainer: Trainer) -> None:
        """Say where no epoch of this fit will be tested, as in a training that was begun without this callback."""
        now, left = trainer.current_epoch, remaining_epochs(trainer)
        to_come = [e for e in self.at_epochs if e > now and (left is None or e < now + left)]
        if not to_come and not getattr(trainer, "fast_dev_run", 0):
            warnings.warn(
                f"AutoLR measures nothing in this fit, which starts at epoch {now}, step {trainer.global_step}: "
                f"`at_epochs` is {self.at_epochs}; add an epoch whose first batch is still to come",
                LRFinderWarning,
                stacklevel=2,
            )

    def _attach_again(self, trainer: Trainer) -> None:
        """Put the schedule of this training into a Trainer whose optimizers were made anew."""
        if self._attached is not None and not is_averaging(trainer):
            done = max(0, trainer.global_step - self._began)
            self._scheduler = attach(trainer.optimizers[0], self._attached, lr=self._peak, last_epoch=done - 1)
            put(trainer, self._scheduler, name=NAME)

    def _cool_down_in_time(self, trainer: Trainer) -> None:
        """Under `max_time`, begin the cooldown when four fifths of the time are over."""
        if self._scheduler is None or self._cooling or self._length is not None or self._clock is None:
            return
        steps = steps_to_cool_down(trainer, *self._clock)
        if steps:
            with suppress(InputError):  # still climbing: later; or a schedule of the user's that has its own end: never
                self.begin_cooldown(steps)


def _restored(plain: Mapping[str, Any] | None, given: str | Schedule | None) -> Schedule | None:
    """The schedule that a checkpoint names; a function cannot be saved, so the one given now is meant."""
    if plain is None:
        return None
    if plain.get("family") == "custom" and callable(given):
        return given
    return from_plain(plain)


def _epochs(at_epochs: Sequence[int]) -> tuple[int, ...]:
    if isinstance(at_epochs, (str, int)) or not all(isinstance(e, int) and e >= 0 for e in at_epochs):
        raise InputError(f"`at_epochs` must be whole epoch numbers from 0 on, as in (0,), got {at_epochs!r}")
    return tuple(at_epochs)
