"""The guard: a training is put back exactly as it was, however the work inside ends."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lrfinder.errors import LRFinderWarning, StateLeak
from lrfinder.snapshot.contents import OUT_OF_MEMORY, Memory
from lrfinder.snapshot.reach import called_in
from lrfinder.snapshot.restores import local, same
from lrfinder.snapshot.signals import held_signals

__all__ = ["StateSnapshot", "forward_only", "preserved", "reshard"]

FROZEN_SHARE = 4 / 5
"""With `auto`, frozen parameters are watched instead of copied when they are more than this share of the bytes."""

SAMPLES = 64


class StateSnapshot:
    """A copy in memory of everything a training changes, to which it can be put back as often as wanted.

    Args:
        modules: The model, and whatever else computes the loss.
        optimizers: Their parameters are kept too where no module holds them.
        others: Further objects with state: a GradScaler, samplers, generators, schedulers, modules and optimizers,
            objects with `state_dict` and `load_state_dict`, plain objects with attributes.
        frozen: `auto` does not copy frozen parameters when they are more than four fifths of the bytes, and watches a
            sample of each instead; `all` copies everything.
        leave: Objects to leave alone where they are reached, as the data behind a sampler.
        device: Where the copies are kept; None keeps each beside its tensor.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        optimizers: Sequence[Optimizer],
        others: Sequence[object] = (),
        frozen: Literal["auto", "all"] = "auto",
        leave: Sequence[object] = (),
        device: torch.device | str | None = None,
    ) -> None:
        self._modules = list(modules)
        self._memory = Memory(device)
        # Before anything is kept: what is kept may reach these.
        for left in leave:
            self._memory.leave(left)
        self._watched: list[tuple[str, Tensor, Tensor]] = []
        named = {id(p): (name, p) for module in modules for name, p in module.named_parameters()}
        if frozen == "auto":
            self._watch_frozen(list(named.values()))
        for kept in (*modules, *(held for o in optimizers for held in _held_by(o))):
            self._memory.keep(kept)
        for reached in called_in(modules, optimizers):
            self._memory.keep(reached)
        for other in others:
            self._memory.keep_named(other)
        self._memory.keep_streams()

    def _watch_frozen(self, named: list[tuple[str, Tensor]]) -> None:
        frozen = [(name, p) for name, p in named if not p.requires_grad]
        if sum(p.nbytes for _, p in frozen) > FROZEN_SHARE * sum(p.nbytes for _, p in named):
            for name, p in frozen:
                self._memory.leave(p)
                self._memory.keep_grad(p)
                self._memory.keep(vars(p))
                self._watched.append((name, p, _sample(p)))

    def restore(self) -> None:
        """Put everything back as it was. What existed gets its contents back in place, what is new is dropped."""
        reshard(self._modules)
        self._memory.restore()

    def verify(self) -> None:
        """Check the frozen parameters that were not copied, and warn of what is used and was not put back.

        Raises:
            StateLeak: One of them has changed, so it could not be put back.
        """
        changed = [name for name, p, sample in self._watched if not same(_sample(p), sample)]
        if changed:
            raise StateLeak(
                f"frozen parameters were changed and not put back: {', '.join(changed[:5])} ({len(changed)} in all); "
                'load them again, and pass `snapshot="all"` so that frozen parameters are copied too'
            )
        for name in self._memory.changed():
            warnings.warn(
                f"the search has changed {name}, which the training uses, and could not put it back; name it in "
                "`also=[...]`, which does",
                LRFinderWarning,
                stacklevel=2,
            )


def _held_by(optimizer: Any) -> list[object]:
    """An optimizer and what it holds; a wrapper with handles of its own is opened, and so is what is inside it."""
    held: list[object] = []
    while optimizer is not None:
        held += [optimizer, getattr(optimizer, "__dict__", None)]
        held += [getattr(optimizer, "param_groups", None), getattr(optimizer, "state", None)]
        optimizer = getattr(optimizer, "optimizer", None)
    return held


@contextmanager
def forward_only(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Put back what a forward can change: buffers, modes, attributes, gradients and the global random streams.

    Parameters are neither copied nor put back.
    """
    memory = Memory()
    for module in modules:
        for p in module.parameters():
            memory.leave(p)
            memory.keep_grad(p)
            memory.keep(vars(p))
        memory.keep(module)
    memory.keep_streams()
    try:
        yield
    finally:
        memory.restore()


def reshard(modules: Sequence[nn.Module]) -> None:
    """Give up weights that FSDP2 has gathered: after a forward without a backward they would be used as they are."""
    for root in modules:
        for module in root.modules():
            give_up = getattr(module, "reshard", None)
            if type(module).__name__.startswith("FSDP") and callable(give_up):
                give_up()


def _sample(tensor: Tensor) -> Tensor:
    """Some 64 values spread over a tensor, or over this rank's shard of it, compared bit for bit later."""
    flat = local(tensor).detach().reshape(-1)
    return flat[:: max(1, flat.numel() // SAMPLES)].clone()


@contextmanager
def preserved(
    modules: Sequence[nn.Module],
    optimizers: Sequence[Optimizer],
    others: Sequence[object] = (),
    frozen: Literal["auto", "all"] = "auto",
    leave: Sequence[object] = (),
    device: torch.device | str | None = None,
) -> Iterator[StateSnapshot]:
    """Put a training back as it was at exit, on success, on an exception and on Ctrl-C (raised on); nests.

    What comes while it is put back, Ctrl-C or another signal, waits until that is done. The arguments are
    `StateSnapshot`'s.

    Restored in place: parameters, all buffers, gradients, requires-grad flags, train/eval flags and attributes of every
    submodule and of parameters, what forwards and hooks use, optimizer state (what did not exist
    is dropped) and groups, `others`, the global random streams.

    Yields:
        The snapshot; its `restore` may be called as often as wanted.

    Raises:
        StateLeak: A frozen parameter that was watched instead of copied has changed. When an exception is under way
            already, that one goes on, with this sentence as a note.
    """
    try:
        snapshot = StateSnapshot(modules, optimizers, others, frozen, leave, device)
    except OUT_OF_MEMORY as error:
        error.add_note(
            "lrfinder: there is no room for a copy of the weights, the buffers and the optimizer's state, from which "
            "they are put back; nothing was changed. Make room for it, or search on a smaller model of the same kind"
        )
        raise
    with ExitStack() as until_whole:
        try:
            try:
                yield snapshot
            finally:
                # An interrupt that falls before this line has ended is an error of the block.
                until_whole.enter_context(held_signals())
        except BaseException as error:
            _put_back(snapshot, error)
            raise
        _put_back(snapshot)


def _put_back(snapshot: StateSnapshot, error: BaseException | None = None) -> None:
    """Restore and check; a leak is a note on an error that is under way."""
    try:
        snapshot.restore()
        snapshot.verify()
    except StateLeak as leak:
        if error is None:
            raise
        # Guards are nested, and each of them would note the same leak.
        if str(leak) not in (str(error), *getattr(error, "__notes__", ())):
            error.add_note(str(leak))
