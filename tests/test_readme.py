"""The README's code runs as it stands."""

import re
from pathlib import Path

import pytest
import torch

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
@pytest.mark.filterwarnings("ignore:The number of training batches")
def test_the_block_with_lightning_needs_no_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It runs by itself, and its report begins a line of its own beside the progress bar."""
    (block,) = [block for block in BLOCKS if "AutoLR" in block]
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)

    exec(compile(block, str(README), "exec"), {})

    assert re.search(r"[\r\n]AutoLR: peak \S+ \(", capsys.readouterr().out)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
@pytest.mark.filterwarnings("ignore:The number of training batches")
def test_every_block_of_the_readme_runs_in_order(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The blocks run one after the other in one namespace, as a reader would paste them."""
    monkeypatch.chdir(tmp_path)  # a Trainer writes its logs and checkpoints where it is started
    torch.manual_seed(0)
    namespace: dict[str, object] = {}

    for block in BLOCKS:
        exec(compile(block, str(README), "exec"), namespace)

    assert "peak " in capsys.readouterr().out
