"""Trainings on the whole of MNIST at half its resolution, 2,000 of the test images held out."""

from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from tasks import Batches, ce, cnn, mlp, mse
from torch import nn
from torch.optim import SGD, Adam, AdamW, NAdam, RMSprop

from suite.base import Split, of_source, on_disk, path_of
from suite.models import Recurrent, UNet, conv
from suite.optimizers import Muon, momentum, nesterov

__all__ = ["TRAININGS"]

FILE, PIXELS, HELD_OUT = "mnist.npz", 14 * 14, 2000


@cache
def images():
    """60,000 images to train with, 2,000 others."""
    with np.load(path_of(FILE)) as stored:
        x, y, xt, yt = (torch.from_numpy(stored[key]) for key in ("x", "y", "xt", "yt"))
    order = torch.randperm(len(xt), generator=torch.Generator().manual_seed(0))[:HELD_OUT]
    ready = [(F.avg_pool2d(each[:, None].float() / 255, 2) - 0.13) / 0.28 for each in (x, xt[order])]
    return Split(ready[0], y.long(), ready[1], yt[order].long())


@cache
def themselves():
    """What an autoencoder learns: the images flattened, from 0 to 1."""
    split = images()
    flat, held = ((each.flatten(1) * 0.28 + 0.13).clamp(0, 1) for each in (split.inputs, split.held_inputs))
    return Split(split.inputs, flat, split.held_inputs, held)


@cache
def rows():
    """Images as sequences of rows."""
    split = images()
    return Split(split.inputs[:, 0], split.targets, split.held_inputs[:, 0], split.held_targets)


@cache
def pairs():
    """Two digits side by side, and the number from 0 to 99 that they spell."""

    def joined(each, labels):
        half = len(each) // 2
        number = 10 * labels[:half] + labels[half : 2 * half]
        return torch.cat([each[:half], each[half : 2 * half]], 3), number.float()[:, None]

    split = images()
    return Split(*joined(split.inputs, split.targets), *joined(split.held_inputs, split.held_targets))


@cache
def outlines():
    """Where the ink is, told from an image under noise."""
    split, generator = images(), torch.Generator().manual_seed(0)

    def told(each):
        each = F.pad(each, (1, 1, 1, 1), value=float(each.min()))
        return each + 1.5 * torch.randn(each.shape, generator=generator), (each > 1).float()

    return Split(*told(split.inputs[:20_000]), *told(split.held_inputs[:1000]))


@cache
def turned(count=8000):
    """Images turned by 90 degrees: what a net pretrained upright is tuned to."""
    split, quarter = images(), partial(torch.rot90, dims=(2, 3))
    return Split(quarter(split.inputs[-count:]), split.targets[-count:], quarter(split.held_inputs), split.held_targets)


@cache
def relabelled(count=12_000):
    """The last five digits, labelled as the first five were: what a kept head has to unlearn."""
    split = images()
    mine, held = split.targets > 4, split.held_targets > 4
    return Split(
        split.inputs[mine][:count],
        split.targets[mine][:count] - 5,
        split.held_inputs[held],
        split.held_targets[held] - 5,
    )


@cache
def _pretrained(model, classes):
    """Weights of a net after one epoch on 20,000 upright images of the first digits; the same at every call."""
    split = images()
    mine = (split.targets < classes).nonzero().flatten()[:20_000]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = model()
        optimizer = Adam(net.parameters(), lr=3e-3)
        for inputs, targets in Batches(split.inputs[mine], split.targets[mine], 64, seed=0):
            optimizer.zero_grad()
            F.cross_entropy(net(inputs), targets).backward()
            optimizer.step()
    return net.state_dict()


perceptron, convolutions = partial(mlp, PIXELS, 96, 96, 10), partial(cnn, norm=True)


def tuned(model, classes):
    """A net pretrained within the task, its head kept."""
    net = model()
    net.load_state_dict(_pretrained(model, classes))
    return net


class Adapted(nn.Module):
    """A frozen linear layer and a trained product of two thin matrices, as in LoRA; it starts as the layer was."""

    def __init__(self, layer, rank=4):
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down, self.up = (
            nn.Linear(layer.in_features, rank, bias=False),
            nn.Linear(rank, layer.out_features, bias=False),
        )
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        """What the layer answers, and what was learned since."""
        return self.layer(x) + self.up(self.down(x))


def adapted():
    """A perceptron pretrained within the task, with an adapter beside each layer."""
    net = tuned(perceptron, 10)
    return nn.Sequential(*(Adapted(layer) if isinstance(layer, nn.Linear) else layer for layer in net))


class Variational(nn.Module):
    """A variational autoencoder; in evaluation mode the code is its mean."""

    def __init__(self, width=96, code=8):
        super().__init__()
        self.encoder, self.decoder = mlp(PIXELS, width, 2 * code), mlp(code, width, PIXELS)

    def forward(self, images):
        """Logits of the pixels, mean and log variance of the code."""
        mean, spread = self.encoder(images).chunk(2, 1)
        code = mean + torch.randn_like(mean) * (spread / 2).exp() if self.training else mean
        return self.decoder(code), mean, spread


