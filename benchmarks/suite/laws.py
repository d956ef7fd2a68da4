"""Trainings that fit curves and equations, one full batch after another, and trainings on made-up sequences."""

from functools import cache, partial

import torch
import torch.nn.functional as F
from tasks import ce, mlp, mse
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from suite.base import Split, of_source
from suite.models import Language, Recurrent
from suite.optimizers import momentum, nesterov

__all__ = ["TRAININGS"]


def _drawn(seed):
    return torch.Generator().manual_seed(seed)


@cache
def string(points=64, weight=10.0):
    """Places on a string and the load there: u'' has to be the load, u at both ends (weighted) zero."""
    inside, held = torch.linspace(0, 1, points)[:, None], torch.rand(200, 1, generator=_drawn(21))
    ends = torch.tensor([[0.0], [1.0]] * 4)

    def load(x):
        return -((2 * torch.pi) ** 2) * torch.sin(2 * torch.pi * x) / 10 - 9 * torch.sin(3 * torch.pi * x) / 5

    def both(x):
        kind = torch.cat([torch.ones(len(x), 1), torch.zeros(len(ends), 1)])
        places = torch.cat([torch.cat([x, ends]), kind], 1)
        return places, torch.cat([load(x), torch.zeros(len(ends), 1)])

    return Split(*both(inside), *both(held))


@cache
def oscillator(points=80):
    """Times of a damped oscillation: x'' + x' + 16 x has to be zero, and x at the start (weighted) one."""
    time, held = torch.linspace(0, 1.5, points)[:, None], 1.5 * torch.rand(200, 1, generator=_drawn(22))

    def both(t):
        places = torch.cat(
            [torch.cat([t, torch.zeros(8, 1)]), torch.cat([torch.ones(len(t), 1), torch.zeros(8, 1)])], 1
        )
        return places, torch.cat([torch.zeros(len(t), 1), torch.full((8, 1), 10.0)])

    return Split(*both(time), *both(held))


class Jet(nn.Module):
    """A tanh perceptron of one number that carries its first two derivatives along.

    Args:
        width: Of both hidden layers.
        damping: Of the equation u'' + damping u' + stiffness u.
        stiffness: The same.
        scale: What the equation's residual is multiplied with.
        weight: What the value at a boundary is multiplied with.
    """

    def __init__(self, width=24, damping=0.0, stiffness=0.0, scale=1.0, weight=10.0):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(1, width), nn.Linear(width, width), nn.Linear(width, 1)])
        self.terms = damping, stiffness, scale, weight

    def forward(self, places):
        """What the equation asks about, at places marked 1; the value itself at those marked 0."""
        damping, stiffness, scale, weight = self.terms
        at, inside = places[:, :1], places[:, 1:]
        u, du, ddu = at, torch.ones_like(at), torch.zeros_like(at)
        for layer in self.layers:
            u, du, ddu = layer(u), du @ layer.weight.T, ddu @ layer.weight.T
            if layer is not self.layers[-1]:
                u = torch.tanh(u)
                slope = 1 - u**2
                du, ddu = slope * du, slope * ddu - 2 * u * slope * du**2
        return torch.where(inside > 0, scale * (ddu + damping * du + stiffness * u), weight * u)


@cache
def curve(points=128):
    """A wavy curve with a little noise, learned in full batches."""
    generator = _drawn(23)
    x, held = 4 * torch.rand(points, 1, generator=generator) - 2, torch.linspace(-1.95, 1.95, 300)[:, None]

    def height(at):
        return torch.sin(3 * at) + 0.5 * torch.cos(7 * at) + 0.2 * at**2

    return Split(x, height(x) + 0.02 * torch.randn(points, 1, generator=generator), held, height(held))


@cache
def bumps(points=400):
    """Sums of bells with noise: the parameters are those of the bells."""
    generator = _drawn(24)
    x, held = 10 * torch.rand(points, 1, generator=generator), torch.linspace(0, 10, 300)[:, None]

    def height(at):
        return 3 * torch.exp(-((at - 3) ** 2)) + 2 * torch.exp(-(((at - 6) / 1.5) ** 2)) + 1

    return Split(x, height(x) + 0.1 * torch.randn(points, 1, generator=generator), held, height(held))


class Bells(nn.Module):
    """A constant and two bells: height, middle and log width each."""

    def __init__(self):
        super().__init__()
        self.heights, self.offset = nn.Parameter(1 + torch.rand(2)), nn.Parameter(torch.zeros(1))
        self.middles, self.widths = nn.Parameter(torch.tensor([2.0, 7.5]) + torch.rand(2)), nn.Parameter(torch.zeros(2))

    def forward(self, x):
        """Their sum."""
        bells = torch.exp(-(((x - self.middles) / self.widths.exp()) ** 2))
        return (self.heights * bells).sum(1, keepdim=True) + self.offset


