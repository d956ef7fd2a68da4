import copy
import io
import json

import numpy as np
import pytest
import torch
from rates import freeze, rates, run, sgd
from torch.optim.lr_scheduler import ChainedScheduler, LambdaLR, LRScheduler, OneCycleLR, StepLR

from lrfinder.advice.plan import Plan
from lrfinder.errors import InputError
from lrfinder.schedules import (
    Cosine,
    Custom,
    Exponential,
    Linear,
    ReduceOnPlateau,
    StableDecay,
    WarmRestarts,
    Warmup,
)
from lrfinder.training.scheduler import PlateauLR, attach

ANY = pytest.mark.parametrize(
    "schedule",
    [Warmup(Linear(15), 5), Cosine(20), Exponential(0.9), WarmRestarts(7, 2, floor=0.1), Custom(lambda t: 0.7**t)],
    ids=["warmup", "cosine", "exponential", "restarts", "custom"],
)


def add_group(optimizer, rate):
    """Add a group in mid-training."""
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate})


def without_rate():
    """An optimizer whose second group leaves the rate to it."""
    optimizer = sgd(0.1, 0.2)
    optimizer.param_groups[1]["lr"] = None
    return optimizer


def test_the_rate_is_the_peak_times_the_factor():
    """Step t runs at lr * schedule(t), from the first step to beyond the end."""
    optimizer = sgd(0.5)
    schedule = Warmup(Linear(8), 2)

    used = run(optimizer, attach(optimizer, schedule, lr=0.1), 15)

    assert used == [[0.1 * schedule(t)] for t in range(15)]


def test_groups_keep_their_ratios():
    """The first trainable group peaks at `lr`; a warm-up of another scheduler may hold the rates at anything."""
    optimizer = freeze(sgd(1.0, 0.1, 0.01), 0)
    LambdaLR(optimizer, [lambda epoch: 2.0, lambda epoch: 0.0, lambda epoch: 1.0])

    attach(optimizer, Linear(10), lr=0.5)

    assert rates(optimizer) == pytest.approx([5.0, 0.5, 0.05])


def test_without_a_rate_the_current_one_is_the_peak():
    """`lr=None` takes each group's current rate, whatever an earlier scheduler noted as its initial one."""
    optimizer = sgd(0.1, 0.01)
    StepLR(optimizer, 10)
    optimizer.param_groups[0]["lr"] = 0.003

    scheduler = attach(optimizer, Linear(10))

    initial = [group["initial_lr"] for group in optimizer.param_groups]
    assert rates(optimizer) == scheduler.base_lrs == initial == [0.003, 0.01]


def test_what_other_schedulers_left_is_dropped():
    """Entries that torch's own schedulers write into the groups are gone, so that nothing can snap back to them."""
    optimizer = sgd(0.1, momentum=0.9)
    OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05)

    attach(optimizer, Linear(10), lr=0.5)

    assert set(optimizer.param_groups[0]) - set(sgd(0.1).param_groups[0]) == {"initial_lr"}
    assert optimizer.param_groups[0]["initial_lr"] == 0.5


def test_rates_and_state_are_plain_floats():
    """A NumPy rate in the optimizer or as the peak leaves no trace: NumPy scalars break weights-only checkpoints."""
    optimizer = sgd(np.float64(0.2), np.float64(0.1))
    scheduler = attach(optimizer, Linear(np.int64(10)), lr=np.float64(0.5))
    run(optimizer, scheduler, 3)

    assert all(type(group[key]) is float for group in optimizer.param_groups for key in ("lr", "initial_lr"))
    assert all(type(rate) is float for rate in scheduler.get_last_lr())
    buffer = io.BytesIO()
    torch.save(scheduler.state_dict(), buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True) == scheduler.state_dict()


