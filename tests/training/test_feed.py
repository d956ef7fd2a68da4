import pytest
from torch.utils.data import DataLoader, IterableDataset
from twins import dataset

from lrfinder.errors import InputError
from lrfinder.training.feed import Feed


class Unsized(IterableDataset):
    def __iter__(self):
        return iter([1, 2])


class Unmeasured:
    """A loader that inherits a length which it does not know."""

    def __init__(self, error):
        self.error = error

    def __iter__(self):
        return iter([1, 2])

    def __len__(self):
        raise self.error


class Indexed:
    """A sequence of the old protocol: indices until it raises."""

    def __getitem__(self, index):
        return [1, 2][index]


def drawn(feed, count):
    """The next draws."""
    return [feed.draw() for _ in range(count)]


LOADERS = {
    "list": [1, 2],
    "tuple": (1, 2),
    "indexed": Indexed(),
    "function": lambda: [1, 2],
    "function of an iterator": lambda: iter([1, 2]),
    "view": {1: "a", 2: "b"}.keys(),
    **{error.__name__: Unmeasured(error("no length")) for error in (NotImplementedError, TypeError, AttributeError)},
    "data set without a length": DataLoader(Unsized(), batch_size=None),
    "bare data set without a length": Unsized(),
}


@pytest.mark.parametrize(("name", "loader"), LOADERS.items(), ids=LOADERS)
def test_a_loader_starts_again_when_it_ends(name, loader):
    """Anything that can be iterated anew is an endless stream, its epoch unknown where it has no length."""
    feed = Feed(loader)

    assert drawn(feed, 5) == [[1], [2], [1], [2], [1]]
    assert feed.draws_per_epoch == (2 if name in {"list", "tuple", "view"} else None)


@pytest.mark.parametrize(
    ("per_draw", "draws"),
    [(2, [[1, 2], [3, 4], [5], [1, 2]]), (8, [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])],
    ids=["shorter", "longer"],
)
def test_a_draw_never_straddles_the_end(per_draw, draws):
    """Where the loader ends the draw is shorter, and the next begins with the first batch."""
    feed = Feed([1, 2, 3, 4, 5], per_draw)

    assert drawn(feed, len(draws)) == draws


@pytest.mark.parametrize(("per_draw", "draws"), [(1, 5), (2, 3), (5, 1), (8, 1)])
def test_the_epoch_is_counted_in_draws(per_draw, draws):
    """A last, partial draw counts."""
    assert Feed([1, 2, 3, 4, 5], per_draw).draws_per_epoch == draws


def test_nothing_is_drawn_before_it_is_asked_for():
    """Making a feed does not start the loader."""
    starts = []

    Feed(lambda: starts.append(1))

    assert starts == []


def test_a_data_loader_is_iterated_through_a_copy():
    """The user's own loader gets neither an iterator nor another attribute."""
    loader = DataLoader(dataset(), batch_size=8, shuffle=True)
    before = dict(vars(loader))

    drawn(Feed(loader), 7)

    assert vars(loader) == before


@pytest.mark.parametrize(
    "loader", [[], DataLoader(dataset(4), batch_size=8, drop_last=True), lambda: iter(())], ids=["list", "drop", "call"]
)
def test_an_empty_loader_is_refused(loader):
    """A loader that yields nothing is named, with where to look."""
    feed = Feed(loader)

    with pytest.raises(InputError, match=r"`loader` must yield at least one batch, got none from this .*`drop_last`"):
        feed.draw()


@pytest.mark.parametrize("loader", [iter([1]), (n for n in [1]), zip([1], [2], strict=True)], ids=type)
def test_a_loader_that_is_its_own_iterator_is_refused(loader):
    """It could not be started again; the sentence names the fix."""
    with pytest.raises(
        InputError, match=r"can be iterated anew, got a .* pass the DataLoader, a list of batches, or a"
    ):
        Feed(loader)


@pytest.mark.parametrize("loader", [None, 3, object()], ids=type)
def test_what_yields_no_batches_is_refused(loader):
    """A loader is something to iterate over."""
    with pytest.raises(InputError, match=r"`loader` must yield batches \(a DataLoader, a list of batches"):
        Feed(loader)


@pytest.mark.parametrize("name", ["loader", "val_loader"])
def test_a_function_that_hands_out_one_iterator_is_refused(name):
    """Where a function returns the same, finished iterator again, the sentence says that it must be a fresh one."""
    once = iter([1, 2])
    feed = Feed(lambda: once, name=name)
    drawn(feed, 2)

    with pytest.raises(InputError, match=f"`{name}` must return a fresh iterator at each call, got the finished one"):
        feed.draw()
