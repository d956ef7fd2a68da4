"""How Sphinx renders the site; `make docs` calls it, by build.py."""

import inspect
from importlib.metadata import version as version_of
from typing import Any

project = "lrfinder"
author = "The lrfinder authors"
version = release = version_of("lrfinder")
copyright = author  # the name that Sphinx reads

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
nitpicky = True
nitpick_ignore_regex = [
    # Types of others, for which there is no inventory without a network, and of ours that nobody names.
    (r"py:.*", r"(torch|numpy|np|collections|typing|matplotlib|os|pathlib|transformers|accelerate|dist)\..*"),
    (r"py:.*", r"Tensor|Axes|FigureBase|Optimizer|LRScheduler|ScheduledLR|Reducer|lrfinder\.training\.(feed|host)\..*"),
]
default_role = "py:obj"  # docstrings put names into single backticks, and link where they can

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # a class that says what it holds may have a property of that name
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "lrfinder"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

COLON = "\ue000"
OURS = ("lrfinder", "lightning_callbacks", "builtins")


def skip_hooks(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what a class overrides of a framework's: the framework calls it, and its docs explain it."""
    place = getattr(member, "__qualname__", "").rpartition(".")[0]
    owner = getattr(inspect.getmodule(member), place, None) if inspect.isfunction(member) else None
    bases = owner.__mro__[1:] if inspect.isclass(owner) else ()
    is_hook = any(name in vars(base) and base.__module__.partition(".")[0] not in OURS for base in bases)
    return True if is_hook else None


def hide_colon(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep napoleon from taking what stands before a colon, in the first line of a property, for its type."""
    if what in ("attribute", "property") and lines:
        lines[0] = lines[0].replace(":", COLON)


def show_colon(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Put it back."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def leave_plain(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Take what stands in single backticks and is nothing public as code, without a link."""
    return contnode if node.get("reftype") == "obj" else None


def setup(app: Any) -> None:
    """Connect them."""
    app.connect("autodoc-skip-member", skip_hooks)
    app.connect("autodoc-process-docstring", hide_colon, priority=1)  # before napoleon's
    app.connect("autodoc-process-docstring", show_colon, priority=999)
    app.connect("missing-reference", leave_plain)
