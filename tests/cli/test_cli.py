"""The command line."""

import re
import sys
from pathlib import Path
from statistics import fmean

import pytest

from lrfinder import __version__
from lrfinder.cli.main import main


def test_version_is_printed(capsys: pytest.CaptureFixture[str]):
    """`--version` prints the package's version and ends with 0."""
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])

    assert capsys.readouterr().out == f"lrfinder {__version__}\n"


@pytest.mark.parametrize("command", ["find", "tune"])
def test_the_help_of_a_search_is_enough_to_use_it(command, capsys: pytest.CaptureFixture[str]):
    """It shows a factory, the options that give the length, and what the exit codes mean."""
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])

    out = capsys.readouterr().out
    assert "return dict(model=model, loader=loader, loss_fn=..., optimizer=...)" in out
    assert "--total-steps or --epochs" in out
    assert "3 no reliable suggestion" in out


def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """A demo without scikit-learn ends with 1 and one line that names the fix."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)

    code = main(["demo"])

    assert code == 1
    assert "pip install 'lrfinder[demo]'" in capsys.readouterr().err


@pytest.mark.slow
def test_demo_prints_the_seeds_of_both_trainings_and_draws_two_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The demo finds an LR, trains with it and at 1e-3 with a cosine, and leaves both pictures in the folder."""
    code = main(["demo", "--folder", str(tmp_path)])

    out = capsys.readouterr().out
    rows = re.findall(r"^  (?:AdamW 1e-3|as found).*?(\d\.\d{4})   (\S+) (\S+) (\S+)  .*%.*", out, flags=re.MULTILINE)
    constant, usual, found = ([float(number) for number in row] for row in rows)
    assert code == 0
    assert out.startswith("peak ")
    assert all(len(line) <= 100 for line in out.splitlines())
    assert [row[0] for row in (constant, usual, found)] == [
        pytest.approx(fmean(row[1:]), abs=1e-4) for row in (constant, usual, found)
    ]
    assert len(set(found)) == 4
    assert all(ours < min(others) for ours, *others in zip(found, usual, constant, strict=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo.png", "range_test.png"]
    assert all(p.stat().st_size > 10_000 for p in tmp_path.iterdir())


def test_show_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """`--html` leaves it in the file, and says so beside the report."""
    saved = Path(__file__).parents[1] / "schema_1.json"

    code = main(["show", str(saved), "--html", str(tmp_path / "lr.html")])

    assert code == 0
    assert capsys.readouterr().err == f"wrote {tmp_path / 'lr.html'}\n"
    assert (tmp_path / "lr.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The folder of `--html` has to be there before anything is read or searched."""
    code = main(["find", "no_such_module:setup", "--html", str(tmp_path / "none" / "lr.html")])

    assert code == 1
    assert "`--html` must be in a folder that exists" in capsys.readouterr().err
