"""The smallest trainings there are: a quadratic as a torch model, and as a hand-written `Loop`."""

from contextlib import contextmanager
from types import SimpleNamespace

import torch
from torch import nn

from lrfinder import Facts, find_lr

BATCHES = [torch.zeros(1)]


class Quadratic(nn.Module):
    """The loss `factor * sum(h * theta**2) / 2` in float64, with theta = scale * phi and phi trained."""

    def __init__(self, *curvatures, factor=1.0, scale=1.0, start=1.0):
        super().__init__()
        self.curvatures = torch.tensor(curvatures, dtype=torch.float64)
        self.phi = nn.Parameter(torch.full_like(self.curvatures, start / scale))
        self.factor, self.scale = factor, scale

    def forward(self, _):
        return self.factor * (self.curvatures * (self.scale * self.phi) ** 2).sum() / 2


def uphill():
    """A quadratic whose gradient has the wrong sign, so that every step raises the loss."""
    model = Quadratic(1.0)
    model.phi.register_hook(torch.neg)
    return model


def swept(model, optimizer=torch.optim.SGD, *, options=None, **arguments):
    """What `find_lr` finds for a model that is its own loss."""
    held = optimizer(model.parameters(), lr=1.0, **(options or {}))
    return find_lr(model, BATCHES, optimizer=held, progress=False, **arguments)


class QuadraticLoop:
    """Gradient descent on `h * theta**2 / 2 + offset`, written against the protocol and nothing else.

    Losses given as a script are reported instead of the true ones; None skips the update.
    """

    is_chief = True
    losses_per_step = 3
    facts = Facts(model="quadratic", optimizer="descent")

    def __init__(self, h=2.0, offset=0.0, script=None):
        self.lr, self.h, self.offset, self.theta = 1.0, h, offset, 1.0
        self.script = iter(script) if script is not None else None
        self.drawn = 0
        self.rates = []

    def draw(self):
        self.drawn += 1
        return [self.drawn]

    def step(self, batch):
        loss = self.loss(batch) if self.script is None else next(self.script)
        if loss is not None:
            self.rates.append(self.lr)
            self.theta -= self.lr * self.h * self.theta
        return loss

    def loss(self, batch, *, train=False):
        return self.h * self.theta**2 / 2 + self.offset

    def held_out(self):
        return None

    def agree(self, flag):
        return flag

    @contextmanager
    def preserved(self):
        lr, theta = self.lr, self.theta

        def restore():
            self.lr, self.theta = lr, theta

        try:
            yield SimpleNamespace(restore=restore)
        finally:
            restore()


class Skipping(QuadraticLoop):
    """A loop that skips so many first updates after the start and after every restored snapshot."""

    def __init__(self, skips, **options):
        super().__init__(**options)
        self.skips, self.tries = skips, 0

    def step(self, batch):
        self.tries += 1
        return None if self.tries <= self.skips else super().step(batch)

    @contextmanager
    def preserved(self):
        with super().preserved() as start:
            yield SimpleNamespace(restore=lambda: start.restore() or setattr(self, "tries", 0))
