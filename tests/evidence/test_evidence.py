import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quadratic import BATCHES, Quadratic, swept, uphill
from recorded import descent, noise, recorded
from torch import nn

from lrfinder import Facts, InputError, NoSignalError, Status, find_lr
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.evidence import add_edge_trials, read_curve
from lrfinder.evidence.rules import RULES
from lrfinder.evidence.trials import Trials
from lrfinder.search.sweep import exponential_range

SGD = torch.optim.SGD
RULE = "steepest"
"""A rule is named, so that no trials find what these sweeps miss."""


class Cut(nn.Module):
    """A loss that its only parameter does not move."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, _):
        return 0 * self.weight.sum() + 0.7


def status_of(curve):
    """The status of a curve alone."""
    return read_curve(curve, Facts()).status


def constant():
    """A sweep of a model without gradient."""
    model = Cut()
    return find_lr(model, BATCHES, optimizer=SGD(model.parameters(), lr=1.0), progress=False)


def rising():
    """A sweep that goes uphill from its first step."""
    return swept(uphill())


def noisy():
    """A sweep of a fall of about its own noise."""
    model = nn.Linear(1, 5)
    batches = [(torch.zeros(1, 1), torch.randn(1, 5) + 1.0) for _ in range(100)]
    return find_lr(model, batches, optimizer=SGD(model.parameters(), lr=1.0), rule=RULE, progress=False)


def short():
    """A sweep that starts so far above the limit that its third loss is infinite."""
    return swept(Quadratic(1.0), lr_min=1e75, lr_max=1e80)


def still_falling():
    """A sweep that ends before the fall does."""
    return swept(Quadratic(1.0), lr_max=1e-2, rule=RULE)


def beyond_the_end():
    """A sweep whose loss is falling fastest at its last rates."""
    return swept(Quadratic(1.0), lr_max=0.1, rule=RULE)


def before_the_start():
    """A sweep whose loss is falling fastest at its first rate."""
    return swept(Quadratic(1.0), lr_min=0.1, rule=RULE)


NO_SIGNAL = {
    constant: "flat",
    rising: "flat",
    noisy: "too_noisy",
    short: "too_short",
    still_falling: "out_of_range",
    beyond_the_end: "out_of_range",
    before_the_start: "out_of_range",
}
every_failure = pytest.mark.parametrize(
    ("sweep", "status"), NO_SIGNAL.items(), ids=[sweep.__name__ for sweep in NO_SIGNAL]
)


@every_failure
def test_a_sweep_without_signal_says_which_kind(sweep, status):
    """Flat, too noisy, too short or out of range, each from a real training."""
    assert sweep().status == status


@every_failure
def test_a_sweep_without_signal_has_no_rate(sweep, status):
    """No status but `ok` carries a rate, an interval or a plan."""
    found = sweep()

    assert (found.lr, found.interval, found.plan) == (None, None, None)


@pytest.mark.parametrize("sweep", [noisy, beyond_the_end])
def test_miniature_runs_find_what_the_sweep_alone_misses(sweep, monkeypatch):
    """Where no rule is named, a narrow range and a noisy curve are no hindrance."""
    monkeypatch.setitem(globals(), "RULE", None)

    assert sweep().lr is not None


def test_a_good_sweep_is_ok_and_has_a_rate():
    """A quadratic swept over its whole range is `ok` and has a plan."""
    found = swept(Quadratic(1.0))

    assert (found.status, found.lr is not None, found.plan is not None) == ("ok", True, True)


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sentence(status):
    """What happened, and beside `ok` what to try."""
    assert status.sentence.endswith(".")
    assert status is Status.OK or ";" in status.sentence


def test_strict_raises_the_sentence():
    """With `strict` a sweep without signal is an exception that says what to try."""
    with pytest.raises(NoSignalError, match="The loss never fell beyond its noise"):
        swept(uphill(), strict=True)


def test_strict_returns_what_is_ok():
    """With `strict` a good sweep is returned as it is without."""
    assert swept(Quadratic(1.0), strict=True) == swept(Quadratic(1.0))


def test_an_end_that_is_not_finite_early_on_is_too_short():
    """NaN after three steps leaves nothing to read."""
    assert status_of(recorded([1.0, 0.9, 0.8, *[math.nan] * 97])) == "too_short"


def test_pure_noise_is_hardly_ever_ok():
    """Of fifty curves of pure noise at most three are taken for a signal."""
    statuses = [status_of(recorded(noise(seed))) for seed in range(50)]

    assert statuses.count("ok") + statuses.count("out_of_range") <= 3


def test_noise_is_a_share_of_the_drop():
    """The deviation of the raw losses over what was won: here 0.05 of 1.5."""
    assert read_curve(recorded(descent(noise=0.05)), Facts()).noise == pytest.approx(0.05 / 1.5, rel=0.3)


@pytest.mark.parametrize(("tail", "cost"), [([], 60), ([math.nan], 61)])
def test_the_cost_counts_every_optimizer_step(tail, cost):
    """The step whose loss was not finite was made too."""
    curve = recorded(descent()[:60] + tail * 40)

    assert read_curve(curve, Facts()).cost_steps == cost


def test_a_rule_of_the_user_is_asked_beside_the_named_ones():
    """Its answer stands under its name, as a plain float."""

    def third(curve):
        return np.float32(curve.lrs[3])

    suggestions = read_curve(recorded(descent()), Facts(), third).suggestions

    assert list(suggestions) == [*RULES, "third"]
    assert type(suggestions["third"]) is float


def test_a_rule_of_the_user_hides_none_of_the_named_ones():
    """A function that happens to be called `steepest` stands beside the rule of that name."""

    def steepest(curve):
        return 0.125

    curve = recorded(descent())

    suggestions = read_curve(curve, Facts(), steepest).suggestions

    assert suggestions["steepest"] == RULES["steepest"](curve)
    assert suggestions["your steepest"] == 0.125


@pytest.mark.parametrize("answer", [0.0, -1.0, math.nan, math.inf, "1e-3"])
def test_a_rule_that_returns_no_rate_is_refused(answer):
    """A rate is positive and finite; whatever else a user's rule returns is shown."""
    with pytest.raises(InputError, match="must return a positive finite learning rate, or None for no answer, got"):
        read_curve(recorded(descent()), Facts(), lambda curve: answer)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    losses=st.lists(st.one_of(st.floats(-1e12, 1e12), st.floats(-3, 3)), min_size=1, max_size=60),
    scale=st.sampled_from([1e-12, 1.0]),
    stopped=st.sampled_from(["completed", "diverged", "non_finite"]),
)
def test_any_curve_can_be_measured(losses, scale, stopped):
    """Whatever finite losses a sweep saw, there is a status, and only finite numbers."""
    curve = Curve(exponential_range(1e-6, 1.0, 60)[: len(losses)], [loss * scale for loss in losses], stopped=stopped)

    evidence = read_curve(curve, Facts())

    assert evidence.status in Status
    assert evidence.noise is None or 0 <= evidence.noise < math.inf


@pytest.mark.parametrize(
    ("losses", "is_sure", "plateau"),
    [
        ((2.0, None), False, True),
        ((2.0, 1.5), True, False),
        ((2.2, 2.3), False, False),
        ((None, None), False, False),
        ((1.7, 1.8), False, False),
    ],
    ids=["one still", "one won", "all lost", "all exploded", "all fell without being sure"],
)
def test_a_plateau_is_a_run_that_moved_nothing(losses, is_sure, plateau):
    """Neither runs that only lost nor runs that may have won are one."""
    race = Trials((0.1, 1.0), losses, 14, 2.0, is_sure=is_sure, cost=30.0)

    assert add_edge_trials(read_curve(recorded([2.0] * 28), Facts()), [race]).is_plateau is plateau
