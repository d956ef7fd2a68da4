"""`lrfinder show --log`: the log of a training over its plan."""

import json
import re

import pytest
import pytorch_lightning as pl
import torch
from builders import EDGE, result
from matplotlib.image import imread
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger

from lightning_callbacks import DecaySchedule
from lrfinder.advice.request import Request
from lrfinder.cli.main import main
from lrfinder.display.overlay import draw_overlay
from lrfinder.display.training_log import read_log

STEPS = 24


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def training_step(self, batch, batch_idx):
        loss = self.layer(batch).square().mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.layer(batch).square().mean())

    def configure_optimizers(self):
        first, second = ([p] for p in self.parameters())
        return torch.optim.AdamW([{"params": first}, {"params": second, "lr": 1e-4}], 1e-2)


@pytest.fixture
def found(tmp_path):
    """A result for the steps of the fit, saved as lr.json."""
    found = result(Request(STEPS), edge_trials=[EDGE])
    found.to_json(tmp_path / "lr.json")
    return found


def fit(folder, lr, schedule):
    """Train in Lightning, logging every step; returns the file that CSVLogger wrote."""
    logger = CSVLogger(folder, name="", version="run")
    callbacks = [DecaySchedule(schedule, lr=lr), LearningRateMonitor(log_momentum=True)]
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    data = torch.utils.data.DataLoader(torch.ones(STEPS, 3), batch_size=2)
    pl.Trainer(max_epochs=2, accelerator="cpu", log_every_n_steps=1, logger=logger, callbacks=callbacks, **quiet).fit(
        Net(), data, data
    )
    return folder / "run" / "metrics.csv"


def told(folder, log, capsys, *more):
    """The lines below the report."""
    assert main(["show", str(folder / "lr.json"), "--log", str(log), *map(str, more)]) == 0
    lines = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    assert len(lines) <= 6
    assert max(map(len, lines)) <= 100
    return {line[2:15].strip(): line[16:] for line in lines}


def state(folder, entries):
    """A trainer_state.json as the Trainer of transformers writes it."""
    log = folder / "trainer_state.json"
    log.write_text(json.dumps({"global_step": STEPS, "max_steps": STEPS, "log_history": entries}), encoding="utf-8")
    return log


def test_a_training_by_the_plan_is_said_to_follow_it(tmp_path, capsys, found):
    """A fit in Lightning with the peak and schedule of the result; the held-out loss is best after its last step."""
    log = fit(tmp_path, found.lr, found.plan.schedule)

    lines = told(tmp_path, log, capsys)
    assert lines["log"] == "metrics.csv: 24 of 24 planned steps"
    assert lines["rate"].startswith("lr-AdamW/pg1 followed the plan, at most ")
    losses = read_log(log).loss.values
    assert lines["train_loss"].split() == [f"{losses[i]:.4g}" for i in (5, 11, 17, 23)]
    assert lines["held out"].startswith("val_loss was best at step ")


def test_a_training_that_leaves_the_plan_is_said_where(tmp_path, capsys, found):
    """At a constant rate the first step away is the first at which the plan is 2 % below its peak or more."""
    log = fit(tmp_path, found.lr, lambda step: 1.0)

    away = [abs(1 - found.plan.schedule(step)) for step in range(STEPS)]
    first, most = next(step for step in range(STEPS) if away[step] > 0.02), max(away)
    assert told(tmp_path, log, capsys)["rate"].startswith(f"lr-AdamW/pg1 left the plan at step {first}; at most ")
    assert f"at most {100 * most:.2g} % of the peak away" in told(tmp_path, log, capsys)["rate"]


def test_the_log_of_transformers_counts_from_one(tmp_path, capsys, found):
    """Its step n ran at the plan's n - 1, `train_loss` is a summary, and a quarter that was not reached is a dash."""
    rates = [(step, found.plan.lr * found.plan.schedule(step - 1)) for step in range(3, 16, 3)]
    entries = [{"step": step, "learning_rate": lr, "loss": 1 / step, "epoch": 0.1} for step, lr in rates]
    entries += [{"step": 6, "eval_loss": 0.5}, {"step": 12, "eval_loss": 0.7}, {"step": 15, "train_loss": 9.0}]

    lines = told(tmp_path, state(tmp_path, entries), capsys)

    assert lines["log"] == "trainer_state.json: 15 of 24 planned steps"
    assert lines["rate"] == "learning_rate followed the plan, at most 0 % of the peak away from it"
    assert lines["loss"].split() == [f"{1 / 6:.4g}", f"{1 / 12:.4g}", "-", "-"]
    assert lines["held out"] == "eval_loss was best at step 6, with 0.5"


def test_the_picture_has_the_rates_above_the_losses(tmp_path, capsys, found):
    """`--plot` draws both panels; the logged rates are the points of the second curve."""
    log = state(tmp_path, [{"step": n, "learning_rate": 1e-3, "loss": 1 / n, "eval_loss": 2 / n} for n in (1, 12, 24)])

    told(tmp_path, log, capsys, "--plot", tmp_path / "log.png")

    assert imread(tmp_path / "log.png").shape[:2] == (900, 1275)
    above, below = draw_overlay(found.plan, read_log(log)).axes
    assert [line.get_label() for line in above.lines] == ["planned", "logged, learning_rate"]
    assert list(above.lines[1].get_xdata()) == [0, 11, 23]
    assert [line.get_label() for line in below.lines] == ["loss", "eval_loss"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "`--log` must be Lightning's .* which is not there"),
        ("", "which is neither"),
        ("{}", "which is neither"),
        ('{"log_history": 3', "which is neither"),
        ("epoch,loss\n1,2\n", "which is neither"),
        ("step,lr\n", "`--log` must hold steps of a training"),
        ("step,train_loss\n1,2\n", "must hold the rate, .* with step, train_loss; Lightning logs it with"),
        ("step,lr,loss\n1,,2\n", "must hold steps with a rate, .* where `lr` has none"),
    ],
)
def test_a_file_that_is_no_log_is_refused(tmp_path, capsys, found, content, said):
    """One sentence says what is wrong, and nothing else is printed."""
    if content is not None:
        (tmp_path / "metrics.csv").write_text(content, encoding="utf-8")

    code = main(["show", str(tmp_path / "lr.json"), "--log", str(tmp_path / "metrics.csv")])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert re.search(said, err)


def test_a_plan_without_a_length_has_nothing_to_lay_a_log_over(tmp_path, capsys):
    """What to do is said: search or rescale with the length."""
    result(Request(None)).to_json(tmp_path / "lr.json")

    assert main(["show", str(tmp_path / "lr.json"), "--log", str(tmp_path / "lr.json")]) == 1
    assert "`--log` must be laid over a plan of known length" in capsys.readouterr().err


def test_the_page_has_the_training_too(tmp_path, found):
    """Planned and logged rate and the losses are drawn, the words stand below, and every tag is closed."""
    log = fit(tmp_path, found.lr, found.plan.schedule)

    assert main(["show", str(tmp_path / "lr.json"), "--log", str(log), "--html", str(tmp_path / "lr.html")]) == 0

    text = (tmp_path / "lr.html").read_text(encoding="utf-8")
    drawn = re.search(r'<svg[^>]*class="drawn".*?</svg>', text, flags=re.DOTALL)[0]
    assert [kind in drawn for kind in ("line planned", "line logged", "line loss", "line held")] == [True] * 4
    assert "followed the plan" in text
    assert drawn.count("<g") == drawn.count("</g>")
    assert "nan" not in drawn
