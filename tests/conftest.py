"""What every test runs in: seeded random streams that are put back, and no windows."""

import random

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _seeded():
    """Seed Python's, NumPy's and torch's streams for the test and put them back after it."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        yield
    random.setstate(python)
    np.random.set_state(numpy)
