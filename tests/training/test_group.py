"""Processes with collectives of their own, as two threads."""

import math

import pytest
import torch
from pair import together

from lrfinder import InputError
from lrfinder.training.distributed import Ranks

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("numbers", "least"),
    [((0, 1), 0), ((4, 4), 4), ((117, 3), 3), ((0, 100_000), 0), ((7, None), None), ((None, None), None)],
)
def test_the_least_is_found_by_yes_and_no(numbers, least):
    """Both members learn it, though they can only ask whether any lies below a bound; None where one has no number."""
    found = together(lambda group: Ranks(group, CPU).least(numbers[group.rank]))

    assert found == [least] * 2


def test_batches_are_cut_to_the_shortest():
    """Each keeps as many as the member with the fewest has."""
    found = together(lambda group: Ranks(group, CPU).truncate([1] * (4 - group.rank), 4))

    assert found == [[1] * 3] * 2


def test_the_mean_keeps_its_digits():
    """Numbers are averaged in double precision, tensors in their own."""
    found = together(lambda group: Ranks(group, CPU).mean(0.1 + group.rank, torch.ones(())))

    assert found == [pytest.approx([0.6, 1.0], rel=1e-15)] * 2


@pytest.mark.parametrize(("losses", "mean"), [((1.5, None), None), ((1.5, math.nan), math.nan), ((1.0, 2.0), 1.5)])
def test_a_step_has_the_mean_loss_of_both(losses, mean):
    """One that a member skips is skipped by both; else the number of samples is averaged too."""
    tensors = [None if loss is None else torch.tensor(loss) for loss in losses]

    found = together(lambda group: Ranks(group, CPU).mean_of_step(tensors[group.rank], 8 + group.rank))

    assert found == [None if mean is None else (pytest.approx(mean, nan_ok=True), 8.5)] * 2


def test_what_is_no_group_is_refused():
    """The sentence says what is wanted."""
    with pytest.raises(
        InputError, match=r"`group` must be a process group .* an object with `reduce` and `any`.* got 3"
    ):
        Ranks(3, CPU)