def test_the_state_is_small_and_named():
    """The whole state is the schedule in words of JSON, the bases and two counters."""
    scheduler = attach(sgd(0.2, 0.1), Linear(10), lr=0.5)

    assert scheduler.state_dict() == {
        "schedule": {"family": "linear", "steps": 10, "floor": 0.0},
        "base_lrs": [0.5, 0.25],
        "last_epoch": 0,
        "_step_count": 1,
    }


@ANY
@pytest.mark.parametrize("done", [0, 1, 7, 33])
def test_a_run_resumes_to_the_bit(schedule, done):
    """A resumed training, optimizer and scheduler both loaded, runs at the very rates of one that never stopped."""
    first, second = sgd(0.3, 0.1), sgd(0.3, 0.1)
    scheduler = attach(first, schedule, lr=0.1)
    run(first, scheduler, done)

    resumed = attach(second, schedule, lr=0.7)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    resumed.load_state_dict(copy.deepcopy(scheduler.state_dict()))

    assert run(second, resumed, 20) == run(first, scheduler, 20)


def test_a_state_brings_its_schedule_and_its_rates():
    """A scheduler that loads another one's JSON takes over schedule, bases and step, without the optimizer's state."""
    first, second = sgd(0.3), sgd(0.3)
    scheduler, resumed = attach(first, Linear(20), lr=0.1), attach(second, Cosine(5), lr=0.7)
    run(first, scheduler, 7)

    resumed.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))

    assert second.param_groups[0]["initial_lr"] == 0.1
    assert run(second, resumed, 20) == run(first, scheduler, 20)


@ANY
def test_last_epoch_resumes_like_torch(schedule):
    """With `last_epoch` the next rate is that of the step after it, and `initial_lr` is the peak."""
    optimizer = sgd(0.3)
    scheduler = attach(optimizer, schedule)
    run(optimizer, scheduler, 6)

    resumed = attach(optimizer, schedule, last_epoch=5)

    assert rates(optimizer) == [0.3 * schedule(6)]
    assert resumed.last_epoch == scheduler.last_epoch == 6


@ANY
def test_a_group_added_later_joins_at_its_own_rate(schedule):
    """A group that appears in mid-training keeps its rate until the next step and then follows the same shape."""
    optimizer = sgd(0.3)
    scheduler = attach(optimizer, schedule, lr=0.1)
    run(optimizer, scheduler, 4)
    add_group(optimizer, 0.01)
    ratio = 0.01 / rates(optimizer)[0]

    for _ in range(20):
        assert rates(optimizer)[1] == pytest.approx(ratio * rates(optimizer)[0])
        optimizer.step()
        scheduler.step()
    assert scheduler.base_lrs == pytest.approx([0.1, ratio * 0.1])


def test_a_group_added_after_the_end_has_no_factor_to_be_divided_by():
    """Where the factor is 0, a new group's rate is its base."""
    optimizer = sgd(0.3)
    scheduler = attach(optimizer, Linear(2))
    run(optimizer, scheduler, 3)

    add_group(optimizer, 0.01)
    run(optimizer, scheduler, 1)

    assert scheduler.base_lrs == [0.3, 0.01]


def test_a_state_with_an_added_group_fits_before_and_after_it_is_added_again():
    """Loading the state of two groups into one group keeps the second base for when its group comes back."""
    first, second = sgd(0.3, 0.1), sgd(0.3)
    scheduler, resumed = attach(first, Linear(20)), attach(second, Linear(20))
    run(first, scheduler, 3)

    resumed.load_state_dict(scheduler.state_dict())
    add_group(second, 9.0)
    run(first, scheduler, 1)
    run(second, resumed, 1)

    assert rates(second) == rates(first)


def test_tensor_rates_are_filled_in_place():
    """A rate that is a tensor stays that tensor, so that a compiled step sees every change."""
    optimizer = sgd(0.5, tensors=True)
    held = optimizer.param_groups[0]["lr"]

    scheduler = attach(optimizer, Linear(4), lr=0.25)
    used = run(optimizer, scheduler, 5)
    scheduler.load_state_dict(attach(sgd(0.5), Linear(4)).state_dict())

    assert used == [[0.25], [0.1875], [0.125], [0.0625], [0.0]]
    assert optimizer.param_groups[0]["lr"] is held
    assert held == 0.5


