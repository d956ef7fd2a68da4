"""Trainings on made signals and made pictures: tones, noise taken off, forecasts of raw levels, shapes outlined."""

from functools import cache, partial

import torch
import torch.nn.functional as F
from tasks import ce, mse
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from suite.base import Split, of_source
from suite.handwriting import dice
from suite.models import Recurrent, UNet, conv
from suite.optimizers import momentum, nesterov

__all__ = ["TRAININGS"]


def _drawn(seed):
    return torch.Generator().manual_seed(seed)


def _held(inputs, targets, count):
    return Split(inputs[:-count], targets[:-count], inputs[-count:], targets[-count:])


@cache
def tones(rows=16_000, length=48, classes=8):
    """Noisy tones with two harmonics; the class is the pitch."""
    generator = _drawn(11)
    pitch, phase = torch.randint(classes, (rows,), generator=generator), torch.rand(rows, 1, generator=generator)
    time = torch.linspace(0, 1, length)
    turns = (2 + 0.5 * pitch[:, None]) * time + phase
    clean = torch.sin(2 * torch.pi * turns) + 0.5 * torch.sin(4 * torch.pi * turns)
    return _held((clean + 0.9 * torch.randn(rows, length, generator=generator))[:, None], pitch, 1500)


@cache
def noised(rows=12_000, length=48):
    """Sums of three waves: what is heard, and what was played."""
    generator = _drawn(12)
    rates, shifts = 1 + 6 * torch.rand(rows, 3, 1, generator=generator), torch.rand(rows, 3, 1, generator=generator)
    clean = torch.sin(2 * torch.pi * (rates * torch.linspace(0, 1, length) + shifts)).mean(1)
    return _held((clean + 0.4 * torch.randn(rows, length, generator=generator))[:, None], clean[:, None], 1000)


@cache
def levels(rows=16_000, length=24, level=50.0):
    """A series around 50 with a season and a memory, and its next value."""
    generator = _drawn(13)
    noise, state, values = torch.randn(rows + length, generator=generator), 0.0, []
    for i, shock in enumerate(noise.tolist()):
        state = 0.9 * state + shock
        values.append(level + state + 4 * torch.sin(torch.tensor(2 * torch.pi * i / 12)).item())
    cut = torch.tensor(values).unfold(0, length + 1, 1)
    return _held(cut[:, :-1, None].clone(), cut[:, -1:].clone(), 1500)


@cache
def swings(rows=20_000, length=20):
    """Pendulums seen with noise, of several lengths; the next angle."""
    generator = _drawn(14)
    angle, speed = 4 * torch.rand(rows, generator=generator) - 2, torch.zeros(rows)
    pull, seen = 0.02 + 0.06 * torch.rand(rows, generator=generator), []
    for _ in range(length + 1):
        speed = speed - pull * torch.sin(angle)
        angle = angle + speed
        seen.append(angle)
    path = torch.stack(seen, 1)
    return _held((path[:, :-1] + 0.05 * torch.randn(rows, length, generator=generator))[..., None], path[:, -1:], 1500)


@cache
def shapes(rows=8000, size=16):
    """Discs and squares on a noisy ground: the picture; and for every pixel 0, 1 in a disc, 2 in a square."""
    generator = _drawn(15)
    across = torch.arange(size, dtype=torch.float32)
    truth, picture = (
        torch.zeros(rows, size, size, dtype=torch.long),
        0.7 * torch.randn(rows, size, size, generator=generator),
    )
    for kind in (1, 2):
        x, y = (3 + (size - 6) * torch.rand(2, rows, 1, 1, generator=generator)).unbind()
        radius = 2 + 2 * torch.rand(rows, 1, 1, generator=generator)
        dx, dy = (across[None, None, :] - x).abs(), (across[None, :, None] - y).abs()
        inside = (dx**2 + dy**2).sqrt() < radius if kind == 1 else torch.maximum(dx, dy) < radius * 0.9
        truth[inside] = kind
        picture += inside * (0.5 + torch.rand(rows, 1, 1, generator=generator))
    return _held(picture[:, None], truth, 500)


@cache
def figures():
    """The same, told is only where a figure is."""
    split = shapes()
    return Split(
        split.inputs, (split.targets > 0).float()[:, None], split.held_inputs, (split.held_targets > 0).float()[:, None]
    )


