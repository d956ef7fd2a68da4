import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import descent, noise, recorded

from lrfinder.evidence import rules
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import onset
from lrfinder.evidence.rules import RULES, divergence, minimum, steepest, valley
from lrfinder.evidence.smoothing import SmoothCurve, smooth
from lrfinder.search.sweep import exponential_range

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@every_rule
def test_a_descent_has_an_answer(rule):
    """On a curve that falls and blows up every rule gives a rate between the flat part and the blow-up."""
    assert 1e-4 < rule(recorded(descent())) < 0.5


@every_rule
@pytest.mark.parametrize("scale", [10.0, 1e-6, 1e9])
def test_a_scaled_loss_gives_the_same_rate(rule, scale):
    """The unit of the loss does not matter."""
    losses = descent()

    assert rule(recorded([scale * loss for loss in losses])) == pytest.approx(rule(recorded(losses)))


@every_rule
@pytest.mark.parametrize("shift", [50.0, -1.5, -50.0])
def test_a_shifted_loss_gives_the_same_rate(rule, shift):
    """The zero of the loss does not matter, nor its sign."""
    losses = descent()

    assert rule(recorded([loss + shift for loss in losses])) == pytest.approx(rule(recorded(losses)))


@every_rule
def test_ten_times_the_rates_give_ten_times_the_rate(rule):
    """The same losses at ten times the rates move the answer by ten."""
    scaled = recorded(descent(), lr_min=1e-6, lr_max=100.0)

    assert rule(scaled) == pytest.approx(10 * rule(recorded(descent())))


@every_rule
@pytest.mark.parametrize("tail", [math.nan, math.inf])
def test_a_tail_that_is_not_finite_reads_as_a_divergence(rule, tail):
    """A sweep that ends in NaN or infinity is read like one that exploded there."""
    losses = descent()[:85]
    exploded = Curve(exponential_range(1e-7, 10.0, 100)[:85], losses, stopped="diverged")

    ended = recorded([*losses, *[tail] * 15])

    assert ended.stopped == "non_finite"
    assert rule(ended) == rule(exploded)


@every_rule
@pytest.mark.parametrize("points", [0, 1, 2, 8])
def test_too_few_points_have_no_answer(rule, points):
    """A completed curve of up to eight losses is too short to read."""
    curve = Curve(exponential_range(1e-7, 10.0, 10)[:points], [2.0 - 0.1 * i for i in range(points)])

    assert rule(curve) is None


@every_rule
def test_a_constant_loss_has_no_answer(rule):
    """Where no rate is better than another, none is named."""
    assert rule(recorded([1.0] * 100)) is None


@every_rule
def test_a_rising_loss_has_no_answer_from_its_level(rule):
    """A loss that only rises has no descent; at most its divergence can be read."""
    curve = recorded([1.0 + 1.3**i / 1e6 for i in range(100)])

    assert rule(curve) is None or rule is divergence


@every_rule
def test_noise_alone_hardly_ever_has_an_answer(rule):
    """Of fifty curves of pure noise at most three get a rate."""
    answers = [rule(recorded(noise(seed))) for seed in range(50)]

    assert sum(answer is not None for answer in answers) <= 3


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    losses=st.lists(st.one_of(st.floats(-1e12, 1e12), st.floats(-3, 3)), min_size=1, max_size=60),
    scale=st.sampled_from([1e-12, 1.0, 1e6]),
    stopped=st.sampled_from(["completed", "diverged", "non_finite"]),
)
def test_a_rate_lies_inside_the_sweep_or_is_none(losses, scale, stopped):
    """Whatever finite losses a sweep has seen, every rule names a rate that was swept, or none."""
    lrs = exponential_range(1e-6, 1.0, 60)[: len(losses)]
    curve = Curve(lrs, [loss * scale for loss in losses], stopped=stopped)

    rates = [rule(curve) for rule in RULES.values()]

    assert all(lr is None or lrs[0] <= lr <= lrs[-1] for lr in rates)


def test_steepest_is_where_the_slope_is_lowest():
    """On a logistic fall around 10**-2.5 the steepest descent per log LR is there."""
    assert math.log10(steepest(recorded(descent(noise=0.0)))) == pytest.approx(-2.5, abs=0.1)


def test_valley_is_the_middle_of_the_fall():
    """On a straight fall from 1e-4 to 1e-1 the valley is half-way, in log LR."""
    lrs = exponential_range(1e-7, 1e-1, 121)
    losses = [1.0 - max(0, i - 60) / 60 for i in range(121)]

    assert math.log10(valley(Curve(lrs, losses, after=losses))) == pytest.approx(-2.5, abs=0.15)


