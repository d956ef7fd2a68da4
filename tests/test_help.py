"""What Python's `help` shows of the verbs and the callbacks."""

import inspect
import pydoc
import textwrap

import pytest

from lightning_callbacks import AutoLR
from lrfinder import LRResult, TorchLoop, find_lr, range_test, tune_loop, tune_lr
from lrfinder.integrations.transformers import AutoLRCallback

WIDTH, TWO_SCREENS = 100, 80


def help_of(thing):
    """The lines that `help` prints on a terminal of 100 columns."""
    text = pydoc.render_doc(thing, renderer=pydoc.plaintext)
    return [part for line in text.splitlines() for part in textwrap.wrap(line, WIDTH) or [""]]


@pytest.mark.parametrize("verb", [find_lr, tune_lr, range_test, tune_loop, TorchLoop, LRResult.recommend])
def test_the_help_of_a_verb_fits_two_screens(verb):
    """Of forty lines each."""
    assert len(help_of(verb)) <= TWO_SCREENS


@pytest.mark.parametrize("verb", [find_lr, tune_lr, AutoLR, AutoLRCallback])
def test_every_option_is_explained_in_the_help_or_where_it_points(verb):
    """What is common to all stands in `find_lr` and `TorchLoop`, to which the others point."""
    said = "\n".join(inspect.getdoc(one) for one in (verb, find_lr, TorchLoop))

    assert "help(lrfinder." in inspect.getdoc(verb)
    assert [name for name in inspect.signature(verb).parameters if f"{name}:" not in said.replace("`", "")] == []


@pytest.mark.parametrize("callback", [AutoLR, AutoLRCallback])
def test_the_help_of_a_callback_begins_with_what_it_holds(callback):
    """`result` and `plan` stand in the docstring, before the hooks that it inherits."""
    shown = "\n".join(help_of(callback)).partition("Methods defined here")[0]

    assert ["result: What was found" in shown, "plan: What to train with" in shown] == [True, True]
