"""The pages that hold generated tables: where these stand, and how numbers are written in them."""

from pathlib import Path

__all__ = ["MARKERS", "PAGE", "README", "decades", "measured_with", "percent", "points", "table", "write"]

README = Path(__file__).parent.parent / "README.md"
PAGE = README.parent / "docs" / "benchmarks.md"
MARKERS = {
    "tables": ("<!-- tables: made by `make bench` -->", "<!-- end of tables -->"),
    "figures": ("<!-- figures: made by `make bench-tuning` -->", "<!-- end of figures -->"),
    "groups": ("<!-- groups: made by `make bench-groups` -->", "<!-- end of groups -->"),
    "end to end": ("<!-- end to end: made by `make bench-end-to-end` -->", "<!-- end of end to end -->"),
    "rescale": ("<!-- rescale: made by `make bench-rescale` -->", "<!-- end of rescale -->"),
    "whole trainings": (
        "<!-- whole trainings: made by `make bench-whole` -->",
        "<!-- end of whole trainings -->",
    ),
    "short whole trainings": ("<!-- table: whole trainings, made by `make bench-whole` -->", "<!-- end -->"),
    "short": ("<!-- table: accuracy, made by `make bench` -->", "<!-- end -->"),
}


def table(header, rows):
    """A Markdown table, numbers to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "--:|" * (len(header) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def decades(value, sign="+"):
    return "–" if value is None else f"{value:{sign}.2f}"


def points(middle, low, high):
    return f"{100 * middle:+.0f} ({100 * low:+.0f} to {100 * high:+.0f})"


def measured_with(stored):
    return f"Measured with {', '.join(f'{name} {value}' for name, value in stored['machine'].items())}."


def write(text, path, part):
    """Put a generated part between its markers."""
    begin, end = MARKERS[part]
    head, _, rest = path.read_text().partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise ValueError(f"{path} must hold {begin} and then {end}, got neither or one")
    path.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")
