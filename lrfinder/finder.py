"""The range test with its miniature runs: `find_lr` for plain torch, `range_test` for anything that trains."""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Literal, Unpack, cast, get_args

from torch import nn

from lrfinder import arms, recommend
from lrfinder.curve import Curve
from lrfinder.divergence import batch_resolution, start_of
from lrfinder.errors import InputError, NoSignalError
from lrfinder.evidence import Evidence, Status, raced, rule_name
from lrfinder.evidence import measure as read
from lrfinder.feed import Loader
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.plan import PlanOptions, Wish
from lrfinder.result import LRResult
from lrfinder.rules import RULES, Rule
from lrfinder.signature import hint, shows_options_of
from lrfinder.sweep import Progress, ladder, sweep
from lrfinder.torch_loop import TorchLoop, TrainingOptions

__all__ = ["find_lr", "range_test"]

Measure = Literal["training", "validation"]

MIN_RUNGS = 10

FEWEST_TO_RACE, STEPS_OF_RACE, MOST_RACES = 75, 100, 4
"""Steps below which all are swept; one race of miniature runs for each whole hundred, one at least, four at most."""

SHARE_OF_RACES = 0.72
"""Of the steps, as far as there are races: the sweep draws the picture, the races set the number."""


class FindOptions(TrainingOptions, PlanOptions, total=False):
    """How to make an optimizer step, and what to plan for."""


