"""Schedulers of any origin follow when a rate is applied, their floors too, or are refused before anything changes."""

from contextlib import contextmanager

import pytest
import torch
from builders import result
from rates import rates
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, CosineAnnealingWarmRestarts, LambdaLR, ReduceLROnPlateau

from lrfinder import InputError
from lrfinder.errors import LRFinderWarning
from lrfinder.training.rescaling import rescale

RATIO = 0.03


def two_groups():
    """An SGD with two rates."""
    return torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.02)])


class Base:
    """A scheduler that is none of torch's: it keeps its rates under names of its own."""

    def __init__(self, optimizer):
        self.optimizer, self.base_values, self.n = optimizer, rates(optimizer), 0

    def set(self, values):
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            group["lr"] = value


class Own(Base):
    """Inverse time."""

    def step(self):
        self.n += 1
        self.set(base / (1 + 0.01 * self.n) for base in self.base_values)


class ByEpoch(Base):
    """A warm-up and a decay to a floor, told the epoch; its decay is a factor, its slopes are rates."""

    def __init__(self, optimizer):
        super().__init__(optimizer)
        self.warmup_init, self.lr_min, self.decay_rate = 1e-3, 1e-4, 0.9
        self.slopes = [(base - self.warmup_init) / 10 for base in self.base_values]
        self.set([self.warmup_init] * 2)
        for group, base in zip(optimizer.param_groups, self.base_values, strict=True):
            group["initial_lr"] = base

    def step(self, epoch, metric=None):
        rising = [base + slope * (epoch - 10) for base, slope in zip(self.base_values, self.slopes, strict=True)]
        falling = [max(self.lr_min, base * self.decay_rate ** (epoch - 10)) for base in self.base_values]
        self.set(rising if epoch < 10 else falling)


class Bounded(Base):
    """A rate that a metric moves between bounds, of which the upper one is far away."""

    def __init__(self, optimizer):
        super().__init__(optimizer)
        self.max_lrs, self.min_lrs, self.bad, self.factor = [10.0, 10.0], [1e-3, 1e-3], 0, 0.5

    def step(self, metrics):
        self.bad += 1
        if self.bad % 5 == 0:
            now = zip(rates(self.optimizer), self.min_lrs, self.max_lrs, strict=True)
            self.set([min(high, max(low, self.factor * rate)) for rate, low, high in now])


class Dampened:
    """A warm-up around another scheduler's steps, which keeps what it dampens."""

    def __init__(self, optimizer, inner):
        self.optimizer, self.inner, self.lrs, self.n = optimizer, inner, rates(optimizer), 0
        self.dampen()

    def dampen(self):
        self.n += 1
        for group, lr in zip(self.optimizer.param_groups, self.lrs, strict=True):
            group["lr"] = lr * min(1, self.n / 20)

    @contextmanager
    def dampening(self):
        Base.set(self, self.lrs)
        yield
        self.lrs = rates(self.optimizer)
        self.dampen()


class Wrapped:
    """A scheduler inside another object that has no optimizer."""

    def __init__(self, scheduler):
        self.scheduler, self.split = scheduler, False

    def step(self):
        self.scheduler.step()


FOREIGN = {
    "own names": (Own, lambda s, i: s.step()),
    "told the epoch": (ByEpoch, lambda s, i: s.step(i)),
    "a bound": (Bounded, lambda s, i: s.step(1.0)),
    "wrapped": (lambda o: Wrapped(CosineAnnealingLR(o, 50)), lambda s, i: s.step()),
    "a cosine with a floor": (lambda o: CosineAnnealingLR(o, 50, eta_min=0.01), lambda s, i: s.step()),
    "restarts with a floor": (lambda o: CosineAnnealingWarmRestarts(o, 9, eta_min=0.01), lambda s, i: s.step()),
    "a plateau with a floor": (lambda o: ReduceLROnPlateau(o, patience=3, min_lr=0.01), lambda s, i: s.step(1.0)),
}


