"""Whether a measurement can be trusted: by the sweep, by the short trials, by the pilots, in this order."""

import math

import pytest
import torch
from builders import trials
from quadratic import BATCHES, Quadratic, swept, uphill
from recorded import descent, noise, recorded
from torch import nn

from lrfinder import NoSignalError, find_lr
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.smoothing import smooth
from lrfinder.evidence.status import Status, decide_status
from lrfinder.search.sweep import exponential_range

SGD = torch.optim.SGD


def status_of(curve, edge_trials=(), pilots=()):
    """The status of a curve with trials."""
    return decide_status(curve, smooth(curve), edge_trials, pilots)


def constant(**options):
    """A sweep of a model without gradient."""
    weight = nn.Module()
    weight.theta = nn.Parameter(torch.ones(1))
    weight.forward = lambda _: 0 * weight.theta.sum() + 0.7
    return find_lr(weight, BATCHES, optimizer=SGD(weight.parameters(), lr=1.0), progress=False, **options)


def noisy(**options):
    """A sweep of a fall of about its own noise."""
    model = nn.Linear(1, 5)
    batches = [(torch.zeros(1, 1), torch.randn(1, 5) + 1.0) for _ in range(100)]
    return find_lr(model, batches, optimizer=SGD(model.parameters(), lr=1.0), progress=False, **options)


def narrow(**options):
    """A sweep whose loss falls fastest at its last rates."""
    return swept(Quadratic(1.0), **{"lr_max": 0.1, **options})


NO_SIGNAL = {
    "constant": (constant, "flat"),
    "rising from the start": (lambda **options: swept(uphill(), **options), "flat"),
    "a fall as small as its noise": (noisy, "too_noisy"),
    "infinite at the third step": (lambda **options: swept(Quadratic(1.0), lr_min=1e75, lr_max=1e80), "too_short"),
    "ended before the fall": (lambda **options: swept(Quadratic(1.0), lr_max=1e-2, **options), "out_of_range"),
    "falling at the end": (narrow, "out_of_range"),
    "falling at the start": (lambda **options: swept(Quadratic(1.0), lr_min=0.1, **options), "out_of_range"),
}


@pytest.mark.parametrize(("sweep", "status"), NO_SIGNAL.values(), ids=NO_SIGNAL)
def test_a_sweep_without_signal_says_which_kind_and_has_no_rate(sweep, status):
    """Where a rule is named, so that there are no trials, a status other than `ok` carries no rate and no plan."""
    found = sweep(rule="steepest")

    assert (found.status, found.lr, found.interval, found.plan) == (status, None, None, None)


def test_trials_find_what_the_sweep_alone_misses():
    """Where no rule is named, trials find a rate in spite of a noisy curve."""
    assert noisy().lr is not None


def test_a_best_peak_above_the_range_is_said_to_be_so():
    """Trials rise above `lr_max`; where they show that the best peak lies there, nothing is suggested."""
    assert narrow().status == "out_of_range"
    assert narrow(lr_max=10.0).lr > 0.1


def test_a_good_sweep_is_ok():
    """A quadratic that is swept over its whole range has a rate and a plan, with `strict` as without."""
    found = swept(Quadratic(1.0))

    assert (found.status, found.lr is not None, found.plan is not None) == ("ok", True, True)
    assert swept(Quadratic(1.0), strict=True) == found


def test_strict_raises_the_sentence_of_the_status():
    """With `strict` a sweep without signal is an exception that says what to try, and the training is put back."""
    model = uphill()

    with pytest.raises(NoSignalError, match="The loss never fell beyond its noise"):
        swept(model, strict=True)
    assert model.phi.tolist() == [1.0]


@pytest.mark.parametrize("status", Status)
def test_only_ok_is_true(status):
    """As a condition a status says whether there is a suggestion."""
    assert bool(status) == (status is Status.OK)


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sentence(status):
    """The sentence says what happened and, after a semicolon, what to try where the status is not `ok`."""
    assert status.sentence.endswith(".")
    assert status is Status.OK or ";" in status.sentence


def test_pure_noise_is_hardly_ever_ok():
    """Of fifty curves of pure noise at most three are taken for a signal."""
    statuses = [status_of(recorded(noise(seed))) for seed in range(50)]

    assert statuses.count("ok") + statuses.count("out_of_range") <= 3


@pytest.mark.parametrize(("depth", "status"), [(0.3, "ok"), (1e-4, "flat")])
def test_a_fall_of_the_validation_loss_must_stand_out_of_the_training_noise(depth, status):
    """A fall is no signal where the deviation between training batches is thousands of times as large."""
    after = [0.7 - depth * (1 + math.tanh((i - 25) / 4)) / 2 for i in range(50)]
    after += [after[-1] + depth / 10 * i for i in range(1, 21)]
    losses = [12.0 + ((7 * i) % 5 - 2) / 2 for i in range(70)]

    assert status_of(Curve(exponential_range(1e-7, 1.0, 70), losses, after, "diverged")) == status


CURVES = {
    "ok": recorded(descent()),
    "flat": recorded([1.0] * 100),
    "too_short": recorded([1.0, 0.9, 0.8, *[math.nan] * 97]),
    "out_of_range": recorded([2.0 - (i / 99) ** 4 for i in range(100)]),
}
GAINED = trials((0.1, 1.0), (0.3, None))
LOWERED = trials((0.1, 1.9), (0.3, None), is_sure=False)
RAISED = trials((0.1, 2.1), (0.3, None), is_sure=False)
OPEN = trials((0.1, 1.5), (1.0, 1.0))
BLANK = trials((0.1, None), (1.0, None), is_sure=False)
TABLE = [
    ("ok", [], [], "ok"),
    ("flat", [], [], "flat"),
    ("too_short", [], [], "too_short"),
    ("out_of_range", [], [], "out_of_range"),
    ("flat", [GAINED], [], "ok"),
    ("too_short", [GAINED], [], "ok"),
    ("flat", [OPEN], [], "ok"),
    ("ok", [OPEN, GAINED], [], "ok"),
    ("ok", [OPEN, RAISED], [], "ok"),
    ("ok", [LOWERED], [], "ok"),
    ("flat", [LOWERED], [], "flat"),
    ("out_of_range", [LOWERED], [], "too_noisy"),
    ("ok", [RAISED], [], "flat"),
    ("ok", [RAISED, LOWERED], [], "ok"),
    ("too_short", [RAISED], [], "flat"),
    ("ok", [BLANK], [], "ok"),
    ("ok", [BLANK, RAISED], [], "flat"),
    ("flat", [RAISED], [GAINED], "ok"),
    ("ok", [OPEN], [GAINED], "ok"),
    ("flat", [RAISED], [LOWERED], "flat"),
]


@pytest.mark.parametrize(("swept", "edge_trials", "pilots", "status"), TABLE)
def test_trials_outweigh_the_sweep_and_pilots_outweigh_both(swept, edge_trials, pilots, status):
    """A sure pilot is `ok`; a sure trial is `ok` or, without an edge, out of range; trials that gain nothing are flat.

    Trials that lowered the loss, perhaps by chance, leave the sweep's status, but a best rate at an end is noise then;
    trials without any loss count for nothing.
    """
    assert status_of(CURVES[swept], edge_trials, pilots) == status
