"""The search that a test makes inside a Trainer: a range test, or a tuning by pilots."""

import warnings
from typing import Any

from lightning_callbacks._compat import Trainer
from lightning_callbacks._hooks import failed_hook
from lightning_callbacks._horizon import callback_of
from lightning_callbacks._options import Options
from lightning_callbacks._request import FitRequest
from lrfinder import LRResult, StepLoop, range_test, tune_loop
from lrfinder.errors import InputError, LRFinderWarning, UpdateError
from lrfinder.search.budget import LEAST, SHARE, SHORTEST
from lrfinder.snapshot.contents import OUT_OF_MEMORY

__all__ = ["search_in_fit"]


def search_in_fit(options: Options, trainer: Trainer, loop: StepLoop, request: FitRequest) -> LRResult | None:
    """Tune by pilots, or run the range test; InputError for a tuning that was asked for and cannot be made here.

    Where a hook of the module's own does not let itself be searched, a warning says so and there is no result. Of
    several ranks each would have to see that: only for a rate that the hook sets is it so, any other error is raised.
    """
    tunes = _tunes(options, request.total_steps)
    try:
        return _search(options, trainer, loop, request, tunes=tunes)
    except OUT_OF_MEMORY:
        raise
    except Exception as error:
        hook = failed_hook(trainer, error)
        # A rank that went on alone would wait for the others for ever.
        if trainer.world_size > 1 and not isinstance(error, UpdateError):
            raise
        if hook is None or options.mode == "only" or options.on_no_signal == "error":
            raise
        warnings.warn(
            f"no learning rate was searched for, since `{hook}` of {type(trainer.lightning_module).__name__} does not "
            f"let itself be run in a search ({type(error).__name__}: {error}); everything is as it was, and the "
            'training goes on at the rates that it had. on_no_signal="error" ends it instead',
            LRFinderWarning,
            stacklevel=2,
        )
        return None


def _search(options: Options, trainer: Trainer, loop: StepLoop, request: FitRequest, *, tunes: bool) -> LRResult:
    given: dict[str, Any] = {
        "total_steps": request.total_steps,
        "schedule": request.schedule,
        "early_stopping": callback_of(trainer, "EarlyStopping") is not None,
        "finetune": options.finetune,
        "lr_min": options.lr_min,
        "lr_max": options.lr_max,
        "evaluate_on": options.evaluate_on,
        "progress": bool(getattr(trainer.progress_bar_callback, "is_enabled", False)),
    }
    if tunes:
        of_groups: Any = {"groups": options.groups, "group_budget": options.group_budget}
        return tune_loop(loop, budget=options.budget, **of_groups, **given)
    return range_test(loop, open_ended=request.is_open_ended, steps=options.steps, rule=options.rule, **given)


def _tunes(options: Options, total_steps: int | None) -> bool:
    """Whether to tune; raises InputError where that was asked for and cannot be done."""
    hindrances = {
        "where the length of the training is not known; give the Trainer `max_steps`, or `max_epochs` with a loader "
        "that has a length": total_steps is None,
        f"for a training of fewer than {SHORTEST} steps; pass `budget` in steps": options.budget is None
        and total_steps is not None
        and total_steps < SHORTEST,
        "where a rule is named, whose rate is read off a sweep": options.rule is not None,
    }
    hindered = [why for why, is_so in hindrances.items() if is_so]
    if options.tune is True and hindered:
        raise InputError(f'`tune` must be "auto" or False {hindered[0]}, got True')
    if options.tune == "auto":
        return not hindered and total_steps is not None and SHARE * total_steps >= LEAST
    return options.tune
