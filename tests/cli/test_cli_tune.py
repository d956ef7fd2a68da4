"""`lrfinder tune`: its options, what it prints, and its sentences on mistakes."""

import json
import sys
from textwrap import dedent

import pytest

from lrfinder import LRResult
from lrfinder.cli.main import main

FACTORY = """
    import torch

    def setup():
        torch.manual_seed(0)
        x = torch.randn(512, 4)
        batches = list(zip(x.split(16), (x @ torch.ones(4, 1)).split(16)))
        return dict(model=torch.nn.Linear(4, 1), loader=batches)

    def out_of_range():
        return {**setup(), "lr_max": 1e-6}

    def for_find():
        return {**setup(), "steps": 100}

    class Interrupted(torch.nn.Linear):
        calls = 0

        def forward(self, x):
            Interrupted.calls += 1
            if Interrupted.calls > 250:
                raise KeyboardInterrupt
            return super().forward(x)

    def interrupted():
        return {**setup(), "model": Interrupted(4, 1)}
"""


@pytest.fixture
def tune(tmp_path, monkeypatch, capsys):
    """Run `lrfinder tune` with a factory of a working directory's own.

    Yields:
        What gives the exit code and what went to stdout and stderr.
    """
    (tmp_path / "tuned_training.py").write_text(dedent(FACTORY))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def tune(factory, *arguments):
        code = main(["tune", f"tuned_training:{factory}", *map(str, arguments)])
        return code, *capsys.readouterr()

    yield tune
    sys.modules.pop("tuned_training", None)


def test_the_report_of_a_tuning_is_printed(tune):
    """The pilots are reported, on stdout alone, and the exit code says that a rate was found."""
    code, out, err = tune("setup", "--total-steps", 900)

    assert (code, err) == (0, "")
    assert out.startswith("lrfinder: tuning of Linear\n")
    assert "\n  pilots " in out


def test_the_result_is_saved_and_drawn(tune, tmp_path):
    """--json and --plot write what was printed, and `show` prints it again."""
    _, out, _ = tune("setup", "--total-steps", 900, "--json", "lr.json", "--plot", "lr.png")

    assert str(LRResult.from_json("lr.json")) == out.rstrip("\n")
    assert (tmp_path / "lr.png").stat().st_size > 5_000
    assert main(["show", "lr.json"]) == 0


@pytest.mark.parametrize(("budget", "steps"), [("300", 300), ("3e2", 300), ("0.1", 250)])
def test_a_budget_is_steps_or_a_share(tune, budget, steps):
    """A whole number is steps, one below 1 a share of the training; neither is exceeded."""
    _, out, _ = tune("setup", "--total-steps", 2500, "--budget", budget, "--json", "-")

    assert 0.5 * steps < json.loads(out)["evidence"]["cost_steps"] <= steps


def test_a_seed_makes_two_tunings_equal(tune):
    """The whole record is the same, bit for bit."""
    first, again = (tune("setup", "--epochs", 30, "--seed", 3, "--json", "-")[1] for _ in range(2))

    assert first == again


def test_a_tuning_without_an_answer_is_exit_code_three(tune):
    """As for `find`, a measurement without a reliable rate is no mistake."""
    code, out, _ = tune("out_of_range", "--total-steps", 900)

    assert code == 3
    assert "no suggestion" in out


@pytest.mark.parametrize(
    ("factory", "arguments", "sentence"),
    [
        ("setup", (), "`total_steps` must be given to run pilots of the training, got None"),
        ("setup", ("--total-steps", 900, "--budget", "1.5"), "`budget` must be whole steps, or a share of the"),
        ("setup", ("--total-steps", 900, "--budget", "3"), "`budget` must be a whole number of at least 10, got 3"),
        (
            "setup",
            ("--total-steps", 900, "--budget", "few"),
            "argument --budget: must be steps, or a share below 1 as 0.05, got",
        ),
        ("setup", ("--total-steps", 900, "--steps", 50), "unrecognized arguments: --steps 50"),
        ("for_find", ("--total-steps", 900), "`tune_lr` got an unexpected keyword argument 'steps'"),
        ("absent", (), "`factory` must name a function of tuned_training, got 'absent'"),
    ],
)
def test_a_mistake_is_one_line(tune, factory, arguments, sentence):
    """Exit code 1, nothing on stdout, the library's own sentence on stderr."""
    code, out, err = tune(factory, *arguments)

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert sentence in err


def test_an_interrupted_tuning_says_so(tune):
    """Ctrl-C in the middle of a pilot is exit code 130 and one line."""
    assert tune("interrupted", "--total-steps", 900) == (130, "", "lrfinder: interrupted; nothing was written\n")
