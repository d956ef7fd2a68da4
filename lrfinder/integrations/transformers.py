"""Hugging Face's Trainer: a callback that searches before the first step, sets the peak, and trains on."""

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin

from tqdm import tqdm

from lrfinder.advice.plan import Plan
from lrfinder.advice.snippet import transformers_code
from lrfinder.checks import check_choice, check_flag
from lrfinder.display import report
from lrfinder.errors import InputError, LRFinderWarning, NoSignalError
from lrfinder.evidence.rules import RuleFunction
from lrfinder.find import range_test
from lrfinder.integrations._reporters import deliver
from lrfinder.integrations._trainer import TrainerLoop, trainer_of
from lrfinder.integrations._trainer_rates import TrainerLR, own_shape, put, rescale_own, scheduler_name, warn_of_length
from lrfinder.result import LRResult
from lrfinder.schedules import CATALOGUE, Schedule, from_plain, to_plain
from lrfinder.search.budget import LEAST, SHARE, check_budget
from lrfinder.training.host import EvaluateIn
from lrfinder.training.options import check_state
from lrfinder.training.step_loop import StepLoop
from lrfinder.tune import tune_loop

try:
    from transformers.trainer_callback import ExportableState, TrainerCallback
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "AutoLRCallback needs transformers and accelerate: pip install 'lrfinder[transformers]'"
    ) from error

__all__ = ["AutoLRCallback"]

MOST_LINES = 12
"""Lines of a report in the middle of a Trainer's log."""

BY_CALLBACK = "# no lr_scheduler_type has this shape: leave out `mode`, and AutoLRCallback sets it"

