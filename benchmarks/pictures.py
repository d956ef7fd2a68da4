"""Draws the pictures of docs/benchmarks.md from the stored answers and oracles, for the primary schedule."""

import answers
import matplotlib as mpl
import numpy as np
from page import PAGE
from scoring import profile

mpl.use("Agg")
from matplotlib import pyplot as plt

plt.style.use("lrfinder.pictures")

STYLES = {"find_lr": {"color": "black"}, "tune_lr": {"color": "black", "ls": "--"}}
FARTHEST = 2.5
"""Decades beyond which an answer is drawn at the edge."""


def style_of(names):
    """How each method is drawn: ours black, others in the colours of the cycle."""
    others = [name for name in names if name not in STYLES]
    return STYLES | {name: {"color": f"C{i}"} for i, name in enumerate(others)}


def errors(methods, oracle):
    """Decades above the best rate: a dot for every run, a bar at the median."""
    figure, ax = plt.subplots(figsize=(8, 4))
    spread, styles = np.random.default_rng(0), style_of(methods)
    for i, name in enumerate(reversed(methods)):
        found = [oracle[run.task].error(run.lr) for run in methods[name] if run.lr is not None]
        color = styles[name]["color"]
        shown = np.clip(found, -FARTHEST, FARTHEST)
        ax.plot(shown, i + spread.uniform(-0.25, 0.25, len(found)), ".", color=color, alpha=0.3, ms=3)
        ax.plot([np.clip(np.median(found), -FARTHEST, FARTHEST)] * 2, [i - 0.4, i + 0.4], color=color, lw=2)
    ax.axvline(0, color="0.7", lw=1, zorder=0)
    ax.set_yticks(range(len(methods)), reversed(methods))
    ax.set_xlabel(f"decades above the best learning rate; what is farther than {FARTHEST} is drawn there")
    return figure


def profiles(methods, oracle):
    """The part of the runs within each regret."""
    figure, ax = plt.subplots(figsize=(8, 4))
    levels, styles = [10 ** (i / 20) for i in range(-40, 31)], style_of(methods)
    for name, runs in methods.items():
        ax.plot(levels, profile(runs, oracle, levels), label=name, **styles[name])
    ax.set(
        xscale="log",
        xlabel="regret (loss above the best, over the best)",
        ylabel="part of the runs within it",
        ylim=(0, 1),
    )
    ax.legend(fontsize=8)
    return figure


def main():
    found = answers.read()
    for draw in (errors, profiles):
        draw(found.ours | found.peers, found.final).savefig(PAGE.with_name(f"benchmark_{draw.__name__}.png"), dpi=100)


if __name__ == "__main__":
    main()
