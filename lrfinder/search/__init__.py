"""Everything that trains in order to measure, over any `Loop`."""
