"""Trainings whose best peak is known exactly: noisy least squares as a loop, and the recursion that it follows."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from lrfinder import Facts


class LeastSquares:
    """Gradient descent on `|x theta - noise|**2 / 2`, the mean over batches of `size` fresh Gaussian rows.

    Every batch has an `offset` of its own: its loss is that much times a normal number higher, whatever is trained.
    """

    is_chief = True
    losses_per_step = 3

    def __init__(self, seed=0, *, size=8, columns=20, noise=0.0, offset=0.0, facts=None):
        self._stream = np.random.default_rng(seed)
        self.lr, self.size, self.columns, self.offset = 1.0, size, columns, offset
        self.deviation = np.sqrt(noise * size / columns)
        self.facts = facts or Facts(model="least squares", optimizer="descent")
        self.theta = np.full(columns, columns**-0.5)

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
        with np.errstate(over="ignore"):
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


class Recursion(LeastSquares):
    """The mean squared distance itself as a training: what `error_after` gives is its state, half of that its loss."""

    def __init__(self, *, slope=1.0, bend, noise=0.0):
        super().__init__()
        self.slope, self.bend, self.noise, self.theta = slope, bend, noise, 1.0

    def step(self, batch):
        loss = self.loss(batch)
        (m, e) = self.theta, self.lr
        self.theta = m * (1 - 2 * self.slope * e + self.bend * e**2) + e**2 * self.noise
        return loss

    def loss(self, batch, *, train=False):
        return self.theta / 2


def error_after(rates, *, slope=1.0, bend, noise=0.0):
    """What a mean squared distance of 1 becomes: m <- m (1 - 2 slope e + bend e**2) + e**2 noise at every rate e.

    Least squares on batches of B rows and d columns have the slope 1 and the bend 1 + (d + 1) / B; a curvature h has
    the slope h and the bend h**2.
    """
    error = 1.0
    for rate in rates:
        error = error * (1 - 2 * slope * rate + bend * rate**2) + rate**2 * noise
    return error


def best_peak(schedule, total_steps, *, slope=1.0, bend, noise=0.0):
    """The peak with the least error at the end of a schedule, to four digits."""
    shape = np.array([schedule(step) for step in range(total_steps)])
    peaks = np.geomspace(1e-3 * slope / bend, 6 * slope / bend, 100)
    for _ in range(3):
        i = int(np.argmin(_log_error(np.outer(shape, peaks), slope, bend, noise)))
        peaks = np.geomspace(peaks[max(0, i - 1)], peaks[min(99, i + 1)], 100)
    return float(peaks[50])


def _log_error(rates, slope, bend, noise):
    """The logarithm of the error, for a column of rates each; without noise far below what a float can hold."""
    factors = 1 - 2 * slope * rates + bend * rates**2
    if not noise:
        return np.log(np.maximum(factors, 1e-300)).sum(0)
    error = np.ones(rates.shape[1])
    with np.errstate(over="ignore"):
        for factor, rate in zip(factors, rates, strict=True):
            error = error * factor + rate**2 * noise
    return np.log(error)
