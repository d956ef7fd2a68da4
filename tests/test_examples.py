"""Every example runs as it stands and leaves its picture."""

import logging
import runpy
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt
from PIL import Image

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.fixture
def _as_before():
    """Put back what a script may set for its whole process: the style of pictures, and how much Lightning logs."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "pytorch_lightning")]
    levels = [logger.level for logger in loggers]
    with mpl.rc_context():
        yield
    plt.close("all")
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.slow
@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_draws(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It ends well, without a warning, and with a picture of its name."""
    monkeypatch.setattr(sys, "argv", [str(example), str(tmp_path)])

    runpy.run_path(str(example), run_name="__main__")

    assert (tmp_path / f"{example.stem}.png").stat().st_size > 5_000
    for animation in tmp_path.glob("*.gif"):
        with Image.open(animation) as frames:
            assert frames.n_frames > 10


@pytest.mark.slow
def test_the_notebook_runs_and_shows_its_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Executed by a kernel it writes nothing to stderr, shows the result and the plan with pictures, and saves one."""
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(EXAMPLES[0].with_name("notebook.ipynb"), as_version=4)

    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": tmp_path}}).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    shown = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert ['<svg viewBox="0 0 760' in page for page in shown] == [True, True]
    assert (tmp_path / "notebook.png").stat().st_size > 5_000
