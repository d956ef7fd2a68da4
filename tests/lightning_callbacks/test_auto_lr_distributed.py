"""Two processes on the CPU: both ranks find the same, the training is untouched, one rank's NaN stops both."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fits import fit, pl

from lightning_callbacks import AutoLR
from lrfinder import LRResult

FORKED = "ddp_fork"
SCRIPT = Path(__file__).parent / "ranks.py"

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(240)]


def two_ranks(case, folder):
    """What both ranks of a script found, and everything that was printed."""
    out = run_ranks(case, folder)
    return json.loads(out.splitlines()[-1]), out


def run_ranks(case, folder):
    """What both ranks of a script print."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = str(SCRIPT.parents[2])
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MASTER_PORT": str(port),
        "PYTHONPATH": f"{root}{os.pathsep}{root}/tests",
    }
    run = subprocess.run(
        [sys.executable, str(SCRIPT), case, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def test_ddp_ranks_agree_and_leave_no_trace(tmp_path):
    """With accumulation and clipping: one curve and rate on both ranks, a fit as without it, one report, one file."""
    (first, second), out = two_ranks("ddp", tmp_path)

    assert first == second
    assert first["same"]
    assert (first["ranks"], first["schedulers"]) == (2, ["ScheduledLR"])
    assert out.count("AutoLR: peak ") == 1
    assert len(list((tmp_path / "tested").rglob("lr_find.json"))) == 1


def test_ddp_ranks_tune_together(tmp_path):
    """The pilots of both ranks come to the same losses and rate, and the fit is as without them."""
    (first, second), out = two_ranks("tuned", tmp_path)

    assert first == second
    assert first["same"]
    assert len(first["pilots"][0]) >= 3
    assert out.count("AutoLR: peak ") == 1


@pytest.mark.filterwarnings("ignore:It is recommended to use `self.log")
def test_forked_processes_leave_their_result_in_a_file(tmp_path):
    """The callback of the parent process never sees the result, the logger's folder does."""
    auto, logger = AutoLR(steps=20, lr_min=1e-4, verbose=False), pl.loggers.CSVLogger(tmp_path)

    fit(callbacks=[auto], logger=logger, strategy=FORKED, devices=1)

    (written,) = tmp_path.rglob("lr_find.json")
    assert LRResult.from_json(written).lr is not None
    assert auto.result is None


def test_forked_processes_cannot_be_left_after_the_sweep():
    """With mode="only" a process that ends its fit would be taken for one that failed: refused before the sweep."""
    with pytest.raises(Exception, match='`mode` must not be "only" where spawned or forked processes train'):
        fit(callbacks=[AutoLR(mode="only")], logger=False, strategy=FORKED, devices=1)


def test_a_nan_on_one_rank_stops_both(tmp_path):
    """Both ranks end at the same step, the fourth of the fine pass, and nobody waits for the other."""
    (first, second), _ = two_ranks("nan", tmp_path)

    assert (first["stopped"], len(first["losses"])) == ("non_finite", 5 + 3)
    assert first == second


def test_a_hook_that_fails_on_one_rank_ends_the_fit_on_both(tmp_path):
    """It is not taken for one that does not let itself be searched; a hook that sets the rate on both ranks is."""
    run_ranks("hooks", tmp_path)
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))

    assert (second["error"], first["error"]) == (
        "AssertionError: not in a search",
        "RankError: rank 1 failed: AssertionError: not in a search",
    )
    for seen in (first, second):
        assert "no learning rate was searched for, since `optimizer_step` of Warming" in seen["warned"][0]
        assert (seen["steps"], seen["weights"]) == (6, first["weights"])


def test_sharded_weights_leave_no_trace(tmp_path):
    """FSDP2 by ModelParallelStrategy: every rank's shards end as without the range test."""
    (first, second), _ = two_ranks("fsdp2", tmp_path)

    assert first["same"]
    assert first == second
