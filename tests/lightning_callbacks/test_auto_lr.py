"""AutoLR inside a fit: what it finds, sets, attaches and says."""

import copy

import pytest
import torch
from fits import SHORT, TUNED, Flat, Net, fit, pl, planned

from lightning_callbacks import AutoLR
from lrfinder import InputError
from lrfinder.errors import LRFinderWarning


@pytest.mark.parametrize("how", [SHORT, TUNED], ids=["a range test", "a tuning"])
def test_the_found_rate_is_applied_and_scheduled(how, capsys):
    """Every step runs at the rate of the plan, whose length is the Trainer's, and is logged as lr-auto; silently."""
    auto = AutoLR(**how)

    trace = fit(callbacks=[auto, pl.callbacks.LearningRateMonitor("step")], max_epochs=3)

    assert auto.plan.total_steps == 36
    assert trace.rates[:-1] == pytest.approx(planned(auto, 36))
    logged = [row["lr-auto"] for _, row in trace.rows if "lr-auto" in row]
    assert logged[1:] == pytest.approx(planned(auto, 36))
    assert "lrfinder" not in capsys.readouterr().out


def test_only_mode_trains_nothing():
    """With mode="only" the fit ends after the sweep, with the weights that it began with."""
    auto = AutoLR(mode="only", **SHORT)

    trace = fit(callbacks=[auto])

    assert trace.counters == (0, 0, 0, 0, 0)
    assert auto.result.lr is not None


def test_the_sweep_is_not_cut_by_the_end_of_the_training():
    """A fit of four batches is measured over thirty steps, and the sweep is recorded as completed."""
    auto = AutoLR(steps=30, lr_min=1e-5, lr_max=1e-2, verbose=False)

    trace = fit(callbacks=[auto], max_epochs=2, limit_train_batches=2)

    assert (len(auto.result.curve), auto.result.stopped) == (30, "completed")
    assert trace.counters[3] == 4


APPLIED = "\n  applied       "
DONE = {
    "attached": (Net, {}, f"{APPLIED}the rate is set and the schedule attached; the Trainer steps it\n"),
    "constant": (Net, {"schedule": None}, f"{APPLIED}the rate is set, without a schedule\n"),
    "no answer": (Flat, {}, f"{APPLIED}nothing: the training goes on at the rates that it had\n"),
    "report": (Net, {"mode": "report"}, "callbacks=[DecaySchedule(schedule, lr="),
}


@pytest.mark.parametrize("name", DONE)
def test_the_report_is_printed_once_and_ends_with_what_was_done(name, capsys):
    """The lines that would apply a result are shown only where nothing was applied."""
    module, options, done = DONE[name]

    fit(module, [AutoLR(**{**SHORT, "verbose": True}, **options)])
    out = capsys.readouterr().out

    report = out[out.index("AutoLR: ") : out.index("of AutoLR has ")]
    assert out.count("AutoLR: ") == 1
    assert report.count("\n") < 12
    assert done in report
    assert ("use it" in report) == (name == "report")
    assert "optimizer.step()" not in report
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("at_epochs", [(2,), ()])
def test_a_fit_that_is_never_measured_says_so(at_epochs):
    """Epochs that this fit does not reach are warned of at its first batch."""
    with pytest.warns(LRFinderWarning, match=r"measures nothing in this fit, .* `at_epochs` is \("):
        fit(callbacks=[AutoLR(**SHORT, at_epochs=at_epochs)])


CHOICES = ("tune", "schedule", "interval", "existing", "mode", "on_no_signal", "evaluate_on", "snapshot")
SHARE = "`budget` must be whole steps, or a share of the training below 1, got"
REFUSED = [
    *(({option: "sometimes"}, f"`{option}` must be one of .*, got 'sometimes'") for option in CHOICES),
    *(({option: "no"}, f"`{option}` must be True or False, got 'no'") for option in ("finetune", "verbose")),
    ({"budget": -5}, "`budget` must be a whole number of at least 10, got -5"),
    ({"budget": "x"}, f"{SHARE} 'x'"),
    ({"budget": 1.5, "tune": True}, rf"{SHARE} 1\.5"),
    ({"budget": 300, "tune": False}, "`budget` must be left out beside tune=False, which costs `steps`, got 300"),
    ({"also": ["ema"]}, "`also` must hold objects with a state that can be put back, got 'ema' in it"),
    ({"at_epochs": 3}, "`at_epochs` must be whole epoch numbers"),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSED, ids=lambda value: str(value)[:40])
def test_options_that_cannot_be_used_are_refused(options, sentence):
    """The constructor refuses them, before any fit."""
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
    """The average is as before the test; without its name the test shows in it, and a warning says so."""
    named, other = Average(), Average()

    fit(averaging(named), [AutoLR(**SHORT, mode="only", also=[named])])
    with pytest.warns(LRFinderWarning, match=r"changed Average \(updates\), .* name it in `also="):
        fit(averaging(other), [AutoLR(**SHORT, mode="only")])

    assert (named.mean.item(), named.updates) == (0, [])
    assert len(other.updates) > 5


def test_what_is_named_is_put_back_after_an_error():
    """The error is raised on."""
    average = Average()

    with pytest.raises(RuntimeError, match="on purpose"):
        fit(averaging(average, fails_at=4), [AutoLR(**SHORT, also=[average])])

    assert (average.mean.item(), average.updates) == (0, [])
