"""The whole tool on a real data set in a minute: find, print, draw, then train with the advice and without it."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder.display.plot import COLOURS, STYLE, figure_of
from lrfinder.errors import InputError
from lrfinder.find import find_lr
from lrfinder.result import LRResult
from lrfinder.schedules import Constant, Schedule
from lrfinder.training.scheduler import attach

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DigitsCNN", "run"]

EPOCHS = 12
BATCH = 64
DEFAULT_LR = 1e-3
HELD_OUT = 400


class DigitsCNN(nn.Sequential):
    """Two convolutions and a linear layer for 8x8 grey images of digits."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 10),
        )


@dataclass(slots=True)
class Training:
    """What a training of the demo came to: loss and LR by the step, loss and accuracy on the images kept aside."""

    name: str
    losses: list[float] = field(default_factory=list)
    lrs: list[float] = field(default_factory=list)
    held_out: float = float("nan")
    accuracy: float = float("nan")


def run(folder: Path) -> LRResult:
    """Find a learning rate and schedule for a CNN on scikit-learn's digits, then train with it and with 1e-3 constant.

    `range_test.png` and `demo.png` are written to the folder, which is made if it is not there.
    """
    loader, images, labels = _digits()
    model = _fresh_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=DEFAULT_LR)

    found = find_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=EPOCHS)
    print(found)
    if found.plan is None or found.lr is None or found.plan.schedule is None:
        raise InputError(
            f"the demo's range test must give a learning rate, got {found.status}: {found.status.sentence}"
        )
    default = _train(f"AdamW's default LR {DEFAULT_LR:g}, constant", loader, Constant(), DEFAULT_LR)
    advised = _train(f"suggested LR {found.lr:.2g} and schedule", loader, found.plan.schedule, found.lr)
    for training, net in (default, advised):
        training.held_out, training.accuracy = _evaluate(net, images, labels)
    _report([default[0], advised[0]], EPOCHS * len(loader))
    _save(found, [default[0], advised[0]], folder)
    return found


def _digits() -> tuple[DataLoader[tuple[Tensor, ...]], Tensor, Tensor]:
    """A shuffling loader over 1,397 images, and 400 images with labels kept aside."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "the demo must have scikit-learn for its data, got none; run: pip install 'lrfinder[demo]'"
        ) from error
    pixels, digits = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8)[order] / 16
    labels = torch.tensor(digits)[order]
    data = TensorDataset(images[HELD_OUT:], labels[HELD_OUT:])
    loader = DataLoader(data, BATCH, shuffle=True, generator=torch.Generator().manual_seed(0))
    return loader, images[:HELD_OUT], labels[:HELD_OUT]


def _fresh_model() -> DigitsCNN:
    torch.manual_seed(0)
    return DigitsCNN()


def _train(
    name: str, loader: DataLoader[tuple[Tensor, ...]], schedule: Schedule, lr: float
) -> tuple[Training, DigitsCNN]:
    """An ordinary torch loop: the same model, data order and optimizer for every schedule."""
    model, training = _fresh_model(), Training(name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=DEFAULT_LR)
    scheduler = attach(optimizer, schedule, lr=lr)
    if loader.generator is not None:
        loader.generator.manual_seed(0)
    for _ in range(EPOCHS):
        for images, labels in loader:
            training.lrs.append(optimizer.param_groups[0]["lr"])
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
            training.losses.append(loss.item())
    return training, model


@torch.no_grad()
def _evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    model.eval()
    output = model(images)
    return float(F.cross_entropy(output, labels)), float((output.argmax(1) == labels).double().mean())


def _report(trainings: list[Training], steps: int) -> None:
    print(f"\n{steps} optimizer steps each, {HELD_OUT} images kept aside:\n")
    print(f"  {'':<36} {'held-out loss':>14} {'accuracy':>10}")
    for training in trainings:
        print(f"  {training.name:<36} {training.held_out:>14.4f} {100 * training.accuracy:>8.1f} %")


def _save(found: LRResult, trainings: list[Training], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figure_of(found.evidence, found.plan).savefig(folder / "range_test.png", dpi=150)
    _comparison(trainings).savefig(folder / "demo.png", dpi=150)
    print(f"\nwrote {folder / 'range_test.png'} and {folder / 'demo.png'}", file=sys.stderr)


def _comparison(trainings: list[Training]) -> "Figure":
    """Loss and LR of each training, one above the other."""
    from matplotlib import style
    from matplotlib.figure import Figure
    from scipy.ndimage import uniform_filter1d

    with style.context(STYLE):
        figure = Figure(figsize=(8.5, 5.4))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for training, colour in zip(trainings, (COLOURS["smooth"], COLOURS["lr"]), strict=True):
        label = f"{training.name}: held-out loss {training.held_out:.3f}, accuracy {100 * training.accuracy:.1f} %"
        above.plot(training.losses, color=colour, alpha=0.2, lw=0.8)
        above.plot(uniform_filter1d(training.losses, 15, mode="nearest"), color=colour, lw=2, label=label)
        below.plot(training.lrs, color=colour, lw=2)
    above.set(yscale="log", ylabel="training loss", title="A CNN on scikit-learn's digits: the same steps, two LRs")
    below.set(xlabel="optimizer step", ylabel="learning rate")
    above.legend(frameon=False, fontsize="small", loc="lower left")
    return figure
