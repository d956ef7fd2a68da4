"""A Trainer of transformers as a `Loop`. Its private names are used here alone."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from inspect import signature
from itertools import islice
from typing import Any, Literal

import torch
from torch import Tensor

from lrfinder.errors import InputError
from lrfinder.integrations.accelerate import bare, check_engine
from lrfinder.loop import Batch, Facts
from lrfinder.training.feed import HELD_OUT_BATCHES, Feed, shallow_copy
from lrfinder.training.host import EvaluateIn, Host
from lrfinder.training.step_loop import StepLoop
from lrfinder.training.targets import exchange

__all__ = ["TrainerLoop", "trainer_of"]

CONTAINERS = (dict, list, set, Tensor)


def trainer_of(callback: object) -> Any:
    """Return the Trainer that is calling a callback; its hooks get parts of it, and not the Trainer."""
    frame = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        handler = getattr(owner, "callback_handler", None)
        if handler is not None and any(one is callback for one in handler.callbacks):
            return owner
        frame = frame.f_back  # type: ignore[assignment]
    raise InputError(
        f"`{type(callback).__name__}` must be called by the Trainer that it was given to, got a call from elsewhere; "
        "pass it as callbacks=[...] and call trainer.train()"
    )


def TrainerLoop(
    trainer: Any,
    loader: Any,
    *,
    also: Sequence[object] = (),
    snapshot: Literal["auto", "all"] = "auto",
    snapshot_device: torch.device | str | None = None,
    evaluate_in: EvaluateIn | None = None,
) -> StepLoop:
    """Make a `StepLoop` of a Trainer that is about to train on a loader, as in a callback's `on_train_begin`.

    A batch is all micro-batches of an optimizer step: the Trainer divides their losses by what it counts in all of
    them. `also`, `snapshot`, `snapshot_device` and `evaluate_in` are as in `AutoLRCallback`. A Trainer that cannot be
    measured with raises InputError.
    """
    accelerator, args = trainer.accelerator, trainer.args
    check_engine(accelerator)
    if not hasattr(trainer.optimizer, "step_was_skipped"):
        raise InputError(
            f"`trainer` must have an optimizer that Accelerate has prepared, got a {type(trainer.optimizer).__name__}; "
            "find the rate without SageMaker's model parallelism and pass it to the real run"
        )
    step, scaler = _Step(trainer), accelerator.scaler
    data = [getattr(trainer, name, None) for name in ("train_dataset", "eval_dataset")]
    return StepLoop(
        update=step,
        forward=step.forward,
        modules=[trainer.model_wrapped],
        optimizers=bare(trainer.optimizer),
        loader=_feed(loader, args.gradient_accumulation_steps),
        val_loader=_held_out(trainer),
        state=[
            *also,
            *([] if scaler is None else [scaler]),
            vars(trainer.optimizer),
            vars(trainer.lr_scheduler),
            accelerator.gradient_state,
        ],
        snapshot=snapshot,
        snapshot_device=snapshot_device,
        evaluate_in=evaluate_in,
        host=Host(
            device=args.device,
            around=partial(_set_aside, trainer),
            # What a Trainer counts and logs while it makes a step.
            reached=[value for name, value in vars(trainer).items() if isinstance(value, CONTAINERS)],
            leave=[one for one in data if one is not None],
            update_name=f"`training_step` of {type(trainer).__name__}",
            describe=partial(_describe, trainer),
            exchange_targets=_exchange,
        ),
    )


class _Step:
    """One optimizer step of a Trainer, as its own loop makes it, without callbacks and counters."""

    def __init__(self, trainer: Any) -> None:
        self._trainer, self._model = trainer, trainer.model_wrapped
        self._takes_device = len(signature(trainer.get_batch_samples).parameters) > 2

    def __call__(self, batch: Batch) -> Tensor | None:
        """Make one step; return the loss before it as the Trainer would log it, or None where a scaler skipped it."""
        trainer, accelerator = self._trainer, self._trainer.accelerator
        micros, items = self._counted(batch[0])
        losses = []
        for i, inputs in enumerate(micros):
            is_last = i == len(micros) - 1
            accelerator.gradient_state._set_sync_gradients(is_last)
            syncs = is_last or accelerator.gradient_state.plugin_kwargs.get("sync_each_batch", False)
            with nullcontext() if syncs else accelerator.no_sync(model=self._model):
                losses.append(trainer.training_step(self._model, inputs, items))
        if trainer.args.max_grad_norm:
            accelerator.clip_grad_norm_(self._model.parameters(), trainer.args.max_grad_norm)
        trainer.optimizer.step()
        self._model.zero_grad()
        return None if accelerator.optimizer_step_was_skipped else torch.stack(losses).sum()

    def forward(self, bundle: Any) -> Tensor:
        """Return the loss of all micro-batches of a step, in the mode that the model is in, without an update."""
        micros, items = self._counted(bundle)
        with _replaced(self._trainer.accelerator, "backward", lambda *_, **__: None), self._as_it_is():
            losses = [self._trainer.training_step(self._model, inputs, items) for inputs in micros]
        return torch.stack(losses).sum()

    def _counted(self, bundle: Any) -> tuple[list[Any], Any]:
        """The micro-batches, and what the Trainer counts in them, to divide the sum of their losses by."""
        arguments = [self._trainer.args.device] if self._takes_device else []
        micros, items = self._trainer.get_batch_samples(iter(bundle), len(bundle), *arguments)
        self._trainer.current_gradient_accumulation_steps = len(micros)
        return micros, items

    def _as_it_is(self) -> Any:
        """Keep `training_step` from setting train mode where a loss is measured in that of evaluation."""
        if self._model.training:
            return nullcontext()
        return _replaced(self._model, "train", lambda mode=True: self._model)


@contextmanager
def _replaced(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Give an object another method, until the block ends."""
    own = {name: vars(owner)[name]} if name in vars(owner) else {}
    vars(owner)[name] = function
    try:
        yield
    finally:
        del vars(owner)[name]
        vars(owner).update(own)


