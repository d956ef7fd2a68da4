"""Two processes on the CPU, plain torch: one answer, no trace, and an end for all when one of them fails."""

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from two_ranks import parts

SEARCHES = ["ddp", "fsdp2", "ddp_training", "fsdp2_training"]
SCRIPT = Path(__file__).parents[1] / "two_ranks.py"

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(240)]


def environment(**more):
    """Of a process that finds this clone and these scripts."""
    paths = os.pathsep.join([str(SCRIPT.parents[1]), str(SCRIPT.parent)])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **more}


def two_ranks(*names):
    """What each rank has seen in every search; a rank that waits forever fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    job = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, str(SCRIPT), *names]
    ranks = [subprocess.Popen(command, env=environment(RANK=str(i), **job), **pipes) for i in range(2)]
    try:
        outputs = [rank.communicate(timeout=200) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], outputs
    first, second = (json.loads(out) for out, _ in outputs)
    return {name: (first[name], second[name]) for name in names}


def came_to(evidence):
    """What each trial came to, NaN where it exploded."""
    return [math.nan if loss is None else loss for loss in evidence["edge_trials"][0]["losses"]]


@pytest.fixture(scope="module")
def seen():
    """What both ranks have seen in the searches that end well for both, one after the other."""
    return two_ranks(*SEARCHES, "tuned", "plateau", "groups", "parts", "line_search", "not_a_number", "held_out_on_one")


@pytest.mark.parametrize("name", [*SEARCHES, "tuned", "plateau", "groups", "parts", "line_search", "not_a_number"])
def test_ranks_agree(seen, name):
    """Curve, trials, decision and number are the same on both to the last digit."""
    first, second = seen[name]

    assert first == second


@pytest.mark.parametrize("name", [*SEARCHES, "tuned", "plateau", "groups"])
def test_ranks_with_unequal_loaders_leave_no_trace(seen, name):
    """With accumulation, clipping, validation batches and a frozen part the training goes on as without a search."""
    first, second = seen[name]

    assert first["same"]
    assert second["same"]


@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
def test_an_epoch_is_as_long_as_the_shortest_loader(seen, name):
    """Nine batches on one rank and eleven on the other are five steps of two; the plan counts by them."""
    found = seen[name][1]["found"]

    assert (found["evidence"]["facts"]["ranks"], found["evidence"]["facts"]["steps_per_epoch"]) == (2, 5)
    assert found["plan"]["total_steps"] == 150


@pytest.mark.parametrize("name", [*SEARCHES, "parts", "line_search"])
def test_ranks_make_trials(seen, name):
    """Trials are run over all ranks, also for an optimizer that evaluates its closure often."""
    (trials,) = seen[name][0]["found"]["evidence"]["edge_trials"]

    assert trials["is_sure"]


def test_ranks_make_pilots_together(seen):
    """With what the rank with the least room can keep; on a plateau, after two trials that moved nothing, two."""
    (pilot,) = seen["tuned"][0]["found"]["evidence"]["pilots"]
    plateau = seen["plateau"][0]["found"]["evidence"]

    assert len(pilot["lrs"]) > 1
    assert [len(trials["lrs"]) for trials in plateau["edge_trials"]] == [2]
    assert [(len(trials["lrs"]), trials["steps"] > 100) for trials in plateau["pilots"]] == [(2, True)]


def test_ranks_tune_ratios_together(seen):
    """A last layer whose rate is a thousand times too low is brought up by both."""
    of_groups = seen["groups"][0]["found"]["evidence"]["groups"]

    assert of_groups["sets"][1]["factor"] / of_groups["sets"][0]["factor"] > 1


@pytest.mark.parametrize(("plain", "shards"), [("ddp", "fsdp2"), ("ddp_training", "fsdp2_training")])
def test_sharding_changes_nothing_of_the_answer(seen, plain, shards):
    """No weights that were gathered before a change are used after it, in a forward without a step either."""
    ddp, fsdp2 = seen[plain][0]["found"]["evidence"], seen[shards][0]["found"]["evidence"]

    assert fsdp2["curve"]["losses"] == pytest.approx(ddp["curve"]["losses"], rel=1e-3)
    assert came_to(fsdp2) == pytest.approx(came_to(ddp), rel=1e-3, nan_ok=True)


def test_two_ranks_are_one_with_the_whole_batch(seen):
    """Two halves of a batch on two ranks give the curve and the trials of the batch on one."""
    whole = parts(0, ranks=1)["found"]["evidence"]
    both = seen["parts"][0]["found"]["evidence"]

    assert both["curve"]["losses"] == pytest.approx(whole["curve"]["losses"], rel=1e-6)
    assert both["edge_trials"][0]["lrs"] == pytest.approx(whole["edge_trials"][0]["lrs"], rel=1e-6)
    assert came_to(both) == pytest.approx(came_to(whole), rel=1e-6, nan_ok=True)


def test_a_nan_on_one_rank_ends_the_sweep_of_both(seen):
    """Both end at the same step, with everything put back: five losses of the coarse pass, ten of the fine one."""
    first, second = seen["not_a_number"]

    assert first == second == {"kept": True, "error": None, "curve": [15, "non_finite"]}


def test_validation_batches_on_one_rank_alone_are_refused_on_all(seen):
    """The ranks would not measure together; each says what it has."""
    first, second = seen["held_out_on_one"]

    assert "`val_loader` must be given on every rank or on none, got one on rank 0" in first["error"]
    assert "got None on rank 1" in second["error"]


@pytest.mark.parametrize(("name", "troubled"), [("raising", 1), ("chief_raising", 0)])
def test_an_exception_on_one_rank_ends_both_with_its_reason(name, troubled):
    """The other rank does not wait for it in vain, and says which rank failed with what; both put all back."""
    seen = two_ranks(name)[name]

    reason = "IndexError: list index out of range"
    assert [rank["kept"] for rank in seen] == [True, True]
    assert seen[troubled]["error"] == reason
    assert seen[1 - troubled]["error"] == f"RankError: rank {troubled} failed: {reason}"


def test_the_command_line_under_torchrun_prints_and_writes_once(tmp_path):
    """Rank 0 alone reports the result."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    record = tmp_path / "lr.json"
    find = ["-m", "lrfinder", "find", "two_ranks:setup", "--total-steps", "500", "--json", str(record)]

    run = subprocess.run(
        [*torchrun, *find], env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )

    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("  how sure  ") == 1
    assert json.loads(record.read_text())["evidence"]["facts"]["ranks"] == 2
