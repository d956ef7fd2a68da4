"""AutoLR inside a fit: what it finds, sets, attaches and says."""

import pytest
from fits import fit

from lightning_callbacks import AutoLR
from lrfinder import InputError

SHORT = {"steps": 30, "lr_min": 1e-4, "verbose": False}


def test_the_found_rate_is_applied_and_scheduled():
    """The first step runs at the schedule's first rate, the last at its last, over the Trainer's own horizon."""
    auto = AutoLR(**SHORT)

    trace = fit(callbacks=[auto], max_epochs=3)

    assert auto.plan.total_steps == 36
    assert trace.rates[:-1] == pytest.approx([auto.result.lr * auto.plan.schedule(t) for t in range(1, 36)])


def test_report_mode_trains_on_untouched():
    """With mode="report" the fit equals one without the callback, bit for bit, and there is a result."""
    auto = AutoLR(mode="report", **SHORT)

    assert fit(callbacks=[auto]) == fit()
    assert auto.result.lr is not None


def test_only_mode_trains_nothing():
    """With mode="only" the fit ends after the sweep, with the weights that it began with."""
    auto = AutoLR(mode="only", **SHORT)

    trace = fit(callbacks=[auto])

    assert trace.counters == (0, 0, 0, 0, 0)
    assert auto.result.lr is not None


def test_the_report_is_printed_once(capsys):
    """The printout shows the suggestion, and verbose=False silences it."""
    fit(callbacks=[AutoLR(**SHORT)])
    silent = capsys.readouterr().out
    fit(callbacks=[AutoLR(**{**SHORT, "verbose": True})])

    assert "range test" not in silent
    assert capsys.readouterr().out.count("lrfinder: range test of Net") == 1


@pytest.mark.parametrize(
    "option",
    ["schedule", "interval", "existing", "mode", "on_no_signal", "measure", "snapshot"],
)
def test_unknown_choices_are_refused(option):
    """A closed choice names its members."""
    with pytest.raises(InputError, match=f"`{option}` must be one of .*, got 'sometimes'"):
        AutoLR(**{option: "sometimes"})


def test_epochs_must_be_whole_numbers():
    """`at_epochs` is a sequence of epoch numbers."""
    with pytest.raises(InputError, match="`at_epochs` must be whole epoch numbers"):
        AutoLR(at_epochs=3)
