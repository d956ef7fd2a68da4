import json

import pytest
import torch

from lrfinder.errors import InputError
from lrfinder.scheduler import attach
from lrfinder.schedules import Linear, Warmup


def sgd(*rates, **options):
    """An optimizer with one group per rate."""
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates], **options)


def rates(optimizer):
    """Every group's rate."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def run(optimizer, scheduler, steps):
    """The first group's rate at each of so many steps."""
    used = []
    for _ in range(steps):
        used.append(rates(optimizer)[0])
        optimizer.step()
        scheduler.step()
    return used


def test_the_rate_is_the_peak_times_the_factor():
    """Step t runs at lr * schedule(t), from the first step to beyond the end."""
    optimizer = sgd(0.5)
    schedule = Warmup(Linear(8), 2)

    used = run(optimizer, attach(optimizer, schedule, lr=0.1), 15)

    assert used == [0.1 * schedule(t) for t in range(15)]


def test_groups_keep_their_ratios():
    """The first trainable group peaks at `lr`; the others keep their distance from it."""
    optimizer = sgd(1.0, 0.1, 0.01)
    optimizer.param_groups[0]["params"][0].requires_grad_(False)

    attach(optimizer, Linear(10), lr=0.5)

    assert rates(optimizer) == pytest.approx([5.0, 0.5, 0.05])


def test_without_a_rate_the_current_one_is_the_peak():
    """`lr=None` takes each group's current rate, whatever an earlier scheduler noted as its initial one."""
    optimizer = sgd(0.1, 0.01)
    torch.optim.lr_scheduler.StepLR(optimizer, 10)
    optimizer.param_groups[0]["lr"] = 0.003

    scheduler = attach(optimizer, Linear(10))

    assert rates(optimizer) == [0.003, 0.01]
    assert scheduler.base_lrs == [0.003, 0.01]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.003, 0.01]


def test_a_run_resumes_to_the_bit_from_plain_state():
    """A second scheduler that loads the JSON of the first one's state gives the very same rates."""
    first, second = sgd(0.3), sgd(0.3)
    scheduler, resumed = attach(first, Linear(20), lr=0.1), attach(second, Linear(5), lr=0.7)
    run(first, scheduler, 7)

    resumed.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))

    assert run(second, resumed, 20) == run(first, scheduler, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0}, "`lr` must be a positive finite number, got 0"),
        ({"lr": float("inf")}, "`lr` must be a positive finite number, got inf"),
        ({"schedule": 0.1}, "`schedule` must be callable with the step, got 0.1"),
        ({"schedule": Linear}, "`schedule` must be callable with the step, got <class"),
        ({"schedule": "linear"}, r"got 'linear'; build it: CATALOGUE\['linear'\].build"),
        ({"schedule": lambda step: float("nan")}, "must give finite factors of at least 0, got nan"),
        ({"last_epoch": -2}, "`last_epoch` must be a whole number of at least -1, got -2"),
        ({"warmup": 3}, r"`warmup` must be 0 for Linear\(steps=10, floor=0.0\), got 3"),
        ({"optimizer": {}}, "`optimizer` must be a torch Optimizer, got dict"),
    ],
)
def test_bad_arguments_change_nothing(arguments, message):
    """What cannot be used raises with the value shown, and the optimizer is as before."""
    optimizer = sgd(0.1)

    with pytest.raises(InputError, match=message):
        attach(**{"optimizer": optimizer, "schedule": Linear(10)} | arguments)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert "initial_lr" not in optimizer.param_groups[0]
