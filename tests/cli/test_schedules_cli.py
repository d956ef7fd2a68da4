"""`lrfinder schedules`, and the options of a plan on the command line."""

from pathlib import Path

import pytest

from lrfinder.cli.main import main
from lrfinder.schedules import CATALOGUE


def test_the_table_has_every_family(capsys: pytest.CaptureFixture[str]):
    """In a hundred columns: name, frequency, quantity, bars, parameters, and below them its use and its tip."""
    assert main(["schedules"]) == 0

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    for entry in CATALOGUE.values():
        (row,) = [line for line in out.splitlines() if line.startswith(f"{entry.name} ")]
        assert row.split()[0] == entry.name
        assert f"{entry.frequency}  " in row
        assert f"{entry.quantity}  " in row
        assert any(bar in row for bar in "▁▂▃▄▅▆▇█")
        assert f"{entry.when} {entry.tip}" in " ".join(out.split())
        assert (", ".join(entry.parameters) or "none")[:10] in row


@pytest.mark.parametrize("name", ["gallery.png", "gallery.nonsense", "missing/gallery.png"])
def test_the_gallery_is_drawn(name, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """`--plot` writes the picture and says where; an unknown format or a missing folder is one line and ends with 1."""
    code = main(["schedules", "--plot", str(tmp_path / name)])

    err = capsys.readouterr().err
    if name == "gallery.png":
        assert (code, name in err, (tmp_path / name).stat().st_size > 10_000) == (0, True, True)
    else:
        assert code == 1
        assert err.startswith("lrfinder: the result could not be written")
