"""The `lrfinder` command."""
