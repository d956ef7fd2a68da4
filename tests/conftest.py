import os
import random

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("loop_contract")
mpl.use("Agg")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

shared = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", derandomize=True, max_examples=15, **shared)
settings.register_profile("long", max_examples=400, print_blob=True, **shared)
settings.load_profile("short")


@pytest.fixture(autouse=True)
def forked_rng():
    """Every test starts at seed 0 and puts the global random streams back."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        yield
    random.setstate(python)
    np.random.set_state(numpy)
