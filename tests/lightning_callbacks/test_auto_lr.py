"""AutoLR inside a fit: what it finds, sets, attaches and says."""

import copy

import pytest
import torch
from fits import Net, fit

from lightning_callbacks import AutoLR
from lrfinder import InputError
from lrfinder.errors import LRFinderWarning

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


def test_the_sweep_is_not_cut_by_the_end_of_the_training():
    """A fit of four batches is measured over thirty steps, and what ended the sweep is recorded as it was."""
    auto = AutoLR(steps=30, lr_min=1e-5, lr_max=1e-2, verbose=False)

    trace = fit(callbacks=[auto], max_epochs=2, limit_train_batches=2)

    assert (len(auto.result.curve), auto.result.stopped) == (30, "completed")
    assert trace.counters[3] == 4


def test_the_report_is_printed_once(capsys):
    """The printout shows the suggestion, and verbose=False silences it."""
    fit(callbacks=[AutoLR(**SHORT)])
    silent = capsys.readouterr().out
    fit(callbacks=[AutoLR(**{**SHORT, "verbose": True})])

    assert "range test" not in silent
    assert capsys.readouterr().out.count("lrfinder: range test of Net") == 1


class Flat(Net):
    """A loss that no learning rate brings down."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * 0.0 + torch.randn(())


DONE = {
    "attached": (Net, {}, "the rate is set and the schedule attached; the Trainer steps it"),
    "constant": (Net, {"schedule": None}, "the rate is set, without a schedule"),
    "no answer": (Flat, {}, "nothing: the training goes on at the rates that it had"),
}


@pytest.mark.parametrize("name", DONE)
def test_the_report_ends_with_what_was_done(name, capsys):
    """Nothing is left to do by hand after a result was applied, so that no such lines are printed."""
    module, options, done = DONE[name]

    fit(module, [AutoLR(**{**SHORT, "verbose": True}, **options)])
    out = capsys.readouterr().out

    assert f"\n\n  applied       {done}\n" in out
    assert "to use it" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_report_alone_ends_with_what_to_do(capsys):
    """With mode="report" nothing was applied, and the lines that would do it are shown."""
    fit(callbacks=[AutoLR(**{**SHORT, "verbose": True}, mode="report")])

    assert "  to use it\n    import lrfinder\n" in capsys.readouterr().out


@pytest.mark.parametrize("at_epochs", [(2,), ()])
def test_a_fit_that_is_never_measured_says_so(at_epochs):
    """Epochs that this fit does not reach are warned about at its first batch."""
    with pytest.warns(LRFinderWarning, match=r"measures nothing in this fit, .* `at_epochs` is \("):
        fit(callbacks=[AutoLR(**SHORT, at_epochs=at_epochs)])


@pytest.mark.parametrize(
    "option",
    ["tune", "schedule", "interval", "existing", "mode", "on_no_signal", "evaluate_on", "snapshot"],
)
def test_unknown_choices_are_refused(option):
    """A closed choice names its members."""
    with pytest.raises(InputError, match=f"`{option}` must be one of .*, got 'sometimes'"):
        AutoLR(**{option: "sometimes"})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"budget": -5}, "`budget` must be a whole number of at least 10, got -5"),
        ({"budget": "x"}, "`budget` must be whole steps, or a share of the training below 1, got 'x'"),
        ({"budget": 300, "tune": False}, "`budget` must be left out beside tune=False, which costs `steps`, got 300"),
    ],
)
def test_a_budget_that_buys_nothing_is_refused(options, sentence):
    """At once, not in the fit."""
    with pytest.raises(InputError, match=sentence):
        AutoLR(**options)


def test_options_are_read_and_set_by_their_names():
    """What is set later is checked as at first, and a copy has options of its own."""
    auto = AutoLR(steps=60, schedule="cosine")
    twin = copy.deepcopy(auto)

    auto.steps, auto.at_epochs = 80, [0, 2]

    assert (auto.steps, auto.at_epochs, auto.schedule) == (80, (0, 2), "cosine")
    assert (twin.steps, twin.at_epochs) == (60, (0,))
    with pytest.raises(InputError, match="`mode` must be one of apply, report, only, got 'sometimes'"):
        auto.mode = "sometimes"
    with pytest.raises(AttributeError, match="'AutoLR' object has no attribute 'step'"):
        _ = auto.step


class Average:
    """Something outside of a module that a training changes, with a handle that the snapshot does not look behind."""

    def __init__(self):
        self.handle, self.mean, self.updates = iter(()), torch.zeros(()), []

    def update(self, loss):
        self.mean.lerp_(loss.detach(), 0.1)
        self.updates.append(len(self.updates))


def averaging(average, fails_at=None):
    """A net that keeps an average elsewhere, and may fail in a step."""

    class Averaging(Net):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            average.update(loss)
            if len(average.updates) == fails_at:
                raise RuntimeError("on purpose")
            return loss

    return Averaging


def test_what_is_named_is_put_back_also():
    """The average is as before the test; without its name the test would show in it."""
    named, other = Average(), Average()

    fit(averaging(named), [AutoLR(**SHORT, mode="only", also=[named])])
    fit(averaging(other), [AutoLR(**SHORT, mode="only")])

    assert (named.mean.item(), named.updates) == (0, [])
    assert len(other.updates) > 5


def test_what_is_named_is_put_back_after_an_error():
    """The error is raised on."""
    average = Average()

    with pytest.raises(RuntimeError, match="on purpose"):
        fit(averaging(average, fails_at=4), [AutoLR(**SHORT, also=[average])])

    assert (average.mean.item(), average.updates) == (0, [])


def test_what_has_no_state_cannot_be_named():
    """At once, not in the fit."""
    with pytest.raises(InputError, match="`also` must hold objects with a state that can be put back, got 'ema' in it"):
        AutoLR(also=["ema"])


@pytest.mark.parametrize("option", ["finetune", "verbose"])
def test_flags_are_true_or_false(option):
    """A word like "no" would count as yes."""
    with pytest.raises(InputError, match=f"`{option}` must be True or False, got 'no'"):
        AutoLR(**{option: "no"})


def test_epochs_must_be_whole_numbers():
    """`at_epochs` is a sequence of epoch numbers."""
    with pytest.raises(InputError, match="`at_epochs` must be whole epoch numbers"):
        AutoLR(at_epochs=3)
