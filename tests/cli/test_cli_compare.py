"""`lrfinder compare`: two saved results in, both beside each other out."""

import pytest
from builders import EDGE, result

from lrfinder.advice.request import Request
from lrfinder.cli.main import main


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """The folder of three saved results, one of them without a suggestion."""
    monkeypatch.chdir(tmp_path)
    result(edge_trials=[EDGE]).to_json("a.json")
    result(Request(4000, schedule="constant"), edge_trials=[EDGE]).to_json("b.json")
    result(losses=[1.0] * 100).to_json("flat.json")
    return tmp_path


def test_it_prints_both_and_writes_the_page(saved, capsys):
    """The table has both files at its head; the page has the same first sentence."""
    code = main(["compare", "a.json", "b.json", "--html", "both.html"])

    out, err = capsys.readouterr()
    assert (code, err) == (0, "wrote both.html\n")
    assert out.startswith("The peaks differ by a factor of ")
    assert out.splitlines()[3].split() == ["a.json", "b.json"]
    assert "The peaks differ by a factor of " in (saved / "both.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("other", "code"), [("a.json", 0), ("flat.json", 3)])
def test_the_exit_code_says_whether_either_has_a_suggestion(saved, capsys, other, code):
    """It is 3 where neither has."""
    assert main(["compare", "flat.json", other]) == code


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a.json", "none.json"], "`second` must be a file that --json or to_json wrote, got none.json"),
        (["a.json", "b.json", "--html", "no/x.html"], "`--html` must be in a folder that exists, got no"),
        (["a.json"], "the following arguments are required: second"),
    ],
)
def test_a_mistake_is_one_line(saved, capsys, words, sentence):
    """The exit code is 1, and nothing is printed to stdout."""
    code = main(["compare", *words])

    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert sentence in err