def test_an_attached_schedule_is_a_torch_scheduler():
    """Trainers that ask for torch's class, and torch's own containers, accept it; an epoch passed to it is ignored."""
    optimizer = sgd(1.0)
    scheduler = attach(optimizer, Linear(10))

    optimizer.step()
    ChainedScheduler([scheduler]).step()
    scheduler.step(7)
    scheduler.step(epoch=3)

    assert isinstance(scheduler, LRScheduler)
    assert rates(optimizer) == scheduler.get_last_lr() == [0.7]


def test_the_wrong_order_is_reported_by_torch():
    """Stepping the scheduler before the optimizer draws torch's own warning."""
    scheduler = attach(sgd(1.0), Linear(10))

    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\).* before .*optimizer.step\(\)"):
        scheduler.step()


def test_an_open_end_cools_down_when_told():
    """The rate is flat until `begin_cooldown`, then falls over its steps, also in a run that resumes meanwhile."""
    optimizer = sgd(1.0)
    scheduler = attach(optimizer, Warmup(StableDecay(None, floor=0.2), 2))
    assert run(optimizer, scheduler, 6) == [[0.5], *[[1.0]] * 5]

    scheduler.begin_cooldown(4)
    resumed = attach(sgd(1.0), StableDecay(None))
    resumed.load_state_dict(scheduler.state_dict())

    assert run(optimizer, scheduler, 6) == [pytest.approx([rate]) for rate in (1.0, 0.8, 0.6, 0.4, 0.2, 0.2)]
    assert resumed.schedule == scheduler.schedule
    with pytest.raises(InputError, match="`schedule` must be open-ended to cool down, got Then"):
        scheduler.begin_cooldown(4)


def test_a_plateau_cuts_on_its_metric():
    """`step()` advances the warm-up, `step(metric)` cuts, and metrics during the warm-up are ignored."""
    optimizer = sgd(1.0, 0.1)
    scheduler = attach(optimizer, Warmup(ReduceOnPlateau(0.5, patience=1), 4))
    seen = []
    for metric in (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5):
        optimizer.step()
        scheduler.step()
        scheduler.step(metric)
        seen.append(rates(optimizer)[0])

    assert isinstance(scheduler, PlateauLR)
    assert seen == [0.5, 0.75, 1.0, 1.0, 1.0, 0.5, 0.5]
    assert rates(optimizer)[1] == pytest.approx(0.05)


def test_a_plateau_cuts_groups_that_were_added_later():
    """A group that appears after a cut keeps its rate, and the next cut includes it."""
    optimizer = sgd(1.0)
    scheduler = attach(optimizer, ReduceOnPlateau(0.5, patience=0))
    scheduler.step(1.0)
    scheduler.step(1.0)
    add_group(optimizer, 0.1)

    scheduler.step(1.0)

    assert rates(optimizer) == [0.25, 0.05]


def test_a_plateau_accepts_what_torchs_own_accepts():
    """A metric may be a tensor or a keyword, with a stray epoch after it."""
    optimizer = sgd(1.0)
    scheduler = attach(optimizer, Warmup(ReduceOnPlateau(0.5, patience=0), 0))

    scheduler.step(torch.tensor(1.0))
    scheduler.step(metrics=1.0)
    scheduler.step(1.0, 3)

    assert rates(optimizer) == [0.25]
    assert scheduler.get_last_lr() == [0.25]


