"""The command line: arguments in; results to stdout, everything else to stderr; an exit code."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from lrfinder._version import __version__
from lrfinder.cli import deliver, saved
from lrfinder.cli.deliver import FOUND, NO_SUGGESTION
from lrfinder.cli.files import check_files
from lrfinder.cli.user_code import arguments_of, call, own_arguments, seed
from lrfinder.errors import InputError, LRFinderError, NoSignalError

__all__ = ["main"]

MISTAKE, INTERRUPTED = 1, 130

EXAMPLES = """examples:
  lrfinder demo
  lrfinder find train:setup --total-steps 2000 --plot lr.png --json lr.json
  lrfinder find package.module:factory --json - | jq .plan.lr
  lrfinder tune train:setup --total-steps 20000 --budget 0.03
  lrfinder show lr.json --plot lr.png --html lr.html
  lrfinder compare lr.json other.json --html both.html
  lrfinder rescale lr.json --batch-size 512 --total-steps 40000
  lrfinder schedules --plot gallery.png

"""

FIND = """Find a learning rate for a training of yours, and with --total-steps or --epochs a schedule."""

TUNE = """Find a learning rate and a schedule more surely, for a few percent of a training of yours.
Its length is needed: --total-steps or --epochs, here or from the factory."""

FACTORY = """The factory is a function of yours without arguments, in a file that can be imported from here, such as
train.py; keep the training itself out of the file, or behind `if __name__ == "__main__":`. What it returns are
keyword arguments of lrfinder.find_lr or tune_lr, which Python's help(lrfinder.find_lr) explains:
  def setup():
      model, loader = ...
      return dict(model=model, loader=loader, loss_fn=..., optimizer=...)
What follows -- are arguments of your own, which the file finds in sys.argv.

