"""A result handed to the reporters of a Trainer: the picture and the record."""

import logging
from pathlib import Path
from typing import Any

from lrfinder.display.plot import figure_of
from lrfinder.result import LRResult

__all__ = ["deliver"]

NAME = "lr_find"

log = logging.getLogger(__name__)


def deliver(trainer: Any, result: LRResult) -> None:
    """Give the picture and the record to TensorBoard, W&B and MLflow, where the Trainer reports to them.

    A failure is only logged: a full disk or a lost connection must not cost a training.
    """
    for reporter in trainer.callback_handler.callbacks:
        try:
            _deliver_to(reporter, result, trainer.state.global_step)
        except Exception as error:
            log.warning("AutoLRCallback could not hand its picture to %s: %s", type(reporter).__name__, error)


def _deliver_to(reporter: Any, result: LRResult, step: int) -> None:
    kind = type(reporter).__name__
    if kind == "TensorBoardCallback" and reporter.tb_writer is not None:
        reporter.tb_writer.add_figure(NAME, _figure(result), global_step=step)
        result.to_json(Path(reporter.tb_writer.log_dir) / f"{NAME}.json")
    elif kind == "WandbCallback" and reporter._wandb is not None and reporter._wandb.run is not None:
        reporter._wandb.log({NAME: reporter._wandb.Image(_figure(result))})
        result.to_json(Path(reporter._wandb.run.dir) / f"{NAME}.json")
    elif kind == "MLflowCallback" and reporter._initialized:
        reporter._ml_flow.log_figure(_figure(result), f"{NAME}.png")
        reporter._ml_flow.log_text(result.to_json(), f"{NAME}.json")


def _figure(result: LRResult) -> Any:
    return figure_of(result.evidence, result.plan, 7.5)
