"""The families by name, each with its kind, its advice, and how its best peak compares with that of linear decay."""

from lrfinder.schedules import anneal, cosine, cyclic, exponential, inverse, plateau, power, ramp, stable
from lrfinder.schedules.entry import Entry

__all__ = ["CATALOGUE"]

_FILES = (power, ramp, inverse, exponential, cosine, cyclic, stable, anneal, plateau)

CATALOGUE: dict[str, Entry] = {entry.name: entry for file in _FILES for entry in file.ENTRIES}
"""Every family of schedules by name: what is known about it, and how to make a member of it."""
