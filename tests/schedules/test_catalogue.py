import pytest

import lrfinder.schedules
from lrfinder.errors import InputError
from lrfinder.schedules import CATALOGUE, Linear, OneCycle, Shape, Warmup
from lrfinder.schedules.bound import bound
from lrfinder.schedules.compose import plateau_in

FAMILIES = [
    getattr(lrfinder.schedules, name)
    for name in lrfinder.schedules.__all__
    if isinstance(getattr(lrfinder.schedules, name), type) and issubclass(getattr(lrfinder.schedules, name), Shape)
]


def test_every_family_has_a_row_under_its_own_name():
    """The catalogue holds every family but the compositions and the user's own function."""
    compositions = {"Custom", "Epochwise", "Shape", "Then", "Warmup"}

    assert {entry.family for entry in CATALOGUE.values()} == {f for f in FAMILIES if f.__name__ not in compositions}
    assert all(name == entry.name for name, entry in CATALOGUE.items())


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_a_row_builds_members_of_its_family(entry):
    """A build is a member of the family, below a warm-up where one was asked for; its texts are sentences."""
    assert type(entry.build(100)) is entry.family
    warm = entry.build(100, warmup=10)
    assert type(warm.body if isinstance(warm, Warmup) else warm) is entry.family
    assert all(text[0].isupper() and text.endswith(".") for text in (entry.tip, entry.when))


def test_warm_up_lies_inside_the_horizon():
    """A build with warm-up ends where one without ends; one cycle, which rises by itself, is built without."""
    assert CATALOGUE["linear"].build(100, warmup=20) == Warmup(Linear(80), 20)
    assert CATALOGUE["one_cycle"].build(100, warmup=20) == OneCycle(100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "`total_steps` must be a positive whole number, got 0"),
        ((10, -1), "`warmup` must be a whole number of at least 0, got -1"),
        ((10, 10), "`warmup` must be below `total_steps`=10, got 10"),
    ],
)
def test_a_horizon_without_a_step_after_the_warm_up_is_refused(arguments, message):
    """The sentence shows the numbers."""
    with pytest.raises(InputError, match=message):
        CATALOGUE["linear"].build(*arguments)


@pytest.mark.parametrize(
    "entry", [e for e in CATALOGUE.values() if e.name != "reduce_on_plateau"], ids=lambda e: e.name
)
def test_peak_factors_agree_with_the_bound_within_their_spread(entry):
    """The prior on a family's best peak lies within its spread of what the last-iterate bound gives for the build."""
    theory = bound(map(entry.build(1000), range(1000))).peak

    assert theory == pytest.approx(entry.peak_factor, rel=max(0.01, 10**entry.spread - 1))


def test_the_plateau_alone_needs_feedback():
    """Only the plateau family changes on a metric."""
    fed = [name for name, entry in CATALOGUE.items() if entry.frequency == "on plateau"]

    assert fed == ["reduce_on_plateau"]
    assert plateau_in(CATALOGUE["reduce_on_plateau"].build(100, 10)) is not None


def test_public_names_are_sorted():
    """The face lists its names in the linter's order: constants, classes, functions."""
    names = lrfinder.schedules.__all__

    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
