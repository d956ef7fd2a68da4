"""A result handed to a Trainer's loggers: the picture and the JSON, never a row of metrics."""

import logging
from pathlib import Path
from typing import Any

from lightning_callbacks._compat import Trainer
from lrfinder.display.plot import figure_of
from lrfinder.result import LRResult

__all__ = ["deliver"]

NAME = "lr_find"

log = logging.getLogger(__name__)


def deliver(trainer: Trainer, result: LRResult) -> None:
    """Give every logger the picture, and its directory `lr_find.png` and `lr_find.json`; a failure is only logged."""
    for logger in trainer.loggers:
        try:
            _deliver_to(logger, result, trainer.global_step)
        except Exception as error:  # a full disk or a lost connection must not cost a training
            log.warning("AutoLR could not hand its picture to %s: %s", type(logger).__name__, error)


def _deliver_to(logger: Any, result: LRResult, step: int) -> None:
    figure = figure_of(result.evidence, result.plan, 7.5)
    directory = getattr(logger, "log_dir", None)
    if directory is not None:
        Path(directory).mkdir(parents=True, exist_ok=True)
        result.to_json(Path(directory) / f"{NAME}.json")
        figure.savefig(Path(directory) / f"{NAME}.png", dpi=120)
    experiment: Any = getattr(logger, "experiment", None)
    if hasattr(experiment, "add_figure"):
        experiment.add_figure(NAME, figure, global_step=step)
    elif hasattr(logger, "log_image"):
        logger.log_image(NAME, [figure])
        # W&B uploads what lies in the folder of a run.
        if isinstance(getattr(experiment, "dir", None), str):
            result.to_json(Path(experiment.dir) / f"{NAME}.json")
    elif hasattr(logger, "run_id") and hasattr(experiment, "log_figure"):
        experiment.log_figure(logger.run_id, figure, f"{NAME}.png")
        experiment.log_text(logger.run_id, result.to_json(), f"{NAME}.json")
    elif hasattr(experiment, "log_figure"):
        experiment.log_figure(NAME, figure)
