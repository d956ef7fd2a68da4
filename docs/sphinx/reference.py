"""The reference: an entry for every public name, found in `__all__`, so that none is forgotten."""

import ast
import inspect
from collections.abc import Iterable
from dataclasses import is_dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import iter_modules

__all__ = ["PAGES", "entries", "public_names", "records", "write_reference"]

PACKAGES = ("lrfinder", "lrfinder.schedules", "lrfinder.integrations", "lightning_callbacks")
RECORDS = ("lrfinder.advice.plan", "lrfinder.advice.calibration", "lrfinder.evidence")
"""Where the records stand that a result holds, besides those that `lrfinder` exports."""
RETURNED = ("lrfinder.training.scheduler.ScheduledLR",)
"""What public functions return and nobody makes."""

PAGES = {
    "search": ("Search", "The four verbs: two for plain torch, two for anything that trains."),
    "results": ("Results", "What a search returns, what it holds, and how to draw it."),
    "loops": ("Trainings", "Trainings as loops, and how to attach a schedule."),
    "lightning": ("Lightning", "Callbacks for the Trainer of Lightning, under both of its names."),
    "integrations": (
        "Integrations",
        "Each framework has an extra of its name; :doc:`where you train </integrations>` says more.",
    ),
    "schedules": ("Schedules", "A schedule maps a step to a factor of the peak."),
    "errors": ("Errors and warnings", "Everything that lrfinder raises or warns of."),
}
HOMES = {
    "lrfinder.find": "search",
    "lrfinder.tune": "search",
    "lrfinder.result": "results",
    "lrfinder.display": "results",
    "lrfinder.advice": "results",
    "lrfinder.evidence": "results",
    "lrfinder.loop": "loops",
    "lrfinder.training": "loops",
    "lrfinder.errors": "errors",
    "lrfinder.schedules": "schedules",
    "lrfinder.integrations": "integrations",
    "lightning_callbacks": "lightning",
}


def public_names() -> list[str]:
    """Every public name, as `lrfinder.find_lr`."""
    modules = [*PACKAGES]
    modules += [f"lrfinder.integrations.{one.name}" for one in iter_modules(import_module(PACKAGES[2]).__path__)]
    public = [name for name in modules if "._" not in name]
    names = [f"{module}.{name}" for module in public for name in getattr(import_module(module), "__all__", ())]
    return [name for name in names if not name.endswith("__") and not inspect.ismodule(_value(name))]


def records() -> list[str]:
    """The records that are reached from a result and that `lrfinder` does not export."""
    shown = {id(_value(name)) for name in public_names()}
    modules = [import_module(name) for name in RECORDS]
    for package in [module for module in modules if hasattr(module, "__path__")]:
        modules += [import_module(f"{package.__name__}.{one.name}") for one in iter_modules(package.__path__)]
    found = [(module, name) for module in modules for name in getattr(module, "__all__", ())]
    return [
        f"{module.__name__}.{name}"
        for module, name in found
        if inspect.isclass(getattr(module, name))
        and is_dataclass(getattr(module, name))
        and id(getattr(module, name)) not in shown
    ]


def entries(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of each page; KeyError for one whose home is new, which belongs into `HOMES`."""
    by_page: dict[str, list[str]] = {page: [] for page in PAGES}
    for name in names:
        home = next(home for home in _parents(_home(name)) if home in HOMES)
        by_page[HOMES[home]].append(name)
    return by_page


def write_reference(source: Path) -> None:
    """Write the pages of the reference."""
    folder = source / "reference"
    folder.mkdir()
    pages, held = entries([*public_names(), *RETURNED]), records()
    for page, names in pages.items():
        title, words = PAGES[page]
        text = [_heading(title, "="), words, *_all_of(names)]
        if page == "results":
            text += [_heading("Records that a result holds", "-"), *_all_of(held)]
        (folder / f"{page}.rst").write_text("\n\n".join(text) + "\n", encoding="utf-8")
    rows = [f"* - :doc:`{PAGES[page][0]} <{page}>`\n  - {_links(names)}" for page, names in pages.items()]
    table = ".. list-table::\n   :widths: 20 80\n\n" + "\n".join(
        f"   {line}" for row in rows for line in row.split("\n")
    )
    tree = "\n".join([".. toctree::", "   :hidden:", "", *(f"   {page}" for page in pages)])
    text = "\n\n".join([_heading("Reference", "="), "Every public name, by what it is for.", table, tree])
    (folder / "index.rst").write_text(text + "\n", encoding="utf-8")


def _all_of(names: list[str]) -> list[str]:
    """The entry of each name; one that another stands for is a line that says so."""
    first: dict[int, str] = {}
    return [_entry(name, first.setdefault(id(_value(name)), name)) for name in names]


def _entry(name: str, first: str) -> str:
    value = _value(name)
    if name != first:
        return f".. py:data:: {name}\n   :no-contents-entry:\n\n   The same as :py:obj:`{first}`."
    if inspect.isclass(value):
        return f".. autoclass:: {name}\n   :members:"
    if inspect.isroutine(value):
        return f".. autofunction:: {name}"
    keys = ", ".join(f"``{key}``" for key in value) if isinstance(value, dict) else ""
    return f".. py:data:: {name}\n\n   {_said_of(name)}" + (f" Keys: {keys}." if keys else "")


def _said_of(name: str) -> str:
    """The docstring below the assignment of a constant."""
    body = ast.parse(inspect.getsource(import_module(_home(name)))).body
    short = name.rpartition(".")[2]
    for statement, following in pairwise(body):
        targets = [getattr(statement, "target", None), *getattr(statement, "targets", [])]
        if short in [getattr(one, "id", None) for one in targets] and isinstance(following, ast.Expr):
            return " ".join(str(ast.literal_eval(following.value)).split())
    raise ValueError(f"`{name}` must have a docstring below its assignment in {_home(name)}, got none; write it")


def _value(name: str) -> object:
    module, _, short = name.rpartition(".")
    return getattr(import_module(module), short)


def _home(name: str) -> str:
    """The module where something is defined."""
    value, (module, _, short) = _value(name), name.rpartition(".")
    if inspect.isclass(value) or inspect.isroutine(value):
        return str(value.__module__)
    homes = getattr(import_module(module), "_HOMES", {})
    return str(homes.get(short, module)) if short in homes else _found_in(module, short)


def _found_in(package: str, short: str) -> str:
    """The module of a package that lists a constant as its own."""
    modules = [f"{package}.{one.name}" for one in iter_modules(import_module(package).__path__)]
    return next(name for name in modules if short in getattr(import_module(name), "__all__", ()))


def _parents(module: str) -> list[str]:
    """A module and the packages that it is in, from within."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _links(names: list[str]) -> str:
    """Links to names, each value once."""
    first = {id(_value(name)): name for name in reversed(names)}
    return ", ".join(f":py:obj:`~{name}`" for name in names if name in first.values())


def _heading(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}"
