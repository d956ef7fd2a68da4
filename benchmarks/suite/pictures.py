"""Trainings on a part of CIFAR-10: nets with and without normalisation, transformers, autoencoders, pairs of halves."""

from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from tasks import ce, mse
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop

from suite.base import Split, of_source, on_disk, path_of
from suite.models import Encoder, Residual, conv, identity
from suite.optimizers import Lion, Muon, adamw, decayed, momentum

__all__ = ["TRAININGS"]

FILE = "cifar10_subset.npz"


@cache
def images(pooled=True):
    """10,000 images to train with and 2,000 others, at half their resolution or in full."""
    with np.load(path_of(FILE)) as stored:
        x, y, xt, yt = (torch.from_numpy(stored[key]) for key in ("x", "y", "xt", "yt"))
    ready = [((each.permute(0, 3, 1, 2).float() / 255 - 0.47) / 0.25) for each in (x, xt)]
    if pooled:
        ready = [F.avg_pool2d(each, 2) for each in ready]
    return Split(ready[0].contiguous(), y.long(), ready[1].contiguous(), yt.long())


@cache
def themselves():
    """What an autoencoder learns: the images flattened."""
    split = images()
    return Split(split.inputs, split.inputs.flatten(1), split.held_inputs, split.held_inputs.flatten(1))


@cache
def patches(size=4):
    """Images as sequences of square patches."""
    split = images()

    def cut(each):
        return F.unfold(each, size, stride=size).transpose(1, 2).contiguous()

    return Split(cut(split.inputs), split.targets, cut(split.held_inputs), split.held_targets)


@cache
def luminance():
    """How bright the lower half of an image is, row by row, from 0 to 100, told from the upper half."""
    split = images()

    def told(each):
        return each[:, :, :8].contiguous(), 47 + 25 * each[:, :, 8:].mean((1, 3))

    return Split(*told(split.inputs), *told(split.held_inputs))


def plain(norm, widths=(12, 24, 48), classes=10):
    """Strided convolutions and a linear head."""
    sides = [conv(a, b, norm, stride=2) for a, b in zip((3, *widths), widths, strict=False)]
    return nn.Sequential(*sides, nn.Flatten(), nn.Linear(4 * widths[-1], classes))


def reduced(outputs):
    """The same for half an image."""
    body = nn.Sequential(conv(3, 16, identity, stride=2), conv(16, 32, identity, stride=2))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(32 * 2 * 4, outputs))


def squeezed(code=48):
    """An autoencoder: strided convolutions, a code, and the way back."""
    down = [nn.Conv2d(3, 12, 4, 2, 1), nn.ReLU(), nn.Conv2d(12, 24, 4, 2, 1), nn.ReLU(), nn.Flatten()]
    up = [nn.Unflatten(1, (24, 4, 4)), nn.ConvTranspose2d(24, 12, 4, 2, 1), nn.ReLU()]
    middle = [nn.Linear(24 * 16, code), nn.Linear(code, 24 * 16), nn.ReLU()]
    return nn.Sequential(*down, *middle, *up, nn.ConvTranspose2d(12, 3, 4, 2, 1), nn.Flatten())


class Mixer(nn.Module):
    """Perceptrons across patches and across their entries, in turn."""

    def __init__(self, inputs=48, places=16, width=48, depth=2):
        super().__init__()
        self.embed, self.head = nn.Linear(inputs, width), nn.Linear(width, 10)
        self.across = nn.ModuleList(self._branch(width, places) for _ in range(depth))
        self.within = nn.ModuleList(self._branch(width, width) for _ in range(depth))

    def _branch(self, width, size):
        body = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))
        return nn.ModuleList([nn.LayerNorm(width), body])

    def forward(self, x):
        """Logits of the classes."""
        x = self.embed(x)
        for (before, across), (norm, within) in zip(self.across, self.within, strict=True):
            x = x + across(before(x).transpose(1, 2)).transpose(1, 2)
            x = x + within(norm(x))
        return self.head(x.mean(1))


class Halves(nn.Module):
    """A vector of length 1 for each half of an image, the left one and the mirrored right one."""

    def __init__(self, width=32):
        super().__init__()
        self.left = plain(nn.BatchNorm2d, (12, 24, 48), width)
        self.left[-1] = nn.Linear(48 * 2, width)

    def forward(self, images):
        """Both vectors, stacked."""
        left, right = images[..., :8], images[..., 8:].flip(3)
        return F.normalize(torch.stack([self.left(left), self.left(right)]), dim=2)


def matching(pair, _):
    """InfoNCE: a left half has to find its right half among those of the batch."""
    return F.cross_entropy(pair[0] @ pair[1].T / 0.2, torch.arange(pair.shape[1]))


cifar = of_source("CIFAR-10", "cifar", partial(on_disk, FILE))
groups = partial(nn.GroupNorm, 4)

TRAININGS = [
    cifar("resnet-nesterov", "residual net", images, Residual, decayed, ce, 64, 600, (1e-3, 1)),
    cifar(
        "resnet-full-nesterov",
        "residual net",
        partial(images, pooled=False),
        partial(Residual, stride=2),
        decayed,
        ce,
        64,
        500,
        (1e-3, 1),
    ),
    cifar(
        "resnet-plain-sgd-clipped",
        "residual net",
        images,
        partial(Residual, norm=identity),
        SGD,
        ce,
        64,
        500,
        (1e-2, 10),
        clip=1.0,
    ),
    cifar(
        "resnet-groups-adamw", "residual net", images, partial(Residual, norm=groups), adamw, ce, 64, 500, (1e-4, 0.1)
    ),
    cifar("cnn-adam", "convolutional net", images, partial(plain, identity), Adam, ce, 32, 900, (1e-4, 0.1)),
    cifar("cnn-norm-sgd", "convolutional net", images, partial(plain, nn.BatchNorm2d), SGD, ce, 128, 300, (1e-2, 10)),
    cifar("patches-adamw", "transformer", patches, partial(Encoder, 48, 16, 10), adamw, ce, 64, 700, (1e-4, 0.1)),
    cifar(
        "patches-post-adam",
        "transformer",
        patches,
        partial(Encoder, 48, 16, 10, post=True),
        Adam,
        ce,
        64,
        700,
        (1e-4, 0.1),
    ),
    cifar("patches-muon", "transformer", patches, partial(Encoder, 48, 16, 10), Muon, ce, 64, 600, (1e-4, 0.1)),
    cifar("mixer-lion", "mixer", patches, Mixer, partial(Lion, weight_decay=0.1), ce, 64, 700, (1e-5, 1e-2)),
    cifar("autoencoder-rmsprop", "autoencoder", themselves, squeezed, RMSprop, mse, 64, 600, (1e-4, 0.1)),
    cifar("halves-momentum", "contrastive net", images, Halves, momentum, matching, 128, 500, (1e-2, 10), chunk=100),
    cifar("halves-adamw", "contrastive net", images, Halves, AdamW, matching, 128, 400, (1e-4, 0.1), chunk=100),
    cifar("luminance-adagrad", "regression net", luminance, partial(reduced, 8), Adagrad, mse, 64, 800, (1e-3, 1)),
]
