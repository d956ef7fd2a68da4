"""Files from anywhere: a clear error, or a result that can be printed, drawn and saved; nothing runs."""

import copy
import json
import re
import sys
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from quadratic import Quadratic, swept

from lrfinder import InputError, LRResult
from lrfinder.cli.main import main
from lrfinder.result import LARGEST_FILE

some_more = settings(max_examples=6 * settings.default.max_examples)

ODD = [None, True, -1, 0, 1, 10**400, -1.5, 1e308, 5e-324, "", "x", "1e-3", [], [1], {}, {"family": "linear"}]


@cache
def written():
    """What a whole search wrote, with a sweep, trials and a plan."""
    return swept(Quadratic(1.0), total_steps=100).to_json()


def paths_in(value, path=()):
    """The path of every part of plain data.

    Yields:
        Keys and indices from the outside in.
    """
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_in(item, (*path, key))


def edited(path, value):
    """The record with one part replaced, or taken out where the value is `delete`."""
    data = json.loads(written())
    part = data
    for key in path[:-1]:
        part = part[key]
    if value == "delete":
        del part[path[-1]]
    else:
        part[path[-1]] = copy.deepcopy(value)
    return json.dumps(data)


def is_usable(text):
    """Whether a text is refused in a sentence, or is a result that does all that a result does."""
    try:
        found = LRResult.parse(text)
    except InputError as error:
        return "must be a result that to_json returned" in str(error)
    assert str(found)
    found.plot(Figure().subplots())
    return LRResult.parse(found.to_json()) == found


@some_more
@given(
    path=st.sampled_from([path for path in paths_in(json.loads(written())) if path]),
    value=st.sampled_from([*ODD, "delete"]),
)
def test_a_file_edited_by_hand_is_refused_or_usable(path, value):
    """Any one part replaced by anything, or taken out."""
    assert is_usable(edited(path, value))


@some_more
@given(at=st.integers(0, len(written())), junk=st.text(max_size=3), keeps_the_rest=st.booleans())
def test_a_damaged_file_is_refused_or_usable(at, junk, keeps_the_rest):
    """Cut off anywhere, or with characters put in anywhere."""
    assert is_usable(written()[:at] + junk + (written()[at:] if keeps_the_rest else ""))


@some_more
@given(noise=st.binary(max_size=200))
def test_noise_is_refused(noise, tmp_path_factory):
    """Bytes that are no text, or no record."""
    path = tmp_path_factory.mktemp("noise") / "found.json"
    path.write_bytes(noise)

    with pytest.raises(InputError, match="`path` must be a result that to_json wrote"):
        LRResult.from_json(path)


def replaced(part, number):
    """The record with one number written otherwise."""
    return re.sub(f'"{part}": [0-9.e-]+', f'"{part}": {number}', written(), count=1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Expecting value"),
        (written()[:-40], "`path` must be a result that to_json wrote, got"),
        ("[1, 2]", "`path` must be a result that to_json wrote"),
        ("null", "`path` must be a result that to_json wrote"),
        ('"a string"', "`path` must be a result that to_json wrote"),
        ("[" * 100_000, "`path` must be a result that to_json wrote"),
        (replaced("noise", "NaN"), "it holds NaN, which is no finite number"),
        (replaced("noise", "1e999"), "it holds 1e999, which is no finite"),
        (replaced("lr", "-Infinity"), "it holds -Infinity, which is no finite"),
        (replaced("cost_steps", "9" * 30), "it holds a number of 30 digits, which counts nothing"),
    ],
    ids=["empty", "cut off", "list", "null", "string", "nested", "NaN", "overflow", "infinity", "digits"],
)
def test_a_file_that_is_no_result_is_refused(text, sentence, tmp_path):
    """A file that is cut off, of another shape, not finite or nested without end has one clear error."""
    path = tmp_path / "found.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=sentence):
        LRResult.from_json(path)


def test_a_huge_file_is_refused_unread(tmp_path):
    """Beyond 32 MiB nothing is loaded."""
    path = tmp_path / "found.json"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)

    with pytest.raises(InputError, match="it has 33,554,433 bytes, and at most 33,554,432 are read"):
        LRResult.from_json(path)


