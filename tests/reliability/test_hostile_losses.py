"""Losses that no training should have: the right status, and never an absurd number."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from builders import trials
from hypothesis import given
from hypothesis import strategies as st
from recorded import descent
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import Facts, LRResult, find_lr
from lrfinder.advice.request import Request
from lrfinder.evidence.curve import LARGEST, Curve
from lrfinder.evidence.evidence import add_edge_trials, read_curve
from lrfinder.evidence.status import Status
from lrfinder.result import conclude
from lrfinder.search.edge import STEPS
from lrfinder.search.sweep import exponential_range

finite = st.floats(-LARGEST, LARGEST)
shapes = st.one_of(
    st.lists(finite, max_size=80),
    st.lists(st.floats(-3, 3), max_size=80),
    st.lists(st.sampled_from([0.0, 1.0, LARGEST, -LARGEST, 5e-324, 1e-300]), max_size=80),
    st.builds(
        lambda seed, n: np.random.default_rng(seed).standard_cauchy(n).tolist(), st.integers(0, 999), st.just(72)
    ),
    st.builds(lambda seed, scale: [scale * loss for loss in descent(seed=seed)], st.integers(0, 999), finite),
    st.builds(lambda period: [math.sin(i / period) for i in range(72)], st.floats(0.1, 30)),
)


@st.composite
def curves(draw):
    """Any sweep that a loop can have reported: finite losses, however wild."""
    losses = [min(max(loss, -LARGEST), LARGEST) for loss in draw(shapes)]
    lr_min, decades = draw(st.floats(1e-9, 1e-2)), draw(st.floats(0.5, 10))
    lrs = exponential_range(lr_min, lr_min * 10**decades, max(10, len(losses)))[: len(losses)]
    after = draw(st.none() | st.just([-loss for loss in losses]))
    return Curve(lrs, losses, after, draw(st.sampled_from(["completed", "diverged", "non_finite"])))


@st.composite
def short_trials(draw, curve):
    """A few trials about the rates of a sweep."""
    lrs = draw(st.lists(st.floats(curve.lrs[0], curve.lrs[-1]), min_size=1, max_size=8, unique=True))
    losses = draw(st.lists(st.none() | finite, min_size=len(lrs), max_size=len(lrs)))
    return trials(*zip(sorted(lrs), losses, strict=True), steps=STEPS, start=draw(finite), is_sure=draw(st.booleans()))


def is_sound(found, curve):
    """Whether a result is one of the states that it may have, in plain finite numbers that can be read and saved."""
    if found.plan is None:
        assert found.status is not Status.OK
    else:
        low, high = found.interval
        assert curve.lrs[0] <= found.lr <= curve.lrs[-1]
        assert 0 < low <= found.lr <= high < math.inf
    assert all(lr is None or curve.lrs[0] <= lr <= curve.lrs[-1] for lr in found.suggestions.values())
    assert "nan" not in str(found).split()
    return LRResult.parse(found.to_json()) == found


@given(data=st.data(), curve=curves(), total=st.none() | st.integers(1, 10**7))
def test_any_curve_gives_a_sound_result(data, curve, total):
    """Every status is reached without an error, with and without trials; the result survives a file."""
    evidence = replace(read_curve(curve, Facts()), lr_range=(curve.lrs[0], curve.lrs[-1]) if len(curve) else None)
    if len(curve):
        evidence = add_edge_trials(evidence, data.draw(st.lists(short_trials(curve), max_size=2)))

    assert is_sound(conclude(evidence, Request(total)), curve)


def classes():
    """A small training that any finder can read."""
    x = torch.randn(256, 8)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    return model, DataLoader(TensorDataset(x, x[:, :3].argmax(1)), 32, shuffle=True)


def found_with(change, **options):
    """What is found where the loss is changed, sooner or later, in some way."""
    calls = iter(range(10**6))
    torch.manual_seed(0)
    random.seed(0)
    model, loader = classes()
    optimizer = torch.optim.AdamW(model.parameters(), eps=1e-20)  # else a tiny loss trains at another rate
    loss_fn = lambda output, target: change(F.cross_entropy(output, target), next(calls))  # noqa: E731
    return find_lr(model, loader, loss_fn=loss_fn, optimizer=optimizer, total_steps=500, progress=False, **options)


HARMLESS = {
    "negative": lambda loss, i: loss - 100,
    "huge": lambda loss, i: 1e12 * loss,
    "tiny": lambda loss, i: 1e-12 * loss,
    "huge and shifted": lambda loss, i: 1e6 * loss - 1e7,
    "in float64": lambda loss, i: loss.double(),
    "a little noise": lambda loss, i: loss * (1 + 0.01 * random.gauss(0, 1)),
    "a rare spike": lambda loss, i: loss * (1 if i % 23 != 11 else 3),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_a_loss_of_any_sign_and_size_is_read(change):
    """A training that can be read stays so, and its rate is that of the plain loss, give or take a factor of ten."""
    plain, found = found_with(lambda loss, i: loss), found_with(change)

    assert found.status is Status.OK
    assert abs(math.log10(found.lr / plain.lr)) < 1


WITHOUT_SIGNAL = {
    "constant": lambda loss, i: loss * 0 + 1.0,
    "noise alone": lambda loss, i: loss * 0 + random.gauss(0, 1),
    "heavy-tailed noise alone": lambda loss, i: loss * 0 + math.tan(math.pi * (random.random() - 0.5)),
    "alternating": lambda loss, i: loss * 0 + (-1.0) ** i,
    "uphill": lambda loss, i: 2 * loss.detach() - loss,
    "rising by itself": lambda loss, i: loss * 0 + 0.1 * i,
}


@pytest.mark.parametrize("change", WITHOUT_SIGNAL.values(), ids=WITHOUT_SIGNAL)
def test_a_loss_without_a_signal_gives_no_number(change):
    """Where no rate does better than another there is none, and a sentence that says what to try."""
    found = found_with(change)

    assert found.lr is None
    assert found.status is not Status.OK


@pytest.mark.parametrize("period", [2, 3, 8])
@pytest.mark.parametrize("part", [0.0, 1.0], ids=["nothing else", "a real loss below"])
def test_a_loss_that_is_periodic_by_the_order_of_the_data(part, period):
    """The wave alone gives no number; with a loss below it there is that loss's rate, or none."""
    torch.manual_seed(0)
    model, loader = classes()
    batches = [(x, y, math.sin(2 * math.pi * i / period)) for i, (x, y) in enumerate(loader)]

    def loss_step(model, batch):
        x, y, wave = batch
        return part * F.cross_entropy(model(x), y) + wave

    found = find_lr(model, batches, loss_step=loss_step, total_steps=500, progress=False)

    assert found.lr is None or (part and 1e-3 < found.lr < 0.3)


BROKEN = {
    "NaN now and then": lambda loss, i: loss * (math.nan if i % 9 == 8 else 1.0),
    "NaN from the middle on": lambda loss, i: loss * (math.nan if i > 15 else 1.0),
    "infinite at times": lambda loss, i: loss * (math.inf if i % 9 == 8 else 1.0),
    "heavy tails": lambda loss, i: loss + 0.3 * abs(math.tan(math.pi * (random.random() - 0.5))),
    "float16 overflow": lambda loss, i: (loss.half() * 2.0**15).float(),
    "periodic": lambda loss, i: loss + 0.5 * math.sin(2 * math.pi * i / 8),
    "a step up": lambda loss, i: loss + (5.0 if i > 12 else 0.0),
    "a step down": lambda loss, i: loss - (5.0 if i > 12 else 0.0),
}


@pytest.mark.parametrize("steps", [30, 100])
@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_loss_that_breaks_gives_no_absurd_number(change, steps):
    """There is a status, and a rate, if any, that this training can bear: within the sweep, below its divergence."""
    found = found_with(change, steps=steps)

    assert (found.lr is None) == (found.status is not Status.OK)
    assert found.lr is None or 1e-4 < found.lr < 1.0
    assert found.status.sentence
