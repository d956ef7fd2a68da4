"""AutoLR inside what others have made of Lightning: the rows of the table in docs/lightning.md."""

import numpy as np
import pytest
import torch

from lightning_callbacks import AutoLR

HEAVY = "is installed by `make test-integrations` alone"

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::lrfinder.errors.LRFinderWarning"),
]


def wave(count=400):
    """A noisy wave."""
    return (np.sin(np.arange(count) / 6) + 0.1 * np.random.default_rng(0).normal(size=count)).astype(np.float32)


def darts(callbacks):
    """N-BEATS of Darts, which takes callbacks in `pl_trainer_kwargs`."""
    models = pytest.importorskip("darts.models", reason=f"darts {HEAVY}")
    from darts import TimeSeries

    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
    model = models.NBEATSModel(
        24, 6, n_epochs=3, num_blocks=1, num_layers=2, layer_widths=16, random_state=0,
        pl_trainer_kwargs={**quiet, "callbacks": callbacks},
    )  # fmt: skip
    return model.fit(TimeSeries.from_values(wave())).model


def pytorch_forecasting(callbacks):
    """A temporal fusion transformer of pytorch-forecasting, in a Trainer of the user's own."""
    forecasting = pytest.importorskip("pytorch_forecasting", reason=f"pytorch-forecasting {HEAVY}")
    import lightning.pytorch as lp
    import pandas as pd

    frame = pd.DataFrame({"time": np.arange(400), "group": "a", "value": wave().astype(float)})
    lengths = {"max_encoder_length": 24, "max_prediction_length": 6}
    columns = {"group_ids": ["group"], "time_varying_unknown_reals": ["value"]}
    data = forecasting.TimeSeriesDataSet(frame, time_idx="time", target="value", **columns, **lengths)
    lp.seed_everything(0)
    model = forecasting.TemporalFusionTransformer.from_dataset(data, hidden_size=8, hidden_continuous_size=4)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    lp.Trainer(max_epochs=2, accelerator="cpu", logger=False, gradient_clip_val=0.1, callbacks=callbacks, **quiet).fit(
        model, data.to_dataloader(train=True, batch_size=32, num_workers=0)
    )
    return model


def neuralprophet(callbacks):
    """NeuralProphet, with the one class of Lightning 1 that it still names."""
    prophet = pytest.importorskip("neuralprophet", reason=f"neuralprophet {HEAVY}")
    import pandas as pd
    import pytorch_lightning as pl

    pl.callbacks.ProgressBarBase = pl.callbacks.ProgressBar
    prophet.set_random_seed(0)
    frame = pd.DataFrame({"ds": pd.date_range("2020-01-01", periods=400, freq="D"), "y": wave()})
    options = {"trainer_config": {"callbacks": callbacks}} if callbacks else {}
    model = prophet.NeuralProphet(n_lags=10, epochs=5, learning_rate=0.1, batch_size=32, **options)
    model.fit(frame, freq="D", minimal=True)
    return model.model


@pytest.mark.parametrize("made", [darts, pytorch_forecasting, neuralprophet], ids=lambda made: made.__name__)
def test_autolr_finds_a_rate_and_leaves_no_trace(made, tmp_path, monkeypatch):
    """With a report the weights at the end are those without it; applied, it changes them."""
    monkeypatch.chdir(tmp_path)
    auto = AutoLR(mode="report", verbose=False)

    searched, plain = (list(made(callbacks).parameters()) for callbacks in ([auto], []))
    applied = list(made([AutoLR(verbose=False)]).parameters())

    assert auto.result.lr is not None
    assert all(map(torch.equal, searched, plain))
    assert not all(map(torch.equal, applied, plain))
