"""The whole tool on a real data set in a minute: find, print, draw, then train with it and as usual."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder.display.plot import COLOURS, STYLE, figure_of
from lrfinder.errors import InputError
from lrfinder.find import find_lr
from lrfinder.result import LRResult
from lrfinder.schedules import Constant, Cosine, Schedule, Warmup
from lrfinder.training.scheduler import attach

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DigitsCNN", "run"]

EPOCHS = 12
BATCH = 64
USUAL_LR = 1e-3
HELD_OUT = 400
SEEDS = (0, 1, 2)


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
    """What a training with one seed came to: loss by the step, loss and accuracy on the images kept aside."""

    losses: list[float] = field(default_factory=list)
    held_out: float = float("nan")
    accuracy: float = float("nan")


@dataclass(slots=True)
class Way:
    """A peak and a schedule, and the trainings with them, one for each seed."""

    name: str
    lr: float
    schedule: Schedule
    trainings: list[Training] = field(default_factory=list)

    def mean(self, quantity: Callable[[Training], float]) -> float:
        """Return the mean of a quantity over the seeds."""
        return fmean(map(quantity, self.trainings))


def run(folder: Path) -> LRResult:
    """Find a learning rate and schedule for a CNN on scikit-learn's digits, then train with it and at the usual 1e-3.

    The other trainings have the same warm-up and a cosine to zero, or a constant rate. The search is made once, with
    the first seed; each seed gives the trainings other weights and another order of the data. `range_test.png` and
    `demo.png` are written to the folder, which is made if it is not there.
    """
    loader, images, labels = _digits()
    model, optimizer = _begin(SEEDS[0], loader)

    found = find_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=EPOCHS)
    print(found)
    if found.plan is None or found.lr is None or found.plan.schedule is None:
        raise InputError(
            f"the demo's range test must give a learning rate, got {found.status}: {found.status.sentence}"
        )
    steps, warmup = EPOCHS * len(loader), found.plan.warmup
    ways = [
        Way("AdamW 1e-3, constant", USUAL_LR, Constant()),
        Way("AdamW 1e-3, warm-up, cosine to zero", USUAL_LR, Warmup(Cosine(steps - warmup), warmup)),
        Way(f"as found: peak {found.lr:.1e}, its schedule", found.lr, found.plan.schedule),
    ]
    for way in ways:
        way.trainings = [_train(way, seed, loader, images, labels) for seed in SEEDS]
    print("\n" + "\n".join(_table(ways, steps)))
    _save(found, ways, folder)
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
    return DataLoader(data, BATCH, shuffle=True, generator=torch.Generator()), images[:HELD_OUT], labels[:HELD_OUT]


def _begin(seed: int, loader: DataLoader[tuple[Tensor, ...]]) -> tuple[DigitsCNN, torch.optim.AdamW]:
    """Make a new model and its optimizer, and set the order of the data: all by the seed."""
    torch.manual_seed(seed)
    if loader.generator is not None:
        loader.generator.manual_seed(seed)
    model = DigitsCNN()
    return model, torch.optim.AdamW(model.parameters(), lr=USUAL_LR)


def _train(way: Way, seed: int, loader: DataLoader[tuple[Tensor, ...]], images: Tensor, labels: Tensor) -> Training:
    """Train in an ordinary torch loop; evaluate at its end on the images kept aside."""
    model, optimizer = _begin(seed, loader)
    training, scheduler = Training(), attach(optimizer, way.schedule, lr=way.lr)
    for _ in range(EPOCHS):
        for inputs, targets in loader:
            loss = F.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
            training.losses.append(loss.item())
    training.held_out, training.accuracy = _evaluate(model, images, labels)
    return training


@torch.no_grad()
def _evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the loss, and how many of a hundred images are read right."""
    model.eval()
    output = model(images)
    return float(F.cross_entropy(output, labels)), 100 * float((output.argmax(1) == labels).double().mean())


def _table(ways: list[Way], steps: int) -> list[str]:
    """Word what the trainings ended at, the mean and each seed, in at most 100 columns."""
    lines = [
        f"{steps} optimizer steps each, {HELD_OUT} images kept aside; a seed gives weights and order of the data",
        "",
        f"  {'':<36} {'held-out loss':<29}   accuracy",
        f"  {'':<36} {'mean':<6}   {'each seed':<20}   mean     each seed",
    ]
    for way in ways:
        losses = " ".join(f"{one.held_out:.4f}" for one in way.trainings)
        rights = " ".join(f"{one.accuracy:.1f}" for one in way.trainings)
        loss, right = way.mean(lambda one: one.held_out), way.mean(lambda one: one.accuracy)
        lines.append(f"  {way.name:<36} {loss:.4f}   {losses}   {right:.1f} %   {rights}")
    return lines


def _save(found: LRResult, ways: list[Way], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figure_of(found.evidence, found.plan).savefig(folder / "range_test.png", dpi=150)
    _comparison(ways).savefig(folder / "demo.png", dpi=150)
    print(f"\nwrote {folder / 'range_test.png'} and {folder / 'demo.png'}", file=sys.stderr)


def _comparison(ways: list[Way]) -> "Figure":
    """Draw the loss of every seed thin and their mean thick, and the learning rates below."""
    from matplotlib import style
    from matplotlib.figure import Figure
    from scipy.ndimage import uniform_filter1d

    with style.context(STYLE):
        figure = Figure(figsize=(8.5, 5.4))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for way, colour in zip(ways, (COLOURS["raw"], COLOURS["smooth"], COLOURS["lr"]), strict=True):
        losses = uniform_filter1d([one.losses for one in way.trainings], 15, mode="nearest")
        accuracy = way.mean(lambda one: one.accuracy)
        label = f"{way.name}\nheld-out loss {way.mean(lambda one: one.held_out):.3f}, accuracy {accuracy:.1f} %"
        above.plot(losses.T, color=colour, alpha=0.4, lw=0.8)
        above.plot(losses.mean(0), color=colour, lw=2.5, label=label)
        below.plot([way.lr * way.schedule(step) for step in range(losses.shape[1])], color=colour, lw=2.5)
    title = f"A CNN on scikit-learn's digits: {len(SEEDS)} seeds (thin) and their mean"
    above.set(yscale="log", ylabel="training loss", title=title)
    below.set(xlabel="optimizer step", ylabel="learning rate")
    above.legend(frameon=False, fontsize="small", loc="upper right")
    return figure
