"""Random streams: how each kind is read and put back."""

import random
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import torch

__all__ = ["STREAMS", "global_streams", "stream_restore", "torch_streams"]

STREAMS = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState)


def stream_restore(stream: Any) -> Callable[[], object]:
    """What puts a stream back to where it is now."""
    if isinstance(stream, torch.Generator):
        return partial(stream.set_state, stream.get_state())
    if isinstance(stream, random.Random):
        return partial(stream.setstate, stream.getstate())
    if isinstance(stream, np.random.RandomState):
        return partial(stream.set_state, stream.get_state())
    return partial(setattr, stream.bit_generator, "state", stream.bit_generator.state)


def global_streams() -> list[Callable[[], object]]:
    """Restores for the random streams of Python, NumPy and torch."""
    return [
        partial(random.setstate, random.getstate()),
        partial(np.random.set_state, np.random.get_state()),
        *torch_streams(),
    ]


def torch_streams() -> list[Callable[[], object]]:
    """Restores for torch's random streams alone: cheap enough for every step, which NumPy's is not."""
    return [partial(put, get()) for get, put in _stream_access()]


@cache
def _stream_access() -> list[tuple[Callable[[], Any], Callable[[Any], object]]]:
    """How the state of each of torch's streams is read and put back; to look for devices takes too long for a step."""
    access: list[tuple[Callable[[], Any], Callable[[Any], object]]] = [(torch.get_rng_state, torch.set_rng_state)]
    if torch.cuda.is_available():
        access.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    if torch.backends.mps.is_available():
        access.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return access
