import pytest
import torch
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)

from lrfinder import attach
from lrfinder.errors import InputError
from lrfinder.schedules import Linear, Warmup
from lrfinder.training.param_groups import ParamGroups, find_reference, rescale


def sgd(*rates, tensors=False):
    """An optimizer with one group per rate."""
    made = [torch.tensor(rate) if tensors else rate for rate in rates]
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in made], lr=1.0)


def rates(optimizer):
    """Every group's rate."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def run(optimizer, scheduler, steps):
    """Every group's rate at each of so many steps."""
    used = []
    for _ in range(steps):
        used.append(rates(optimizer))
        optimizer.step()
        scheduler.step()
    return used


def sequential(optimizer):
    """A warm-up, then a decay."""
    parts = [LinearLR(optimizer, 0.1, total_iters=4), ExponentialLR(optimizer, 0.9)]
    return SequentialLR(optimizer, parts, milestones=[4])


def nested(optimizer):
    """A sequence within a chain."""
    return ChainedScheduler([sequential(optimizer), ConstantLR(optimizer, 0.5, total_iters=3)])


SCHEDULERS = {
    "lambda": lambda optimizer: LambdaLR(optimizer, lambda step: 1 / (1 + step)),
    "lambda from zero": lambda optimizer: LambdaLR(optimizer, lambda step: min(step / 4, 1.0)),
    "step": lambda optimizer: StepLR(optimizer, 3),
    "multistep": lambda optimizer: MultiStepLR(optimizer, [2, 5]),
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, 12),
    "linear": lambda optimizer: LinearLR(optimizer, 0.1, total_iters=6),
    "polynomial": lambda optimizer: PolynomialLR(optimizer, 12),
    "sequential": sequential,
    "chained": lambda optimizer: ChainedScheduler([StepLR(optimizer, 3), ExponentialLR(optimizer, 0.9)]),
    "nested": nested,
    "ours": lambda optimizer: attach(optimizer, Warmup(Linear(10), 2)),
}
CYCLIC = {
    "one cycle": lambda optimizer, peaks: OneCycleLR(optimizer, peaks, total_steps=14, cycle_momentum=False),
    "cyclic": lambda optimizer, peaks: CyclicLR(
        optimizer, [peak / 10 for peak in peaks], peaks, step_size_up=4, cycle_momentum=False
    ),
}


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_no_scheduler_undoes_it(scheduler, before):
    """The steps that follow are those of a training that had the new rates from the start."""
    optimizer, twin = sgd(0.1, 0.02), sgd(0.3, 0.06)
    attached, expected = scheduler(optimizer), scheduler(twin)
    run(optimizer, attached, before)
    run(twin, expected, before)

    rescale(optimizer, 0.3, attached)

    for mine, its in zip(run(optimizer, attached, 7), run(twin, expected, 7), strict=True):
        assert mine == pytest.approx(its, rel=1e-12)


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("scheduler", CYCLIC.values(), ids=CYCLIC)
def test_the_peak_of_a_cycle_becomes_the_rate(scheduler, before):
    """A scheduler that rises to a peak reaches the new rate there, and its ends follow."""
    optimizer, twin = sgd(1.0, 1.0), sgd(1.0, 1.0)
    attached, expected = scheduler(optimizer, [0.1, 0.02]), scheduler(twin, [0.3, 0.06])
    run(optimizer, attached, before)
    run(twin, expected, before)

    rescale(optimizer, 0.3, attached)

    used = run(optimizer, attached, 8)
    for mine, its in zip(used, run(twin, expected, 8), strict=True):
        assert mine == pytest.approx(its, rel=1e-9)


def test_a_one_cycle_reaches_exactly_the_rate():
    """The highest rate of the whole cycle is the one that was applied."""
    optimizer = sgd(1.0)
    attached = OneCycleLR(optimizer, 0.1, total_steps=10, cycle_momentum=False)

    rescale(optimizer, 0.3, attached)

    assert max(rate for [rate] in run(optimizer, attached, 9)) == pytest.approx(0.3, rel=1e-12)


def test_the_first_trainable_group_gets_the_rate_and_the_others_keep_their_ratio():
    """A frozen group and one at zero follow."""
    optimizer = sgd(1.0, 0.1, 0.01, 0.0)
    optimizer.param_groups[0]["params"][0].requires_grad_(False)

    rescale(optimizer, 0.5)

    assert rates(optimizer) == pytest.approx([5.0, 0.5, 0.05, 0.0])
    assert optimizer.param_groups[1]["lr"] == 0.5


def without_a_rate_or_frozen():
    """Two optimizers, whose first groups have no rate or nothing to train."""
    first, second = sgd(0.1, 0.1), sgd(0.1, 0.3)
    first.param_groups[0]["lr"] = None
    first.param_groups[1]["params"][0].requires_grad_(False)
    second.param_groups[0]["params"][0].requires_grad_(False)
    return first, second


