"""The command line: arguments in; results to stdout, everything else to stderr; an exit code."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import TextIOWrapper
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, NoReturn

from lrfinder._version import __version__
from lrfinder.errors import InputError, LRFinderError, NoSignalError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrfinder.result import LRResult

__all__ = ["main"]

FOUND, MISTAKE, NO_SUGGESTION, INTERRUPTED = 0, 1, 3, 130

EXAMPLES = """examples:
  lrfinder demo
  lrfinder find train:setup --total-steps 2000 --plot lr.png --json lr.json
  lrfinder find package.module:factory --json - | jq .plan.lr
  lrfinder show lr.json --plot lr.png
  lrfinder schedules --plot gallery.png

The factory is a function without arguments that returns the keyword arguments of lrfinder.find_lr:
  def setup():
      model, loader = ...
      return dict(model=model, loader=loader, loss_fn=..., optimizer=...)

exit codes: 0 found, 1 a mistake told in one line, 3 no reliable suggestion, 130 interrupted"""

FIND_OPTIONS = ("steps", "lr_min", "lr_max", "total_steps", "epochs", "rule", "schedule")
PLAN_FLAGS = {
    "finetune": "the model is pretrained",
    "may_extend": "the training may go on beyond its end",
    "early_stopping": "the training may be stopped before its end",
    "open_ended": "nobody knows how long the training takes",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    Args:
        arguments: The words after the program's name; None takes the process's own.

    Returns:
        0 found, 1 a mistake of the caller (told in one line), 3 no reliable suggestion.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except LRFinderError as error:
        print(f"lrfinder: {' '.join(str(error).split())}", file=sys.stderr)
        return NO_SUGGESTION if isinstance(error, NoSignalError) else MISTAKE
    except BrokenPipeError:
        # The reader has seen enough; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FOUND
    except KeyboardInterrupt:
        print("lrfinder: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{message}; `{self.prog} --help` shows what there is")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lrfinder",
        description="Which learning rate, and which schedule: a range test for torch that leaves no trace.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lrfinder {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_find(commands.add_parser("find", help="find a learning rate for a training of yours"))
    show = commands.add_parser("show", help="print and draw a saved result")
    show.add_argument("result", type=Path, help="a file that --json or to_json wrote")
    show.add_argument("--plot", type=Path, metavar="FILE", help="draw it, in the format of the file's ending")
    show.set_defaults(run=_show)
    schedules = commands.add_parser("schedules", help="print the catalogue of schedules, or draw it")
    schedules.add_argument("--plot", type=Path, metavar="FILE", help="draw the gallery, in the format of the ending")
    schedules.set_defaults(run=_schedules)
    demo = commands.add_parser("demo", help="find a learning rate on a real data set and train with it, in a minute")
    demo.add_argument("--folder", type=Path, default=Path("lrfinder-demo"), help="where the pictures go (%(default)s)")
    demo.set_defaults(run=_demo)
    return parser


def _add_find(find: argparse.ArgumentParser) -> None:
    find.add_argument("factory", help="pkg.module:function that returns the keyword arguments of find_lr")
    find.add_argument("--steps", type=int, help="optimizer steps of the whole search (100)")
    find.add_argument("--lr-min", type=float, metavar="LR", help="first rate (1e-7)")
    find.add_argument("--lr-max", type=float, metavar="LR", help="last rate (10)")
    find.add_argument("--total-steps", type=int, metavar="STEPS", help="optimizer steps of the training to come")
    find.add_argument("--epochs", type=float, help="length of the training to come, instead of --total-steps")
    find.add_argument("--schedule", metavar="NAME", help="a schedule of the catalogue (recommended)")
    for name, meaning in PLAN_FLAGS.items():
        find.add_argument(f"--{name.replace('_', '-')}", action="store_true", default=None, help=f"plan as {meaning}")
    find.add_argument("--rule", help="take this rule's rate: steepest, valley, minimum or edge")
    find.add_argument("--seed", type=int, help="seed Python's, NumPy's and torch's random streams before the import")
    find.add_argument("--plot", type=Path, metavar="FILE", help="draw the curve, in the format of the file's ending")
    find.add_argument("--json", metavar="FILE", help="save the result; - prints it to stdout instead of the report")
    find.set_defaults(run=_find)


def _find(options: argparse.Namespace) -> int:
    if options.seed is not None:
        _seed(options.seed)
    factory = _factory(options.factory)
    from lrfinder import ranks
    from lrfinder.finder import find_lr

    training = _called(options.factory, factory)
    if not isinstance(training, dict) or not {"model", "loader"} <= set(training):
        raise InputError(
            f"`{options.factory}` must return a dict of find_lr's keyword arguments with `model` and `loader`, "
            f"got {type(training).__name__}{sorted(training) if isinstance(training, dict) else ''}"
        )
    named = (*FIND_OPTIONS, *PLAN_FLAGS)
    given = {name: getattr(options, name) for name in named if getattr(options, name) is not None}
    found = _called(options.factory, lambda: find_lr(**{**training, **given}))
    if not ranks.is_chief():
        return FOUND
    return _tell(found, options.plot, options.json)


def _show(options: argparse.Namespace) -> int:
    from lrfinder.result import LRResult

    if not options.result.is_file():
        raise InputError(f"`result` must be a file that --json wrote, got {options.result}, which is not there")
    return _tell(LRResult.from_json(options.result), options.plot, None)


def _schedules(options: argparse.Namespace) -> int:
    from lrfinder import report
    from lrfinder.schedules import CATALOGUE

    print(report.catalogue(CATALOGUE))
    if options.plot is not None:
        from lrfinder.gallery import draw_gallery

        _save(draw_gallery(), options.plot)
    return FOUND


def _demo(options: argparse.Namespace) -> int:
    from lrfinder import demo

    demo.run(options.folder)
    return FOUND


def _tell(found: "LRResult", picture: Path | None, record: str | None) -> int:
    """Print, save and draw a result; return the exit code that it means."""
    print(found.to_json() if record == "-" else found)
    if record not in (None, "-"):
        _written(lambda: found.to_json(record))
    if picture is not None:
        _draw(found, picture)
    return FOUND if found.lr is not None else NO_SUGGESTION


def _draw(found: "LRResult", picture: Path) -> None:
    from lrfinder.plot import figure_of

    _save(figure_of(found), picture)


def _save(figure: "Figure", picture: Path) -> None:
    _written(lambda: figure.savefig(picture, dpi=150))
    print(f"wrote {picture}", file=sys.stderr)


def _written(write: Callable[[], object]) -> None:
    """Write a file; what keeps it from being written is the caller's to mend."""
    try:
        write()
    except (OSError, ValueError) as error:
        raise InputError(f"the result could not be written: {error}") from error


