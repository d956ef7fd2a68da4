"""The user's own code on the command line: found, called and kept apart, its mistakes said in one line."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path, PureWindowsPath
from traceback import extract_tb
from typing import Any

from lrfinder.errors import InputError, LRFinderError

__all__ = ["arguments_of", "call", "own_arguments", "seed"]


@contextmanager
def own_arguments(path: str, own: Sequence[str]) -> Iterator[None]:
    """Let the user's code find its own arguments in `sys.argv`, not those of this command."""
    held = sys.argv
    sys.argv = [f"{path.partition(':')[0].replace('.', '/')}.py", *own]
    try:
        yield
    finally:
        sys.argv = held


def arguments_of(path: str, verb: str) -> dict[str, Any]:
    """Import the factory that `pkg.module:function` names, call it, and return its keyword arguments for `verb`."""
    arguments = call(path, _import(path))
    if not isinstance(arguments, dict) or not {"model", "loader"} <= set(arguments):
        raise InputError(
            f"`{path}` must return a dict of {verb}'s keyword arguments with `model` and `loader`, "
            f"got {type(arguments).__name__}{sorted(arguments) if isinstance(arguments, dict) else ''}"
        )
    return arguments


def _import(path: str) -> Callable[[], Any]:
    """Import what `pkg.module:function` names; the working directory is importable."""
    from importlib import import_module

    module, _, name = path.partition(":")
    if not module or not name:
        raise InputError(f"`factory` must be pkg.module:function, got {path!r}, as in train:setup")
    if module.endswith(".py") or "/" in module or "\\" in module:
        parts = PureWindowsPath(module.removesuffix(".py")).parts
        raise InputError(f"`factory` must be pkg.module:function, got the path {path!r}; say {'.'.join(parts)}:{name}")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = call(path, lambda: import_module(module))
    except InputError as error:
        missing = getattr(error.__cause__, "name", None) if isinstance(error.__cause__, ModuleNotFoundError) else None
        if missing is None or not f"{module}.".startswith(f"{missing}."):
            raise
        raise InputError(
            f"`factory` must name a module that can be imported here, got {module}, which was not found in {Path.cwd()}"
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"`factory` must name a function of {module}, got {name!r}, which is not there")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"`factory` must be a function, got {path}, which is {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def call(path: str, function: Callable[[], Any]) -> Any:
    """Call the user's code, its prints going to stderr; what it raises becomes a line of InputError, with the place."""
    try:
        with redirect_stdout(sys.stderr):
            return function()
    except (LRFinderError, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise InputError(
            f"`{path}` must return and not exit, got SystemExit({error.code!r}); arguments of its own go after --"
        ) from error
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", ()))
        raise InputError(f"`{path}` raised {type(error).__name__}: {error} {notes} ({_line_of(error)})") from error


def _line_of(error: Exception) -> str:
    """Where an error was raised: the innermost line below the working directory, or else the innermost one."""
    lines = [(frame.filename, frame.lineno) for frame in extract_tb(error.__traceback__)]
    own = [line for line in lines if Path(line[0]).is_relative_to(Path.cwd()) and "site-packages" not in line[0]]
    return ":".join(map(str, (own or lines)[-1]))


def seed(value: int) -> None:
    """Seed Python's, NumPy's and torch's random streams, or raise InputError where a seed is none."""
    import random

    import numpy as np
    import torch

    if not 0 <= value < 2**63:
        raise InputError(f"`--seed` must be a whole number from 0 to {2**63 - 1}, got {value}")
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)
