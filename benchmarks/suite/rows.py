"""Trainings on tables, made ones mostly: many labels, prices far from zero, ratings, spirals, a graph."""

from functools import cache, partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from tasks import ce, mlp, mse
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, RMSprop

from suite.base import Split, of_source, split_rows
from suite.models import Encoder
from suite.optimizers import Lion, Muon, momentum, nesterov

__all__ = ["TRAININGS"]

HELD_OUT = 2000
bce = F.binary_cross_entropy_with_logits


def _drawn(seed):
    return torch.Generator().manual_seed(seed)


@cache
def tags(rows=24_000, columns=40, labels=12):
    """Rows with several labels each: the signs of what a small network answers, some of them flipped."""
    generator = _drawn(1)
    inputs = torch.randn(rows, columns, generator=generator)
    inner, outer = torch.randn(columns, 30, generator=generator) / 4, torch.randn(30, labels, generator=generator)
    scores = torch.tanh(inputs @ inner) @ outer
    labels = (scores > torch.linspace(-2, 4, labels)).float()
    flipped = torch.rand(labels.shape, generator=generator) < 0.03
    return split_rows(inputs, torch.where(flipped, 1 - labels, labels), HELD_OUT)


@cache
def prices(mean=50.0, rows=22_000):
    """A price around 50, by size, age, place and district, with noise."""
    generator = _drawn(2)
    size, age, north, east = torch.rand(4, rows, generator=generator)
    district = torch.randint(6, (rows,), generator=generator)
    worth = 12 * size - 6 * age * size + 4 * torch.exp(-8 * ((north - 0.3) ** 2 + (east - 0.6) ** 2))
    price = mean - 6 + worth + 1.5 * torch.sin(district * 2.0) + 0.5 * torch.randn(rows, generator=generator)
    columns = [size, age, north, east, *F.one_hot(district, 6).float().T]
    return split_rows(torch.stack(columns, 1), price[:, None], HELD_OUT)


@cache
def spirals(rows=42_000, arms=3):
    """Points on the arms of a spiral."""
    generator = _drawn(3)
    arm, along = torch.randint(arms, (rows,), generator=generator), torch.rand(rows, generator=generator).sqrt()
    angle = 9 * along + 2 * torch.pi * arm / arms
    points = along[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    return split_rows(points + 0.02 * torch.randn(points.shape, generator=generator), arm, HELD_OUT)


@cache
def ratings(people=300, things=200, rows=50_000):
    """How a person rates a thing, around 3.5."""
    generator = _drawn(4)
    who, what = (torch.randint(count, (rows,), generator=generator) for count in (people, things))
    taste, nature = (torch.randn(count, 4, generator=generator) for count in (people, things))
    liked = (taste[who] * nature[what]).sum(1) / 2 + 0.5 * taste[who, 0] + 0.5 * nature[what, 1]
    stars = 3.5 + 0.7 * liked + 0.4 * torch.randn(rows, generator=generator)
    return split_rows(torch.stack([who, what], 1), stars, HELD_OUT, standardised=False)


@cache
def shells(rows=32_000):
    """Whose distance from the middle is above the median, in ten dimensions; a twentieth of the labels flipped."""
    generator = _drawn(5)
    inputs = torch.randn(rows, 10, generator=generator)
    labels = (inputs.square().sum(1) > 9.34) ^ (torch.rand(rows, generator=generator) < 0.05)
    return split_rows(inputs, labels.long(), HELD_OUT)


@cache
def rare(rows=30_000):
    """A class that one row in thirty has."""
    generator = _drawn(6)
    inputs = torch.randn(rows, 20, generator=generator)
    score = inputs[:, :4].prod(1) + inputs[:, 4] + 0.5 * inputs[:, 5] ** 2 + torch.randn(rows, generator=generator)
    return split_rows(inputs, (score > 3.2).float()[:, None], HELD_OUT)


@cache
def raw_diabetes():
    """scikit-learn's diabetes, its target as it is: 152 on average."""
    from sklearn.datasets import load_diabetes

    inputs, targets = load_diabetes(return_X_y=True)
    order = torch.randperm(len(inputs), generator=_drawn(0))
    inputs, targets = torch.tensor(inputs, dtype=torch.float32)[order], torch.tensor(targets).float()[order, None]
    return split_rows(inputs, targets, 147)


class Factors(nn.Module):
    """A person's vector times a thing's, and an offset for each."""

    def __init__(self, people=300, things=200, width=8):
        super().__init__()
        self.people, self.things = nn.Embedding(people, width + 1), nn.Embedding(things, width + 1)
        for each in (self.people, self.things):
            nn.init.normal_(each.weight, std=0.1)
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, pairs):
        """Ratings."""
        who, what = self.people(pairs[:, 0]), self.things(pairs[:, 1])
        return (who[:, 1:] * what[:, 1:]).sum(1) + who[:, 0] + what[:, 0] + self.offset


# The graph: what its edges are belongs to the model, its nodes' numbers are the inputs.

NODES, GROUPS = 1200, 5


