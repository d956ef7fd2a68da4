"""The names of options and results: what `help` shows, what other finders call them, those that have changed."""

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lrfinder.advice.request import PlanOptions
from lrfinder.errors import InputError

if TYPE_CHECKING:
    from lrfinder.training.options import TrainingOptions

__all__ = [
    "RENAMED",
    "accepts_old_names",
    "hint",
    "shows_options_of",
    "split_options",
    "warn_of_old_name",
    "where_it_is",
]

Verb = TypeVar("Verb", bound=Callable[..., Any])

RENAMED = {"measure": "evaluate_on"}
"""Options by the name that they had before, for this release only."""

CALLED_ELSEWHERE = {
    "loss_fn": ("criterion", "loss", "loss_func"),
    "lr_min": ("lr_start", "min_lr", "start_lr"),
    "lr_max": ("end_lr", "lr_end", "max_lr"),
    "steps": ("num_it", "num_iter", "num_steps", "num_training", "budget"),
    "budget": ("num_it", "num_iter", "num_steps", "num_training", "steps"),
    "accumulate": ("accumulate_grad_batches", "accumulation_steps", "gradient_accumulation_steps"),
    "clip_grad_norm": ("gradient_clip_val", "max_norm"),
    "schedule": ("scheduler",),
    "total_steps": ("max_steps", "num_training_steps"),
    "epochs": ("max_epochs",),
}
"""What other finders and trainers call an option."""

HELD_AS = {
    "found.lr": ("best_lr", "learning_rate", "peak", "suggested_lr", "suggestion"),
    "found.plan.schedule": ("schedule",),
    "found.attach(optimizer)": ("lr_scheduler", "scheduler"),
    "found.plan.warmup": ("warmup", "warmup_steps"),
    "found.plan.total_steps": ("total_steps",),
    "found.plan.reasons": ("reasons",),
    "found.curve.lrs and found.curve.losses": ("history", "losses", "lrs", "results"),
}
"""What a result holds, by the names under which other finders hold it."""


def hint(name: str, known: Iterable[str]) -> str:
    """Return what to say of a keyword that does not exist: the option that was probably meant, or all that there are.

    >>> hint("min_lr", ["lr_min", "lr_max"])
    'did you mean lr_min?'
    """
    if name == "device":
        return "the model's own device is used: move the model there before"
    options = sorted(known)
    meant = [option for option, others in CALLED_ELSEWHERE.items() if name in others and option in options]
    near = meant or get_close_matches(name, options, 1)
    return f"did you mean {near[0]}?" if near else f"it takes {', '.join(options)}"


def where_it_is(name: str) -> str | None:
    """Return what a result calls something that other finders hold as `name`, or None.

    >>> where_it_is("best_lr"), where_it_is("colour")
    ('found.lr', None)
    """
    return next((held for held, others in HELD_AS.items() if name in others), None)


def warn_of_old_name(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn that a name has changed; the old one works in this release too."""
    text = f"`{old}` is now called `{new}`, and the next release will not know the old name; change it"
    warnings.warn(text, FutureWarning, stacklevel=stacklevel)


def accepts_old_names(verb: Verb) -> Verb:
    """Let a function take an option by the name that it had before, with a warning."""
    first = [p.name for p in inspect.signature(verb).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]

    @wraps(verb)
    def call(*args: Any, **options: Any) -> Any:
        _check_places(verb.__name__, first, args)
        for old, new in RENAMED.items():
            if old in options:
                if new in options:
                    raise InputError(f"`{old}` is the old name of `{new}`; both were given: drop `{old}`")
                warn_of_old_name(old, new)
                options[new] = options.pop(old)
        return verb(*args, **options)

    return call  # type: ignore[return-value]


def _check_places(verb: str, first: Sequence[str], args: Sequence[object]) -> None:
    """Raise InputError for the order of other finders, with the keyword of each argument that shows what it is."""
    meant = list(dict.fromkeys(name for value in args[1:] if (name := _keyword_of(value)))) if len(first) > 1 else []
    if len(args) <= len(first) and not meant:
        return
    call = f"{verb}({', '.join((*first, *(f'{name}=...' for name in meant or ['name'])))})"
    if meant:
        names = " and ".join(f"`{name}`" for name in meant)
        raise InputError(f"`{verb}` must get {names} by name, got {len(args)} arguments by their places; call {call}")
    raise InputError(
        f"`{verb}` must get all but its first arguments by name, got {len(args)} by their places; call {call}"
    )


def _keyword_of(value: object) -> str | None:
    """The keyword for an optimizer or a loss; None for anything else, a function that returns batches included."""
    if hasattr(value, "add_param_group"):
        return "optimizer"
    if not callable(value) or hasattr(value, "__iter__") or hasattr(value, "__getitem__"):
        return None
    return "loss_fn" if hasattr(value, "forward") or _needs_arguments(value) else None


def _needs_arguments(function: Callable[..., object]) -> bool:
    """Whether it cannot be called without an argument."""
    try:
        inspect.signature(function).bind()
    except ValueError:  # it shows no signature
        return False
    except TypeError:
        return True
    return False


def shows_options_of(
    *records: type, hidden: tuple[str, ...] = (), after: Callable[..., object] | None = None
) -> Callable[[Verb], Verb]:
    """Let a function's signature show the options that it hands on, with their defaults.

    The arguments of `records`, but for those `hidden` that the function does not take or takes under its own name, come
    before its own keywords; the keyword-only arguments of `after` come last, without the types
    that it shows itself.
    """

    def show(verb: Verb) -> Verb:
        own = [p for p in inspect.signature(verb).parameters.values() if p.kind is not p.VAR_KEYWORD]
        first = [p for p in own if p.kind is not p.KEYWORD_ONLY]
        before = [
            p.replace(kind=p.KEYWORD_ONLY)
            for record in records
            for p in inspect.signature(record).parameters.values()
            if p.name not in hidden
        ]
        options = [] if after is None else inspect.signature(after).parameters.values()
        last = [p.replace(annotation=p.empty) for p in options if p.kind is p.KEYWORD_ONLY]
        shown = [*first, *before, *(p for p in own if p not in first), *last]
        verb.__signature__ = inspect.signature(verb).replace(parameters=shown)  # type: ignore[attr-defined]
        return verb

    return show


def split_options(options: Mapping[str, Any], verb: Callable[..., object]) -> "tuple[PlanOptions, TrainingOptions]":
    """Split the options of a verb into what to plan for and how to make an optimizer step.

    A keyword that the verb does not take raises InputError, with the one that was probably meant.
    """
    from lrfinder.training.options import TrainingOptions

    for name in options:
        if name not in {**PlanOptions.__annotations__, **TrainingOptions.__annotations__}:
            meant = hint(name, inspect.signature(verb).parameters)
            raise InputError(f"`{verb.__name__}` got an unexpected keyword argument {name!r}; {meant}")
    planning = {name: value for name, value in options.items() if name in PlanOptions.__annotations__}
    training = {name: value for name, value in options.items() if name not in planning}
    return cast("PlanOptions", planning), cast("TrainingOptions", training)