FIELDS = [
    (("evidence", "edge_trials", 0, "losses"), [1.0], "`losses` must be as many as `lrs`"),
    (("evidence", "edge_trials", 0, "steps"), 0, "`steps` must be positive, got 0"),
    (("evidence", "status"), "fine", "'fine' is not a valid"),
    (("evidence", "suggestions", "divergence"), -1.0, "`divergence` must be a positive rate or None, got -1.0"),
    (("evidence", "facts", "reference"), 7, "`reference` must be the index of a base, got 7"),
    (("evidence", "facts", "model"), 7, "`model` must be of type str, got 7"),
    (("evidence", "noise"), "loud", "`noise` must be a finite number, got 'loud'"),
    (("evidence", "suggestions"), [], r"`suggestions` must be a mapping, got \[\]"),
    (("evidence", "extra"), 1, r"`Evidence` must have the fields coarse, .*, got \['extra'\]"),
    (("plan", "interval"), [1.0], r"`interval` must be a list of 2, got \[1.0\]"),
    (("plan", "lr"), "delete", "`Plan` must be whole, got"),
    (("plan", "reasons"), "because", "`reasons` must be a list, got 'because'"),
    (("plan", "factors", 0, "name"), "luck", "`name` must be one of 'fitted', .*, got 'luck'"),
    (("plan", "estimates", 0, "source"), "guess", "`source` must be one of 'usual', .*, got 'guess'"),
    (("schema",), 3, "`schema` must be 2, or 1, got 3; made by another version of lrfinder"),
    (("schema",), "delete", "'schema'"),
    (("evidence",), {}, "'curve'"),
    (("plan",), 7, "`text` must be a result that to_json returned"),
]


@pytest.mark.parametrize(("path", "value", "sentence"), FIELDS)
def test_a_field_that_is_wrong_is_named(path, value, sentence):
    """The error says which field, what it must be and what it was."""
    with pytest.raises(InputError, match=sentence):
        LRResult.parse(edited(path, value))


NAMES = [
    "Ünïcødé 模型 🔥",
    "<b>bold</b> & \\frac{$",
    "two\nlines\r\n",
    "nul\0 esc\x1b[31m",
    "\u202eright to left",
    "x" * 5_000,
]


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_odd_names_survive_a_report_a_picture_and_a_file(name, tmp_path):
    """Alphabets, markup, line ends, control characters and length, in every name that comes from outside."""
    found = LRResult.parse(written())
    facts = replace(found.facts, model=name, optimizer=name, loss=name)
    evidence = replace(found.evidence, facts=facts, suggestions={**found.suggestions, name: 1e-3})
    found = replace(found, evidence=evidence, plan=replace(found.plan, rule=name))
    found.to_json(tmp_path / "found.json")

    assert main(["show", str(tmp_path / "found.json"), "--plot", str(tmp_path / "found.png")]) == 0
    assert LRResult.from_json(tmp_path / "found.json") == found
    assert not {"\0", "\x1b", "\r"} & set(str(found))


PATHS = [
    "odd:setup()",
    "odd:__import__('beside')",
    "odd:setup if 1 else 0",
    "../odd:setup",
    "odd.py:setup",
    "odd:setup",
]


@pytest.mark.parametrize("path", PATHS)
def test_the_command_line_imports_what_was_named_and_nothing_else(path, tmp_path, monkeypatch, capsys):
    """A factory's path is a module and a name in it: no expression is evaluated, no file beside it is run."""
    (tmp_path / "beside.py").write_text("raise ZeroDivisionError('was run')", encoding="utf-8")
    (tmp_path / "odd.py").write_text("def setup():\n    return 7\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert main(["find", path]) == 1

    error = capsys.readouterr().err
    assert error.startswith("lrfinder: `")
    assert ("must return a dict" in error) == (path == "odd:setup")
    assert "was run" not in error
    sys.modules.pop("odd", None)
