"""What AutoLR prints: the report, and what was done about it in place of how to do it by hand."""

import textwrap

from lrfinder.result import LRResult

__all__ = ["applied"]

WIDTH = 100
LABEL = "  applied       "
BY_HAND = "\n\n  to use it\n"


def applied(result: LRResult, done: str) -> str:
    """A report for a training that the result was applied to.

    Args:
        result: What was found.
        done: What was done with it, as a phrase.

    Returns:
        At most 100 columns.
    """
    if result.plan is None:
        done = "nothing: the training goes on at the rates that it had"
    report = str(result).partition(BY_HAND)[0]
    words = textwrap.fill(done, WIDTH, initial_indent=LABEL, subsequent_indent=" " * len(LABEL))
    return f"{report}\n\n{words}"