@cache
def photographs(size=12, count=14_000):
    """Patches of the two photographs of scikit-learn under noise, and without it."""
    from sklearn.datasets import load_sample_images

    grey = [torch.tensor(image).float().mean(2) / 64 - 2 for image in load_sample_images().images]
    generator, cut = _drawn(16), []
    for image in grey:
        rows, columns = (torch.randint(side - size, (count // 2,), generator=generator) for side in image.shape)
        cut.append(torch.stack([image[r : r + size, c : c + size] for r, c in zip(rows, columns, strict=True)]))
    clean = torch.cat(cut)[torch.randperm(count, generator=generator)][:, None]
    return _held(clean + 0.5 * torch.randn(clean.shape, generator=generator), clean, 1000)


@cache
def points():
    """Places in a photograph, and how bright they are."""
    from sklearn.datasets import load_sample_images

    grey = torch.tensor(load_sample_images().images[0]).float().mean(2)[None, None] / 64 - 2
    small = F.avg_pool2d(grey, 4)[0, 0]
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in small.shape), indexing="ij")
    order = torch.randperm(small.numel(), generator=_drawn(17))
    return _held(torch.stack([x, y], 2).view(-1, 2)[order], small.reshape(-1, 1)[order], 1500)


def listening(classes=8):
    """Convolutions along a signal, and its mean."""
    body = [nn.Conv1d(1, 16, 7, 2, 3), nn.BatchNorm1d(16), nn.ReLU(), nn.Conv1d(16, 32, 5, 2, 2), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, classes))


def cleaning(width=24, depth=3):
    """Convolutions along a signal that keep its length."""
    layers = [nn.Conv1d(1, width, 7, 1, 3), nn.GELU()]
    for _ in range(depth - 1):
        layers += [nn.Conv1d(width, width, 5, 1, 2), nn.GELU()]
    return nn.Sequential(*layers, nn.Conv1d(width, 1, 5, 1, 2))


class Cleaned(nn.Module):
    """A picture less what convolutions take for noise."""

    def __init__(self, width=12):
        super().__init__()
        self.noise = nn.Sequential(conv(1, width), conv(width, width), nn.Conv2d(width, 1, 3, 1, 1))

    def forward(self, pictures):
        """What is left."""
        return pictures - self.noise(pictures)


class Waves(nn.Module):
    """Sines of sines of a place (https://arxiv.org/abs/2006.09661)."""

    def __init__(self, width=48, first=15.0):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, 1)])
        with torch.no_grad():
            self.layers[0].weight.uniform_(-first / 2, first / 2)
            self.layers[1].weight.uniform_(-((6 / width) ** 0.5), (6 / width) ** 0.5)

    def forward(self, x):
        """How bright it is."""
        return self.layers[2](torch.sin(self.layers[1](torch.sin(self.layers[0](x)))))


def outlining(outputs):
    """Three convolutions at full resolution, none normalised."""
    layers = [nn.Conv2d(1, 12, 5, 1, 2), nn.ReLU(), nn.Conv2d(12, 12, 5, 1, 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(12, outputs, 3, 1, 1))


tone, series = of_source("made tones", "tones"), of_source("made series", "series")
pendulum, shape, photo = (
    of_source("pendulums", "pendulums"),
    of_source("made shapes", "shapes"),
    of_source("photographs", "photos"),
)
forecasting = partial(Recurrent, 1, 32, 1, symbols=False, every=False)

TRAININGS = [
    tone("listening-sgd", "convolutional net", tones, listening, SGD, ce, 64, 1500, (1e-2, 10)),
    tone("listening-adam-small-batch", "convolutional net", tones, listening, Adam, ce, 8, 3000, (1e-4, 0.1)),
    tone("cleaning-adamw", "denoising net", noised, cleaning, AdamW, mse, 32, 1000, (1e-4, 0.1)),
    series(
        "levels-lstm-adam", "recurrent net", levels, partial(forecasting, cell=nn.LSTM), Adam, mse, 64, 1000, (1e-3, 1)
    ),
    series(
        "levels-gru-momentum-clipped",
        "recurrent net",
        levels,
        forecasting,
        momentum,
        mse,
        64,
        1000,
        (1e-4, 0.1),
        clip=10.0,
    ),
    pendulum("gru-rmsprop", "recurrent net", swings, forecasting, RMSprop, mse, 64, 1000, (1e-4, 0.1)),
    pendulum("gru-nesterov", "recurrent net", swings, forecasting, nesterov, mse, 64, 1000, (1e-3, 1)),
    shape("unet-adam", "segmentation net", shapes, partial(UNet, 1, 3), Adam, ce, 32, 500, (1e-4, 0.1)),
    shape("unet-dice-momentum", "segmentation net", figures, partial(UNet, 1, 1), momentum, dice, 32, 400, (1e-2, 10)),
    shape(
        "outlining-dice-adamw", "segmentation net", figures, partial(outlining, 1), AdamW, dice, 16, 500, (1e-4, 0.1)
    ),
    photo("cleaned-nesterov", "denoising net", photographs, Cleaned, nesterov, mse, 32, 500, (1e-3, 1)),
    photo("points-waves-adam-long", "coordinate net", points, Waves, Adam, mse, 256, 6000, (1e-4, 0.1)),
]
