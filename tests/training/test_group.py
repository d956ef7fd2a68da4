"""Processes with collectives of their own, as two threads."""

import math

import pytest
import torch
from pair import together

from lrfinder import InputError
from lrfinder.training import distributed

CPU = torch.device("cpu")


@pytest.mark.parametrize("numbers", [(0, 1), (4, 4), (117, 3), (0, 100_000), (-5, 3)])
def test_the_least_and_the_greatest_are_found_by_yes_and_no(numbers):
    """Both members learn them, though they can only ask whether any lies below a bound."""
    found = together(lambda group: distributed.min_and_max_over_ranks(numbers[group.rank], CPU, group))

    assert found == [(min(numbers), max(numbers))] * 2


@pytest.mark.parametrize(("numbers", "least"), [((7, 5), 5), ((None, 5), None), ((None, None), None)])
def test_the_least_of_what_is_known(numbers, least):
    """It is None where one member has none."""
    found = together(lambda group: distributed.min_over_ranks(numbers[group.rank], CPU, group))

    assert found == [least] * 2


def test_the_mean_keeps_its_digits():
    """Numbers are averaged in double precision, tensors in their own."""
    found = together(
        lambda group: distributed.mean_over_ranks(0.1 + group.rank, torch.ones(()), device=CPU, group=group)
    )

    assert found == [pytest.approx([0.6, 1.0], rel=1e-15)] * 2


@pytest.mark.parametrize(("losses", "mean"), [((1.5, None), None), ((1.5, math.nan), math.nan), ((1.0, 2.0), 1.5)])
def test_a_step_has_the_mean_loss_of_both(losses, mean):
    """One that a member skips is skipped by both; the number of samples is averaged all the same."""
    tensors = [None if loss is None else torch.tensor(loss) for loss in losses]

    found = together(lambda group: distributed.mean_of_step(tensors[group.rank], 8 + group.rank, CPU, group))

    assert found == [(mean if mean is None else pytest.approx(mean, nan_ok=True), 8.5)] * 2


def test_what_is_no_group_is_refused():
    """The sentence says what is wanted."""
    with pytest.raises(
        InputError, match=r"`group` must be a process group .* an object with `reduce` and `any`.* got 3"
    ):
        distributed.check_group(3)
