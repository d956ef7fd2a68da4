"""The command line: arguments in; results to stdout, everything else to stderr; an exit code."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lrfinder._version import __version__
from lrfinder.errors import LRFinderError

__all__ = ["main"]

FOUND, MISTAKE = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    Args:
        arguments: The words after the program's name; None takes the process's own.

    Returns:
        0 found, 1 a mistake of the caller, told in one line.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except LRFinderError as error:
        print(f"lrfinder: {error}", file=sys.stderr)
        return MISTAKE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lrfinder",
        description="Which learning rate, and which schedule: a range test for torch that leaves no trace.",
    )
    parser.add_argument("--version", action="version", version=f"lrfinder {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="find a learning rate on a real data set and train with it, in a minute")
    demo.add_argument("--folder", type=Path, default=Path("lrfinder-demo"), help="where the pictures go (%(default)s)")
    demo.set_defaults(run=_demo)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from lrfinder import demo

    demo.run(options.folder)
    return FOUND
