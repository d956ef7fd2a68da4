"""Four problems of DeepOBS in torch: a convolutional net, a variational autoencoder, a recurrent net, a noisy bowl.

After the descriptions of the benchmark (https://deepobs.github.io); the losses hold what the published ones hold.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from suite.base import on_disk, path_of
from torch import nn

__all__ = ["PROBLEMS", "Epochs", "Problem"]

CONTEXT, SYMBOLS = 50, 83
"""Of the text; characters beyond the 82 commonest are one symbol."""


class Epochs:
    """Shuffled batches, as many as an epoch of the published trainings had; data that are fewer come several times."""

    def __init__(self, data, size, batches, seed):
        self.data, self.size, self.batches = data, size, batches
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        return self.batches

    def __iter__(self):
        rounds = -(-self.batches * self.size // len(self.data[0]))
        orders = [torch.randperm(len(self.data[0]), generator=self.generator) for _ in range(rounds)]
        for rows in torch.cat(orders)[: self.batches * self.size].split(self.size):
            yield tuple(each[rows] for each in self.data)


@dataclass(frozen=True)
class Problem:
    """One problem.

    Args:
        data: Returns tensors of one length; a batch is some rows of each.
        model: Returns a fresh model.
        loss: Of (model, batch).
        batch: Samples per step.
        batches: Of an epoch.
        absent: Returns why the data are not here, or None.
    """

    data: Callable
    model: Callable[[], nn.Module]
    loss: Callable
    batch: int
    batches: int
    absent: Callable[[], str | None]

    def build(self, seed):
        """Model and loader of one seed."""
        torch.manual_seed(seed)
        return self.model(), Epochs(self.data(), self.batch, self.batches, seed)


def _xavier(model, convolution):
    """Start convolutions and linear layers after Glorot and Bengio, their biases at zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            (nn.init.xavier_uniform_ if isinstance(module, nn.Linear) else convolution)(module.weight)
            nn.init.zeros_(module.bias)
    return model


# cifar10_3c3d


@cache
def cifar():
    """A fifth of the training images of CIFAR-10, standardised, and their classes."""
    with np.load(path_of("cifar10_subset.npz")) as stored:
        images, classes = torch.from_numpy(stored["x"]).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(stored["y"])
    mean, deviation = images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), keepdim=True)
    return (images - mean) / deviation, classes.long()


def three_and_three():
    """Three convolutions with pooling, three linear layers."""
    pool = partial(nn.MaxPool2d, 3, 2, ceil_mode=True)
    body = [nn.Conv2d(3, 64, 5), nn.ReLU(), pool(), nn.Conv2d(64, 96, 3), nn.ReLU(), pool()]
    body += [nn.Conv2d(96, 128, 3, padding=1), nn.ReLU(), pool(), nn.Flatten()]
    head = [nn.Linear(128 * 3 * 3, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)]
    return _xavier(nn.Sequential(*body, *head), nn.init.xavier_normal_)


def decayed_entropy(model, batch, decay=0.002):
    """Cross-entropy, and half the squared weights (not the biases) times `decay`."""
    weights = sum(parameter.square().sum() for parameter in model.parameters() if parameter.ndim > 1)
    return F.cross_entropy(model(batch[0]), batch[1]) + decay / 2 * weights


# mnist_vae


@cache
def digits():
    """The images of MNIST from 0 to 1."""
    with np.load(path_of("mnist.npz")) as stored:
        return (torch.from_numpy(stored["x"])[:, None].float() / 255,)


class Variational(nn.Module):
    """Convolutions to a code of eight numbers, transposed convolutions back; dropout between them."""

    def __init__(self, width=64, code=8):
        super().__init__()
        steep, drop = partial(nn.LeakyReLU, 0.3), partial(nn.Dropout, 0.2)
        first = [nn.Conv2d(1, width, 4, 2, 1), steep(), drop(), nn.Conv2d(width, width, 4, 2, 1), steep(), drop()]
        last = [nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(width, width, 4), steep(), drop(), nn.Flatten()]
        self.encoder = nn.Sequential(*first, *last)
        self.mean, self.spread = nn.Linear(49 * width, code), nn.Linear(49 * width, code)
        self.dense = nn.Sequential(nn.Linear(code, 24), steep(), nn.Linear(24, 49), steep(), nn.Unflatten(1, (1, 7, 7)))
        self.widen = nn.ConvTranspose2d(1, width, 4, 2, 1)
        self.smooth = nn.ModuleList(nn.ConvTranspose2d(width, width, 4, 1, 1) for _ in range(2))
        self.drop, self.pixels = drop(), nn.Linear(14 * 14 * width, 28 * 28)
        _xavier(self, nn.init.xavier_uniform_)

    def forward(self, images):
        """Images made anew, mean and log deviation of the code."""
        seen = self.encoder(images)
        mean, spread = self.mean(seen), self.spread(seen) / 2
        x = self.dense(mean + spread.exp() * torch.randn_like(spread))
        x = self.drop(F.relu(self.widen(x)))
        for layer in self.smooth:
            x = self.drop(F.relu(layer(x)[:, :, :14, :14]))
        return self.pixels(x.flatten(1)).sigmoid(), mean, spread


