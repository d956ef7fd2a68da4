"""Where one process of a job is lost, the others end with a message, and with the training as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "rank.py"

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(120)]


long = pytest.mark.long


@pytest.mark.parametrize(
    ("how", "call"), [("killed", 45), pytest.param("killed", 5, marks=long), pytest.param("failed", 45, marks=long)]
)
def test_a_rank_that_is_lost_ends_the_others(how, call, tmp_path):
    """In the sweep or in a trial: nobody waits, the error says what happened, everything is put back."""
    path = os.pathsep.join([str(SCRIPT.parents[1]), str(SCRIPT.parents[2])])
    words = [str(tmp_path / "store"), how, str(call)]
    ranks = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), *words],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]

    first, second = (rank.communicate(timeout=100)[0] for rank in ranks)

    kind, reason = {
        "killed": ("RuntimeError", "another process of this training has failed or ended in the search"),
        "failed": ("RankError", "ArithmeticError: put in by the test"),
    }[how]
    assert first.startswith(f"{kind} True ")
    assert reason in first
    assert second.startswith("ArithmeticError True " if how == "failed" else "")
