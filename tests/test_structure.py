"""How the packages are built: what the face shows, what it loads, which room imports which."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import lrfinder

ROOT = Path(lrfinder.__file__).parent.parent

ROWS = (
    ("errors", "_version"),
    ("checks", "loop"),
    ("schedules", "evidence", "snapshot"),
    ("advice", "training"),
    ("display", "search"),
    ("keywords", "result_json"),
    ("result",),
    ("find", "tune"),
    ("cli", "integrations", "lightning_callbacks"),
)
"""A room imports from itself and from the rows above it, imports for typing and inside functions included."""

ROW = {room: number for number, rooms in enumerate(ROWS) for room in rooms}


@cache
def imports():
    """Every module of both packages with those of theirs that it names in any import."""
    paths = [path for package in ("lrfinder", "lightning_callbacks") for path in (ROOT / package).rglob("*.py")]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    found = {}
    for module, path in modules.items():
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= (full & set(modules)) or {node.module}
        found[module] = (names & set(modules)) - {module}, names
    return found


def room(module):
    """The room that a module stands in; None for the face of lrfinder itself."""
    package, _, rest = module.partition(".")
    return package if package != "lrfinder" else rest.split(".")[0] or None


def test_every_room_has_a_row():
    """No module stands outside the design."""
    assert {room(module) for module in imports()} - set(ROW) == {None, "__main__"}


def test_no_room_imports_against_the_direction():
    """A room imports only from rows above its own."""
    edges = [(a, b) for a, (known, _) in imports().items() for b in known if room(a) in ROW and room(b) in ROW]

    assert [(a, b) for a, b in edges if room(a) != room(b) and ROW[room(b)] >= ROW[room(a)]] == []


def test_no_modules_import_in_a_circle():
    """The modules of both packages can be put in an order; the packages' own faces import when a name is used."""
    faces = {"lrfinder", "lightning_callbacks"}
    graph = {a: known - faces for a, (known, _) in imports().items() if a not in faces}

    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("name", ["evidence", "advice", "display"])
def test_what_is_measured_advised_and_shown_knows_no_torch(name):
    """These rooms name torch in no import, not even for typing or inside a function."""
    named = {top for a, (_, names) in imports().items() if room(a) == name for top in (n.split(".")[0] for n in names)}

    assert "torch" not in named


def test_lrfinder_knows_no_lightning():
    """Nothing in lrfinder imports Lightning or the callbacks, but for its face, which hands their names on."""
    rooms = [a for a in imports() if a.startswith("lrfinder.")]
    named = {n.split(".")[0] for a in rooms for n in imports()[a][1]}

    assert not named & {"lightning", "pytorch_lightning", "lightning_callbacks"}


def test_every_public_name_is_what_its_home_defines():
    """Each name of `__all__` is there, and `from lrfinder import *` would find it."""
    homes = lrfinder._HOMES

    assert set(lrfinder.__all__) == {*homes, *lrfinder._ROOMS, "__version__"}
    for name, home in homes.items():
        assert name in import_module(home).__all__
        assert getattr(lrfinder, name) is getattr(import_module(home), name)


def test_the_schedules_are_reached_without_an_import_of_their_own():
    """`import lrfinder` is enough for `lrfinder.schedules.CATALOGUE`."""
    script = "import lrfinder; print(sorted(lrfinder.schedules.CATALOGUE)[0])"

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True).stdout


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
    script = f"{code}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


LIGHTNING = {"lightning", "pytorch_lightning"}
LAZY = {"scipy", "matplotlib", *LIGHTNING}
SHOW = """
import contextlib, io
from lrfinder.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    try: main({arguments})
    except SystemExit: pass
"""
LOADED = {
    "import lrfinder, lrfinder._version": {"torch", "numpy", "tqdm", "lightning_callbacks", *LAZY},
    "import lrfinder.schedules": {"torch", "numpy", "scipy"},
    "from lrfinder import find_lr": {"lightning_callbacks", *LAZY},
    "from lrfinder.integrations import accelerate, fabric": {"accelerate", "transformers", *LAZY},
    "import lightning_callbacks": LIGHTNING,
    SHOW.format(arguments=["--help"]): {"torch", "numpy", *LAZY},
    SHOW.format(arguments=["schedules"]): {"torch", "numpy", *LAZY},
    SHOW.format(arguments=["show", "tests/schema_1.json"]): {"torch", *LAZY},
    SHOW.format(arguments=["rescale", "tests/schema_1.json", "--world-size", "2"]): {"torch", *LAZY},
}


STARTS = ["package", "schedules", "find_lr", "integrations", "callbacks", "help", "list", "show", "rescale"]


@pytest.mark.parametrize(("code", "heavy"), LOADED.items(), ids=STARTS)
def test_nothing_is_loaded_before_it_is_used(code, heavy):
    """Imports, help, the table of schedules and a saved result leave heavy libraries for when they are used."""
    assert loaded_by(code) & heavy == set()
