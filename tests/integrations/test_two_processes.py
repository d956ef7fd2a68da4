"""Two processes on the CPU under each framework: one answer, no trace, a schedule of the optimizer steps."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "framework_ranks.py"

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(280)]


def two_ranks(*names):
    """What both ranks have seen; a rank that waits forever fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    paths = os.pathsep.join(map(str, [SCRIPT.parents[2], SCRIPT.parents[1], SCRIPT.parent]))
    job = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    quiet = {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "ACCELERATE_USE_CPU": "true",
        "TORCHELASTIC_RUN_ID": "tests",
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, str(SCRIPT), *names]
    settings = [{**os.environ, "PYTHONPATH": paths, **job, **quiet, "RANK": i, "LOCAL_RANK": i} for i in "01"]
    ranks = [subprocess.Popen(command, env={**env, "GROUP_RANK": "0"}, **pipes) for env in settings]
    try:
        outputs = [rank.communicate(timeout=240) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], [err[-3000:] for _, err in outputs]
    first, second = (json.loads(out.splitlines()[-1]) for out, _ in outputs)
    printed = "".join(out for out, _ in outputs)
    return {name: (first[name], second[name]) for name in names}, printed


def test_ranks_agree_and_leave_no_trace():
    """Under each framework both see one curve and one rate, and train on as without a search.

    A schedule counts the optimizer steps, and not those of the processes together. The Trainer's scheduler begins at
    the peak on both ranks, and the chief alone prints the report. One test, since both processes start but once.
    """
    seen, printed = two_ranks("accelerate", "schedules", "fabric", "trainer")

    for name in ("accelerate", "fabric", "trainer"):
        first, second = seen[name]
        assert first == second
        assert first["same"], name
        assert (first["ranks"], len(first["curve"]) > 10) == (2, True)
    for rank in seen["schedules"]:
        assert rank["rates"] == pytest.approx(rank["wanted"])
    assert seen["trainer"][0]["applied"] == pytest.approx(seen["trainer"][0]["lr"])
    assert printed.count("AutoLRCallback: peak ") == 1
