"""What is shown of a result: to loggers, to the terminal, to people with either Lightning package."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fits import LIGHTNINGS, SHORT, Rows, fit, net_of, pl, planned

from lightning_callbacks import AutoLR, DecaySchedule
from lightning_callbacks._compat import package_of
from lrfinder import InputError, LRResult

CSVLogger, TensorBoardLogger = pl.loggers.CSVLogger, pl.loggers.TensorBoardLogger


def test_a_directory_gets_picture_and_json(tmp_path):
    """A logger with a directory finds lr_find.png and a readable lr_find.json there, and no row more."""
    auto, logger = AutoLR(**SHORT, mode="report"), CSVLogger(tmp_path)
    plain = CSVLogger(tmp_path)

    fit(callbacks=[auto], logger=logger)
    fit(logger=plain)

    assert (Path(logger.log_dir) / "lr_find.png").stat().st_size > 1000
    assert LRResult.from_json(Path(logger.log_dir) / "lr_find.json").lr == pytest.approx(auto.result.lr)
    assert (Path(logger.log_dir) / "metrics.csv").read_text() == (Path(plain.log_dir) / "metrics.csv").read_text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_tensorboard_takes_the_figure(tmp_path):
    """The figure can be turned into an image by TensorBoard itself."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path)

    fit(callbacks=[AutoLR(**SHORT)], logger=logger)

    events = EventAccumulator(logger.log_dir).Reload()
    assert events.Tags()["images"] == ["lr_find"]


def test_a_failing_logger_costs_nothing(caplog):
    """What a logger does with the picture never ends the training."""

    class Broken(Rows):
        log_dir = "/dev/null/nowhere"

    trace = fit(callbacks=[AutoLR(**SHORT)], logger=Broken())

    assert trace.counters[3] == 24
    assert "AutoLR could not hand its picture to Broken" in caplog.text


def test_the_sweep_writes_no_file(tmp_path, monkeypatch):
    """Nothing is written to the disk for the measurement itself."""
    monkeypatch.chdir(tmp_path)

    fit(callbacks=[AutoLR(**SHORT)], default_root_dir=tmp_path)

    assert list(tmp_path.rglob("*")) == []


def test_the_bar_obeys_the_trainer(monkeypatch):
    """Our bar is asked for where the Trainer shows its own, and only there."""
    asked = []

    def spy(loop, **options):
        asked.append(options["progress"])
        raise InterruptedError

    monkeypatch.setattr("lightning_callbacks._search.range_test", spy)
    for enabled in (False, True):
        with pytest.raises(InterruptedError):
            fit(callbacks=[AutoLR(**SHORT)], enable_progress_bar=enabled)

    assert asked == [False, True]


@pytest.mark.parametrize("package", LIGHTNINGS, ids=lambda package: package.__name__)
def test_a_module_of_each_package_is_measured(package):
    """The same callback works in a Trainer of either package, derived ones included, and without a logger."""
    auto = AutoLR(**SHORT)
    derived = SimpleNamespace(Trainer=type("Mine", (package.Trainer,), {}))

    trace = fit(net_of(package), [auto], package=derived, logger=False)

    assert trace.rates[:-1] == pytest.approx(planned(auto))


def test_what_is_no_trainer_is_refused():
    """The sentence shows its class."""
    with pytest.raises(InputError, match="`trainer` must be a Lightning Trainer, got int"):
        package_of(3)


@pytest.mark.parametrize("package", LIGHTNINGS, ids=lambda package: package.__name__)
@pytest.mark.parametrize("callback", [AutoLR, DecaySchedule])
def test_callbacks_are_those_of_every_package(package, callback):
    """One class is a callback of both packages, where both are installed."""
    assert issubclass(callback, package.Callback)


def test_an_unknown_name_lists_the_known():
    """The face names what it has."""
    import lightning_callbacks

    with pytest.raises(AttributeError, match="it has AutoLR, DecaySchedule"):
        _ = lightning_callbacks.Missing


@pytest.mark.parametrize("package", [package.__name__ for package in LIGHTNINGS])
def test_the_command_line_makes_it_by_class_path(package, tmp_path):
    """LightningCLI accepts the callbacks by class path with plain options, in either package."""
    pytest.importorskip("jsonargparse")
    script = tmp_path / "run.py"
    script.write_text(
        f"from {package}.cli import LightningCLI\n"
        f"from {package}.demos.boring_classes import BoringDataModule, DemoModel\n"
        "cli = LightningCLI(DemoModel, BoringDataModule, run=False, save_config_callback=None)\n"
        "found = [c for c in cli.trainer.callbacks if type(c).__name__ in ('AutoLR', 'DecaySchedule')]\n"
        "print([(type(c).__name__, c.schedule) for c in found], found[0].mode, found[0].at_epochs)\n"
    )
    options = ["--trainer.callbacks+=lightning_callbacks.AutoLR", "--trainer.callbacks.mode=report"]
    options += ["--trainer.callbacks.schedule=cosine", "--trainer.callbacks.at_epochs=[0,2]"]
    options += ["--trainer.callbacks+=lightning_callbacks.DecaySchedule", "--trainer.callbacks.schedule=linear"]
    options += ["--trainer.logger=false", "--trainer.accelerator=cpu"]

    run = subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True, check=False)

    assert run.stdout.splitlines()[-1:] == ["[('AutoLR', 'cosine'), ('DecaySchedule', 'linear')] report (0, 2)"], (
        run.stderr
    )


def test_the_options_are_plain():
    """Every default can be written into a YAML file."""
    import inspect

    defaults = [p.default for p in inspect.signature(AutoLR).parameters.values()]

    assert json.loads(json.dumps(defaults)) == [list(d) if isinstance(d, tuple) else d for d in defaults]