exit codes: 0 found, 1 a mistake, said in one line, 3 no reliable suggestion, 130 interrupted"""

OPTIONS = ("steps", "budget", "lr_min", "lr_max", "total_steps", "epochs", "rule", "schedule", "open_ended")
OF_GROUPS = ("groups", "group_budget")
PLAN_FLAGS = {
    "finetune": "the model is pretrained",
    "may_extend": "the training may go on beyond its end",
    "early_stopping": "the training may be stopped before its end",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on its words, by default the process's own; return its exit code.

    It is 0 for found, 1 for a mistake of the caller (said in one line), 3 for no reliable suggestion.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        end = words.index("--") if "--" in words else len(words)
        if not words:
            _parser().print_help()
            return FOUND
        options = _parser().parse_args(words[:end])
        options.command = shlex.join(["lrfinder", *words])
        with own_arguments(getattr(options, "factory", "lrfinder"), words[end + 1 :]):
            return int(options.run(options))
    except LRFinderError as error:
        print(f"lrfinder: {' '.join(str(error).split())}", file=sys.stderr)
        return NO_SUGGESTION if isinstance(error, NoSignalError) else MISTAKE
    except BrokenPipeError:
        # The reader has seen enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FOUND
    except KeyboardInterrupt:
        print("lrfinder: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Says a mistake in one line, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError with what is wrong with the arguments."""
        raise InputError(f"{message}; `{self.prog} --help` shows what there is")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lrfinder",
        description="Which learning rate, and which schedule: a range test for torch that leaves no trace.",
        epilog=EXAMPLES + FACTORY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lrfinder {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, add, summary, does in (
        ("find", _add_find, "find a learning rate for a training of yours", FIND),
        ("tune", _add_tune, "find it more surely, with pilots for a few percent of the training", TUNE),
    ):
        shape = argparse.RawDescriptionHelpFormatter
        add(commands.add_parser(name, help=summary, description=does, epilog=FACTORY, formatter_class=shape))
    saved.add_commands(commands)
    schedules = commands.add_parser("schedules", help="print the catalogue of schedules, or draw it")
    schedules.add_argument("--plot", type=Path, metavar="FILE", help="draw the gallery, in the format of the ending")
    schedules.set_defaults(run=_schedules)
    demo = commands.add_parser("demo", help="find a learning rate on a real data set and train with it, in a minute")
    demo.add_argument(
        "--folder", type=Path, default=Path("lrfinder-demo"), help="where the pictures go (default: %(default)s)"
    )
    demo.set_defaults(run=_demo)
    return parser


def _add_find(find: argparse.ArgumentParser) -> None:
    find.add_argument("--steps", type=int, help="optimizer steps of the whole search (default: 100)")
    find.add_argument("--rule", help="take this rule's rate: steepest, valley, minimum or divergence")
    find.add_argument("--open-ended", action="store_true", default=None, help="plan for a length that nobody knows")
    _add_search(find, "find_lr")


def _add_tune(tune: argparse.ArgumentParser) -> None:
    default = "5 %% of the training, at least 300 steps, at most a third of the training"
    meaning = f"steps that all of it may cost, or a share of the training below 1 (default: {default})"
    tune.add_argument("--budget", type=_budget, metavar="STEPS", help=meaning)
    meaning = "tune the ratios between parameter groups too: each, or names of groups or optimizers, as in head,body"
    tune.add_argument("--groups", type=_names, metavar="NAMES", help=meaning)
    meaning = "steps that this may cost besides, or a share (default: 5 %% of the training, or the least that it takes)"
    tune.add_argument("--group-budget", type=_budget, metavar="STEPS", help=meaning)
    _add_search(tune, "tune_lr")


def _names(words: str) -> str | list[str]:
    """The word `each`, or names between commas."""
    return words if words == "each" else [name.strip() for name in words.split(",")]


def _budget(word: str) -> float:
    """Steps as a whole number, however it is written, or a share of the training."""
    try:
        given = float(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be steps, or a share below 1 as 0.05, got {word!r}") from error
    return int(given) if given.is_integer() else given


def _add_search(command: argparse.ArgumentParser, verb: str) -> None:
    """What both searches take."""
    add = command.add_argument
    add("factory", help=f"pkg.module:function that returns the keyword arguments of {verb}")
    add("--lr-min", type=float, metavar="LR", help="first rate of the sweep (default: 1e-7)")
    add("--lr-max", type=float, metavar="LR", help="last rate (default: 10)")
    add("--total-steps", type=float, metavar="STEPS", help="optimizer steps of the training to come")
    add("--epochs", type=float, help="length of the training to come, instead of --total-steps")
    add("--schedule", metavar="NAME", help="one that `lrfinder schedules` lists (default: recommended)")
    for name, meaning in PLAN_FLAGS.items():
        add(f"--{name.replace('_', '-')}", action="store_true", default=None, help=f"plan as {meaning}")
    add("--seed", type=int, help="seed Python's, NumPy's and torch's random streams before the import")
    add("--plot", type=Path, metavar="FILE", help="draw the result, in the format of the file's ending")
    add("--html", type=Path, metavar="FILE", help="write the result as a page that needs no other file")
    add("--json", metavar="FILE", help="save the result; - prints it to stdout instead of the report")
    command.set_defaults(run=_search, verb=verb)


def _search(options: argparse.Namespace) -> int:
    if options.seed is not None:
        seed(options.seed)
    check_files(options.plot, None if options.json in (None, "-") else Path(options.json), options.html)
    training = arguments_of(options.factory, options.verb)
    from lrfinder import find as finder
    from lrfinder import tune as tuner
    from lrfinder.training import distributed

    verb = finder.find_lr if options.verb == "find_lr" else tuner.tune_lr
    named = (*OPTIONS, *OF_GROUPS, *PLAN_FLAGS)
    given = {name: value for name in named if (value := getattr(options, name, None)) is not None}
    found = call(options.factory, lambda: verb(**{**training, **given}))
    if not distributed.is_chief():
        return FOUND
    evidence = replace(found.evidence, facts=replace(found.facts, command=options.command))
    found = replace(found, evidence=evidence)
    told = deliver.report(found, options.json)
    return deliver.deliver(found, options.plot, options.json, told, options.html)


def _schedules(options: argparse.Namespace) -> int:
    from lrfinder.display.catalogue import catalogue
    from lrfinder.schedules import CATALOGUE

    print(catalogue(CATALOGUE))
    if options.plot is not None:
        from lrfinder.display.gallery import draw_gallery

        deliver.save(draw_gallery(), options.plot)
    return FOUND


def _demo(options: argparse.Namespace) -> int:
    from lrfinder.cli import demo

    demo.run(options.folder)
    return FOUND