@shows_options_of(Wish, hidden=("rule",), after=TorchLoop)
def find_lr(
    model: nn.Module,
    loader: Loader,
    *,
    steps: int = 100,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    rule: str | Rule | None = None,
    measure: Measure | None = None,
    progress: bool = True,
    strict: bool = False,
    **options: Unpack[FindOptions],
) -> LRResult:
    """Sweep the learning rate, race miniature runs, suggest a peak and a schedule; the training is left as it was.

    The state of model, optimizer, loader and random streams is put back however the search ends.

    Args:
        model: The module to train, on its device.
        loader: Anything that yields batches and can be iterated anew (a DataLoader, a list of batches), or a function
            that returns a fresh iterator; it starts again when it ends.
        steps: Optimizer steps that the search may cost; a forward alone counts a third of one (at least ten rungs are
            swept, whatever measuring on `val_loader` costs). From 75 on 72 % of them are miniature runs and the others
            are swept, unless a rule is named; beyond 100 it is 72 of each whole hundred, of four at most.
        lr_min: First rate of the reference group, the first with a trainable parameter; the others keep their ratio.
        lr_max: Last rate of the sweep, which nothing suggested exceeds; a miniature run may climb above it.
        rule: None weighs everything measured; or the name of a rule, or a function of the `Curve`, to take its rate.
        measure: `training` reads the loss before each step; `validation` that of a few fixed batches of `val_loader`
            after each step, for fine-tuning and small data. None measures on `val_loader` where there is one.
        progress: Show a bar on stderr while it is a terminal.
        strict: Raise where there is no reliable rate, instead of returning a result that says so.
        **options: What to plan for:

            - `total_steps`: optimizer steps of the training to come; without a length the schedule stays open.
            - `epochs`: its length in epochs instead, of `steps_per_epoch` (default: the loader's).
            - `schedule`: `recommended`, a name of `lrfinder.schedules.CATALOGUE`, or a function of the step that
              gives a factor of the peak; the suggested peak is the one for it.
            - `finetune`: the model is pretrained. `may_extend`: the training may go on beyond its end.
              `early_stopping`: it may end before. `open_ended`: nobody knows when it ends.

            How to make an optimizer step, as in `TorchLoop`:

            - `loss_fn`: takes (output, target), returns the loss; default: the model's own loss, or inferred.
            - `loss_step`: takes (model, batch), returns the loss. `train_step`: does the whole update too.
            - `optimizer`: default: AdamW over the trainable parameters; a list with `train_step`, all swept at their
              ratio, or the one whose index is `sweep`.
            - `accumulate`: micro-batches of a step. `clip_grad_norm`, `clip_grad_value`: the largest that is let pass.
            - `autocast`: `torch.bfloat16` or `torch.float16`. `scaler`: the GradScaler of a float16 training.
            - `channels_last`: how images are laid out. `val_loader`: batches kept aside, to measure on.
            - `snapshot`: `auto` does not copy frozen weights that are most of the model, `all` does.

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
    planning, training = _split(options)
    loop = TorchLoop(model, loader, **training)
    return range_test(
        loop,
        steps=steps,
        lr_min=lr_min,
        lr_max=lr_max,
        rule=rule,
        measure=measure,
        progress=progress,
        strict=strict,
        **planning,
    )


@shows_options_of(Wish, hidden=("rule",))
def range_test(
    loop: Loop,
    *,
    steps: int = 100,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    rule: str | Rule | None = None,
    measure: Measure | None = None,
    progress: bool = True,
    strict: bool = False,
    **planning: Unpack[PlanOptions],
) -> LRResult:
    """Do what `find_lr` does over any `Loop`.

    Args:
        loop: What trains.
        steps: Optimizer steps that the search may cost; see `find_lr`, as for all that follow.
        lr_min: First rate of the reference group.
        lr_max: Last rate.
        rule: Whose rate to take.
        measure: Which loss to read.
        progress: Whether to show a bar.
        strict: Whether to raise where there is no reliable rate.
        **planning: What to plan for: `total_steps` or `epochs`, `schedule`, `finetune` and the others.

    Returns:
        The result, the same on every rank.

    Raises:
        InputError: An argument that cannot be used.
        NoSignalError: With `strict`, no reliable rate.
    """
    lrs = ladder(lr_min, lr_max, steps)
    name = _checked_rule(rule)
    wish = Wish(rule=name, **planning)
    recommend.check(wish, loop.facts)
    races = _races(steps) if loop.can_measure and name is None else 0
    with loop.preserved() as snapshot, _bar(steps, shown=progress and loop.is_chief and sys.stderr is not None) as tell:
        held_out = _held_out(loop, measure)
        windows = [[loop.draw() for _ in range(arms.STEPS)] for _ in range(races)]
        cost_of_rung = 1.0 if held_out is None else 1 + len(held_out) / 3
        swept = steps - SHARE_OF_RACES * min(steps, STEPS_OF_RACE * races)
        if swept < cost_of_rung * steps:
            lrs = ladder(lr_min, lr_max, max(MIN_RUNGS, int(swept / cost_of_rung)))
        curve = sweep(loop, lrs, tell, held_out)
        evidence = read(curve, loop.facts, rule if callable(rule) else None, cost_of_rung)
        evidence = _raced(loop, snapshot, evidence, windows, steps, held_out, tell)
    result = _concluded(evidence, lrs, wish)
    if strict and result.plan is None:
        raise NoSignalError(result.status.sentence)
    return result


def _races(steps: int) -> int:
    return 0 if steps < FEWEST_TO_RACE else min(MOST_RACES, max(1, steps // STEPS_OF_RACE))


def _raced(
    loop: Loop,
    snapshot: Snapshot,
    evidence: Evidence,
    windows: list[list[Batch]],
    steps: int,
    held_out: Batch | None,
    tell: Progress | None,
) -> Evidence:
    """Add a race on each of the windows, with what the sweep left of the steps."""
    curve = evidence.curve
    if curve is None or not len(curve):
        return evidence
    small = 0.0 if held_out is None else batch_resolution(curve.losses)
    near, fall = arms.guess(curve), start_of(curve.levels) - min(curve.levels)
    run = partial(arms.race, loop, snapshot, near=near, small=small, fall=fall, held_out=held_out, tell=tell)
    left, made = float(steps - evidence.cost_steps), list[arms.Arms]()
    for i, batches in enumerate(windows):
        made.append(run(batches, budget=left / (len(windows) - i)))
        left -= made[-1].cost
    return raced(evidence, made)


def _held_out(loop: Loop, measure: Measure | None) -> Batch | None:
    """The validation batches to measure on, or None to read the training loss."""
    if measure not in (None, *get_args(Measure)):
        raise InputError(f"`measure` must be one of {', '.join(get_args(Measure))}, or None, got {measure!r}")
    held_out = None if measure == "training" else loop.held_out()
    if measure == "validation" and held_out is None:
        raise InputError('`val_loader` must be given to measure on it, got None; pass it, or measure="training"')
    return held_out


def _concluded(evidence: Evidence, lrs: list[float], wish: Wish) -> LRResult:
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
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(f"`rule` must be one of {', '.join(RULES)}, a function of the curve, or None, got {rule!r}")
    return rule


def _split(options: FindOptions) -> tuple[PlanOptions, TrainingOptions]:
    """What to plan for, and how to make an optimizer step."""
    known = {**PlanOptions.__annotations__, **TrainingOptions.__annotations__}
    for name in options:
        if name not in known:
            meant = hint(name, inspect.signature(find_lr).parameters)
            raise InputError(f"`find_lr` got an unexpected keyword argument {name!r}; {meant}")
    planning = {name: value for name, value in options.items() if name in PlanOptions.__annotations__}
    training = {name: value for name, value in options.items() if name not in planning}
    return cast(PlanOptions, planning), cast(TrainingOptions, training)


@contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[Progress | None]:
    """A progress bar on stderr, silent where that is no terminal.

    Yields:
        What to tell each rate and its loss, or None where no bar is wanted.
    """
    if not shown:
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in a notebook without ipywidgets there is no bar, and nothing to warn of
        from tqdm.auto import tqdm

    with tqdm(total=total, desc="lrfinder", unit="step", leave=False, disable=None) as bar:

        def tell(lr: float, loss: float) -> None:
            if not bar.disable:
                bar.set_postfix_str(f"lr {lr:.1e}, loss {loss:.4g}", refresh=False)
                bar.update()

        yield tell
