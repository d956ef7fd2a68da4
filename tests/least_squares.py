"""Trainings whose best peak is known exactly: least squares on fresh Gaussian batches, as a hand-written `Loop`."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
from scipy.optimize import minimize_scalar

from lrfinder import Facts


class LeastSquares:
    """Gradient descent on `|x (theta - target)|**2 / 2` over batches of `size` Gaussian rows, with label noise.

    The mean of `|theta - target|**2` follows `error_after` exactly. A row of `weight` columns, all drawn for the batch,
    is added to its loss as `offset` times a normal number, which no training can change.
    """

    is_chief = True
    can_measure = True

    def __init__(self, seed=0, *, size=8, columns=20, noise=0.0, offset=0.0, facts=None):
        self._stream = np.random.default_rng(seed)
        self.lr, self.size, self.columns, self.offset = 1.0, size, columns, offset
        self.deviation = np.sqrt(noise * size / columns)
        self.facts = facts or Facts(model="least squares", optimizer="descent")
        start = np.random.default_rng(seed + 1_000).normal(size=columns)
        self.theta = start / np.linalg.norm(start)

    def draw(self):
        x = self._stream.normal(size=(self.size, self.columns))
        return [(x, self.deviation * self._stream.normal(size=self.size), self.offset * self._stream.normal())]

    def step(self, batch):
        loss = self.loss(batch)
        ((x, noise, _),) = batch
        self.theta = self.theta - self.lr * x.T @ (x @ self.theta - noise) / self.size
        return loss

    def loss(self, batch, *, train=False):
        ((x, noise, offset),) = batch
        return float(np.mean((x @ self.theta - noise) ** 2) / 2 + offset)

    def held_out(self):
        return None

    def agree(self, flag):
        return flag

    @contextmanager
    def preserved(self):
        lr, theta, stream = self.lr, self.theta, self._stream.bit_generator.state

        def restore():
            self.lr, self.theta = lr, theta

        yield SimpleNamespace(restore=restore)
        restore()
        self._stream.bit_generator.state = stream


def error_after(rates, *, kappa, noise=0.0, start=1.0):
    """The mean squared distance after these rates: m <- m (1 - 2 e + kappa e**2) + e**2 noise."""
    error = start
    for rate in rates:
        error = error * (1 - 2 * rate + kappa * rate**2) + rate**2 * noise
    return error


def best_peak(schedule, total_steps, *, kappa, noise=0.0):
    """The peak with the least error at the end, to many digits."""
    shape = np.array([schedule(step) for step in range(total_steps)])

    def loss(log_peak):
        with np.errstate(over="ignore", invalid="ignore"):
            error = error_after(np.exp(log_peak) * shape, kappa=kappa, noise=noise)
        return np.log(error) if np.isfinite(error) and error > 0 else np.inf

    grid = np.linspace(np.log(1e-4 / kappa), np.log(10 / kappa), 200)
    i = int(np.argmin([loss(at) for at in grid]))
    found = minimize_scalar(loss, bounds=(grid[max(0, i - 1)], grid[min(199, i + 1)]), method="bounded")
    return float(np.exp(found.x))