@cache
def friends():
    """Nodes of a graph whose groups have more edges within than between: features, edges as a matrix, groups."""
    generator = _drawn(7)
    group = torch.randint(GROUPS, (NODES,), generator=generator)
    chance = torch.where(group[:, None] == group, 0.03, 0.005)
    edges = (torch.rand(NODES, NODES, generator=generator) < chance).float().triu(1)
    edges = edges + edges.T + torch.eye(NODES)
    degree = edges.sum(1).rsqrt()
    features = 0.5 * F.one_hot(group, GROUPS) + torch.randn(NODES, GROUPS, generator=generator)
    return features, degree[:, None] * edges * degree, group


@cache
def nodes():
    """The numbers of the nodes, and their groups."""
    numbers, group = torch.arange(NODES), friends()[2]
    return Split(numbers[:800], group[:800], numbers[800:], group[800:])


class Graph(nn.Module):
    """Two layers that average over neighbours."""

    def __init__(self, width=16):
        super().__init__()
        self.first, self.second = nn.Linear(GROUPS, width), nn.Linear(width, GROUPS)

    def forward(self, numbers):
        """Logits of these nodes."""
        features, edges, _ = friends()
        return (edges @ self.second(F.relu(edges @ self.first(features))))[numbers]


class Columns(nn.Module):
    """A transformer over the columns of a row, each a token."""

    def __init__(self, columns, outputs, width=16):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.randn(columns, width)), nn.Parameter(torch.zeros(columns, width))
        self.body = Encoder(width, columns, outputs, width=width, depth=1)

    def forward(self, rows):
        """One answer a row."""
        return self.body(rows[..., None] * self.scale + self.shift)


def normed(*widths):
    """A perceptron with layer normalisation."""
    layers = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


tagged = of_source("made tags", "tags")
priced = of_source("made prices", "prices")
spiral = of_source("spirals", "spirals")
rated = of_source("made ratings", "ratings")
shell = of_source("shells", "shells")
seldom = of_source("rare class", "rare")
graph = of_source("made graph", "graph")
diabetes = of_source("diabetes", "diabetes")

TRAININGS = [
    tagged("mlp-adam-long", "perceptron", tags, partial(mlp, 40, 64, 12), Adam, bce, 32, 5000, (1e-4, 0.1)),
    tagged("mlp-momentum", "perceptron", tags, partial(mlp, 40, 64, 64, 12), momentum, bce, 64, 1700, (1e-2, 10)),
    priced("mlp-adamw", "perceptron", prices, partial(mlp, 10, 48, 48, 1), AdamW, mse, 64, 3000, (1e-4, 0.1)),
    priced("mlp-sgd", "perceptron", prices, partial(mlp, 10, 48, 1), SGD, mse, 64, 3000, (1e-4, 0.1)),
    priced(
        "mlp-absolute-rmsprop",
        "perceptron",
        prices,
        partial(mlp, 10, 48, 48, 1),
        RMSprop,
        F.l1_loss,
        32,
        3000,
        (1e-4, 0.1),
    ),
    priced("columns-nadam", "transformer", prices, partial(Columns, 10, 1), NAdam, mse, 64, 1500, (1e-4, 0.1)),
    spiral("mlp-sgd-long", "perceptron", spirals, partial(mlp, 2, 32, 32, 3), SGD, ce, 32, 20_000, (1e-2, 10)),
    spiral("mlp-lion-long", "perceptron", spirals, partial(mlp, 2, 32, 32, 3), Lion, ce, 64, 6000, (1e-5, 1e-2)),
    rated("factors-adam", "embedding", ratings, Factors, Adam, mse, 128, 3000, (1e-4, 0.1)),
    rated("factors-sgd-long", "embedding", ratings, Factors, SGD, mse, 64, 8000, (1e-2, 10)),
    shell(
        "tanh-nesterov-long",
        "perceptron",
        shells,
        partial(mlp, 10, 48, 48, 2, activation=nn.Tanh),
        nesterov,
        ce,
        32,
        6000,
        (1e-3, 1),
    ),
    shell(
        "normed-adagrad-long", "perceptron", shells, partial(normed, 10, 48, 48, 2), Adagrad, ce, 64, 5000, (1e-3, 1)
    ),
    shell("mlp-muon", "perceptron", shells, partial(mlp, 10, 64, 64, 2), Muon, ce, 64, 2000, (1e-4, 0.1)),
    seldom("mlp-adamw", "perceptron", rare, partial(mlp, 20, 64, 32, 1), AdamW, bce, 128, 1500, (1e-4, 0.1)),
    graph("neighbours-adam-full-batch", "graph net", nodes, Graph, Adam, ce, 800, 400, (1e-3, 1)),
    diabetes(
        "raw-linear-sgd-full-batch", "linear", raw_diabetes, partial(mlp, 10, 1), SGD, mse, 295, 1000, (1e-4, 0.1)
    ),
    diabetes(
        "raw-linear-adam-full-batch", "linear", raw_diabetes, partial(mlp, 10, 1), Adam, mse, 295, 1500, (1e-2, 10)
    ),
]