def trajectory(optimizer, scheduler, step, begin, end):
    """The rates over some steps."""
    rows = []
    for i in range(begin, end):
        optimizer.step()
        step(scheduler, i + 1)
        rows.append(rates(optimizer))
    return rows


@pytest.mark.parametrize("before", [0, 13])
@pytest.mark.parametrize("name", FOREIGN)
def test_every_rate_to_come_is_scaled_by_one_ratio(name, before):
    """Peak and floor, of torch's schedulers, of others and of wrapped ones, also in the midst of them."""
    make, step = FOREIGN[name]
    optimizer, twin = two_groups(), two_groups()
    scheduler, other = make(optimizer), make(twin)
    trajectory(optimizer, scheduler, step, 0, before)
    trajectory(twin, other, step, 0, before)

    rescale(optimizer, 0.1 * RATIO, scheduler, peak=0.1)

    expected = torch.tensor(trajectory(twin, other, step, before, 80)) * RATIO
    assert torch.allclose(torch.tensor(trajectory(optimizer, scheduler, step, before, 80)), expected, rtol=1e-5)


@pytest.mark.parametrize(("make", "peak"), [(ByEpoch, 0.1), (Bounded, 0.1), (lambda o: Dampened(o, None), 0.1)])
def test_the_peak_is_the_rate_that_is_reached(make, peak):
    """Neither a rate below it in a warm-up nor a bound above it is what becomes the found rate."""
    optimizer = two_groups()
    scheduler = make(optimizer)
    now = rates(optimizer)

    rescale(optimizer, peak * RATIO, scheduler)

    assert rates(optimizer) == pytest.approx([RATIO * rate for rate in now])


def test_a_warm_up_around_another_scheduler_follows():
    """Both are scaled, and the rate at the end of the warm-up is the found one."""
    optimizer = two_groups()
    cosine = CosineAnnealingLR(optimizer, 1000)
    warm_up = Dampened(optimizer, None)

    rescale(optimizer, 0.3, cosine, warm_up)
    for _ in range(20):
        optimizer.step()
        with warm_up.dampening():
            cosine.step()

    assert rates(optimizer) == pytest.approx([0.3, 0.06], rel=1e-2)


class Closed(Base):
    """A scheduler whose rate nothing outside can change."""

    def step(self):
        self.set([0.1, 0.02])


class Unseen(Own):
    """A scheduler that cannot be copied."""

    def __deepcopy__(self, memo):
        raise TypeError("no copies")


REFUSED = [(Closed, "it would put its own rates back"), (Unseen, "it cannot be copied to see whether it follows")]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_a_scheduler_that_does_not_follow_is_refused(make, reason):
    """By its name and with what to do; neither it nor the optimizer has changed."""
    optimizer = two_groups()
    cosine, scheduler = CosineAnnealingLR(optimizer, 10), make(optimizer)

    with pytest.raises(InputError, match=f"must follow .* got {make.__name__}: {reason}; make it anew"):
        rescale(optimizer, 0.3, cosine, scheduler)

    assert (rates(optimizer), cosine.base_lrs, scheduler.base_values) == ([0.1, 0.02],) * 3


def test_what_is_no_scheduler_is_refused():
    """An object without an optimizer."""
    with pytest.raises(InputError, match=r"must keep their optimizer as `\.optimizer`, got dict without one"):
        rescale(two_groups(), 0.3, {})


def test_a_scheduler_that_is_not_passed_is_warned_of():
    """It is live, since the groups have its base; with it, or without any, there is no warning."""
    optimizer, found = two_groups(), result()
    found.apply(optimizer)
    scheduler = LambdaLR(optimizer, lambda step: 1.0)

    with pytest.warns(LRFinderWarning, match=r"may put its own rates back .* found\.apply\(optimizer, scheduler\)"):
        found.apply(optimizer)

    found.apply(optimizer, scheduler)
    found.apply(optimizer, [scheduler])
