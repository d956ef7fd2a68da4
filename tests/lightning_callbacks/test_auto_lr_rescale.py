"""A fit that goes on with another length or batch: the schedule is kept and the other one named, or it is rescaled."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from fits import SHORT, Net, fit, loader, pl, planned

from lightning_callbacks import AutoLR
from lightning_callbacks._attached import Attached
from lightning_callbacks._resume import Resumed
from lrfinder import InputError
from lrfinder.errors import LRFinderWarning

pytestmark = pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create")

LONGER, SMALLER = {"max_epochs": 3}, {"max_epochs": 3, "train": partial(loader, batch_size=16)}


def begun(folder, at=24, module=Net, **options):
    """The checkpoint at a step of a fit of two epochs of twelve, and what was found."""
    auto = AutoLR(**SHORT, **options)
    keep = pl.callbacks.ModelCheckpoint(folder, filename="{step}", save_top_k=-1, save_on_train_epoch_end=True)
    fit(module, [auto, keep], enable_checkpointing=True)
    return folder / f"step={at}.ckpt", auto.result


def resumed(path, changed, **options):
    """A fit that goes on from there, and its callback."""
    auto = AutoLR(**{**SHORT, **options})
    return fit(callbacks=[auto], ckpt_path=path, **changed), auto


@pytest.mark.parametrize(
    ("changed", "asked"),
    [(LONGER, {"total_steps": 36}), (SMALLER, {"total_steps": 48, "batch_size": 16})],
    ids=["length", "batch"],
)
def test_what_has_changed_is_rescaled(tmp_path, changed, asked):
    """Asked to, the rates are those of the rescaled plan, from the step that was reached."""
    path, first = begun(tmp_path)

    rest, auto = resumed(path, changed, on_resume="rescale")

    assert auto.result == first.rescale(**asked)
    assert rest.rates == pytest.approx(planned(auto, asked["total_steps"] + 1)[24:])


class Ended(Net):
    """A fit that ends soon after it was resumed."""

    def on_train_start(self):
        self.trainer.should_stop = self.global_step > 0


def test_what_was_rescaled_is_printed(tmp_path, capsys):
    """The plan, what is to be known of it, and the weight decay that it suggests, at most 100 columns wide."""
    decayed = partial(Ended, lambda module: torch.optim.AdamW(module.parameters(), 1e-2, weight_decay=0.1))
    path, _ = begun(tmp_path, module=decayed)
    capsys.readouterr()

    _, auto = resumed(path, {"module": decayed, "max_epochs": 300}, verbose=True, on_resume="rescale")

    out = capsys.readouterr().out
    said = " ".join(out.split())
    assert f"this training has 3600; rescaled: {auto.plan} but The training, in samples, changes 150 times" in said
    assert f"A weight decay of {auto.plan.setting.weight_decay:.2g} would keep" in said
    assert max(map(len, out.splitlines())) <= 100


def test_a_weight_decay_that_no_reason_suggests_is_not_printed():
    """A rescaled plan keeps the old one in its setting where the new one would take much of the weights at a step."""
    auto = AutoLR(**SHORT)
    trainer = fit(partial(Net, lambda module: torch.optim.AdamW(module.parameters(), 1e-2)), [auto]).trainer
    resumed = Resumed(trainer, auto.result, Attached.of(trainer, auto.plan.schedule, auto.plan.lr, 0))
    rescaled = auto.result.rescale(total_steps=40).plan

    assert "A weight decay of" in resumed.in_words(rescaled)
    assert "decay of" not in resumed.in_words(replace(rescaled, reasons=()))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            LONGER,
            r"planned for 24 optimizer steps, and this training has 36: .*Rescaled it would be peak .* step 36: on",
        ),
        (SMALLER, r"planned for 24 optimizer steps and 32 samples a step, and this training has 48 and 16: .*step 48"),
    ],
    ids=["length", "batch"],
)
def test_what_it_would_be_is_said(tmp_path, changed, words):
    """Not asked to, the schedule stays at its end, and a warning holds the rescaled plan."""
    path, first = begun(tmp_path)

    with pytest.warns(LRFinderWarning, match=words):
        rest, auto = resumed(path, changed)

    assert (auto.result, set(rest.rates)) == (first, {0.0})


HALF = partial(loader, batch_size=16)
DOUBLE = partial(loader, batch_size=64)


@pytest.mark.parametrize(
    ("changed", "end", "words"),
    [
        ({"max_epochs": 2, "train": HALF}, 36, "has 36 and 16: it is kept and stays at its end from step 24 on"),
        ({"max_epochs": 4, "train": DOUBLE}, 30, r"has 30 and 64: it is kept and stays at its end from step 24 on\."),
        ({"max_epochs": 2, "train": DOUBLE}, 18, r"has 18 and 64: it is kept, and the training ends at step 18, bef"),
        ({"max_epochs": 3, "train": DOUBLE}, 24, r"for 32 samples a step, and this training has 64: it is kept\."),
    ],
    ids=["more steps", "more by its epochs", "fewer steps", "as many"],
)
def test_the_end_of_what_is_kept_is_counted_from_the_step_that_was_reached(tmp_path, changed, end, words):
    """Where the batch has changed, epochs from the beginning would have other steps than those that were made."""
    path, _ = begun(tmp_path, at=12)

    with pytest.warns(LRFinderWarning, match=words):
        rest, _ = resumed(path, changed)

    assert rest.trainer.global_step == end


def test_a_rescaled_training_goes_on(tmp_path):
    """Interrupted once more, it follows the rescaled schedule without a warning."""
    path, _ = begun(tmp_path)
    keep = pl.callbacks.ModelCheckpoint(tmp_path, filename="{step}", save_top_k=-1, save_on_train_epoch_end=True)
    longer = {"ckpt_path": path, "max_epochs": 4}
    whole = fit(callbacks=[AutoLR(**SHORT, on_resume="rescale"), keep], enable_checkpointing=True, **longer)

    rest, _ = resumed(tmp_path / "step=36.ckpt", {"max_epochs": 4}, on_resume="rescale")

    assert rest.rates == whole.rates[12:]


def test_a_function_cannot_be_rescaled(tmp_path):
    """A schedule of the user's own is kept, and the warning names no other."""
    options = {"schedule": lambda step: 0.9**step}
    path, _ = begun(tmp_path, **options)

    with pytest.warns(LRFinderWarning, match=r"has 36: it is kept and stays at its end from step 24 on\. For a new"):
        _, auto = resumed(path, LONGER, on_resume="rescale", **options)

    assert auto.plan.total_steps == 24


def test_a_wrong_word_is_refused():
    """The error lists what there is."""
    with pytest.raises(InputError, match="`on_resume` must be one of keep, rescale, got 'stretch'"):
        AutoLR(on_resume="stretch")
