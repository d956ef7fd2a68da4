"""The rules: laws that every one of them keeps, known answers of each, and the table of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import descent, noise, recorded

from lrfinder import InputError
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import onset
from lrfinder.evidence.rules import RULES, check_rule, divergence, minimum, read_rules, steepest, valley
from lrfinder.evidence.smoothing import smooth
from lrfinder.search.sweep import exponential_range

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@every_rule
def test_a_descent_has_an_answer(rule):
    """On a curve that falls and blows up every rule gives a rate between the flat part and the blow-up."""
    assert 1e-4 < rule(recorded(descent())) < 0.5


@every_rule
@pytest.mark.parametrize(
    ("scale", "shift"), [(10.0, 0.0), (1e-6, 0.0), (1e9, 0.0), (1.0, 50.0), (1.0, -1.5), (1.0, -50.0)]
)
def test_a_scaled_or_shifted_loss_gives_the_same_rate(rule, scale, shift):
    """Neither the unit of the loss nor its zero or its sign matter."""
    losses = descent()

    assert rule(recorded([scale * loss + shift for loss in losses])) == pytest.approx(rule(recorded(losses)))


@every_rule
def test_ten_times_the_rates_give_ten_times_the_rate(rule):
    """The same losses at ten times the rates move the answer by ten."""
    assert rule(recorded(descent(), 1e-6, 100.0)) == pytest.approx(10 * rule(recorded(descent())))


@every_rule
@pytest.mark.parametrize("tail", [math.nan, math.inf])
def test_a_tail_that_is_not_finite_reads_as_a_divergence(rule, tail):
    """A sweep that ends in NaN or infinity is read like one that diverged there."""
    losses = descent()[:85]
    diverged = Curve(exponential_range(1e-7, 10.0, 100)[:85], losses, stopped="diverged")

    ended = recorded([*losses, *[tail] * 15])

    assert ended.stopped == "non_finite"
    assert rule(ended) == rule(diverged)


RISING = [1.0 + 1.3**i / 1e6 for i in range(80)]


@every_rule
@pytest.mark.parametrize(
    "losses", [[2.0 - 0.1 * i for i in range(n)] for n in (0, 1, 2, 8)] + [[1.0] * 100, RISING], ids=len
)
def test_a_curve_that_is_short_flat_or_rising_has_no_answer(rule, losses):
    """Eight losses are too few to read, and where no rate is better than the start none is named."""
    assert rule(Curve(exponential_range(1e-7, 10.0, 100)[: len(losses)], losses)) is None


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

    rates = read_rules(Curve(lrs, [loss * scale for loss in losses], stopped=stopped)).values()

    assert all(lr is None or lrs[0] <= lr <= lrs[-1] for lr in rates)


@pytest.mark.parametrize(("speed", "rule"), [(2.0, "steepest"), (2.0, "valley"), (2.0, "minimum"), (1.0, "divergence")])
def test_a_rule_that_moves_with_the_speed_of_the_sweep_says_so(speed, rule):
    """On a quadratic twice the rates per decade halve what a rule reads, and leave the divergence where it is."""
    read = []
    for points in (401, 801):
        theta, losses, lrs = 1.0, [], exponential_range(1e-6, 100.0, points)
        for lr in lrs:
            losses.append(theta**2)
            theta = max(-1e40, min(1e40, theta * (1 - 2 * lr)))
        read.append(RULES[rule](recorded(losses, 1e-6, 100.0)))

    assert read[0] / read[1] == pytest.approx(speed, rel=0.2)
    assert RULES[rule].moves_with_speed is (speed == 2.0)


def drawn(*levels):
    """A curve of straight lines between losses ten decades apart, which the smoothing hardly changes."""
    points = 50 * (len(levels) - 1) + 1
    x = np.linspace(0, len(levels) - 1, points)
    losses = np.interp(x, range(len(levels)), levels).tolist()
    return Curve(exponential_range(1e-50, 10.0 ** (10 * len(levels) - 60), points), losses, after=losses)


def decades_of(lr):
    """How many tens of decades a rate lies above the first of a drawn curve."""
    return (math.log10(lr) + 50) / 10


@pytest.mark.parametrize(
    ("levels", "first", "last"),
    [
        ((3.0, 2.0, 1.0), 0, 2),
        ((3.0, 2.0, 5.0, 4.5), 0, 1),
        ((2.0, 3.0, 1.5, 1.9), 1, 2),
        ((5.0, 1.0, 3.0, 2.0), 0, 1),
        ((5.0, 4.0, 9.0, 6.0, 7.0, 1.0), 4, 5),
    ],
)
def test_valley_is_the_middle_of_the_largest_fall(levels, first, last):
    """The fall counts from where a twentieth of it is done to its end, without a flat beginning."""
    begun = first + 0.05 * (last - first)

    assert decades_of(valley(drawn(*levels))) == pytest.approx((begun + last) / 2, abs=0.06)
    assert decades_of(valley(drawn(2.0, 2.0 - 1e-3, 2.0 - 2e-3, 1.0))) == pytest.approx(2.525, abs=0.06)


def test_steepest_is_where_the_slope_is_lowest():
    """On a logistic fall around 10**-2.5 the steepest descent per log LR is there."""
    assert math.log10(steepest(recorded(descent(noise=0.0)))) == pytest.approx(-2.5, abs=0.1)


def test_steepest_looks_no_further_than_the_lowest_loss():
    """A steeper fall after the lowest loss, which it does not reach again, does not count; one that ends there does."""
    assert decades_of(steepest(drawn(3.0, 2.5, 1.0, 9.0, 2.0))) == pytest.approx(1.5, abs=0.6)
    assert decades_of(steepest(drawn(3.0, 2.5, 1.0))) == pytest.approx(1.5, abs=0.55)


def test_steepest_may_be_at_the_very_lowest_loss():
    """On a fall that grows with every rate, ten decades apart, it is the last."""
    lrs, losses = [10.0 ** (10 * i - 40) for i in range(9)], [-float(i**2) for i in range(9)]

    assert steepest(Curve(lrs, losses, after=losses)) == lrs[-1]


def test_minimum_is_a_tenth_of_the_lowest():
    """It is a tenth of the rate with the lowest smoothed loss."""
    curve = recorded(descent())
    s = smooth(curve)

    assert minimum(curve) == pytest.approx(s.lrs[s.lowest] / 10)


@pytest.mark.parametrize(("lowest", "answer"), [(10, 1.0), (9, None)])
def test_minimum_may_be_the_very_first_rate_and_not_below(lowest, answer):
    """A tenth that is the first rate was swept, a tenth below it was not; steepest has an answer all the same."""
    losses = [float(abs(i - lowest)) for i in range(2 * lowest + 1)]
    curve = Curve([10 ** (i / 10) for i in range(len(losses))], losses, after=losses)

    assert minimum(curve) == answer
    assert steepest(curve) is not None


@pytest.mark.parametrize(("losses", "answer"), [([1.0, 0.5, 0.1, 9.0], 1.0), ([1.0, 0.1, 5.0, 9.0], None)])
def test_divergence_is_a_quarter_of_its_onset(losses, answer):
    """A quarter that is the first rate was swept, a quarter below it was not."""
    assert divergence(Curve([1.0, 2.0, 4.0, 8.0], losses, stopped="diverged")) == answer
    assert divergence(recorded(descent())) == pytest.approx(onset(recorded(descent())) / 4)


def test_the_table_reads_every_rule_by_its_name():
    """The suggestions hold what each rule reads off the curve, in the order of the table."""
    curve = recorded(descent())

    assert read_rules(curve) == {name: rule(curve) for name, rule in RULES.items()}
    assert [rule.name for rule in RULES.values()] == list(RULES)


@pytest.mark.parametrize(("name", "shown"), [("third", "third"), ("steepest", "your steepest")])
def test_a_rule_of_the_user_is_asked_beside_the_named_ones(name, shown):
    """Its answer is a plain float under its name; a function called `steepest` hides no named rule."""

    def own(curve):
        return np.float32(0.125)

    own.__name__ = name
    suggestions = read_rules(recorded(descent()), own)

    assert list(suggestions) == [*RULES, shown]
    assert (suggestions["steepest"], suggestions[shown]) == (steepest(recorded(descent())), 0.125)
    assert type(suggestions[shown]) is float
    assert check_rule(own) == shown


@pytest.mark.parametrize("answer", [0.0, -1.0, math.nan, math.inf, "1e-3"])
def test_a_rule_that_returns_no_rate_is_refused(answer):
    """A rate is positive and finite; whatever else a user's rule returns is shown."""
    with pytest.raises(InputError, match="must return a positive finite learning rate, or None for no answer, got"):
        read_rules(recorded(descent()), lambda curve: answer)


@pytest.mark.parametrize(
    ("rule", "name"),
    [(None, None), ("valley", "valley"), (valley, "valley"), (RULES["valley"], "valley"), (len, "len")],
)
def test_a_rule_that_is_asked_for_has_a_name(rule, name):
    """A rule by its name, the function of a named rule and a function of one's own are found under their names."""
    assert check_rule(rule) == name


@pytest.mark.parametrize("rule", ["steepset", 3, ["valley"]])
def test_an_unknown_rule_lists_the_known(rule):
    """What names no rule is answered with all there are."""
    with pytest.raises(InputError, match="`rule` must be one of steepest, valley, minimum, divergence, a function"):
        check_rule(rule)
