"""The interval handed to a search for hyperparameters, as the docs write it, with the real packages."""

import math

import pytest
from builders import result

HEAVY = "is installed by `make test-integrations` alone"


@pytest.fixture
def found():
    """A result with a peak and an interval."""
    return result()


def final_loss(lr):
    """A training whose best rate is 3e-3."""
    return math.log10(lr / 3e-3) ** 2


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_optuna_searches_the_interval_and_tries_the_peak_first(found):
    """`suggest_float` takes the search space by keyword; `enqueue_trial` the peak."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        return final_loss(trial.suggest_float("lr", **found.search_space()._asdict()))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.enqueue_trial({"lr": found.lr})
    study.optimize(objective, n_trials=12)

    tried = [trial.params["lr"] for trial in study.trials]
    low, high, _ = found.search_space()
    assert tried[0] == pytest.approx(found.lr)
    assert all(low <= lr <= high for lr in tried)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_ray_tune_searches_the_interval(found, tmp_path, monkeypatch):
    """`loguniform` takes low and high, `points_to_evaluate` the peak; two trainings run."""
    ray = pytest.importorskip("ray", reason=f"ray {HEAVY}")
    from ray import tune
    from ray.tune.search.basic_variant import BasicVariantGenerator

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    low, high, _ = found.search_space()
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    tuner = tune.Tuner(
        lambda config: {"loss": math.log10(config["lr"] / 3e-3) ** 2},
        param_space={"lr": tune.loguniform(low, high)},
        tune_config=tune.TuneConfig(
            num_samples=2, search_alg=BasicVariantGenerator(points_to_evaluate=[{"lr": found.lr}])
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
    )

    tried = [one.config["lr"] for one in tuner.fit()]
    ray.shutdown()

    assert found.lr in tried
    assert all(low <= lr <= high for lr in tried)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_sweep_of_wandb_searches_the_interval(found):
    """W&B itself reads the dictionary as the interval, in logarithms."""
    pytest.importorskip("wandb", reason=f"wandb {HEAVY}")
    from wandb.sdk.sweeps.scheduler.optuna import sweep_parameter_to_distribution

    low, high, _ = found.search_space()
    sweep = {
        "method": "bayes",
        "metric": {"name": "val_loss", "goal": "minimize"},
        "parameters": {"lr": {"distribution": "log_uniform_values", "min": low, "max": high}},
    }

    read = sweep_parameter_to_distribution(sweep["parameters"]["lr"])

    assert (read.low, read.high, read.log) == found.search_space()
