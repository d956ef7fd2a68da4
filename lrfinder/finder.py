"""The range test: `find_lr` for plain torch, `range_test` for anything that trains."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral
from typing import Any, TypeVar, Unpack

from torch import nn

from lrfinder import recommend
from lrfinder.curve import Curve
from lrfinder.errors import InputError, NoSignalError
from lrfinder.evidence import Evidence, Status, measure, rule_name
from lrfinder.loop import Loop
from lrfinder.result import LRResult
from lrfinder.rules import RULES, Rule
from lrfinder.schedules import Schedule
from lrfinder.sweep import Progress, ladder, sweep
from lrfinder.torch_loop import TorchLoop, TrainingOptions

__all__ = ["find_lr", "range_test"]

Verb = TypeVar("Verb", bound=Callable[..., LRResult])


def _shows_options_of(loop: type) -> Callable[[Verb], Verb]:
    """Let a verb's signature show the keyword options that it hands to a loop, with their defaults."""

    def show(verb: Verb) -> Verb:
        own = [p for p in inspect.signature(verb).parameters.values() if p.kind is not p.VAR_KEYWORD]
        options = [p for p in inspect.signature(loop).parameters.values() if p.kind is p.KEYWORD_ONLY]
        verb.__signature__ = inspect.signature(verb).replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        return verb

    return show


@_shows_options_of(TorchLoop)
def find_lr(
    model: nn.Module,
    loader: Iterable[Any] | Callable[[], Iterable[Any]],
    *,
    total_steps: int | None = None,
    schedule: str | Schedule = "recommended",
    steps: int = 100,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    rule: str | Rule | None = None,
    progress: bool = True,
    strict: bool = False,
    **training: Unpack[TrainingOptions],
) -> LRResult:
    """Sweep the learning rate over mini-batches and suggest a peak and a schedule; the training is left as it was.

    The state of model, optimizer, loader and random streams is put back however the sweep ends.

    Args:
        model: The module to train, on its device.
        loader: Anything that yields batches and can be iterated anew (a DataLoader, a list of batches), or a function
            that returns a fresh iterator; it starts again when it ends.
        total_steps: Optimizer steps of the training to come; None leaves the schedule open.
        schedule: `recommended`, a name of `lrfinder.schedules.CATALOGUE`, or a function of the step that gives a factor
            of the peak. The suggested peak is the one for this schedule.
        steps: Optimizer steps that the sweep may cost.
        lr_min: First rate of the reference group, the first with a trainable parameter; the others keep their ratio.
        lr_max: Last rate.
        rule: None weighs everything measured; or the name of a rule, or a function of the `Curve`, to take its rate.
        progress: Show a bar on stderr while it is a terminal.
        strict: Raise where there is no reliable rate, instead of returning a result that says so.
        **training: How to make an optimizer step, as in `TorchLoop`: `loss_fn` (the model's own loss, or inferred),
            `optimizer` (AdamW over the trainable parameters), `accumulate`, `clip_grad_norm`, `snapshot`.

    Returns:
        The result: `print` it, `plot` it, `apply` it.

    Raises:
        InputError: An argument that cannot be used, or a batch without a usable loss; nothing was changed.
        NoSignalError: With `strict`, no reliable rate.
        StateLeak: A frozen parameter was changed by the training itself and could not be put back.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(256, 4)
        >>> batches = [(rows, rows @ torch.ones(4, 1)) for rows in x.split(16)]
        >>> found = find_lr(torch.nn.Linear(4, 1), batches, total_steps=500)
        >>> str(found.status), found.plan.warmup, found.interval[0] < found.lr < found.interval[1]
        ('ok', 25, True)
    """
    loop = TorchLoop(model, loader, **training)
    return range_test(
        loop,
        total_steps=total_steps,
        schedule=schedule,
        steps=steps,
        lr_min=lr_min,
        lr_max=lr_max,
        rule=rule,
        progress=progress,
        strict=strict,
    )


def range_test(
    loop: Loop,
    *,
    total_steps: int | None = None,
    schedule: str | Schedule = "recommended",
    steps: int = 100,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    rule: str | Rule | None = None,
    progress: bool = True,
    strict: bool = False,
) -> LRResult:
    """Do what `find_lr` does over any `Loop`.

    Args:
        loop: What trains.
        total_steps: See `find_lr`, as all that follow.
        schedule: What the peak is for.
        steps: Optimizer steps of the sweep.
        lr_min: First rate of the reference group.
        lr_max: Last rate.
        rule: Whose rate to take.
        progress: Whether to show a bar.
        strict: Whether to raise where there is no reliable rate.

    Returns:
        The result, the same on every rank.

    Raises:
        InputError: An argument that cannot be used.
        NoSignalError: With `strict`, no reliable rate.
    """
    lrs = ladder(lr_min, lr_max, steps)
    name = _checked_rule(rule)
    total_steps = _checked_horizon(total_steps, schedule)
    with _bar(len(lrs), shown=progress and loop.is_chief) as tell, loop.preserved():
        curve = sweep(loop, lrs, tell)
    evidence = measure(curve, loop.facts, rule if callable(rule) else None)
    result = _concluded(evidence, lrs, recommend.Wish(total_steps, schedule, name))
    if strict and result.plan is None:
        raise NoSignalError(result.status.sentence)
    return result


def _concluded(evidence: Evidence, lrs: list[float], wish: recommend.Wish) -> LRResult:
    """Evidence with its plan, if it holds one; a peak beyond the ladder is none."""
    if evidence.status is not Status.OK:
        return LRResult(evidence, None)
    plan = recommend.plan(evidence, wish)
    if plan is None or not lrs[0] <= plan.lr <= lrs[-1]:
        return LRResult(replace(evidence, status=Status.OUT_OF_RANGE), None)
    return LRResult(evidence, plan)


def _checked_rule(rule: str | Callable[[Curve], float | None] | None) -> str | None:
    """The name under which the wanted rule's suggestion is found."""
    if rule is None:
        return None
    if callable(rule):
        return rule_name(rule)
    if rule not in RULES:
        raise InputError(f"`rule` must be one of {', '.join(RULES)}, a function of the curve, or None, got {rule!r}")
    return rule


def _checked_horizon(total_steps: object, schedule: str | Schedule) -> int | None:
    """The optimizer steps to come as a plain number, if a schedule can be made for them."""
    if total_steps is None:
        recommend.chosen(schedule, recommend.QUOTED_STEPS)
        return None
    if isinstance(total_steps, bool) or not isinstance(total_steps, Integral) or total_steps < 1:
        raise InputError(
            f"`total_steps` must be a positive number of optimizer steps, got {total_steps!r}; "
            "it is epochs * len(loader), over the accumulated batches of a step"
        )
    recommend.chosen(schedule, int(total_steps))
    return int(total_steps)


@contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[Progress | None]:
    """A progress bar on stderr, silent where that is no terminal.

    Yields:
        What to tell each rate and its loss, or None where no bar is wanted.
    """
    if not shown:
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc="lrfinder", unit="step", leave=False, disable=None) as bar:

        def tell(lr: float, loss: float) -> None:
            if not bar.disable:
                bar.set_postfix_str(f"lr {lr:.1e}, loss {loss:.4g}", refresh=False)
                bar.update()

        yield tell
