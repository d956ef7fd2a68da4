"""What `help` shows of a function that takes its options as keywords and hands them on."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["shows_options_of"]

Verb = TypeVar("Verb", bound=Callable[..., Any])


def shows_options_of(*records: type, hidden: tuple[str, ...] = (), after: type | None = None) -> Callable[[Verb], Verb]:
    """Let a function's signature show the options that it hands on, with their defaults.

    Args:
        records: Classes whose arguments are shown before the function's own keywords.
        hidden: Arguments of theirs that the function does not take, or takes under its own name.
        after: A class whose keyword-only arguments are shown after them.

    Returns:
        The decorator.
    """

    def show(verb: Verb) -> Verb:
        own = [p for p in inspect.signature(verb).parameters.values() if p.kind is not p.VAR_KEYWORD]
        first = [p for p in own if p.kind is not p.KEYWORD_ONLY]
        before = [
            p.replace(kind=p.KEYWORD_ONLY)
            for record in records
            for p in inspect.signature(record).parameters.values()
            if p.name not in hidden
        ]
        options = [] if after is None else inspect.signature(after).parameters.values()
        last = [p for p in options if p.kind is p.KEYWORD_ONLY]
        shown = [*first, *before, *(p for p in own if p not in first), *last]
        verb.__signature__ = inspect.signature(verb).replace(parameters=shown)  # type: ignore[attr-defined]
        return verb

    return show
