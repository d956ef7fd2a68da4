"""The noise of the gradient, read off the first steps of a sweep, which hardly move the weights."""

from typing import Any

from lrfinder.loop import Loop
from lrfinder.search.sweep import OnStep

__all__ = ["MOST", "GradientNoise"]

STEPS = 6
"""Gradients that are compared; all of them come with steps that are made anyway."""

MOST, LEAST = 30.0, 0.02
"""Noise over the squared mean beyond which so few gradients tell nothing apart."""

AT_REST = 0.1
"""Of the edge: steps at lower rates leave the gradient as it was before training."""


class GradientNoise:
    """The gradients of a few batches at one place: their variance over their squared mean.

    That is the simple noise scale over the batch (https://arxiv.org/abs/1812.06162). With the squares g_i**2 of n
    gradients and that of their mean, G**2 = (n mean**2 - mean of squares) / (n - 1) has the noise taken off, and the
    rest of the mean of squares is the variance. A loop without `gradients` gives none.
    """

    def __init__(self, loop: Loop) -> None:
        self._read = getattr(loop, "gradients", lambda: None)
        self._sum: Any = None
        self._squares, self._rates = 0.0, list[float]()

    def watching(self, on_step: OnStep | None) -> OnStep:
        """Return what a sweep calls with the rate and the loss of every step, which reads the first of them."""

        def read(lr: float, loss: float) -> None:
            if len(self._rates) < STEPS:
                self._add(lr)
            if on_step is not None:
                on_step(lr, loss)

        return read

    def ratio(self, edge: float) -> float | None:
        """Return the variance over the squared mean; None without enough gradients at rates well below the edge."""
        # A gradient is that before its own step.
        if len(self._rates) < STEPS or self._rates[-2] > AT_REST * edge:
            return None
        squares, n = self._squares / STEPS, STEPS
        mean = float((self._sum / n).square().sum())
        if not 0 < squares < float("inf"):
            return None
        signal = max((n * mean - squares) / (n - 1), squares / (1 + MOST))
        return max((squares - signal) / signal, LEAST)

    def _add(self, lr: float) -> None:
        gradient = self._read()
        if gradient is None:
            return
        self._sum = gradient if self._sum is None else self._sum + gradient
        self._squares += float(gradient.square().sum())
        self._rates.append(lr)
