"""Do the tests notice? Signs, bounds and comparisons are flipped one at a time, and each time a module's tests are run.

`python tests/reliability/mutation.py [module ...] [--every N]`: of the modules below, every N-th mutant. Each runs in a
fork of a process that has imported torch, so that a mutant costs its tests alone. Survivors are printed by their line.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 120

TESTS = {
    "state": ["tests/test_state.py", "tests/reliability/test_faults.py::test_a_search_inside_a_search_is_refused"],
    "sweep": ["tests/test_sweep.py", "tests/test_validation_sweep.py"],
    "rules": ["tests/test_rules.py"],
    "schedules.anneal": ["tests/schedules/test_anneal.py", "tests/schedules"],
    "schedules.bound": ["tests/schedules/test_bound.py", "tests/schedules"],
    "schedules.compose": ["tests/schedules/test_compose.py", "tests/schedules"],
    "schedules.cosine": ["tests/schedules/test_cosine.py", "tests/schedules"],
    "schedules.cyclic": ["tests/schedules/test_cyclic.py", "tests/schedules"],
    "schedules.exponential": ["tests/schedules/test_exponential.py", "tests/schedules"],
    "schedules.inverse": ["tests/schedules/test_inverse.py", "tests/schedules"],
    "schedules.plateau": ["tests/schedules/test_plateau.py", "tests/schedules"],
    "schedules.power": ["tests/schedules/test_power.py", "tests/schedules"],
    "schedules.ramp": ["tests/schedules/test_ramp.py", "tests/schedules"],
    "schedules.stable": ["tests/schedules/test_stable.py", "tests/schedules"],
}
"""Modules of the package, with the tests that have to notice."""

FLIPS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
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
            place = next(n for j, n in enumerate(ast.walk(mutant)) if j == i)
            change(place)
            yield place.lineno, f"{what}: {ast.unparse(node)[:50]} -> {ast.unparse(place)[:50]}", mutant


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
    """Whether the tests fail, or do not end, with a mutant in the place of its module."""
    child = os.fork()
    if child == 0:
        signal.alarm(TIMEOUT)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, Mutant(name, path, tree))
        import pytest

        words = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "ignore"]
        os._exit(int(pytest.main([*words, *tests])))
    return os.waitpid(child, 0)[1] != 0


def main():
    """Try the mutants, and tell the score of each module and every survivor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for heavy in ("torch", "scipy.interpolate", "scipy.stats", "matplotlib.pyplot", "hypothesis", "pytest"):
        importlib.import_module(heavy)
    for module in options.modules:
        began, noticed, survivors = time.monotonic(), 0, []
        path = ROOT / "lrfinder" / f"{module.replace('.', '/')}.py"
        for line, what, tree in list(mutants(path))[:: options.every]:
            if is_noticed(f"lrfinder.{module}", path, tree, TESTS[module]):
                noticed += 1
            else:
                survivors.append(f"  {module}:{line} {what}")
        tried = noticed + len(survivors)
        print(
            f"{module}: {noticed} of {tried} noticed, {time.monotonic() - began:.0f} s",
            *survivors,
            sep="\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
