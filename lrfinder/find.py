"""The range test and its short trials: `find_lr` for plain torch, `range_test` for anything that trains."""

from typing import Unpack

from torch import nn

from lrfinder.advice.recommend import check_request, starts_low
from lrfinder.advice.request import PlanOptions, Request
from lrfinder.checks import check_flag
from lrfinder.display.progress import bar
from lrfinder.errors import NoSignalError
from lrfinder.evidence.rules import RuleFunction, check_rule
from lrfinder.keywords import accepts_old_names, shows_options_of, split_options
from lrfinder.loop import Loop
from lrfinder.result import LRResult, conclude
from lrfinder.search.measure import EvaluateOn, SearchOptions, held_out_of, search
from lrfinder.search.sweep import exponential_range
from lrfinder.snapshot.exclusive import exclusive
from lrfinder.training import distributed
from lrfinder.training.feed import Loader
from lrfinder.training.torch_loop import TorchLoop

__all__ = ["find_lr", "range_test"]


@shows_options_of(Request, hidden=("rule",), after=TorchLoop)
@accepts_old_names
@distributed.fail_together()
def find_lr(
    model: nn.Module,
    loader: Loader,
    *,
    steps: int = 100,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    rule: str | RuleFunction | None = None,
    evaluate_on: EvaluateOn | None = None,
    progress: bool = True,
    strict: bool = False,
    **options: Unpack[SearchOptions],
) -> LRResult:
    """Sweep the learning rate, run short trials, suggest a peak and a schedule; the training is left as it was.

    The state of model, optimizer, loader and random streams is put back however the search ends.

    Args:
        model: The module to train, on its device.
        loader: Anything that yields batches and can be iterated anew (a DataLoader, a list of batches), or a function
            that returns a fresh iterator; it starts again when it ends.
        steps: Optimizer steps that the search may cost; a forward alone counts a third of one. From 75 on most go into
            trials, the others into the sweep; below 75, or where a rule is named, all are swept.
        lr_min: First rate of the reference group, the first with a trainable parameter; the others keep their ratio.
        lr_max: Last rate of the sweep, which nothing suggested exceeds; a trial may rise above it.
        rule: None weighs everything measured; or the name of a rule, or a function of the `Curve`, to take its rate.
        evaluate_on: `training` reads the loss before each step; `validation` that of a few fixed batches of
            `val_loader` after each step, for fine-tuning and small data. None takes `val_loader` where there is one.
        progress: Show a bar on stderr while it is a terminal.
        strict: Raise where there is no reliable rate, instead of returning a result that says so.
        **options: What to plan for:

            - `total_steps`: optimizer steps of the training to come; without a length the schedule stays open.
            - `epochs`: its length in epochs instead. `steps_per_epoch`: by default those of the loader.
            - `schedule`: `recommended`, a name of `lrfinder.schedules.CATALOGUE`, or a function of the step that
              gives a factor of the peak; the suggested peak is the one for it.
            - `finetune`: the model is pretrained. `may_extend`: the training may go on beyond its end.
              `early_stopping`: it may end before. `open_ended`: nobody knows when it ends.

            And how to make an optimizer step; `help(lrfinder.TorchLoop)` explains each:

            - `optimizer`, by default AdamW; `loss_fn`, by default the model's own or inferred; `loss_step` or
              `train_step` for what these cannot say; `val_loader`, `accumulate`, `clip_grad_norm`, `autocast`, ...

    Returns:
        The result, to `print` and to `plot`. `lr` is the peak, None where `status` says why there is no reliable one.
        `attach(optimizer)` gives the scheduler to train with, `apply(optimizer)` sets the rate alone.

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
    planning, training = split_options(options, find_lr)
    loop = TorchLoop(model, loader, **training)
    return range_test(
        loop,
        steps=steps,
        lr_min=lr_min,
        lr_max=lr_max,
        rule=rule,
        evaluate_on=evaluate_on,
        progress=progress,
        strict=strict,
        **planning,
    )


@shows_options_of(Request, hidden=("rule",))
@accepts_old_names
@distributed.fail_together()
def range_test(
    loop: Loop,
    *,
    steps: int = 100,
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    rule: str | RuleFunction | None = None,
    evaluate_on: EvaluateOn | None = None,
    progress: bool = True,
    strict: bool = False,
    **planning: Unpack[PlanOptions],
) -> LRResult:
    """Do what `find_lr`, which explains the rest, does over any `Loop`; every rank returns the same result."""
    check_flag("progress", progress)
    check_flag("strict", strict)
    lrs = exponential_range(lr_min, lr_max, steps)
    request = Request(rule=check_rule(rule), **planning)
    check_request(request, loop.facts)
    with exclusive(), loop.preserved() as snapshot, bar(loop, steps, wanted=progress) as on_step:
        held_out = held_out_of(loop, evaluate_on)
        evidence = search(
            loop, snapshot, lrs, rule=rule, held_out=held_out, centers=starts_low(loop.facts, request), on_step=on_step
        )
    result = conclude(evidence, request)
    if strict and result.plan is None:
        raise NoSignalError(result.status.sentence)
    return result
