import pytest
import torch
from rates import freeze, rates, run, sgd
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
from lrfinder.training.param_groups import ParamGroups, find_reference
from lrfinder.training.rescaling import rescale


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
SCHEDULERS |= {
    "one cycle": lambda optimizer: OneCycleLR(optimizer, rates(optimizer), total_steps=14, cycle_momentum=False),
    "cyclic": lambda optimizer: CyclicLR(
        optimizer, [rate / 10 for rate in rates(optimizer)], rates(optimizer), step_size_up=4, cycle_momentum=False
    ),
}


def options_of(optimizer):
    """Every group's rates, bounds and other numbers."""
    groups = optimizer.param_groups
    return [{key: float(v) for key, v in g.items() if isinstance(v, (float, torch.Tensor))} for g in groups]


def check_goes_on(optimizer, attached, twin, expected, before=0, given=None):
    """Scale an optimizer to 0.3 after some steps, and compare it with a twin that had that rate from the start."""
    run(optimizer, attached, before)
    run(twin, expected, before)

    rescale(optimizer, 0.3, *(given or [attached]))

    assert attached.get_last_lr() == pytest.approx(rates(optimizer))
    for _ in range(8):
        assert options_of(optimizer) == [pytest.approx(group) for group in options_of(twin)]
        run(optimizer, attached, 1)
        run(twin, expected, 1)


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_no_scheduler_undoes_it(scheduler, before):
    """What follows is a training that had the new rates from the start: those of a log, each group's other numbers."""
    optimizer, twin = (sgd(*pair, momentum=0.9) for pair in ((0.1, 0.02), (0.3, 0.06)))

    check_goes_on(optimizer, scheduler(optimizer), twin, scheduler(twin), before)


def test_the_first_trainable_group_gets_the_rate_and_the_others_keep_their_ratio():
    """A frozen group and one at zero follow."""
    optimizer = freeze(sgd(1.0, 0.1, 0.01, 0.0), 0)

    rescale(optimizer, 0.5)

    assert rates(optimizer) == pytest.approx([5.0, 0.5, 0.05, 0.0])
    assert optimizer.param_groups[1]["lr"] == 0.5


def test_the_reference_group_has_a_rate_and_something_to_train():
    """It is the first such group over all optimizers: for the search, for what is applied, and by its index."""
    optimizers = freeze(sgd(0.1, 0.1), 1), freeze(sgd(0.1, 0.3), 0)
    optimizers[0].param_groups[0]["lr"] = None
    optimizer, index = find_reference(optimizers)

    groups = ParamGroups(optimizers)
    groups.write(0.6)
    rescale(optimizers, 1.2)

    assert (optimizer is optimizers[1], index, groups.reference) == (True, 1, 2)
    assert groups.group is optimizer.param_groups[index]
    assert (groups.read(), optimizer.param_groups[0]["lr"]) == (1.2, 0.4)


def test_the_bases_are_those_that_a_scheduler_noted():
    """A warm-up may hold every rate at 0 at the moment; `initial_lr` holds the ratios, and 0 stays 0."""
    optimizer = sgd(0.1, 0.2, 0.0)
    LambdaLR(optimizer, lambda step: min(step / 5, 1.0))

    groups = ParamGroups([optimizer])
    groups.write(0.5)

    assert (groups.bases, rates(optimizer)) == ((0.1, 0.2, 0.0), [0.5, 1.0, 0.0])


def test_facts_are_of_all_groups():
    """Betas are of the reference group, the size of the weights of all: a root mean square, unknown with a lazy one."""
    weights = [torch.nn.Parameter(torch.full((4,), value)) for value in (1.0, 7.0)]
    adam = torch.optim.Adam([{"params": weights, "betas": (0.8, 0.9), "maximize": True}])
    found = ParamGroups([adam])

    facts = found.facts()

    assert (facts.weights, facts.betas, found.maximizes) == (5.0, (0.8, 0.9), True)
    assert (facts.optimizer, facts.optimizers, facts.relative_step) == ("Adam", 1, False)
    assert ParamGroups([torch.optim.Adagrad(weights)]).facts().betas == (0.0, 0.0)
    assert ParamGroups([torch.optim.SGD([*weights, torch.nn.UninitializedParameter()])]).facts().weights is None


def test_a_rate_other_than_the_peak_can_become_the_new_one():
    """Named as `peak`, the rate that a training stands at now becomes exactly the new one."""
    optimizer = sgd(0.3, 0.1)
    attached = ExponentialLR(optimizer, 0.7)
    run(optimizer, attached, 3)
    now = rates(optimizer)[0]

    rescale(optimizer, 0.123, attached, peak=now)

    assert rates(optimizer)[0] == 0.123
    assert attached.base_lrs[0] == pytest.approx(0.123 / 0.7**3)


def test_tensor_rates_are_filled_in_place():
    """A compiled step holds on to the tensor, so it stays the same object."""
    optimizer, twin = sgd(0.1, 0.2, tensors=True), sgd(0.3, 0.6, tensors=True)
    held = [id(group["lr"]) for group in optimizer.param_groups]

    check_goes_on(optimizer, StepLR(optimizer, 2), twin, StepLR(twin, 2))

    assert [id(group["lr"]) for group in optimizer.param_groups] == held


def test_a_tensor_rate_that_groups_share_is_scaled_once():
    """One tensor that is the rate of two groups ends at the new rate, not at its ratio squared."""
    shared, optimizer = torch.tensor(0.1), sgd(0.1, 0.1)
    for group in optimizer.param_groups:
        group["lr"] = shared

    rescale(optimizer, 0.5)

    assert rates(optimizer) == [0.5, 0.5]
    assert [group["lr"] is shared for group in optimizer.param_groups] == [True, True]


def test_a_scheduler_that_is_given_twice_is_scaled_once():
    """A part passed beside the sequence that holds it goes on as one of a training that had the rate from the start."""
    optimizer, twin = sgd(0.1), sgd(0.3)
    attached = sequential(optimizer)

    check_goes_on(optimizer, attached, twin, sequential(twin), given=[attached, *attached._schedulers, attached])


@pytest.mark.parametrize(
    ("optimizer", "sentence"),
    [
        (sgd(0.0, 0.1), r"the reference group's LR must be positive .* got 0.0; set it"),
        (freeze(sgd(0.1), 0), "`optimizer` must have a group with an `lr` and a trainable parameter, got none"),
    ],
    ids=["zero", "frozen"],
)
def test_an_optimizer_without_a_reference_rate_is_refused(optimizer, sentence):
    """No ratio can be formed with 0, and a frozen group's rate is not meant."""
    with pytest.raises(InputError, match=sentence):
        rescale(optimizer, 0.3)
    with pytest.raises(InputError, match=r"reference group 0 must be positive, got 0.0|got none that has both"):
        ParamGroups([optimizer])
