"""Curves to read: as a sweep would have recorded them, from a sequence of losses."""

import math

import numpy as np

from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import Divergence
from lrfinder.search.sweep import exponential_range


def recorded(losses, lr_min=1e-7, lr_max=10.0):
    """The curve that a sweep over these losses records: it ends where they diverge or are not finite."""
    lrs = exponential_range(lr_min, lr_max, len(losses))
    divergence = Divergence((len(lrs) - 1) / math.log10(lr_max / lr_min))
    kept = []
    for loss in losses:
        if not math.isfinite(loss):
            return Curve(lrs[: len(kept)], kept, stopped="non_finite")
        kept.append(float(loss))
        if divergence.add(loss):
            return Curve(lrs[: len(kept)], kept, stopped="diverged")
    return Curve(lrs, kept)


def descent(seed=0, steps=100, noise=0.02):
    """Losses that fall from 2.3 by 1.5 around an LR of 3e-3 and blow up above 0.3, with noise."""
    x = np.linspace(-7, 1, steps)
    fall = 1.5 / (1 + np.exp(-4 * (x + 2.5)))
    blow_up = np.expm1(6 * np.clip(x + 0.5, 0, None))
    return (2.3 - fall + blow_up + noise * np.random.default_rng(seed).normal(size=steps)).tolist()


def noise(seed, steps=100):
    """Losses without any trend."""
    return (1 + 0.1 * np.random.default_rng(seed).normal(size=steps)).tolist()