# Sequences

DIGITS = 10


@cache
def reversed_digits(rows=30_000, length=8):
    """Digits, a mark, and the digits backwards: the symbol after each."""
    digits = torch.randint(DIGITS, (rows, length), generator=_drawn(25))
    whole = torch.cat([digits, torch.full((rows, 1), DIGITS), digits.flip(1)], 1)
    inputs, targets = whole[:, :-1], whole[:, 1:].clone()
    targets[:, : length - 1] = DIGITS  # what cannot be known is a mark
    return Split(inputs[:-500], targets[:-500], inputs[-500:], targets[-500:])


@cache
def sums(rows=40_000):
    """Pairs of numbers below 1,000 digit by digit, the lowest first, and the digits of their sum."""
    left, right = torch.randint(1000, (2, rows), generator=_drawn(26))
    powers = torch.tensor([1, 10, 100, 1000])
    inputs = (left[:, None] // powers % 10) * 10 + right[:, None] // powers % 10
    targets = (left + right)[:, None] // powers % 10
    return Split(inputs[:-1000], targets[:-1000], inputs[-1000:], targets[-1000:])


@cache
def brackets(rows=24_000, length=20):
    """Openings and closings, and how deep one is after each, at most five."""
    moves, depth, depths = (
        torch.randint(2, (rows, length), generator=_drawn(27)),
        torch.zeros(rows, dtype=torch.long),
        [],
    )
    for i in range(length):
        depth = (depth + 2 * moves[:, i] - 1).clamp(0, 5)
        depths.append(depth)
    depths = torch.stack(depths, 1)
    return Split(moves[:-1000], depths[:-1000], moves[-1000:], depths[-1000:])


def huber(output, target):
    """Squared error near zero, absolute error far from it."""
    return F.smooth_l1_loss(output, target)


law, fitted, spoken = (
    of_source("equations", "law"),
    of_source("curves", "curve"),
    of_source("made sequences", "sequences"),
)
tanh = partial(mlp, 1, 48, 48, 1, activation=nn.Tanh)
swinging = partial(Jet, damping=1.0, stiffness=16.0, scale=0.3)

TRAININGS = [
    law(
        "string-adam-full-batch-long",
        "physics net",
        string,
        partial(Jet, scale=0.3),
        Adam,
        mse,
        72,
        6000,
        (1e-4, 0.1),
        chunk=None,
    ),
    law(
        "string-momentum-full-batch",
        "physics net",
        string,
        partial(Jet, scale=0.3),
        momentum,
        mse,
        72,
        4000,
        (1e-5, 1e-2),
        chunk=None,
    ),
    law(
        "oscillator-rmsprop-full-batch",
        "physics net",
        oscillator,
        swinging,
        RMSprop,
        mse,
        88,
        4000,
        (1e-4, 0.1),
        chunk=None,
    ),
    law(
        "oscillator-adamw-batches-long",
        "physics net",
        oscillator,
        swinging,
        AdamW,
        mse,
        22,
        5000,
        (1e-4, 0.1),
        chunk=None,
    ),
    fitted("wavy-sgd-full-batch-long", "perceptron", curve, tanh, SGD, mse, 128, 10_000, (1e-3, 1)),
    fitted("wavy-adam-full-batch", "perceptron", curve, tanh, Adam, mse, 128, 4000, (1e-4, 0.1)),
    fitted("bells-adam-full-batch", "few parameters", bumps, Bells, Adam, mse, 400, 1500, (1e-3, 1)),
    fitted("bells-momentum", "few parameters", bumps, Bells, momentum, huber, 40, 1500, (1e-3, 1)),
    spoken(
        "reversed-gpt-adamw",
        "transformer",
        reversed_digits,
        partial(Language, DIGITS + 1, 16, 32),
        AdamW,
        ce,
        32,
        1200,
        (1e-4, 0.1),
    ),
    spoken(
        "sums-gru-nesterov", "recurrent net", sums, partial(Recurrent, 100, 32, 10), nesterov, ce, 64, 1500, (1e-2, 10)
    ),
    spoken(
        "brackets-lstm-adam",
        "recurrent net",
        brackets,
        partial(Recurrent, 2, 24, 6, nn.LSTM),
        Adam,
        ce,
        64,
        800,
        (1e-3, 1),
    ),
    spoken(
        "brackets-rnn-sgd-clipped",
        "recurrent net",
        brackets,
        partial(Recurrent, 2, 24, 6, nn.RNN),
        SGD,
        ce,
        32,
        1500,
        (1e-2, 10),
        clip=1.0,
    ),
]
