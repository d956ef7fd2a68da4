"""The tables of docs/benchmarks.md on changed trainings, from the scores of `rescale`."""

from page import measured_with, percent, table

__all__ = ["page"]

ARROWS = {"up": "larger", "down": "smaller"}
NOUNS = {"batch": "batch", "samples": "length", "parameters": "model"}
KINDS = {"sgd": "momentum", "adam": "AdamW"}
ALL = ("all three", "transformer")
"""The kinds of data that choose, together, and the one that does not."""
NAMES = {"rescaled": "lrfinder", "rescaled, the noise not measured": "the noise not measured"}


def page(found):
    """The generated part: what is lost, median / 90th percentile, in nats or in percent of the best loss."""
    rows = [*_published(found["published"]), *_own(found["own"]), *_searched(found["searched"])]
    header = ["change (moves)", "lrfinder", "keep", "other rules", "interval holds"]
    return f"{table(header, rows)}\n\n{measured_with(found)}"


def _published(rows):
    for (quantity, way), some in _by(rows, "quantity", "way").items():
        what = f"published: {NOUNS[quantity]}, {ARROWS[way]} ({some[0]['moves']})"
        yield _row(what, {row["rule"]: _nats(row) for row in some}, some)


def _own(rows):
    shown = [row for row in rows if row["data"] in ALL]
    for (quantity, kind, data), some in _by(shown, "quantity", "kind", "data").items():
        what = f"own grids: {NOUNS[quantity]}, {KINDS[kind]}, {data} ({some[0]['moves']})"
        yield _row(what, {row["rule"]: _regret(row) for row in some}, some)


def _searched(rows):
    for (kind,), some in _by(rows, "kind").items():
        scores = {NAMES.get(row["method"], row["method"]): _regret(row) for row in some}
        yield _row(f"a search: batch, {KINDS[kind]} ({some[0]['answers']})", scores, some)


def _nats(row):
    words = " / ".join(f"{value:.4f}" if value < 0.1 else f"{value:.2f}" for value in row["nats"][:2])
    return f"{words}, {percent(row['diverged'])} diverged" if row["diverged"] else words


def _row(what, scores, rows):
    """A row of a table: our rule, the rate as it was, every other rule, and how often our interval holds."""
    held = next(row["held"] for row in rows if row["held"] is not None)
    others = "; ".join(f"{rule} {words}" for rule, words in scores.items() if rule not in ("lrfinder", "keep"))
    return [what, scores["lrfinder"], scores["keep"], others, percent(held)]


def _regret(row):
    """Median / 90th percentile."""
    return " / ".join(f"{100 * value:.1f} %" for value in row["regret"][:2])


def _by(rows, *keys):
    """The rows by their values of some keys, in their order."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups
