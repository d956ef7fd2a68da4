"""No test of the display opens a window or leaves a figure open."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _no_window(monkeypatch):
    """Fail where a window would open, and close what a test drew."""
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("show was called"))
    yield
    plt.close("all")
