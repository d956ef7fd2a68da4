"""What the best of short runs is multiplied by for a whole training."""

from dataclasses import replace

import pytest

from lrfinder.advice.peak import linear_peak, spread_of
from lrfinder.evidence.evidence import Evidence, Status
from lrfinder.evidence.trials import Trials
from lrfinder.loop import Facts

RACE = Trials((1e-3, 1e-2, 1e-1), (1.5, 1.0, None), 14, 2.0, is_sure=True, cost=42.0)
REHEARSAL = Trials((1e-3, 1e-2, 1e-1), (0.6, 0.4, 1.2), 50, 2.0, is_sure=True, cost=200.0, windows=5)
PLAIN = Facts(optimizer="SGD", batch_size=32, steps_per_epoch=100)
ADAGRAD = replace(PLAIN, optimizer="Adagrad")


def peak(facts, total_steps, *, edge_trials=(), pilots=()):
    """The peak for a line to zero."""
    found = linear_peak(Evidence(None, {}, Status.OK, facts=facts, edge_trials=edge_trials, pilots=pilots), total_steps)
    return 10 ** found[0]


def test_as_many_epochs_as_the_training_has_leave_the_length_alone():
    """Ten here and there: the best counts times (T' / T)**0.2."""
    assert peak(PLAIN, 1000, pilots=(REHEARSAL,)) == pytest.approx(REHEARSAL.best * (50 / 1000) ** 0.2)


@pytest.mark.parametrize(("windows", "share"), [(5, 1.0), (10, 0.5**0.4), (50, 0.1**0.4), (1, 1.0), (None, 1.0)])
def test_epochs_that_were_not_rehearsed_lower_the_peak(windows, share):
    """As for the edge, by epochs**-0.4; more of them than the training has, or none that is known, change nothing."""
    once = replace(REHEARSAL, windows=windows)

    assert peak(PLAIN, 1000, pilots=(once,)) == pytest.approx(share * peak(PLAIN, 1000, pilots=(REHEARSAL,)))


@pytest.mark.parametrize("told", [{"edge_trials": (RACE,)}, {"pilots": (replace(REHEARSAL, windows=None),)}])
def test_a_longer_training_wants_a_higher_rate_of_adagrad_alone(told):
    """It shrinks its own steps as 1 / sqrt(step): its exponent is that of the others less a half."""
    endless = {"steps_per_epoch": None}

    grown = [
        peak(replace(f, **endless), 16_000, **told) / peak(replace(f, **endless), 1000, **told)
        for f in (PLAIN, ADAGRAD)
    ]

    assert grown == pytest.approx([16**-0.2, 16**0.3])


def test_the_interval_follows_the_length_of_the_rehearsals_and_how_far_they_are_carried():
    """Longer pilots are surer, but not those of a training that is longer still."""
    lengths = [(40, 400), (40, 7_200), (400, 4_000), (400, 72_000)]

    spreads = [spread_of((replace(REHEARSAL, steps=steps),), total) for steps, total in lengths]

    assert spreads == pytest.approx([0.36, 0.66, 0.283, 0.66], abs=1e-3)


def test_more_rehearsals_of_one_length_do_not_bring_a_long_training_nearer():
    """They lessen the noise and not the way; twice as long ones do both."""
    one, long = replace(REHEARSAL, steps=160), 50_000

    assert spread_of((one, one), long) == spread_of((one,), long) > spread_of((replace(one, steps=320),), long)
    assert spread_of((one, one), 500) < spread_of((one,), 500)


@pytest.mark.parametrize(("total_steps", "spread"), [(300, 0.41), (1_000, 0.41), (10_000, 0.71)])
def test_miniature_runs_are_less_sure_of_a_long_training(total_steps, spread):
    """Beyond the thousand steps or so that they were fitted on."""
    evidence = Evidence(None, {}, Status.OK, facts=PLAIN, edge_trials=(RACE,))

    assert linear_peak(evidence, total_steps)[1] == pytest.approx(spread)


def test_an_open_end_is_less_sure():
    """Where the highest run was the best nobody knows how far the best peak is."""
    assert spread_of((replace(REHEARSAL, losses=(0.6, 0.5, 0.4)),), 900) > spread_of((REHEARSAL,), 900)


@pytest.mark.parametrize("losses", [(0.4, 0.6, 1.2), (0.4, 0.6), (0.4,)])
def test_a_best_at_the_low_end_is_less_sure_too(losses):
    """Nothing below it was tried, so that it may lie lower."""
    ends = replace(REHEARSAL, losses=losses, lrs=REHEARSAL.lrs[: len(losses)])

    assert spread_of((ends,), 900) > spread_of((REHEARSAL,), 900)
    assert spread_of((ends, REHEARSAL), 900) < spread_of((ends,), 900)


def test_the_edge_of_adagrad_is_further_below_its_peak():
    """Fourteen steps hardly see how it shrinks them; the SGD beside it is one without momentum."""
    assert peak(ADAGRAD, 1000, edge_trials=(RACE,)) == pytest.approx(3 * peak(PLAIN, 1000, edge_trials=(RACE,)))
