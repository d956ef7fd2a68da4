"""Trainings that nobody chose: recipes in plain words, and what they make."""

import random
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, WeightedRandomSampler
from twins import Training, seeded

WIDTH, SAMPLES, CLASSES = 4, 30, 3


@dataclass(frozen=True)
class Recipe:
    """A training in words that a failing example can be read from."""

    blocks: tuple[str, ...]
    tokens: bool
    optimizer: str
    options: tuple[tuple[str, object], ...]
    groups: int
    loader: str
    batch_size: int
    dtype: torch.dtype
    seed: int


class Counting(nn.Module):
    """A buffer that is not saved, a replaced one, a counter, and noise from Python's and NumPy's streams."""

    def __init__(self):
        super().__init__()
        self.register_buffer("level", torch.zeros(WIDTH), persistent=False)
        self.register_buffer("last", torch.zeros(WIDTH))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.level += x.detach().mean(0)
        self.last = 0.9 * self.last + x.detach().mean(0)
        return x + 0.01 * self.last + 0.01 * random.random() + 0.01 * float(np.random.rand())


class Recurrent(nn.Module):
    """A GRU over one step, with its flat weights."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(WIDTH, WIDTH, batch_first=True)

    def forward(self, x):
        return self.gru(x.unsqueeze(1))[0].squeeze(1)


BLOCKS = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "batch norm": lambda: nn.BatchNorm1d(WIDTH),
    "batch norm without average": lambda: nn.BatchNorm1d(WIDTH, momentum=None),
    "batch norm in eval mode": lambda: nn.BatchNorm1d(WIDTH).eval(),
    "layer norm": lambda: nn.LayerNorm(WIDTH),
    "dropout": lambda: nn.Dropout(0.3),
    "alpha dropout": lambda: nn.AlphaDropout(0.2),
    "random relu": lambda: nn.RReLU(),
    "relu in place": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(inplace=True)),
    "frozen": lambda: nn.Linear(WIDTH, WIDTH).requires_grad_(False),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(WIDTH, WIDTH)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(WIDTH, WIDTH)),
    "state": Counting,
    "recurrent": Recurrent,
}


class Net(nn.Module):
    """Blocks between an input and a head; "shared" is the first linear layer once more, tokens are tied to the head."""

    def __init__(self, blocks, tokens):
        super().__init__()
        self.stem = nn.Embedding(CLASSES, WIDTH) if tokens else nn.Linear(WIDTH, WIDTH)
        shared = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(shared if name == "shared" else BLOCKS[name]() for name in blocks)
        self.head = nn.Linear(WIDTH, CLASSES)
        if tokens:
            self.head.weight = self.stem.weight

    def forward(self, x):
        h = self.stem(x[:, 0].abs().long() % CLASSES) if isinstance(self.stem, nn.Embedding) else self.stem(x)
        for block in self.blocks:
            h = block(h)
        return self.head(h)


OPTIMIZERS = {
    "SGD": {"momentum": [0.0, 0.9], "maximize": [False, True], "foreach": [None, True], "weight_decay": [0.0, 0.01]},
    "SGD nesterov": {"nesterov": [True], "momentum": [0.9]},
    "SGD fused": {"fused": [True], "momentum": [0.9]},
    "Adam": {"amsgrad": [False, True], "maximize": [False, True], "foreach": [None, True]},
    "AdamW": {"amsgrad": [False, True], "foreach": [False, True], "weight_decay": [0.0, 0.1]},
    "AdamW fused": {"fused": [True], "amsgrad": [False, True]},
    "Adam tensor": {"amsgrad": [False, True]},
    "NAdam": {"momentum_decay": [4e-3], "foreach": [None, True]},
    "RAdam": {"foreach": [None, True]},
    "RMSprop": {"centered": [False, True], "momentum": [0.0, 0.9]},
    "Adagrad": {"lr_decay": [0.0, 0.1], "initial_accumulator_value": [0.0, 0.1]},
    "Adagrad fused": {"fused": [True]},
    "Adadelta": {"foreach": [None, True]},
    "Adamax": {"foreach": [None, True]},
    "ASGD": {"t0": [2.0]},
    "Rprop": {},
    "Adafactor": {},
    "LBFGS": {"max_iter": [2], "history_size": [3], "line_search_fn": [None, "strong_wolfe"]},
}
"""Every class of torch.optim for dense parameters of any shape, each with options that it takes."""


class Rows(Dataset):
    """Noisy classes, with a counter, a generator of its own and noise from torch's stream."""

    def __init__(self, dtype):
        self.x = torch.randn(SAMPLES, WIDTH).to(dtype)
        self.y, self.given, self.rng = self.x[:, :CLASSES].argmax(1), 0, np.random.default_rng(4)

    def __len__(self):
        return SAMPLES

    def __getitem__(self, i):
        self.given += 1
        return self.x[i] + 0.01 * torch.rand(WIDTH).to(self.x.dtype) + 0.01 * float(self.rng.normal()), self.y[i]


