"""How the packages are built: what the face shows, what it loads, who imports whom."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import lrfinder

ROOT = Path(lrfinder.__file__).parent.parent

ROWS = (
    {"errors", "checks", "loop", "_version"},
    {"schedules", "evidence", "snapshot"},
    {"advice", "training"},
    {"display", "search"},
    {"keywords", "result_json"},
    {"result"},
    {"find", "tune"},
    {"cli", "__init__"},
    {"__main__"},
)
"""A room of lrfinder imports from itself and from the rows above."""


def is_for_types(node):
    """Whether a statement is only there for a type checker."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def statements(node, *, top):
    """Walk the import statements under a node.

    Yields:
        Each of them, those inside functions left out where `top`.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif not is_for_types(child) and not (top and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))):
            yield from statements(child, top=top)


def names(statement, module):
    """The full names that an import statement may load."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    package = module.split(".")[: -statement.level] if statement.level else []
    base = ".".join([*package, *([statement.module] if statement.module else [])])
    return [f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base for alias in statement.names]


def is_module(name):
    """Whether a dotted name is a file or a folder of the packages."""
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def module_name(path):
    """The dotted name of a file, `__init__` kept."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@cache
def imports(*, top):
    """Every module of both packages with the modules of theirs that it imports."""
    paths = {
        module_name(p): p for package in ("lrfinder", "lightning_callbacks") for p in (ROOT / package).rglob("*.py")
    }
    found = {}
    for module, path in paths.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        loaded = {name for statement in statements(tree, top=top) for name in names(statement, module)}
        found[module] = {m for m in paths if m != module and m.removesuffix(".__init__") in loaded}
    return found


def row(module):
    """The number of the row that a module's room stands in."""
    room = module.split(".")[1]
    return next(number for number, rooms in enumerate(ROWS) if room in rooms)


def test_no_modules_import_in_a_circle():
    """The modules of both packages can be put in an order."""
    graph = {a: targets - {"lrfinder.__init__"} for a, targets in imports(top=True).items()}

    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


def test_lrfinder_does_not_know_the_callbacks():
    """Nothing in lrfinder imports lightning_callbacks, nor Lightning, anywhere."""
    known = [b for a, targets in imports(top=False).items() for b in targets if a.startswith("lrfinder.")]
    sources = [p.read_text(encoding="utf-8") for p in (ROOT / "lrfinder").rglob("*.py")]

    loaded = {
        name for s in sources for statement in statements(ast.parse(s), top=False) for name in names(statement, "")
    }

    assert [b for b in known if b.startswith("lightning_callbacks")] == []
    assert not {name.split(".")[0] for name in loaded} & {"lightning", "pytorch_lightning"}


def test_every_public_name_is_what_its_home_defines():
    """Each name of `__all__` is there, and `from lrfinder import *` would find it."""
    homes = lrfinder._HOMES

    assert set(lrfinder.__all__) == {*homes, "__version__"}
    for name, home in homes.items():
        assert name in sys.modules.get(f"lrfinder.{home}", __import__(f"lrfinder.{home}", fromlist=[name])).__all__
        assert getattr(lrfinder, name) is getattr(sys.modules[f"lrfinder.{home}"], name)


def test_dir_lists_the_public_names():
    """`dir(lrfinder)` is `__all__`, sorted."""
    assert dir(lrfinder) == sorted(lrfinder.__all__)


def test_an_unknown_name_lists_the_known():
    """A misspelt import is answered with what there is."""
    with pytest.raises(AttributeError, match=r"has no attribute 'find_lrs'; it has .*find_lr, .*tune_loop, tune_lr"):
        _ = lrfinder.find_lrs


def test_every_module_says_what_it_exports():
    """Each module of lrfinder that defines a public name lists it in `__all__`, and nothing that is not there."""
    for path in (ROOT / "lrfinder").rglob("[a-z]*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        listed = [n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"]
        assert listed, path.name


def loaded_by(code):
    """The top-level packages that a fresh interpreter has loaded after some code."""
    script = f"{code}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    """`import lrfinder` loads none of torch, NumPy, scipy, matplotlib, tqdm or Lightning."""
    heavy = {"torch", "numpy", "scipy", "matplotlib", "tqdm", "lightning", "pytorch_lightning", "lightning_callbacks"}

    assert loaded_by("import lrfinder, lrfinder._version") & heavy == set()


def test_importing_the_verb_loads_torch_and_no_more():
    """`from lrfinder import find_lr` leaves scipy, matplotlib and Lightning for when they are used."""
    heavy = {"scipy", "matplotlib", "lightning", "pytorch_lightning", "lightning_callbacks"}

    assert loaded_by("from lrfinder import find_lr") & heavy == set()
