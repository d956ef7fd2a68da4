"""One search at a time runs in a process."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from lrfinder.errors import InputError
from lrfinder.snapshot.exclusive import clear, exclusive


def _may_search():
    """Whether a search may begin."""
    try:
        with exclusive():
            return True
    except InputError as error:
        return "the only one in its process" not in str(error)


def test_every_further_search_inside_or_beside_a_search_is_refused():
    """That one was refused does not open the door for the next, in any thread; the end of the first does."""
    with ThreadPoolExecutor(1) as beside:
        for _ in range(2):
            with exclusive():
                assert [_may_search(), _may_search(), beside.submit(_may_search).result()] == [False] * 3
            assert beside.submit(_may_search).result()


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
            os._exit(not _may_search())
        status = os.waitpid(child, 0)[1]

    assert status == 0
