"""An endless stream of batches from a loader that is left as it was."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from torch.utils.data import DataLoader, Dataset, IterableDataset

from lrfinder.errors import InputError
from lrfinder.snapshot.contents import Surface
from lrfinder.snapshot.reach import names_of
from lrfinder.training.batch import describe

__all__ = ["HELD_OUT_BATCHES", "Feed", "Loader", "as_feed", "shallow_copy"]

HELD_OUT_BATCHES = 4
"""Batches of a validation loader that a loop measures on."""

Loader: TypeAlias = Iterable[Any] | Callable[[], Iterable[Any]]
"""Anything that yields batches and can be iterated anew, or a function that returns a fresh iterator."""


class Feed:
    """Batches from a loader, several at a draw; it starts again when it ends, and no draw straddles that end.

    The loader itself is not touched: a DataLoader is iterated through a shallow copy with workers of its own. The
    generators behind it and the attributes of samplers, loaders and data sets are what `stateful` names, for the guard
    to put back.

    Args:
        loader: Anything that can be iterated anew, or a function that returns a fresh iterator.
        per_draw: Batches of one draw (the micro-batches of an optimizer step).
        name: What errors call the loader.
        sources: The loaders behind it, whose state is kept; None takes the loader itself.
        batches_per_epoch: Batches until it ends; None takes its length, where it has one.

    Raises:
        InputError: The loader, or one behind it, is not iterable, or is its own iterator.
    """

    def __init__(
        self,
        loader: Loader,
        per_draw: int = 1,
        name: str = "loader",
        sources: Sequence[Loader] | None = None,
        batches_per_epoch: int | None = None,
    ) -> None:
        for source in sources or ():
            _fresh_iterable(source, name)
        self._fresh = _fresh_iterable(loader, name)
        self._loader, self._name = loader, name
        self._sources = [loader] if sources is None else list(sources)
        self._batches_per_epoch = batches_per_epoch
        self.per_draw = per_draw
        self._iterator: Iterator[Any] | None = None
        self._has_yielded = False

    def draw(self) -> list[Any]:
        """Return the next batches, fewer than `per_draw` where the loader ends; InputError where it yields nothing."""
        batches = self._take()
        if not batches:
            self._iterator = self._started()
            batches = self._take()
        if not batches and self._has_yielded:
            raise InputError(
                f"`{self._name}` must return a fresh iterator at each call, got the finished one again from this "
                f"{type(self._loader).__name__}; make the iterator inside the function"
            )
        if not batches:
            raise InputError(
                f"`{self._name}` must yield at least one batch, got none from this {type(self._loader).__name__}; "
                "look at the length of its data set, at `drop_last` and at its sampler"
            )
        self._has_yielded = True
        return batches

    def _started(self) -> Iterator[Any]:
        fresh: object = self._fresh()
        if not isinstance(fresh, Iterable) and not hasattr(fresh, "__getitem__"):
            raise InputError(f"`{self._name}` must return an iterator of batches when it is called, got {fresh!r:.60}")
        return iter(cast("Iterable[Any]", fresh))

    def _take(self) -> list[Any]:
        batches: list[Any] = []
        # An epoch that ends here makes a smaller step, as it does in most trainings: no draw goes on into the next.
        while self._iterator is not None and len(batches) < self.per_draw:
            try:
                batches.append(next(self._iterator))
            except StopIteration:
                self._iterator = None
        return batches

    def stop(self) -> None:
        """Forget where the stream is, and end its workers; the next draw starts anew."""
        # The workers of a DataLoader end with the copy that made them, so that the next pass needs another copy.
        self._iterator = None
        self._fresh = _fresh_iterable(self._loader, self._name)

    @property
    def draws_per_epoch(self) -> int | None:
        """Draws until the loader ends, or None where it has no length."""
        try:
            batches = len(self._loader) if self._batches_per_epoch is None else self._batches_per_epoch  # type: ignore[arg-type]
        except (TypeError, NotImplementedError, AttributeError):
            return None
        return -(-batches // self.per_draw)

    def stateful(self) -> tuple[list[object], list[object]]:
        """What a pass over the loader changes in it, and the data behind it that must be left alone."""
        sources = [source for loader in self._sources for source in _sources_of(loader)]
        samplers = [sampler for source in sources for sampler in _samplers(source)]
        state = [*map(Surface, sources), *(vars(s) for s in samplers if hasattr(s, "__dict__"))]
        functions = [function for s in sources for function in (s, getattr(s, "collate_fn", None))]
        state += [name for function in functions for name in names_of(function)]
        data = [getattr(s, "data_source", None) for s in samplers] + [getattr(s, "dataset", None) for s in sources]
        data += [loader for loader in self._sources if isinstance(loader, (list, tuple))]
        return state, [d for d in data if d is not None and not isinstance(d, Dataset)]


def as_feed(loader: Loader | Feed, per_draw: int, name: str) -> Feed:
    """Return a loader as a feed, and a feed as it is."""
    return loader if isinstance(loader, Feed) else Feed(loader, per_draw, name)


def _sources_of(loader: object) -> list[object]:
    """A loader, and the loaders and data sets that it takes its batches from."""
    sources: list[object] = [loader]
    for source in sources:
        held = [*getattr(source, "__dict__", {}).values(), getattr(source, "dataset", None)]
        inner = getattr(source, "datasets", None)
        held += inner if isinstance(inner, (list, tuple)) else []
        sources += [h for h in held if isinstance(h, (Dataset, DataLoader)) and not any(h is s for s in sources)]
    return sources


def _samplers(loader: object) -> list[object]:
    batch_sampler = getattr(loader, "batch_sampler", None)
    found = [batch_sampler, getattr(loader, "sampler", None), getattr(batch_sampler, "sampler", None)]
    return [sampler for sampler in found if sampler is not None]


def _fresh_iterable(loader: Any, name: str) -> Callable[[], Iterable[Any]]:
    """A function that returns a new iterable over the loader at each call."""
    if isinstance(loader, DataLoader):
        clone = shallow_copy(loader)
        return lambda: clone
    if isinstance(loader, Dataset) and not isinstance(loader, IterableDataset):
        raise InputError(
            f"`{name}` must yield batches, got the data set {type(loader).__name__}, which yields samples; pass "
            "DataLoader(dataset, batch_size=...), with batch_size=None where its items are batches"
        )
    if isinstance(loader, Iterator):
        raise InputError(
            f"`{name}` must be something that can be iterated anew, got a {type(loader).__name__}, which ends for "
            "good; pass the DataLoader, a list of batches, or a function that returns a fresh iterator "
            "(`lambda: batches()`)"
        )
    if isinstance(loader, Iterable) or hasattr(loader, "__getitem__"):
        return lambda: loader
    if callable(loader):
        return cast("Callable[[], Iterable[Any]]", loader)
    raise InputError(
        f"`{name}` must yield batches (a DataLoader, a list of batches, any iterable), got {describe(loader)}"
    )


def shallow_copy(loader: DataLoader[Any]) -> DataLoader[Any]:
    """A copy that shares everything with the loader but its workers and the iterator that it may hold."""
    # Not copy.copy: Accelerate's loaders call themselves by the class of the loader inside them.
    clone = object.__new__(type(loader))
    vars(clone).update(vars(loader))
    inner = vars(clone).get("base_dataloader")
    if inner is not None:
        vars(clone)["base_dataloader"] = shallow_copy(inner)
        vars(clone)["gradient_state"] = _Unnoticed()
    # A loader shorter than the sweep starts again often: the copy's workers live until the sweep is over.
    vars(clone)["persistent_workers"] = loader.num_workers > 0
    vars(clone)["_iterator"] = None
    if hasattr(clone, "_initial_iter_for_state_dict"):
        # torchdata's StatefulDataLoader notes here that it made an iterator to save its state; the copy has none.
        vars(clone)["_initial_iter_for_state_dict"] = False
    return clone


class _Unnoticed:
    """Stands where Accelerate's loaders note that a pass over them has begun, or has ended."""

    def _add_dataloader(self, loader: Any) -> None:
        """Note nothing."""

    _remove_dataloader = _add_dataloader
