"""The picture of all families."""

import pytest

from lrfinder.display.gallery import KINDS, draw_gallery
from lrfinder.schedules import CATALOGUE, Entry


def test_every_family_has_its_panel():
    """Each family is drawn once, under its name, in the colour of its frequency, which the legend explains."""
    axes = draw_gallery().axes
    panels = {ax.get_title(loc="left"): ax for ax in axes if ax.get_title(loc="left")}

    assert list(panels) == list(CATALOGUE)
    assert all(panels[e.name].get_lines()[0].get_color() == KINDS[e.frequency] for e in CATALOGUE.values())
    (key,) = [ax.get_legend() for ax in axes if ax.get_legend()]
    assert [text.get_text() for text in key.get_texts()] == list(KINDS)


def test_a_panel_says_where_its_picture_is_another_ones():
    """A ramp of 1 / steps is linear decay; no other two are the same."""
    said = {ax.get_title(loc="left"): ax.texts[1:] for ax in draw_gallery().axes}

    assert [text.get_text() for text in said.pop("ramp")] == ["here the same\nas linear"]
    assert not any(said.values())


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_a_sketch_is_that_of_the_build(entry: Entry):
    """The points are the factors of what `build` makes; the plateau's fall, since it is shown a metric that stalls."""
    factors = entry.factors(100)

    assert len(factors) == 100
    if entry.name == "reduce_on_plateau":
        assert factors == sorted(factors, reverse=True)
        assert len(set(factors)) == 3
    else:
        assert factors == [entry.build(100)(step) for step in range(100)]
