import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import Exponential, StepDecay, describe, from_plain, to_plain


def test_exponential_is_tensorflows_exponential_decay():
    """TensorFlow's 0.96 per 100,000 steps: the factor after 50,000 is its square root, in stairs it is 1."""
    smooth, stairs = Exponential(0.96, every=100_000), Exponential(0.96, every=100_000, staircase=True)

    assert [smooth(50_000), smooth(200_000)] == pytest.approx([0.96**0.5, 0.9216])
    assert [stairs(99_999), stairs(100_000), stairs(250_000)] == pytest.approx([1.0, 0.96, 0.9216])


def test_exponential_changes_at_every_step_unless_told():
    """The factor is that of one step."""
    assert [Exponential(0.5)(t) for t in range(4)] == [1.0, 0.5, 0.25, 0.125]


def test_exponential_arrives_at_its_final_ratio():
    """`to` is at the ratio after the steps."""
    assert Exponential.to(0.01, 77)(77) == 0.01


def test_step_decay_is_the_formula_counted_from_one():
    """The n-th step, counted from 1, runs at gamma ** (ceil(n / every) - 1)."""
    for every in (1, 2, 7, 30):
        schedule = StepDecay(0.5, every=every)
        assert all(schedule(n - 1) == 0.5 ** (-(-n // every) - 1) for n in range(1, 100))


def test_keras_piecewise_constant_cuts_one_step_later():
    """Keras keeps the first value for step <= boundary; a boundary of 49 there is a milestone of 50 here."""
    boundary, values = 49, (1.0, 0.1)
    keras = [values[0] if step <= boundary else values[1] for step in range(100)]

    schedule = StepDecay(0.1, milestones=[boundary + 1])

    assert [schedule(t) for t in range(100)] == keras


def test_milestones_are_kept_as_a_tuple():
    """A list of milestones makes the same schedule as a tuple, also when read back from plain data."""
    schedule = StepDecay(0.1, milestones=[3, 5])

    assert schedule == StepDecay(0.1, milestones=(3, 5)) == from_plain(to_plain(schedule))
    assert to_plain(schedule)["milestones"] == [3, 5]


def test_words_count_milestones_from_the_start_of_the_training():
    """The milestones named are steps of the training."""
    assert StepDecay(0.1, milestones=[3, 5]).in_words(100) == "the rate times 0.1 at steps 103 and 105"
    assert describe(StepDecay(0.1, every=30)) == "the rate times 0.1 every 30 steps"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Exponential(1.5), r"`gamma` must be a number in \(0, 1\], got 1.5"),
        (lambda: Exponential(0.5, staircase="no"), "`staircase` must be True or False, got 'no'"),
        (lambda: Exponential(0), r"`gamma` must be a number in \(0, 1\], got 0"),
        (lambda: Exponential.half_life(0), "`every` must be a positive whole number, got 0"),
        (lambda: Exponential.to(2, 10), r"`final_ratio` must be a number in \(0, 1\], got 2"),
        (lambda: StepDecay(0.1), "`every` or `milestones` must be given and not both, got every=None, milestones=None"),
        (lambda: StepDecay(0.1, 3, (4,)), r"must be given and not both, got every=3, milestones=\(4,\)"),
        (lambda: StepDecay(0.1, milestones=()), r"`milestones` must be a list of steps, got \(\)"),
        (lambda: StepDecay(0.1, milestones="12"), "`milestones` must be a list of steps, got '12'"),
        (lambda: StepDecay(0.1, milestones=(5, 5)), r"`milestones` must increase, got \(5, 5\)"),
        (lambda: StepDecay(0.1, milestones=(0, 5)), "`milestones` must be a positive whole number, got 0"),
        (lambda: StepDecay(-0.1, every=3), r"`gamma` must be a number in \(0, 1\], got -0.1"),
    ],
)
def test_senseless_parameters_are_rejected(make, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        make()