def evidence_bound(output, pixels):
    """Cross-entropy of the pixels and the divergence of the code, per image."""
    logits, mean, spread = output
    pixels_cost = F.binary_cross_entropy_with_logits(logits, pixels, reduction="sum")
    return (pixels_cost + 0.5 * (mean**2 + spread.exp() - 1 - spread).sum()) / len(pixels)


def likeness(vectors, classes, temperature=0.2):
    """Supervised contrastive loss above its least value: vectors of one class attract each other.

    See https://arxiv.org/abs/2004.11362; it is least where all of a class are alike and no others.
    """
    unit, own = F.normalize(vectors, dim=1), torch.eye(len(vectors), dtype=torch.bool)
    alike = (classes[:, None] == classes) & ~own
    logs, count = (unit @ unit.T / temperature).masked_fill(own, -1e9).log_softmax(1), alike.sum(1).clamp(min=1)
    return (-(logs * alike).sum(1) / count - count.log()).mean()


def triplets(vectors, classes, margin=0.5):
    """By how much others are not farther than those of the same class by a margin; mean over all triplets."""
    unit = F.normalize(vectors, dim=1)
    apart, alike = 2 - 2 * unit @ unit.T, classes[:, None] == classes
    counted = alike.float()[:, :, None] * (~alike).float()[:, None, :]
    return (F.relu(apart[:, :, None] - apart[:, None, :] + margin) * counted).sum() / counted.sum()


def dice(logits, truth):
    """One minus the overlap of each image, soft."""
    p = logits.sigmoid().flatten(1)
    truth = truth.flatten(1)
    return (1 - (2 * (p * truth).sum(1) + 1) / (p.sum(1) + truth.sum(1) + 1)).mean()


def numbering():
    """Convolutions over both digits and one number."""
    body = nn.Sequential(conv(1, 12, stride=2), conv(12, 24, stride=2))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(24 * 4 * 7, 48), nn.ReLU(), nn.Linear(48, 1))


mnist = of_source("MNIST", "handwriting", partial(on_disk, FILE))

TRAININGS = [
    mnist("mlp-sgd-long", "perceptron", images, partial(mlp, PIXELS, 64, 10), SGD, ce, 64, 6000, (1e-2, 10)),
    mnist("mlp-muon", "perceptron", images, perceptron, Muon, ce, 128, 1000, (1e-4, 0.1)),
    mnist("cnn-nesterov", "convolutional net", images, convolutions, nesterov, ce, 128, 900, (1e-3, 1)),
    mnist("cnn-adamw-large-batch", "convolutional net", images, convolutions, AdamW, ce, 512, 230, (1e-3, 1)),
    mnist(
        "rows-gru-rmsprop-clipped",
        "recurrent net",
        rows,
        partial(Recurrent, 14, 48, 10, symbols=False, every=False),
        RMSprop,
        ce,
        64,
        900,
        (1e-4, 0.1),
        clip=1.0,
    ),
    mnist(
        "rows-rnn-momentum-clipped",
        "recurrent net",
        rows,
        partial(Recurrent, 14, 48, 10, nn.RNN, symbols=False, every=False),
        momentum,
        ce,
        32,
        1500,
        (1e-3, 1),
        clip=1.0,
    ),
    mnist("variational-adam", "autoencoder", themselves, Variational, Adam, evidence_bound, 64, 2500, (1e-4, 0.1)),
    mnist(
        "autoencoder-momentum",
        "autoencoder",
        themselves,
        partial(mlp, PIXELS, 96, 16, 96, PIXELS),
        momentum,
        mse,
        64,
        2500,
        (1e-1, 100),
    ),
    mnist(
        "likeness-nadam",
        "contrastive net",
        images,
        partial(mlp, PIXELS, 96, 32),
        NAdam,
        likeness,
        128,
        1000,
        (1e-4, 0.1),
        chunk=100,
    ),
    mnist(
        "triplets-sgd",
        "contrastive net",
        images,
        partial(cnn, norm=False),
        SGD,
        triplets,
        48,
        1200,
        (1e-2, 10),
        chunk=100,
    ),
    mnist("outlines-dice-adamw", "segmentation net", outlines, partial(UNet, 1, 1), AdamW, dice, 32, 400, (1e-4, 0.1)),
    mnist("pairs-adam", "regression net", pairs, numbering, Adam, mse, 64, 900, (1e-3, 1)),
    mnist("pairs-sgd-clipped", "regression net", pairs, numbering, SGD, mse, 64, 900, (1e-5, 1e-2), clip=50.0),
    mnist(
        "tuned-kept-head-momentum",
        "fine-tuned net",
        relabelled,
        partial(tuned, convolutions, 5),
        momentum,
        ce,
        32,
        350,
        (1e-3, 1),
    ),
    mnist(
        "tuned-turned-adamw", "fine-tuned net", turned, partial(tuned, perceptron, 10), AdamW, ce, 32, 240, (1e-4, 0.1)
    ),
    mnist("adapters-turned-adamw", "adapters", turned, adapted, AdamW, ce, 32, 480, (1e-4, 0.1)),
    mnist("adapters-turned-momentum", "adapters", turned, adapted, momentum, ce, 32, 480, (1e-3, 1)),
]
