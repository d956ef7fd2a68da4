"""Do the tests notice? Signs, bounds and comparisons are flipped one at a time, and each time a module's tests are run.

`python tests/reliability/mutation.py [module ...] [--every N] [--line N ...] [--own]`: of the modules below, every N-th
mutant, or those of one line, perhaps against the module's own tests alone. Each runs in a fork of a process that has
imported torch, so that a mutant costs its tests alone. Survivors are printed by their line.
"""

import argparse
import ast
import copy
import functools
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 120

SCHEDULES = (["tests/schedules/test_laws.py"], ["tests/schedules"])
TESTS = {
    "snapshot.snapshot": (
        ["tests/snapshot/test_snapshot.py", "tests/snapshot/test_signals.py"],
        ["tests/snapshot/test_trace_free.py", "tests/reliability/test_faults.py"],
    ),
    "training.feed": (["tests/training/test_feed.py"], ["tests/training/test_loaders.py"]),
    "training.loss": (["tests/training/test_loss.py"], ["tests/training/test_inputs.py"]),
    "training.param_groups": (["tests/training/test_param_groups.py"], ["tests/training/test_optimizers.py"]),
    "training.scheduler": (["tests/training/test_scheduler.py"],),
    "search.sweep": (["tests/search/test_sweep.py"], ["tests/search/test_validation_sweep.py"]),
    "evidence.outcome": (["tests/evidence/test_outcome.py"], ["tests/search/test_explore.py"]),
    "search.budget": (["tests/search/test_budget.py"], ["tests/test_tune.py"]),
    "search.edge": (["tests/search/test_edge_trials.py"],),
    **{f"evidence.{name}": ([f"tests/evidence/test_{name}.py"],) for name in ("rules", "edge", "status")},
    **{f"search.{name}": ([f"tests/search/test_{name}.py"],) for name in ("explore", "pilot")},
    "checks": (["tests/test_checks.py"], *SCHEDULES),
    "schedules.anneal": (["tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.bound": (["tests/schedules/test_bound.py"], *SCHEDULES),
    "schedules.compose": (["tests/schedules/test_compose.py", "tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.cosine": (["tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.cyclic": (["tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.exponential": (["tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.inverse": (["tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.plateau": (["tests/schedules/test_plateau.py", "tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.power": (["tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.ramp": (["tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.stable": (["tests/schedules/test_families.py"], *SCHEDULES),
    "schedules.warmup": (["tests/schedules/test_families.py"], *SCHEDULES),
}
"""Modules of the package, with their own tests (the examples in their docstrings included) and the wider ones."""

PAIRS = ((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn))
PAIRS += ((ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.And, ast.Or))
FLIPS = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])} | {
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def mutated(node):
    """Every way in which one node of a tree is changed.

    Yields:
        What is changed, and a function that changes it.
    """
    if isinstance(node, ast.Compare) and type(node.ops[0]) in FLIPS:
        yield "comparison", lambda n: n.ops.__setitem__(0, FLIPS[type(n.ops[0])]())
    if isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in FLIPS:
        yield "operator", lambda n: setattr(n, "op", FLIPS[type(n.op)]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", lambda n: setattr(n, "op", ast.UAdd())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", lambda n: setattr(n, "operand", ast.UnaryOp(ast.Not(), n.operand))
    if isinstance(node, ast.Name) and node.id in NAMES:
        yield "name", lambda n: setattr(n, "id", NAMES[n.id])
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "boolean", lambda n: setattr(n, "value", not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield "number", lambda n: setattr(n, "value", n.value + 1)


def mutants(path):
    """Every mutant of a file: its line, what was changed, the tree.

    Yields:
        One after the other; what only says something (messages, annotations) is left alone.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {id(n) for node in ast.walk(tree) for n in _only_words(node)}
    for i, node in enumerate(ast.walk(tree)):
        for what, change in [] if id(node) in silent else mutated(node):
            mutant = copy.deepcopy(tree)
            changed = next(n for j, n in enumerate(ast.walk(mutant)) if j == i)
            change(changed)
            yield changed.lineno, f"{what}: {ast.unparse(node)[:50]} -> {ast.unparse(changed)[:50]}", mutant


def _only_words(node):
    """What is under a node that no behaviour hangs on."""
    if isinstance(node, (ast.Raise, ast.JoinedStr)):
        return ast.walk(node)
    held = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return [inner for h in held if h is not None for inner in ast.walk(h)]


class Mutant(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed tree."""

    def __init__(self, name, path, tree):
        self.name, self.path, self.code = name, path, compile(ast.fix_missing_locations(tree), str(path), "exec")

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.code, module.__dict__)


def is_noticed(name, path, tree, tests):
    """Whether tests fail, or do not end, with a mutant instead of its module."""
    child = os.fork()
    if child == 0:
        signal.alarm(TIMEOUT)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, Mutant(name, path, tree))
        import pytest

        # Plain assertions: rewriting them, pytest would load a module that is named for its examples by itself.
        words = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "ignore"]
        os._exit(int(pytest.main([*words, "--assert=plain", "-o", "timeout=0", *tests])))
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        print(f"  the next one ends in signal {os.WTERMSIG(status)}", flush=True)
    return status != 0


def tried(module, options):
    """Try the mutants of a module, and print every survivor as it comes.

    Yields:
        Whether each was noticed: by the module's own tests, or by the wider ones that are asked next.
    """
    path = ROOT / "lrfinder" / f"{module.replace('.', '/')}.py"
    own, *wider = TESTS[module]
    stages = [[str(path), *own], *([] if options.own else wider)]
    notices = functools.partial(is_noticed, f"lrfinder.{module}", path)
    if notices(ast.parse(path.read_text()), stages[0]):
        sys.exit(f"the tests of {module} fail as it is")
    for line, what, tree in list(mutants(path))[:: options.every]:
        if options.line is None or line in options.line:
            noticed = any(notices(tree, tests) for tests in stages)
            if options.line or not noticed:
                print(f"  {module}:{line} {what}{' (noticed)' * noticed}", flush=True)
            yield noticed


def main():
    """Try the mutants, and print the score of each module and every survivor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--line", type=int, nargs="*")
    parser.add_argument("--own", action="store_true")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for heavy in ("torch", "scipy.interpolate", "scipy.stats", "matplotlib.pyplot", "hypothesis", "pytest"):
        importlib.import_module(heavy)
    for module in options.modules:
        began = time.monotonic()
        noticed = list(tried(module, options))
        print(f"{module}: {sum(noticed)} of {len(noticed)} noticed, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
