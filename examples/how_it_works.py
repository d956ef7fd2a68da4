"""How lrfinder works, in one figure of one real search: the sweep, the trials, and the peak with its schedule.

python examples/how_it_works.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, default_collate

from lrfinder import find_lr
from lrfinder.cli.demo import DigitsCNN
from lrfinder.display.plot import COLOURS

STEPS, BATCH = 2000, 64
BLUE, ORANGE, VIOLET = COLOURS["smooth"], COLOURS["lr"], COLOURS["runs"]

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16, torch.tensor(digits))


def noisy(samples):
    """Make a batch whose images are never the same twice."""
    images, labels = default_collate(samples)
    return images + 0.3 * torch.randn(images.shape), labels


loader = DataLoader(data, BATCH, shuffle=True, collate_fn=noisy)
model = DigitsCNN()
optimizer = torch.optim.AdamW(model.parameters())
found = find_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, total_steps=STEPS)
print(found)

evidence, plan = found.evidence, found.plan
(trials,), smooth = evidence.edge_trials, evidence.smooth
low, high = plan.interval
swept = sum(one.steps for one in (evidence.coarse, evidence.curve) if one is not None)


def explain(ax, number, title, words, cost):
    """Write a title above a picture; below it what that part does, and what it costs."""
    ax.set_title(f"{number}  {title}", pad=8)
    ax.set_xlabel(ax.get_xlabel() + "\n")
    ax.annotate(words, (0, 0), (0, -44), xycoords="axes fraction", textcoords="offset points", va="top")
    ax.annotate(cost, (0, 0), (0, -72), xycoords="axes fraction", textcoords="offset points", va="top", color="0.4")


plt.style.use(["lrfinder.pictures", {"font.size": 9, "axes.titlesize": 12, "axes.titleweight": "bold"}])
figure, (first, second, third) = plt.subplots(1, 3, figsize=(8.5, 3.5))

first.plot(*zip(*evidence.curve.pairs(), strict=True), ".", ms=5, color=COLOURS["raw"])
first.plot(smooth.lrs, smooth.losses, color=BLUE, lw=2.5)
first.set(
    xscale="log", xlabel="learning rate", ylabel="loss", ylim=(0.4 * max(smooth.losses), 1.25 * max(smooth.losses))
)
if evidence.diverged_at is not None:
    across = first.get_xaxis_transform()
    first.set_xlim(right=300 * evidence.diverged_at)
    first.axvline(evidence.diverged_at, color="black", ls=":", lw=1.2)
    first.annotate("diverges", (evidence.diverged_at, 0), (4, 6), xycoords=across, textcoords="offset points")
explain(first, 1, "sweep", "The rate rises at every step:\nwhere does the loss fall?", f"{swept} steps")

tried = [(lr, loss) for lr, loss in zip(trials.lrs, trials.losses, strict=True) if loss is not None]
exploded = [lr for lr, loss in zip(trials.lrs, trials.losses, strict=True) if loss is None]
second.axhline(trials.start, color="0.6", ls="--", lw=1)
second.text(trials.lrs[-1], trials.start, "loss before", ha="right", va="bottom", color="0.4")
second.plot(*zip(*tried, strict=True), "o:", ms=7, lw=1.5, color=VIOLET, mec="white")
if exploded:
    across = second.get_xaxis_transform()
    second.plot(exploded, [1] * len(exploded), "X", color=VIOLET, ms=8, mew=0, clip_on=False, transform=across)
    second.text(exploded[0] / 1.3, 0.98, "exploded", ha="right", va="center", color=VIOLET, transform=across)
second.set(xscale="log", xlabel="peak learning rate", ylabel="loss after", ylim=first.get_ylim())
words = "Short trainings, up to a peak\nand down: how high may it be?"
explain(second, 2, "trials", words, f"{trials.cost:.0f} steps: {len(trials.lrs)} trials")

for ax in (first, second):
    ax.axvspan(low, high, color=ORANGE, alpha=0.15, lw=0, zorder=0)
    ax.axvline(plan.lr, color=ORANGE, zorder=1)
    ax.locator_params(axis="y", nbins=5)

third.plot(range(STEPS), [plan.lr * plan.schedule(step) for step in range(STEPS)], color=BLUE, lw=2.5)
third.errorbar(plan.warmup, plan.lr, [[plan.lr - low], [high - plan.lr]], fmt="o", color=ORANGE, capsize=4, zorder=3)
beside = plan.warmup + 0.06 * STEPS
third.text(beside, plan.lr, f"peak {plan.lr:.2g}", color=ORANGE, va="bottom", weight="bold", fontsize=12)
third.text(beside, high, f"80 % interval\n{low:.2g} to {high:.2g}", color=ORANGE, va="top")
third.set(xlabel="optimizer step", ylabel="learning rate", xlim=(0, STEPS), ylim=(0, 1.1 * high))
third.locator_params(nbins=4)
words = f"The peak and the schedule\nfor {STEPS:,} steps, and how sure."
cost = f"{found.cost_steps} steps in all, {100 * found.cost_steps / STEPS:.1f} % of the training"
explain(third, 3, "suggestion", words, cost)

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "how_it_works.png", dpi=180)