class Stream(IterableDataset):
    """The rows in an order that a generator of its own draws, without a length."""

    def __init__(self, rows):
        self.rows, self.rng = rows, random.Random(3)

    def __iter__(self):
        return (self.rows[self.rng.randrange(SAMPLES)] for _ in range(SAMPLES))


def _sampled(rows, size, sampler):
    return DataLoader(rows, batch_size=size, sampler=sampler)


LOADERS = {
    "in order": DataLoader,
    "shuffled": partial(DataLoader, shuffle=True),
    "shuffled, last dropped": partial(DataLoader, shuffle=True, drop_last=True),
    "generator": lambda rows, size: DataLoader(rows, size, shuffle=True, generator=seeded()),
    "random sampler": lambda rows, size: _sampled(rows, size, RandomSampler(rows, generator=seeded())),
    "replacement": lambda rows, size: _sampled(rows, size, RandomSampler(rows, replacement=True, num_samples=40)),
    "weighted": lambda rows, size: _sampled(rows, size, WeightedRandomSampler(torch.rand(SAMPLES), 25)),
    "batch sampler": lambda rows, size: DataLoader(
        rows, batch_sampler=BatchSampler(RandomSampler(rows, generator=seeded()), size, drop_last=True)
    ),
    "iterable": lambda rows, size: DataLoader(Stream(rows), size),
    "list": lambda rows, size: list(DataLoader(rows, size)),
    "worker": partial(DataLoader, shuffle=True, num_workers=1),
    "persistent worker": lambda rows, size: DataLoader(
        rows, size, shuffle=True, num_workers=1, persistent_workers=True, generator=seeded()
    ),
}


@st.composite
def recipes(draw, loaders=tuple(LOADERS)):
    """Any training that these parts allow."""
    name = draw(st.sampled_from(sorted(OPTIMIZERS)))
    options = {key: draw(st.sampled_from(values)) for key, values in OPTIMIZERS[name].items()}
    tokens, dtype = draw(st.booleans()), draw(st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
    blocks = draw(st.lists(st.sampled_from([*BLOCKS, "shared", "shared"]), max_size=4))
    if dtype == torch.bfloat16:
        # Torch has no QR in it, and its fused SGD reads momentum that it has never written.
        blocks = [block for block in blocks if block != "orthogonal"]
        options |= {"momentum": 0.0} if name == "SGD fused" else {}
    return Recipe(
        blocks=tuple(blocks),
        tokens=tokens,
        optimizer=name,
        options=tuple(options.items()),
        groups=1 if name == "LBFGS" else draw(st.integers(1, 3)),
        loader=draw(st.sampled_from(loaders)),
        batch_size=draw(st.sampled_from([5, 7, 9, 10, 11])),  # none leaves a last batch of one to a batch norm
        dtype=dtype,
        seed=draw(st.integers(0, 99)),
    )


def build(recipe):
    """The training that a recipe describes, always the same one."""
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(recipe.seed)
    model = Net(recipe.blocks, recipe.tokens).to(recipe.dtype)
    rows = Rows(recipe.dtype)
    loader = LOADERS[recipe.loader](rows, recipe.batch_size)
    return Training(model, optimizer_of(recipe, model), loader, F.cross_entropy)


def optimizer_of(recipe, model):
    """Groups at rates of their own; what is frozen is held too, as many trainings do."""
    kind, *variant = recipe.optimizer.split()
    held = list(model.parameters())
    parts = [held[i :: recipe.groups] for i in range(recipe.groups)]
    rate = torch.tensor if variant == ["tensor"] else float
    groups = [{"params": part, "lr": rate(1e-2 / (i + 1))} for i, part in enumerate(parts) if part]
    made = partial(getattr(torch.optim, kind), **dict(recipe.options))
    return made(held, lr=0.1) if kind == "LBFGS" else made(groups, lr=rate(1e-2))