def _factory(path: str) -> Callable[[], Any]:
    """Import what `pkg.module:function` names; the working directory is importable."""
    from importlib import import_module

    module, _, name = path.partition(":")
    if not module or not name:
        raise InputError(f"`factory` must be pkg.module:function, got {path!r}, as in train:setup")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = _called(path, lambda: import_module(module))
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


def _called(path: str, function: Callable[[], Any]) -> Any:
    """Call the user's code; what it prints goes to stderr, what it raises is told in one line, with the place."""
    try:
        with redirect_stdout(sys.stderr):
            return function()
    except (LRFinderError, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise InputError(f"`{path}` must return and not exit, got SystemExit({error.code!r})") from error
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", ()))
        raise InputError(f"`{path}` raised {type(error).__name__}: {error} {notes} ({_place(error)})") from error


def _place(error: Exception) -> str:
    """Where an error was raised: the innermost line below the working directory, or else the innermost one."""
    lines = [(frame.filename, frame.lineno) for frame in extract_tb(error.__traceback__)]
    own = [line for line in lines if Path(line[0]).is_relative_to(Path.cwd()) and "site-packages" not in line[0]]
    return ":".join(map(str, (own or lines)[-1]))


def _seed(seed: int) -> None:
    import random

    import numpy as np
    import torch

    if not 0 <= seed < 2**63:
        raise InputError(f"`--seed` must be a whole number from 0 to {2**63 - 1}, got {seed}")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