def test_the_reference_group_has_a_rate_and_something_to_train():
    """It is the first such group over all optimizers: for the search, for what is applied, and by its place."""
    optimizers = without_a_rate_or_frozen()
    optimizer, index = find_reference(optimizers)

    groups = ParamGroups(optimizers)
    groups.write(0.6)
    rescale(optimizers, 1.2)

    assert (optimizer is optimizers[1], index, groups.reference) == (True, 1, 2)
    assert groups.group is optimizer.param_groups[index]
    assert (groups.read(), optimizer.param_groups[0]["lr"]) == (1.2, 0.4)


def test_a_rate_other_than_the_peak_can_become_the_new_one():
    """Named as `peak`, the rate that a training stands at now becomes exactly the new one."""
    optimizer = sgd(0.3, 0.1)
    attached = ExponentialLR(optimizer, 0.7)
    run(optimizer, attached, 3)
    now = rates(optimizer)[0]

    rescale(optimizer, 0.123, attached, peak=now)

    assert rates(optimizer)[0] == 0.123
    assert attached.base_lrs[0] == pytest.approx(0.123 / 0.7**3)


def test_the_initial_rate_follows():
    """A group that has decayed keeps its place on the way down, with a new start."""
    optimizer = sgd(0.1)
    run(optimizer, StepLR(optimizer, 1), 1)

    rescale(optimizer, 0.5)

    assert optimizer.param_groups[0]["initial_lr"] == 0.5
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_tensor_rates_are_filled_in_place():
    """A compiled step holds on to the tensor, so it stays the same object."""
    optimizer = sgd(0.1, 0.2, tensors=True)
    tensors = [group["lr"] for group in optimizer.param_groups]

    rescale(optimizer, 0.5)

    assert [id(group["lr"]) for group in optimizer.param_groups] == [id(tensor) for tensor in tensors]
    assert rates(optimizer) == [0.5, 1.0]


def test_a_tensor_rate_that_groups_share_is_scaled_once():
    """One tensor that is the rate of two groups ends at the new rate, not at its ratio squared."""
    shared = torch.tensor(0.1)
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": shared} for _ in range(2)]
    optimizer = torch.optim.SGD(groups, lr=1.0)

    rescale(optimizer, 0.5)

    assert rates(optimizer) == [0.5, 0.5]
    assert [group["lr"] is shared for group in optimizer.param_groups] == [True, True]


def test_a_scheduler_that_is_given_twice_is_scaled_once():
    """A part passed beside the sequence that holds it goes on as one of a training that had the rate from the start."""
    optimizer, twin = sgd(0.1), sgd(0.3)
    attached, expected = sequential(optimizer), sequential(twin)

    rescale(optimizer, 0.3, attached, *attached._schedulers, attached)

    for mine, its in zip(run(optimizer, attached, 7), run(twin, expected, 7), strict=True):
        assert mine == pytest.approx(its, rel=1e-12)


def test_a_scheduler_goes_on_with_tensor_rates():
    """Tensors stay tensors, and the next steps are at the new rates."""
    optimizer, twin = sgd(0.1, tensors=True), sgd(0.3, tensors=True)
    attached, expected = StepLR(optimizer, 2), StepLR(twin, 2)

    rescale(optimizer, 0.3, attached)

    for mine, its in zip(run(optimizer, attached, 5), run(twin, expected, 5), strict=True):
        assert mine == pytest.approx(its)
    assert isinstance(optimizer.param_groups[0]["lr"], torch.Tensor)


def test_the_rate_that_a_scheduler_reports_follows():
    """`get_last_lr` returns the new rate at once, for a log that reads it before the next step."""
    optimizer = sgd(0.1)
    attached = LambdaLR(optimizer, lambda step: 1.0)

    rescale(optimizer, 0.3, attached)

    assert attached.get_last_lr() == [0.3]


def test_momentum_and_other_options_stay():
    """Nothing but rates is scaled."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9, weight_decay=0.01)

    rescale(optimizer, 0.3)

    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert optimizer.param_groups[0]["weight_decay"] == 0.01


def test_a_reference_group_at_zero_is_refused():
    """No ratio can be formed with it."""
    with pytest.raises(InputError, match=r"the reference group's LR must be positive .* got 0.0; set it"):
        rescale(sgd(0.0, 0.1), 0.3)


def test_an_optimizer_with_nothing_to_train_is_refused():
    """There is no group whose rate is meant."""
    optimizer = sgd(0.1)
    optimizer.param_groups[0]["params"][0].requires_grad_(False)

    with pytest.raises(
        InputError, match="`optimizer` must have a group with an `lr` and a trainable parameter, got none"
    ):
        rescale(optimizer, 0.3)
