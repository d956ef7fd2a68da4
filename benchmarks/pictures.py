"""Draws the pictures of docs/benchmarks.md from the stored answers and oracles, for the primary schedule."""

import json
import math

import matplotlib as mpl
import numpy as np
from accuracy import RESULTS
from scoring import profile
from tables import PAGE, TUNING, answers, oracles, tuned

mpl.use("Agg")
from matplotlib import pyplot as plt

plt.style.use("lrfinder.pictures")

SHOWN = ["lrfinder", "lightning", "torch-lr-finder", "ignite"]
SHOWN += [f"fastai {rule}" for rule in ("valley", "slide", "steep", "minimum")]
COLORS = dict(zip(SHOWN, ["black", *(f"C{i}" for i in range(7))], strict=True))
TUNED = "lrfinder tune_lr"


def errors(methods, oracle):
    """Decades above the best rate: a dot for every run, a bar at the median."""
    figure, ax = plt.subplots(figsize=(8, 4))
    spread = np.random.default_rng(0)
    shown = [name for name in (TUNED, *SHOWN) if name in methods]
    for i, name in enumerate(reversed(shown)):
        found = [oracle[run.task].error(run.lr) for run in methods[name] if run.lr is not None]
        color = COLORS.get(name, "black")
        ax.plot(found, i + spread.uniform(-0.25, 0.25, len(found)), ".", color=color, alpha=0.4, ms=4)
        ax.plot([np.median(found)] * 2, [i - 0.4, i + 0.4], color=color, lw=2)
    ax.axvline(0, color="0.7", lw=1, zorder=0)
    ax.set_yticks(range(len(shown)), reversed(shown))
    ax.set_xlabel("decades above the best learning rate")
    return figure


def profiles(methods, oracle):
    """The part of the runs within each regret."""
    figure, ax = plt.subplots(figsize=(8, 4))
    levels = [10 ** (i / 20) for i in range(-40, 31)]
    if TUNED in methods:
        ax.plot(levels, profile(methods[TUNED], oracle, levels), color="black", ls="--", label=TUNED)
    for name in SHOWN:
        ax.plot(levels, profile(methods[name], oracle, levels), color=COLORS[name], label=name)
    ax.set(
        xscale="log",
        xlabel="regret (loss above the best, over the best)",
        ylabel="part of the runs within it",
        ylim=(0, 1),
    )
    ax.legend(fontsize=8)
    return figure


def panels(methods, oracle):
    """One panel per task: the loss at every rate, and where every method's answers fall on it."""
    rows = math.ceil((len(oracle) + 1) / 3)
    figure, axes = plt.subplots(rows, 3, figsize=(11, 2.4 * rows))
    for ax, (task, one) in zip(axes.flat, oracle.items(), strict=False):
        ax.plot(one.lrs, one.losses, color="0.6", lw=1.5)
        for name in SHOWN:
            lrs = [run.lr for run in methods[name] if run.task == task and run.lr is not None]
            clipped = np.clip(lrs, one.lrs[0] / 2, one.lrs[-1] * 2)
            ax.plot(clipped, [one.loss(lr) for lr in lrs], "o", color=COLORS[name], ms=3, alpha=0.7)
        ax.set(xscale="log", yscale="log")
        ax.set_title(task, fontsize=8)
        ax.tick_params(labelsize=6, which="both")
    for ax in axes.flat[len(oracle) :]:
        ax.axis("off")
    figure.supxlabel("learning rate", fontsize=8)
    figure.supylabel("loss at the end of the training", fontsize=8)
    handles = [mpl.lines.Line2D([], [], color=COLORS[name], marker="o", ls="", label=name) for name in SHOWN]
    axes.flat[-1].legend(handles=handles, loc="center", ncols=2, fontsize=8)
    return figure


def main():
    oracle = oracles("primary")
    methods = answers(json.loads(RESULTS.read_text()), "primary", oracle)
    if TUNING.exists():
        methods[TUNED] = tuned(oracle)
    for draw in (errors, profiles, panels):
        draw(methods, oracle).savefig(PAGE.with_name(f"benchmark_{draw.__name__}.png"), dpi=100)


if __name__ == "__main__":
    main()