NOTHING = "nothing: the training goes on at the rates that it had"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked of `AutoLRCallback`, where each is explained; InputError for one that cannot be used."""

    tune: Literal["auto"] | bool
    budget: float | None
    steps: int
    lr_min: float
    lr_max: float
    rule: str | RuleFunction | None
    schedule: str | Schedule | None
    finetune: bool
    mode: Literal["apply", "report", "only"]
    on_no_signal: Literal["keep", "error"]
    evaluate_on: Literal["training", "validation"]
    also: Sequence[object]
    snapshot: Literal["auto", "all"]
    snapshot_device: str | None
    evaluate_in: EvaluateIn | None
    verbose: bool

    @property
    def of_loop(self) -> dict[str, Any]:
        """Those that say how to train while searching."""
        return {name: getattr(self, name) for name in ("also", "snapshot", "snapshot_device", "evaluate_in")}

    def __post_init__(self) -> None:
        for one in fields(self):
            if get_origin(one.type) is Literal:
                check_choice(one.name, getattr(self, one.name), get_args(one.type))
        check_choice("tune", self.tune, ("auto", True, False))
        check_choice("evaluate_in", self.evaluate_in, (None, *get_args(EvaluateIn)))
        check_flag("finetune", self.finetune)
        check_flag("verbose", self.verbose)
        check_state("also", self.also)
        if self.budget is not None:
            check_budget(self.budget)
        for wanted, other, beside in (
            (self.tune is True, self.rule, "rule"),
            (self.tune is False, self.budget, "budget"),
        ):
            if wanted and other is not None:
                raise InputError(
                    f"`{beside}` must be left out beside tune={self.tune}, got {other!r}; drop one of the two"
                )
        if isinstance(self.schedule, str):
            known = [name for name in CATALOGUE if name != "reduce_on_plateau"]
            check_choice("schedule", self.schedule, ("recommended", *known))


class AutoLRCallback(TrainerCallback, ExportableState):  # type: ignore[misc]  # transformers is not looked into
    """Finds the learning rate before the first step of a `Trainer`, sets it, and trains on.

    Every step of the search is a `training_step` of the Trainer's own: its loss, its accumulation, its precision, its
    processes. The search leaves no trace: weights, optimizer, data order, counters and random streams are as before.
    On `resume_from_checkpoint` nothing is measured again, and the rates go on where they were.

    Options that `find_lr`, `tune_lr` or `TorchLoop` has too mean what they mean there: `help(lrfinder.find_lr)`.

    Attributes:
        result: What was found, to `print` and to `plot`, as `find_lr` returns it; None before the first step.
        plan: What to train with, `result.plan`; None where there is no reliable rate.

    Args:
        tune: `auto` tunes by pilots, as `tune_lr` does, where 5 % of the steps are at least 300 and no rule is named;
            True always, False never. Else the range test of `find_lr` is run.
        budget: What a tuning may cost, as in `tune_lr`.
        steps: What a range test may cost, as in `find_lr`.
        lr_min: First rate.
        lr_max: Last rate.
        rule: None, or the rule whose rate is taken.
        schedule: None keeps the scheduler that the Trainer made of `lr_scheduler_type`, finds the peak for its shape
            and rescales it; `recommended`, a name of `lrfinder.schedules.CATALOGUE` or a schedule takes its place.
        finetune: The model is pretrained.
        mode: `apply` sets what was found, `report` says it and trains on untouched, `only` says it and trains nothing.
        on_no_signal: Where there is no reliable rate: `keep` trains on as configured, `error` raises.
        evaluate_on: `training` reads the loss before each step, `validation` that of four batches of `eval_dataset`
            after it.
        also: Further objects whose state is put back, as in `TorchLoop`.
        snapshot: Whether frozen parameters are copied, as in `TorchLoop`.
        snapshot_device: Where the copies are kept, as in `TorchLoop`.
        evaluate_in: The mode that trials are evaluated in, as in `TorchLoop`.
        verbose: Whether the chief rank prints the report.

    Raises:
        InputError: An option that cannot be used.

    Example:
        >>> from lrfinder.integrations.transformers import AutoLRCallback
        >>> AutoLRCallback(steps=60, mode="report").plan is None
        True
    """

    def __init__(
        self,
        *,
        tune: Literal["auto"] | bool = "auto",
        budget: float | None = None,
        steps: int = 100,
        lr_min: float = 1e-7,
        lr_max: float = 10.0,
        rule: str | RuleFunction | None = None,
        schedule: str | Schedule | None = None,
        finetune: bool = False,
        mode: Literal["apply", "report", "only"] = "apply",
        on_no_signal: Literal["keep", "error"] = "keep",
        evaluate_on: Literal["training", "validation"] = "training",
        also: Sequence[object] = (),
        snapshot: Literal["auto", "all"] = "auto",
        snapshot_device: str | None = None,
        evaluate_in: EvaluateIn | None = None,
        verbose: bool = True,
    ) -> None:
        given = locals()
        self.options = Options(**{one.name: given[one.name] for one in fields(Options)})
        self.result: LRResult | None = None
        self.saved: dict[str, Any] | None = None
        self._guard: ExitStack | None = None

    @property
    def plan(self) -> Plan | None:
        """What to train with, or None where nothing was measured or the curve gave no answer."""
        return self.result.plan if self.result else None

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of this callback, as plain data."""
        plain = (int, float, str, bool)
        given = {one.name: getattr(self.options, one.name) for one in fields(Options)}
        return {"args": {k: v for k, v in given.items() if isinstance(v, plain)}, "attributes": {"saved": self.saved}}

    def on_train_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **others: Any) -> None:
        """Search, report, and do what `mode` wants; in a training that is resumed, go on along its schedule."""
        trainer, options = trainer_of(self), self.options
        if state.global_step > 0:
            self._go_on(trainer, state)
            return
        self.result = self.saved = None
        loop = TrainerLoop(trainer, train_dataloader, **options.of_loop)
        shape, top = own_shape(trainer, loop) if options.schedule is None else (options.schedule, None)
        self.result = self._search(trainer, loop, shape)
        self.saved = {"result": self.result.to_json(), "attached": None}
        own = scheduler_name(trainer)
        is_set = options.mode == "apply" and self.plan is not None and self._apply(trainer, self.plan, top)
        self._announce(trainer, loop, self._done(own, is_set=is_set))
        if self.plan is None and options.on_no_signal == "error":
            raise NoSignalError(self.result.status.sentence)
        if options.mode == "only":
            self._stop(loop, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """With `mode="only"`, put the one step back that the Trainer makes before it stops."""
        if self._guard is not None:
            self._guard.close()
            state.global_step, state.epoch = 0, 0
            control.should_log = control.should_evaluate = control.should_save = False

    on_substep_end = on_step_end

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """With `mode="only"`, let nothing be evaluated or saved."""
        if self._guard is not None:
            control.should_log = control.should_evaluate = control.should_save = False
            self._guard = None

    def _search(self, trainer: Any, loop: StepLoop, shape: str | Schedule) -> LRResult:
        """Tune by pilots, or run the range test."""
        options, total = self.options, trainer.state.max_steps
        names = [cls.__name__ for one in trainer.callback_handler.callbacks for cls in type(one).__mro__]
        given: dict[str, Any] = {
            "total_steps": total,
            "schedule": shape,
            "early_stopping": "EarlyStoppingCallback" in names,
            "finetune": options.finetune,
            "lr_min": options.lr_min,
            "lr_max": options.lr_max,
            "evaluate_on": options.evaluate_on,
            "progress": not trainer.args.disable_tqdm,
        }
        tunes = options.rule is None and total * SHARE >= LEAST if options.tune == "auto" else options.tune
        if tunes:
            return tune_loop(loop, budget=options.budget, **given)
        return range_test(loop, steps=options.steps, rule=options.rule, **given)

    def _announce(self, trainer: Any, loop: StepLoop, done: str | None) -> None:
        """Print the report, log peak and interval, and hand the picture to the reporters."""
        result, plan = self.result, self.plan
        if result is None:
            return
        if loop.is_chief and self.options.verbose:
            # Beside the Trainer's progress bar, not into it.
            code = None if plan is None else transformers_code(plan) or BY_CALLBACK
            whole = "result.explain() of AutoLRCallback"
            said = report.text(
                result.evidence, plan, done=done, code=code, who="AutoLRCallback", whole=whole, most=MOST_LINES
            )
            tqdm.write(said)
        if plan is not None:
            low, high = plan.interval
            trainer.log({"lr_find_peak": plan.lr, "lr_find_low": low, "lr_find_high": high})
        if loop.is_chief:
            deliver(trainer, result)

    def _done(self, own: str, *, is_set: bool) -> str | None:
        """What is done with the result, as a phrase of the report; None where it says itself how to use it.

        `own` is what the Trainer's scheduler is called.
        """
        if not is_set and self.options.mode == "apply":
            return NOTHING
        if self.plan is None:
            return None
        if self.options.mode != "apply":
            by_hand = f"nothing. To train with it pass TrainingArguments(learning_rate={self.plan.lr:.3g}, ...)"
            return by_hand if self.options.schedule is None else None
        kept = f"the rate is set, and the {own} scheduler of the Trainer follows it"
        return kept if self.options.schedule is None else f"the rate is set, the schedule replaces the Trainer's {own}"

    def _apply(self, trainer: Any, plan: Plan, top: float | None) -> bool:
        """Set the rate, in the Trainer's scheduler too, or put the plan's in its place; return whether it is set."""
        if self.options.schedule is None or plan.schedule is None:
            return rescale_own(trainer, plan.lr, top)
        put(trainer, TrainerLR.of(trainer.optimizer, plan.schedule, plan.lr))
        length = trainer.state.max_steps
        self.saved = {**(self.saved or {}), "attached": to_plain(plan.schedule), "peak": plan.lr, "length": length}
        return True

    def _stop(self, loop: StepLoop, control: Any) -> None:
        """End the training after the one step that a Trainer makes before it looks, which is then put back."""
        self._guard = ExitStack()
        self._guard.enter_context(loop.preserved())
        control.should_training_stop = True

    def _go_on(self, trainer: Any, state: Any) -> None:
        """In a training that is resumed, take over what its checkpoint holds, the schedule included."""
        # The Trainer asks for this entry at its next save, and a checkpoint made without the callback has none.
        held = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        held = held[0] if isinstance(held, list) else held
        self.saved = held.get("attributes", {}).get("saved") or self.saved
        if self.saved is None:
            warnings.warn(
                f"AutoLRCallback measures nothing in this training, which was begun without it and goes on at step "
                f"{state.global_step}; start it anew to find its rate",
                LRFinderWarning,
                stacklevel=2,
            )
            return
        self.result = LRResult.parse(self.saved["result"])
        if self.saved["attached"] is None:
            return
        own = self.options.schedule
        is_own = self.saved["attached"]["family"] == "custom"
        schedule = from_plain(self.saved["attached"]) if not is_own or not callable(own) else own
        put(trainer, TrainerLR.of(trainer.optimizer, schedule, self.saved["peak"], state.global_step))
        if state.max_steps != self.saved["length"]:
            warn_of_length(self.result, self.saved["length"], state.max_steps)