def test_valley_reads_the_longest_of_two_falls():
    """A small fall before a large one does not hold the answer."""
    losses = [5.0] * 20 + [5 - 0.02 * i for i in range(20)] + [4.8] * 20 + [4.8 - 0.1 * i for i in range(40)]

    assert valley(recorded(losses)) > exponential_range(1e-7, 10.0, 100)[60]


def test_minimum_is_a_tenth_of_the_lowest():
    """A tenth of the rate with the lowest smoothed loss."""
    curve = recorded(descent())
    s = smooth(curve)

    assert minimum(curve) == pytest.approx(s.lrs[s.lowest] / 10)


def test_minimum_outside_the_sweep_is_none():
    """Where a tenth of the lowest rate was not swept there is no answer, while the others have one."""
    losses = [2.0 - 0.05 * i for i in range(20)]
    curve = Curve(exponential_range(0.1, 0.9, 20), losses)

    assert minimum(curve) is None
    assert steepest(curve) is not None


def test_divergence_is_a_quarter_of_the_onset():
    """A quarter of the rate that began the divergence."""
    curve = recorded(descent())

    assert divergence(curve) == pytest.approx(onset(curve) / 4)


def test_divergence_outside_the_sweep_is_none():
    """Where a quarter of the onset was not swept there is no answer."""
    assert divergence(Curve(exponential_range(1.0, 3.0, 12), [2.0**i for i in range(12)], stopped="diverged")) is None


def drawn(monkeypatch, losses, slopes=None, lrs=None):
    """A curve whose smoothed losses are exactly these, at rates a factor of ten apart."""
    lrs = lrs or [10.0 ** (i - 4) for i in range(len(losses))]
    smoothed = SmoothCurve(lrs, losses, slopes or [0.0] * len(losses), deviation=0.0)
    monkeypatch.setattr(rules, "smooth", lambda curve: smoothed)
    return Curve(lrs, losses)


FALLS = [
    ([3.0, 2.0, 1.0], (0, 2)),
    ([1.0, 2.0, 3.0], (0, 0)),
    ([3.0, 2.0, 5.0, 4.5], (0, 1)),
    ([3.0, 2.0, 2.0, 1.0], (0, 1)),
    ([1.0, 3.0, 2.0], (1, 2)),
    ([3.0, 2.0, 3.0, 2.0], (0, 1)),
    ([5.0, 1.0, 3.0, 2.0], (0, 1)),
    ([5.0, 4.0, 9.0, 6.0, 7.0, 1.0], (4, 5)),
]


@pytest.mark.parametrize(("losses", "stretch"), FALLS)
def test_valley_takes_the_largest_fall_and_the_first_of_equals(monkeypatch, losses, stretch):
    """A fall ends where the loss does not fall; the one that is largest counts."""
    drawn(monkeypatch, losses)

    assert rules._longest_fall(rules.smooth(None)) == stretch


def test_valley_leaves_out_the_flat_beginning_to_the_very_last_step(monkeypatch):
    """Where all of the fall is in the last step it is there, and a twentieth that is done exactly counts."""
    assert valley(drawn(monkeypatch, [2.0, 2.0 - 1e-3, 2.0 - 2e-3, 1.0])) == pytest.approx(0.1)
    assert valley(drawn(monkeypatch, [20.0, 19.0, 10.0, 0.0])) == pytest.approx(1e-2)


def test_steepest_may_be_at_the_lowest_loss_and_not_beyond(monkeypatch):
    """The slope at the lowest point counts, those after it do not."""
    assert steepest(drawn(monkeypatch, [3.0, 2.0, 1.0, 2.0], slopes=[0.0, -1.0, -2.0, -9.0])) == 1e-2


@pytest.mark.parametrize(("lowest", "answer"), [(1e-3, 1e-4), (5e-3, 5e-4), (0.9e-3, None)])
def test_minimum_may_be_the_very_first_rate(monkeypatch, lowest, answer):
    """A tenth that is the first rate, or lies between the first two, was swept."""
    curve = drawn(monkeypatch, [2.0, 1.9, 1.0], lrs=[1e-4, 0.8e-3, lowest])

    assert minimum(curve) == (None if answer is None else pytest.approx(answer))


def test_divergence_may_be_the_very_first_rate():
    """A quarter of the onset that is the first rate was swept."""
    curve = Curve([1.0, 2.0, 4.0, 8.0], [1.0, 0.5, 0.1, 9.0], stopped="diverged")

    assert onset(curve) == 4.0
    assert divergence(curve) == 1.0


def test_a_descent_of_one_step_is_read(monkeypatch):
    """The lowest loss may be the second."""
    assert steepest(drawn(monkeypatch, [3.0, 1.0, 2.0], slopes=[0.0, -1.0, 0.0])) == 1e-3
