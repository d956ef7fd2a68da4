"""Which learning rate, and which schedule: a range test for torch that leaves no trace."""

from lrfinder._version import __version__

__all__ = ["__version__"]
