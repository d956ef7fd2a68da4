"""`lrfinder schedules`, and the options of a plan on the command line."""

from pathlib import Path

import pytest

from lrfinder.cli.main import main
from lrfinder.schedules import CATALOGUE


def test_the_table_has_every_family(capsys: pytest.CaptureFixture[str]):
    """Name, frequency, quantity, a line of bars, the parameters, and below them its use and its tip."""
    assert main(["schedules"]) == 0

    out = capsys.readouterr().out
    for entry in CATALOGUE.values():
        (row,) = [line for line in out.splitlines() if line.startswith(f"{entry.name} ")]
        assert row.split()[0] == entry.name
        assert f"{entry.frequency}  " in row
        assert f"{entry.quantity}  " in row
        assert any(bar in row for bar in "▁▂▃▄▅▆▇█")
        assert f"{entry.when} {entry.tip}" in " ".join(out.split())
        assert (", ".join(entry.parameters) or "none")[:10] in row


def test_the_table_fits_a_hundred_columns(capsys: pytest.CaptureFixture[str]):
    """No line is longer."""
    main(["schedules"])

    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100


def test_the_gallery_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """`--plot` writes the picture beside the table and says where."""
    code = main(["schedules", "--plot", str(tmp_path / "gallery.png")])

    assert code == 0
    assert (tmp_path / "gallery.png").stat().st_size > 10_000
    assert "gallery.png" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gallery.nonsense", "missing/gallery.png"])
def test_a_picture_that_cannot_be_written_is_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """An unknown format or a missing folder ends with 1."""
    code = main(["schedules", "--plot", str(tmp_path / name)])

    assert code == 1
    assert capsys.readouterr().err.startswith("lrfinder: the result could not be written")


def test_the_options_of_a_plan_reach_find_lr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """`--epochs` and the flags are those of find_lr; what is not given is the factory's."""
    (tmp_path / "planned.py").write_text(
        "import torch\n"
        "def setup():\n"
        "    rows = [torch.randn(16, 4) for _ in range(10)]\n"
        "    batches = [(x, x @ torch.ones(4, 1)) for x in rows]\n"
        "    return dict(model=torch.nn.Linear(4, 1), loader=batches, early_stopping=True)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    code = main(["find", "planned:setup", "--epochs", "30", "--finetune"])

    out = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert "for 300 steps (30 epochs of 10)" in out
    assert "For fine-tuning the peak is 0.33 of what was measured" in out
    assert "Early stopping may end the training" in out