def evidence(model, batch):
    """Squared errors of an image and the divergence of its code, summed; mean over images."""
    made, mean, spread = model(batch[0])
    error = (made - batch[0].flatten(1)).square().sum(1)
    return (error + 0.5 * (mean**2 + (2 * spread).exp() - 1 - 2 * spread).sum(1)).mean()


# tolstoi_char_rnn


@cache
def windows():
    """The first four fifths of War and Peace in windows of fifty characters and one more."""
    text = path_of("war_and_peace.txt").read_text(encoding="utf-8-sig")
    known = {character: i for i, (character, _) in enumerate(Counter(text).most_common(SYMBOLS - 1), 1)}
    codes = torch.tensor([known.get(character, 0) for character in text[: len(text) * 4 // 5]])
    return (codes.unfold(0, CONTEXT + 1, CONTEXT),)


class Characters(nn.Module):
    """A recurrent net of two layers over characters, dropout before, between and after them.

    Between them are two dropouts of a fifth in the original, here one that lets as much pass.
    """

    def __init__(self, symbols=SYMBOLS, width=128):
        super().__init__()
        self.embed, self.head, self.drop = nn.Embedding(symbols, width), nn.Linear(width, symbols), nn.Dropout(0.2)
        self.cells = nn.LSTM(width, width, num_layers=2, dropout=0.36, batch_first=True)

    def forward(self, codes):
        """Logits at every place, classes second."""
        return self.head(self.drop(self.cells(self.drop(self.embed(codes)))[0])).transpose(1, 2)


def next_character(model, batch):
    """Cross-entropy of what follows each character."""
    return F.cross_entropy(model(batch[0][:, :-1]), batch[0][:, 1:])


# quadratic_deep


def rotation(size, source):
    """A rotation drawn uniformly, one dimension after another (Diaconis and Shahshahani, 1987)."""
    angle = 2 * np.pi * source.uniform()
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for sides in range(3, size + 1):
        drawn = source.normal(size=sides)
        mirror = np.eye(sides)[0] - drawn / np.linalg.norm(drawn)
        mirror /= np.linalg.norm(mirror)
        larger = np.eye(sides)
        larger[1:, 1:] = turn
        turn = larger - 2 * np.outer(mirror, mirror @ larger)
    return -turn


class Bowl(nn.Module):
    """A hundred numbers in a bowl, a tenth of whose curvatures are large; every sample has another lowest point."""

    def __init__(self, size=100):
        super().__init__()
        source = np.random.RandomState(42)
        curvatures = np.concatenate([source.uniform(0, 1, size * 9 // 10), source.uniform(30, 60, size // 10)])
        turn = rotation(size, source)
        self.place = nn.Parameter(torch.ones(size))
        self.register_buffer("bowl", torch.tensor(turn.T @ np.diag(curvatures) @ turn, dtype=torch.float32))

    def forward(self, lowest):
        """The height of each sample."""
        off = self.place - lowest
        return 0.5 * ((off @ self.bowl) * off).sum(1)


@cache
def lowest_points():
    """A thousand of them round zero."""
    return (torch.from_numpy(np.float32(np.random.RandomState(42).normal(0, 0.6, (1000, 100)))),)


def height(model, batch):
    """The mean height of a batch."""
    return model(batch[0]).mean()


PROBLEMS = {
    "cifar10_3c3d": Problem(cifar, three_and_three, decayed_entropy, 128, 390, partial(on_disk, "cifar10_subset.npz")),
    "mnist_vae": Problem(digits, Variational, evidence, 64, 937, partial(on_disk, "mnist.npz")),
    "tolstoi_char_rnn": Problem(windows, Characters, next_character, 50, 1045, partial(on_disk, "war_and_peace.txt")),
    "quadratic_deep": Problem(lowest_points, Bowl, height, 128, 7, lambda: None),
}