@contextmanager
def _set_aside(trainer: Any) -> Iterator[None]:
    """Put a Trainer's attributes back at exit, and what a loader for evaluation leaves in it and its accelerator."""
    held, handler = dict(vars(trainer)), trainer.callback_handler
    loaders, evaluation = list(trainer.accelerator._dataloaders), handler.eval_dataloader
    try:
        yield
    finally:
        vars(trainer).clear()
        vars(trainer).update(held)
        trainer.accelerator._dataloaders[:] = loaders
        handler.eval_dataloader = evaluation


def _feed(loader: Any, parts: int) -> Feed:
    """A stream of all micro-batches of an optimizer step at a time, from copies of the Trainer's loader."""
    length = None
    with suppress(TypeError, NotImplementedError):
        length = -(-len(loader) // parts)
    return Feed(lambda: _bundles(loader, parts), 1, "train_dataset", [loader], length)


def _bundles(loader: Any, parts: int) -> Iterator[list[Any]]:
    batches = iter(shallow_copy(loader))
    while bundle := list(islice(batches, parts)):
        yield bundle


def _held_out(trainer: Any) -> Feed | None:
    """The first batches of the data to evaluate on, each a step of its own; None where there are none."""
    if trainer.eval_dataset is None:
        return None
    several = isinstance(trainer.eval_dataset, Mapping)
    name = [next(iter(trainer.eval_dataset))] if several else []
    return Feed(lambda: ([micro] for micro in trainer.get_eval_dataloader(*name)), HELD_OUT_BATCHES, "eval_dataset")


def _exchange(bundle: Any) -> Any:
    """The micro-batches with the labels of other inputs, or None where they name none."""
    micros = [
        exchange(micro, "labels") if isinstance(micro, Mapping) and "labels" in micro else None for micro in bundle
    ]
    return None if any(micro is None for micro in micros) else micros


def _describe(trainer: Any, facts: Facts) -> Facts:
    """What is known of the training, in the Trainer's words."""
    args, mixed = trainer.args, trainer.accelerator.mixed_precision
    source = "compute_loss_func" if trainer.compute_loss_func is not None else "compute_loss"
    return replace(
        facts,
        model=type(trainer.accelerator.unwrap_model(trainer.model)).__name__,
        loss=f"{source} of {type(trainer).__name__}",
        batch_size=trainer._train_batch_size * args.gradient_accumulation_steps,
        precision=facts.precision if mixed in (None, "no") else f"{facts.precision}, mixed precision {mixed}",
    )
