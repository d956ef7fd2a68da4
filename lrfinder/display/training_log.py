"""The log of a training, read from the file that Lightning or transformers wrote."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from lrfinder.errors import InputError

__all__ = ["Series", "TrainingLog", "read_log"]

KINDS = "Lightning's metrics.csv or the trainer_state.json of transformers"
LOSSES = ("train_loss_step", "train_loss", "loss")
HELD_OUT = ("val_loss", "eval_loss", "val_loss_epoch")


@dataclass(frozen=True, slots=True)
class Series:
    """What was logged under one name.

    Args:
        name: The name in the file.
        steps: The steps, as the file counts them, ascending.
        values: One for each step.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """What a training logged.

    Args:
        file: The name of the file.
        first: The number that the file gives the first step: 0 in Lightning, 1 in transformers.
        rate: LR of the reference group.
        loss: Training loss, or None where none was logged.
        held_out: Loss on other data, or None where none was logged.
    """

    file: str
    first: int
    rate: Series
    loss: Series | None
    held_out: Series | None

    @property
    def last(self) -> int:
        """The last step that anything was logged at."""
        return max(one.steps[-1] for one in (self.rate, self.loss, self.held_out) if one is not None)


def read_log(path: Path) -> TrainingLog:
    """Read the log of a training.

    Raises:
        InputError: A file that is not there, is of neither format, or holds no step with a rate.
    """
    if not path.is_file():
        raise InputError(f"`--log` must be {KINDS}, got {path}, which is not there")
    rows, first = _rows_of(path)
    names = list(dict.fromkeys(name for row in rows for name in row))
    # The `train_loss` of transformers is the mean over the whole training.
    loss, rate = (("loss",), _first(("learning_rate",), names)) if first else (LOSSES, _rate_name(names))
    if not any(_number(row.get("step")) is not None for row in rows):
        raise InputError(f"`--log` must hold steps of a training, got {path}, which has none")
    if rate is None:
        raise InputError(
            f"`--log` must hold the rate, as `lr-AdamW`, `lr-auto`, `lr` or `learning_rate`, got {path} with "
            f"{', '.join(names)}; Lightning logs it with LearningRateMonitor() among the callbacks"
        )
    rates = _series(rows, (rate,))
    if rates is None:
        raise InputError(f"`--log` must hold steps with a rate, got {path}, where `{rate}` has none")
    return TrainingLog(path.name, first, rates, _series(rows, loss), _series(rows, HELD_OUT))


def _rows_of(path: Path) -> tuple[list[Mapping[str, object]], int]:
    """The rows of a file, and the number of the first step in it."""
    neither = InputError(f"`--log` must be {KINDS}, got {path}, which is neither")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("{"):
            return [row for row in json.loads(text)["log_history"] if isinstance(row, dict)], 1
        table = csv.DictReader(io.StringIO(text))
        rows: list[Mapping[str, object]] = list(table)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise neither from error
    if "step" not in (table.fieldnames or ()):
        raise neither
    return rows, 0


def _rate_name(names: Sequence[str]) -> str | None:
    """The column of the reference group: of AutoLR, of LearningRateMonitor, or named lr by hand."""
    others = ("-momentum", "-weight_decay")
    monitored = [name for name in names if name and name.startswith("lr-") and not name.endswith(others)]
    return _first(("lr-auto", "lr-auto/pg1", *monitored, "lr", "learning_rate"), names)


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _series(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> Series | None:
    """The first of these names that was logged with steps; of a step that was logged twice the later value."""
    for name in names:
        pairs = ((_number(row.get("step")), _number(row.get(name))) for row in rows)
        found = {int(step): value for step, value in pairs if value is not None and step is not None and isfinite(step)}
        if found:
            steps = tuple(sorted(found))
            return Series(name, steps, tuple(found[step] for step in steps))
    return None


def _number(value: object) -> float | None:
    """A number, which of a loss need not be finite, or None for an empty cell and for words."""
    try:
        return float(value) if isinstance(value, (str, int, float)) else None
    except ValueError:
        return None
