"""One search at a time runs in a process."""

import os

import pytest

from lrfinder.errors import InputError
from lrfinder.snapshot.exclusive import clear, exclusive


def test_every_further_search_inside_a_search_is_refused():
    """That one was refused does not open the door for the next; the end of the first does."""
    for _ in range(2):
        with exclusive():
            for _ in range(2):
                with pytest.raises(InputError, match="the only one in its process"), exclusive():
                    pass


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_search_that_failed_does_not_bar_the_next(error):
    """The way is free again however a search ends."""
    with pytest.raises(error, match="gone"), exclusive():
        raise error("gone")

    with exclusive():
        pass


def test_a_search_that_was_cut_off_can_be_cleared():
    """Where its end was not noted, the error of the next search names the call that lets it begin."""
    cut_off = exclusive()
    cut_off.__enter__()
    with pytest.raises(InputError, match=r"call `lrfinder\.snapshot\.exclusive\.clear\(\)`"), exclusive():
        pass

    clear()

    with exclusive():
        pass


def test_a_process_that_was_forked_in_a_search_may_search():
    """A worker inherits the memory of the search, not the search."""
    with exclusive():
        child = os.fork()
        if child == 0:
            os._exit(_may_search())
        status = os.waitpid(child, 0)[1]

    assert status == 0


def _may_search():
    """0 where a search may begin, 1 where it is refused."""
    try:
        with exclusive():
            return 0
    except InputError:
        return 1
