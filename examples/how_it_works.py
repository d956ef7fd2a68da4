"""How lrfinder works, in one figure of one real search: sweep, short trials, pilots, suggested schedule.

python examples/how_it_works.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, RandomSampler, TensorDataset, default_collate

from lrfinder import tune_lr
from lrfinder.cli.demo import DigitsCNN
from lrfinder.display.plot import COLOURS

STEPS, BATCH = 6000, 64
LOW, HIGH = 0.2, 2.75  # limits of the drawn losses

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16, torch.tensor(digits))


def noisy(samples):
    """Make a batch whose images are never the same twice."""
    images, labels = default_collate(samples)
    return images + 0.3 * torch.randn(images.shape), labels


sampler = RandomSampler(data, replacement=True, num_samples=STEPS * BATCH)
loader = DataLoader(data, BATCH, sampler=sampler, collate_fn=noisy)
model = DigitsCNN()
optimizer = torch.optim.AdamW(model.parameters())
tuned = tune_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, total_steps=STEPS)
print(tuned)

evidence, plan = tuned.evidence, tuned.plan
(short,), (pilot,) = evidence.edge_trials, evidence.pilots
low, high = plan.interval


def draw_trials(ax, trials, mark, name, height):
    """Draw the loss of each trial at its peak, those that exploded at the top, and the rate read off them."""
    runs, before = COLOURS["runs"], COLOURS["raw"]
    heights = [HIGH if loss is None else min(loss, HIGH) for loss in trials.losses]
    ax.plot(trials.lrs, heights, ":P", ms=8, lw=1, color=runs, mec="white", clip_on=False, zorder=4)
    if trials.losses[-1] is None:
        ax.text(trials.lrs[-1] / 1.25, HIGH, "exploded", ha="right", va="center", color=runs)
    ax.axvline(mark, ymax=0.9, color=runs, ls="-.", lw=1.2)
    ax.text(mark * 1.15, height, f"{name}\n{mark:.2g}", color=runs)
    ax.axhline(trials.start, color=before, ls="--", lw=1)
    ax.text(2.3e-3, trials.start - 0.05, "before", va="top", color="0.4")
    ax.set(xscale="log", xlim=(2e-3, 0.5), ylim=(LOW, HIGH), xlabel="peak learning rate")
    ax.tick_params(labelleft=False)


def explain(column, title, decides, cost):
    """Write a title above a picture; below it, what that part decides and what it costs."""
    pictures[column].set_title(f"{column + 1}  {title}")
    words[column].set_axis_off()
    words[column].text(0, 1, decides, va="top", linespacing=1.3)
    words[column].text(0, 0.3, cost, va="top", color="0.4", linespacing=1.3)


plt.style.use(["lrfinder.pictures", {"font.size": 8, "axes.titlesize": 9.5, "axes.titleweight": "bold"}])
figure, (pictures, words) = plt.subplots(2, 4, figsize=(8.5, 3.7), height_ratios=(3, 1))
first, second, third, fourth = pictures

first.plot(*zip(*evidence.curve.pairs(), strict=True), ".", color=COLOURS["raw"])
first.plot(evidence.smooth.lrs, evidence.smooth.losses, color=COLOURS["smooth"])
first.axvline(evidence.diverged_at, color=COLOURS["diverged"], ls=":")
first.text(evidence.diverged_at / 1.6, LOW + 0.1, "diverges", ha="right")
first.set(xscale="log", ylim=(LOW, HIGH), xlabel="learning rate", ylabel="loss (cross-entropy)")
decides = "The rate rises at every step:\nwhere the loss falls, and where\ntraining breaks down."
passes = [one for one in (evidence.coarse, evidence.curve) if one is not None]
explain(0, "sweep", decides, f"{sum(one.steps for one in passes)} steps")

draw_trials(second, short, short.edge, "edge", LOW + 0.1)
decides = "Short trainings, up to a peak\nand down: above the edge\nmost of the gain is lost."
explain(1, "trials", decides, f"{short.cost:.0f} steps: {len(short.lrs)} trials\nof up to {short.steps} steps")

draw_trials(third, pilot, pilot.best, "best", 1.2)
third.plot(*zip(*pilot.fit, strict=True), color=COLOURS["runs"])
decides = "The whole schedule in small,\nevaluated on unseen batches:\na parabola gives the best."
cost = f"{pilot.cost:.0f} steps: {len(pilot.lrs)} trials of {pilot.steps},\nand their evaluation"
explain(2, "pilots", decides, cost)

fourth.plot(range(STEPS), [plan.lr * plan.schedule(step) for step in range(STEPS)], color=COLOURS["smooth"])
away = [[plan.lr - low], [high - plan.lr]]
fourth.errorbar(plan.warmup, plan.lr, away, fmt="o", color=COLOURS["lr"], capsize=4, zorder=3)
beside = plan.warmup + 0.06 * STEPS
fourth.text(beside, plan.lr, f"peak {plan.lr:.2g}", color=COLOURS["lr"], va="bottom")
fourth.text(beside, high, f"80 % interval\n{low:.2g} to {high:.2g}", color=COLOURS["lr"], va="top")
fourth.set(xlabel="optimizer step", ylabel="learning rate", xlim=(0, STEPS), ylim=(0, 1.1 * high))
fourth.locator_params(nbins=3)
decides = f"A longer training wants less:\nthe peak for {STEPS:,} steps,\nand how sure it is."
cost = f"no steps; {tuned.cost_steps} in all, that is\n{100 * tuned.cost_steps / STEPS:.1f} % of the training"
explain(3, "suggested schedule", decides, cost)

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "how_it_works.png", dpi=200)
