"""The tables of docs/benchmarks.md on changed trainings, from the scores of `rescale`."""

from page import measured_with, percent, table

__all__ = ["page"]

ARROWS = {"up": "larger", "down": "smaller"}
NOUNS = {"batch": "batch", "samples": "length", "parameters": "model"}
KINDS = {"sgd": "momentum", "adam": "AdamW"}


def page(found):
    """The generated part of the page."""
    parts = ["### Published trainings of language models, the half that chose nothing", published(found["published"])]
    parts += ["### Own grids, each kind of data by what the others choose", own(found["own"], "batch")]
    parts += ["The same for the length at the same batch:", own(found["own"], "samples"), left_out(found["left_out"])]
    parts += ["### A search, rescaled, beside a search there", searched(found["searched"])]
    return "\n\n".join([*parts, measured_with(found)])


def published(rows):
    """Nats above the best loss, for each change, direction and rule."""
    cells = []
    for row in rows:
        middle, high, worst = (f"{value:.4f}" if value < 0.1 else f"{value:.2f}" for value in row["nats"])
        what = f"{NOUNS[row['quantity']]}, {ARROWS[row['way']]}"
        held = "–" if row["held"] is None else percent(row["held"])
        cells.append([f"{what}: {row['rule']}", str(row["moves"]), middle, high, worst, percent(row["diverged"]), held])
    return table(["change: rule", "moves", "median", "90th pct", "worst", "diverged", "interval holds"], cells)


def own(rows, quantity):
    """Regrets for each optimizer, data and rule."""
    cells = []
    for row in rows:
        if row["quantity"] == quantity:
            middle, high, _ = row["regret"]
            held = "–" if row["held"] is None else percent(row["held"])
            what = f"{row['data']}, {KINDS[row['kind']]}: {row['rule']}"
            cells.append([what, *(f"{100 * value:.1f} %" for value in (middle, row["mean"], high)), held])
    return table(["training: rule", "median regret", "mean", "90th pct", "interval holds"], cells)


def left_out(chosen):
    """The constants that the other kinds of data choose."""
    names = list(next(iter(chosen.values())))
    rows = [[f"`{name}`", *(f"{constants[name]:g}" for constants in chosen.values())] for name in names]
    head = "What was chosen without each kind of data:"
    return f"{head}\n\n{table(['constant', *(f'without {data}' for data in chosen)], rows)}"


def searched(rows):
    """Regrets of searches at one batch for another, and of those at that very batch."""
    cells = []
    for row in rows:
        middle, high, _ = row["regret"]
        held = "–" if row["held"] is None else percent(row["held"])
        numbers = [f"{100 * value:.1f} %" for value in (middle, row["mean"], high)]
        cells.append([f"{KINDS[row['kind']]}: {row['method']}", str(row["answers"]), *numbers, held])
    return table(["optimizer: method", "answers", "median regret", "mean", "90th pct", "interval holds"], cells)
