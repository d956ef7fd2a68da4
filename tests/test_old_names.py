"""The names of the release before work in this one, with a warning that names the new ones."""

import json
from pathlib import Path

import pytest
import torch

import lrfinder
from lightning_callbacks import AutoLR
from lrfinder import LRResult, find_lr, tune_lr

WRITTEN_BEFORE = Path(__file__).parent / "schema_1.json"
"""A tuning that the release before this one wrote."""


def problem():
    """A linear model and its batches."""
    x = torch.randn(256, 4)
    return torch.nn.Linear(4, 1), [(rows, rows @ torch.ones(4, 1)) for rows in x.split(16)]


def test_race_is_tune_loop():
    """`lrfinder.race` is the function that is now called `tune_loop`."""
    with pytest.warns(FutureWarning, match="`race` is now called `tune_loop`"):
        assert lrfinder.race is lrfinder.tune_loop


@pytest.mark.parametrize("verb", [find_lr, tune_lr])
def test_measure_is_evaluate_on(verb):
    """The old option does what the new one does."""
    with (
        pytest.warns(FutureWarning, match="`measure` is now called `evaluate_on`"),
        pytest.raises(
            lrfinder.InputError, match="`evaluate_on` must be one of training, validation, or None, got 'both'"
        ),
    ):
        verb(*problem(), total_steps=900, measure="both", progress=False)


def test_an_option_under_both_names_is_refused():
    """Neither of the two values is dropped in silence."""
    with pytest.raises(lrfinder.InputError, match="`measure` is the old name of `evaluate_on`; both were given"):
        find_lr(*problem(), total_steps=900, measure="training", evaluate_on="validation", progress=False)


def test_measure_of_auto_lr_is_evaluate_on():
    """The callback takes it under the old name too."""
    with pytest.warns(FutureWarning, match="`measure` is now called `evaluate_on`"):
        assert AutoLR(measure="validation").evaluate_on == "validation"


def test_arms_are_trials():
    """`LRResult.arms` gives the trials."""
    found = find_lr(*problem(), total_steps=900, progress=False)

    with pytest.warns(FutureWarning, match="`arms` is now called `trials`"):
        assert found.arms == found.trials


def test_a_result_of_schema_1_can_be_read():
    """It is read under the names of today, and can be printed, planned again and saved as schema 2."""
    before = json.loads(WRITTEN_BEFORE.read_text(encoding="utf-8"))["evidence"]

    found = LRResult.from_json(WRITTEN_BEFORE)

    assert [list(t.lrs) for t in found.evidence.edge_trials] == [one["lrs"] for one in before["races"]]
    assert [list(t.lrs) for t in found.evidence.pilots] == [one["lrs"] for one in before["rehearsals"]]
    assert f"{found.lr:.2e}" in str(found)
    assert found.plan.estimates == ()
    assert [one.source for one in found.recommend().plan.estimates] == ["usual", "edge", "pilots"]
    assert json.loads(found.to_json())["schema"] == 2