def test_a_plateau_resumes_with_its_memory():
    """The best metric, the bad checks and the cuts are in the state, as plain data."""
    metrics = [3.0, 2.0, 2.0, 2.0, 1.9, 2.0, 2.0, 2.0, 2.0]
    plateau = ReduceOnPlateau(0.5, patience=1, cooldown=1)
    first, second = sgd(1.0), sgd(1.0)
    scheduler, resumed = attach(first, Warmup(plateau, 2)), attach(second, plateau)
    for metric in metrics:
        scheduler.step(metric) if scheduler.last_epoch >= 2 else run(first, scheduler, 1)

    resumed.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))
    for metric in metrics:
        scheduler.step(metric)
        resumed.step(metric)
        assert rates(first) == rates(second)
    assert scheduler.feedback == resumed.feedback
    assert scheduler.feedback.cuts > 2


@pytest.mark.parametrize(
    ("attached", "state", "message"),
    [
        (Linear(5), StepLR(sgd(1.0), 3).state_dict(), "`state_dict` must be one of this"),
        (Linear(5), attach(sgd(1.0), ReduceOnPlateau()).state_dict(), "`state_dict` must be one of this scheduler"),
        (Linear(5), attach(sgd(1.0), Custom(abs)).state_dict(), "got the function 'abs'; pass it as Custom"),
        (ReduceOnPlateau(), attach(sgd(1.0), Linear(5)).state_dict(), "`state_dict` must be one of this scheduler"),
        (
            Linear(5),
            attach(sgd(1.0), Linear(5)).state_dict() | {"schedule": {"family": "reduce_on_plateau"}},
            "`state_dict` must hold a schedule of the attached kind, got ReduceOnPlateau",
        ),
    ],
    ids=["torch", "plateau", "function", "not a plateau", "mixed"],
)
def test_foreign_states_change_nothing(attached, state, message):
    """A state that this scheduler cannot have written is refused, and all stays as it was."""
    optimizer = sgd(1.0)
    scheduler = attach(optimizer, attached)
    before = scheduler.state_dict()

    with pytest.raises(InputError, match=message):
        scheduler.load_state_dict(state)
    assert scheduler.state_dict() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0}, "`lr` must be a finite number above 0, got 0"),
        ({"lr": float("inf")}, "`lr` must be a finite number above 0, got inf"),
        ({"schedule": 0.1}, "`schedule` must be a schedule or a function of the step, got 0.1"),
        ({"schedule": Linear}, "`schedule` must be a schedule or a function of the step, got <class"),
        ({"schedule": "linear"}, r"got 'linear'; pass CATALOGUE\['linear'\].build"),
        ({"schedule": lambda step: float("nan")}, "must give finite factors of at least 0, got nan"),
        ({"last_epoch": -2}, "`last_epoch` must be a whole number of at least -1, got -2"),
        ({"last_epoch": 5}, "`lr` must be given where no scheduler ever wrote `initial_lr`, got None"),
        ({"last_epoch": 0}, "`lr` must be given where no scheduler ever wrote `initial_lr`, got None"),
        ({"optimizer": {}}, "`optimizer` must be a torch Optimizer, got dict"),
        ({"schedule": None}, r"got NoneType; pass found\.plan\.schedule .* find_lr\(\.\.\., total_steps=\.\.\.\)"),
        ({"schedule": Plan(0.1, (0.05, 0.2), None, None, 0)}, r"got Plan; pass found\.plan\.schedule and lr="),
        ({"optimizer": sgd(0.0), "lr": 0.1}, "the reference group's rate"),
        ({"optimizer": sgd(0.0)}, "`lr` must be given where every group's rate is 0"),
        ({"optimizer": without_rate(), "lr": 0.5}, r"must have an `lr` in every group .* got none in group 1"),
        (
            {"optimizer": freeze(sgd(0.1, 0.2), 0, 1), "lr": 0.5},
            "a group with an `lr` and a trainable parameter, got none",
        ),
    ],
)
def test_bad_arguments_change_nothing(arguments, message):
    """What cannot be used raises with the value shown, and the optimizer is as before."""
    given = {"optimizer": sgd(0.1), "schedule": Linear(10)} | arguments
    before = repr(given["optimizer"])

    with pytest.raises(InputError, match=message):
        attach(**given)
    assert repr(given["optimizer"]) == before
