"""The bar that shows how far a search is."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lrfinder.loop import Loop

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Bar", "bar"]


class Bar:
    """Counts the steps on a tqdm bar; silent where there is none, or stderr is no terminal."""

    def __init__(self, shown: "tqdm[None] | None" = None) -> None:
        self._shown = shown
        self._said = ""

    def __call__(self, lr: float, loss: float) -> None:
        """Count a step."""
        shown = self._shown
        if shown is not None and not shown.disable:
            shown.set_postfix_str(f"{self._said}lr {lr:.1e}, loss {loss:.4g}", refresh=False)
            shown.update()

    def show_best(self, trials: int, best: float) -> None:
        """Show how many trials were run, and the best peak so far."""
        self._said = f"{trials} trials, best {best:.1e}; "


@contextmanager
def bar(loop: Loop, total: int, *, wanted: bool) -> Iterator[Bar | None]:
    """Show a progress bar of so many steps on stderr, on the chief rank.

    Yields:
        A function of the rate and the loss of each step, or None where no bar is wanted.
    """
    if not wanted or not loop.is_chief or sys.stderr is None:
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in a notebook without ipywidgets there is no bar, and nothing to warn of
        from tqdm.auto import tqdm

    with tqdm(total=total, desc="lrfinder", unit="step", leave=False, disable=None) as shown:
        yield Bar(shown)
