import pytest

from lrfinder.errors import InputError
from lrfinder.schedules import OneCycle, Triangular, describe


def test_triangles_lose_height_as_their_mode_says():
    """The tops of the first three cycles are full, halved, or multiplied by gamma per step."""
    tops = (2, 6, 10)
    plain, halved = Triangular(2, base=0.2), Triangular(2, base=0.2, mode="triangular2")
    sinking = Triangular(2, base=0.2, mode="exp_range", gamma=0.9)

    assert [plain(t) for t in tops] == pytest.approx([1.0, 1.0, 1.0])
    assert [halved(t) for t in tops] == pytest.approx([1.0, 0.6, 0.4])
    assert [sinking(t) for t in tops] == pytest.approx([0.2 + 0.8 * 0.9**t for t in tops])


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 11, 100])
@pytest.mark.parametrize("rise", [0.01, 0.25, 0.3, 0.5, 0.99])
def test_one_cycle_always_reaches_its_peak_on_a_whole_step(steps, rise):
    """Whatever the rise, one step of the training runs at the peak, and the last one at the end but for one step."""
    schedule = OneCycle(steps, rise=rise)

    assert schedule(schedule.top) == 1.0
    assert 0 <= schedule.top < steps
    assert schedule(steps - 1) == pytest.approx(schedule.end if steps > 1 else 1.0)


def test_a_rise_over_everything_leaves_one_step_for_the_end():
    """Of a hundred steps the 99th runs at the peak and the last one at the end."""
    schedule = OneCycle(100, rise=0.999)

    assert schedule.top == 98
    assert [schedule(98), schedule(99)] == pytest.approx([1.0, 4e-6])


def test_words_name_the_top_and_the_end():
    """A description of one cycle names the steps of its top and its end."""
    text = OneCycle(100).in_words(1000)

    assert text == "one cycle: from 4 % of the peak up to step 1,029, down to 0.0004 % of the peak at step 1,099"
    assert describe(Triangular(10, base=0.5)) == "triangles up from 50 % of the peak over 20 steps"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Triangular(0, base=0.1), "`half_cycle` must be a positive whole number, got 0"),
        (lambda: Triangular(5, base=0), r"`base` must be a number in \(0, 1\], got 0"),
        (lambda: Triangular(5, base=0.1, mode="sine"), "`mode` must be one of triangular, .*, got 'sine'"),
        (lambda: Triangular(5, base=0.1, gamma=0.9), "`gamma` must be 1 for mode 'triangular', got 0.9"),
        (lambda: Triangular(5, 0.1, "exp_range", 1.1), r"`gamma` must be a number in \(0, 1\], got 1.1"),
        (lambda: OneCycle(0), "`steps` must be a positive whole number, got 0"),
        (lambda: OneCycle(10, rise=1), r"`rise` must be a number in \(0, 1\), got 1"),
        (lambda: OneCycle(10, start=0), r"`start` must be a number in \(0, 1\], got 0"),
        (lambda: OneCycle(10, end=-1), r"`end` must be a number in \[0, 1\], got -1"),
    ],
)
def test_senseless_parameters_are_rejected(make, message):
    """The constructor shows what makes no sense."""
    with pytest.raises(InputError, match=message):
        make()
