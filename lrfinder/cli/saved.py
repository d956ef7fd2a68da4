"""The commands that read saved results: show them, compare two, or plan for a training that has changed."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfinder.cli.deliver import FOUND, NO_SUGGESTION, deliver, report, save_text
from lrfinder.cli.files import check_files
from lrfinder.errors import InputError

if TYPE_CHECKING:
    from lrfinder.result import LRResult

__all__ = ["add_commands"]

RESCALE = """Plan for a training that has changed, from a saved result and without training anything: the peak, its
interval, the schedule and the weight decay. Where the batch changes and no length is given, the samples stay."""

COMPARE = """Show two saved results beside each other: by what factor their peaks differ, whether each lies in the
other's interval, and a table with a mark before what differs."""

LOG = "lay the log of the training over the plan: Lightning's metrics.csv, or the trainer_state.json of transformers"

CHANGES = {
    "total_steps": (float, "STEPS", "optimizer steps of the whole training from now on"),
    "epochs": (float, "EPOCHS", "its length in epochs, instead of --total-steps"),
    "batch_size": (int, "SAMPLES", "samples of one optimizer step on one rank"),
    "world_size": (int, "RANKS", "ranks that train together, each on a batch of its own"),
    "parameters": (int, "NUMBER", "weights that are trained; for optimizers like Adam alone"),
}


def add_commands(commands: Any) -> None:
    """Add `show`, `compare` and `rescale` to the commands of a parser."""
    show = commands.add_parser("show", help="print and draw a saved result")
    _add_saved(show)
    show.add_argument("--explain", action="store_true", help="print all of it: rules, trials, factors, reasons")
    show.add_argument("--log", type=Path, metavar="FILE", help=LOG)
    show.set_defaults(run=_show)
    compare = commands.add_parser("compare", help="show two saved results beside each other", description=COMPARE)
    compare.add_argument("first", type=Path, help="a file that --json or to_json wrote")
    compare.add_argument("second", type=Path, help="another one")
    compare.add_argument("--html", type=Path, metavar="FILE", help="write both as a page that needs no other file")
    compare.set_defaults(run=_compare)
    _add_rescale(commands.add_parser("rescale", help="plan for a training that has changed", description=RESCALE))


def _add_saved(command: argparse.ArgumentParser) -> None:
    command.add_argument("result", type=Path, help="a file that --json or to_json wrote")
    command.add_argument("--plot", type=Path, metavar="FILE", help="draw it, in the format of the file's ending")
    command.add_argument("--html", type=Path, metavar="FILE", help="write it as a page that needs no other file")


def _add_rescale(rescale: argparse.ArgumentParser) -> None:
    _add_saved(rescale)
    for name, (kind, metavar, meaning) in CHANGES.items():
        rescale.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=meaning)
    rescale.add_argument("--json", metavar="FILE", help="save the new result; - prints it instead of the report")
    rescale.set_defaults(run=_rescale)


def _show(options: argparse.Namespace) -> int:
    check_files(options.plot, None, options.html)
    found = _read(options.result)
    told = found.explain() if options.explain else report(found, options.result)
    if options.log is None:
        return deliver(found, options.plot, None, told, options.html)
    return _show_with_log(found, told, options)


def _show_with_log(found: "LRResult", told: str, options: argparse.Namespace) -> int:
    """Show the training below the report, in the picture and on the page."""
    from lrfinder.display.overlay import draw_overlay, overlay_in_words, planned
    from lrfinder.display.page.document import page
    from lrfinder.display.page.training import training
    from lrfinder.display.training_log import read_log

    plan, log = planned(found.plan), read_log(options.log)
    told = f"{told}\n\n{overlay_in_words(plan, log)}"
    return deliver(
        found,
        options.plot,
        None,
        told,
        options.html,
        draw=lambda: draw_overlay(plan, log),
        write=lambda: page(found.evidence, plan, training(plan, log)),
    )


def _compare(options: argparse.Namespace) -> int:
    from lrfinder.display.compare import Side, text
    from lrfinder.display.page.comparison import comparison

    check_files(None, None, options.html)
    first, second = _read(options.first, "first"), _read(options.second, "second")
    left = Side(str(options.first), first.evidence, first.plan)
    right = Side(str(options.second), second.evidence, second.plan)
    try:
        if options.html is not None:
            save_text(comparison(left, right), options.html)
    finally:
        print(text(left, right))
    return NO_SUGGESTION if first.plan is None and second.plan is None else FOUND


def _rescale(options: argparse.Namespace) -> int:
    check_files(options.plot, None if options.json in (None, "-") else Path(options.json), options.html)
    given = {name: getattr(options, name) for name in CHANGES}
    found = _read(options.result).rescale(**given)
    return deliver(found, options.plot, options.json, report(found, options.json), options.html)


def _read(path: Path, name: str = "result") -> "LRResult":
    from lrfinder.result import LRResult

    if not path.is_file():
        raise InputError(f"`{name}` must be a file that --json or to_json wrote, got {path}, which is not there")
    return LRResult.from_json(path)
