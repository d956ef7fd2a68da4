"""AutoLR and AutoLRCallback hand picture and record to W&B and MLflow, offline and into files."""

from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import MLFlowLogger, WandbLogger
from torch.utils.data import DataLoader, TensorDataset
from transformers_trainings import SHORT, train

from lightning_callbacks import AutoLR
from lrfinder import LRResult
from lrfinder.integrations.transformers import AutoLRCallback

HEAVY = "is installed by `make test-integrations` alone"

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Regression(LightningModule):
    """A linear model."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(4, 1)

    def training_step(self, batch, batch_idx):
        return (self.body(batch[0]) - batch[1]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-2)


def fit(logger):
    """Fit with AutoLR, report to a logger."""
    x = torch.randn(128, 4)
    data = DataLoader(TensorDataset(x, x @ torch.ones(4, 1)), batch_size=16)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    auto = AutoLR(verbose=False)
    Trainer(max_epochs=1, accelerator="cpu", logger=logger, callbacks=[auto], **quiet).fit(Regression(), data)
    return auto.result


def written(folder, name):
    """The newest file of that name, wherever it lies."""
    return max(Path(folder).rglob(name), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The one folder of this process that W&B writes to."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def wandb(runs, monkeypatch):
    """Keep W&B offline.

    Yields:
        The folder of its runs, in which there is no picture yet.
    """
    wandb = pytest.importorskip("wandb", reason=f"wandb {HEAVY}")
    for name, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(runs)}.items():
        monkeypatch.setenv(name, value)
    yield runs
    wandb.finish()
    for path in runs.rglob("lr_find*"):
        path.unlink()


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """Let MLflow write into files.

    Yields:
        The package.
    """
    mlflow = pytest.importorskip("mlflow", reason=f"mlflow {HEAVY}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    monkeypatch.chdir(tmp_path)
    yield mlflow
    while mlflow.active_run():
        mlflow.end_run()


def test_wandb_gets_picture_and_record_from_lightning(wandb):
    """The picture among the media of the run, the record in its folder."""
    found = fit(WandbLogger(save_dir=str(wandb)))

    assert LRResult.from_json(written(wandb, "lr_find.json")).lr == pytest.approx(found.lr)
    assert list(wandb.rglob("media/images/lr_find*.png"))


def test_mlflow_gets_picture_and_record_from_lightning(mlflow, tmp_path):
    """Both are artifacts of the run."""
    found = fit(MLFlowLogger(tracking_uri=(tmp_path / "mlruns").as_uri()))

    assert LRResult.from_json(written(tmp_path / "mlruns", "lr_find.json")).lr == pytest.approx(found.lr)
    assert written(tmp_path / "mlruns", "lr_find.png").stat().st_size > 1000


def test_wandb_gets_picture_and_record_from_the_trainer(wandb, tmp_path):
    """Of transformers, whose own rows hold peak and interval."""
    auto = AutoLRCallback(**SHORT)

    train(tmp_path / "out", [auto], report_to=["wandb"], max_steps=2)

    assert LRResult.from_json(written(wandb, "lr_find.json")).lr == pytest.approx(auto.result.lr)
    assert list(wandb.rglob("media/images/lr_find*.png"))


def test_mlflow_gets_picture_and_record_from_the_trainer(mlflow, tmp_path, monkeypatch):
    """Of transformers, as artifacts of the run, and the peak among its metrics."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    auto = AutoLRCallback(**SHORT)

    train(tmp_path / "out", [auto], report_to=["mlflow"], max_steps=2)

    assert LRResult.from_json(written(tmp_path / "mlruns", "lr_find.json")).lr == pytest.approx(auto.result.lr)
    assert written(tmp_path / "mlruns", "lr_find.png").stat().st_size > 1000
    assert "lr_find_peak" in [path.name for path in (tmp_path / "mlruns").rglob("metrics/*")]
