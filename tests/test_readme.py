"""The README: its code runs as it stands, its answer is the one that comes out, and what it claims is tested."""

import ast
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from lrfinder.cli.demo import SEEDS, _begin, _digits

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)

CLAIMS = {
    "suggests a schedule with the peak": "training/test_scheduler.py::test_an_attached_schedule_is_a_torch_scheduler",
    "says how sure it is; refuses a flat or noisy curve": (
        "evidence/test_rules.py::test_noise_alone_hardly_ever_has_an_answer"
    ),
    "suggestion does not move with the number of steps": (
        "test_invariance.py::test_the_suggestion_does_not_move_with_the_sweep"
    ),
    "training afterwards is bit-identical, after an exception too": (
        "reliability/test_faults.py::test_a_fault_anywhere_leaves_no_trace"
    ),
    "loss kept raw, smoothed without lag": (
        "evidence/test_smoothing.py::test_the_knee_of_a_ramp_is_recovered_to_one_grid_step_without_lag"
    ),
    "NaN ends the sweep; negative losses work": "search/test_sweep.py::test_a_loss_that_is_not_finite_ends_the_sweep",
    "parameter groups keep their LR ratios": "training/test_scheduler.py::test_groups_keep_their_ratios",
    "the schedulers you have follow the new LR": "training/test_param_groups.py::test_no_scheduler_undoes_it",
}
"""A test of each row of the table beside other finders; some have more."""


@pytest.fixture
def demo():
    """What the first block asks for: the demo's training."""
    loader = _digits()[0]
    model, optimizer = _begin(SEEDS[0], loader)
    return {"model": model, "loader": loader, "loss_fn": F.cross_entropy, "optimizer": optimizer}


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
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: dict[str, object]
):
    """The blocks run one after the other in one namespace, as a reader would paste them; the answer is as shown."""
    monkeypatch.chdir(tmp_path)  # a Trainer writes its logs and checkpoints where it is started

    for block in BLOCKS:
        exec(compile(block, str(README), "exec"), demo)

    (answer,) = re.findall(r"<!-- answer: lrfinder demo -->\n```text\n(.*?\n)```", TEXT, flags=re.DOTALL)
    assert capsys.readouterr().out.startswith(answer)


def test_the_readme_is_read_in_minutes():
    """It has at most 200 lines and 1,500 words."""
    assert len(TEXT.splitlines()) <= 200
    assert len(TEXT.split()) <= 1500


def test_every_claim_beside_other_finders_has_a_test():
    """Each row of the table names what a test states, and that test is there."""
    (table,) = re.findall(r"## How it differs.*?\n\|---.*?\n(.*?)\n\n", TEXT, flags=re.DOTALL)
    rows = [row.split(" | ")[0].removeprefix("| ") for row in table.splitlines()]

    assert rows == list(CLAIMS)
    for place in CLAIMS.values():
        file, name = place.split("::")
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        assert name in [one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)], place
