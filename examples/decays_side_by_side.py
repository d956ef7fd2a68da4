"""Every decay on one task, each at its own best peak: how much the family matters, and how much the peak does.

One measurement suggests a peak for each family. Trainings at a quarter of it, at half, at one, two and four times that
show which peak is best. All trainings run at once, stacked in one tensor: the same batches, the same three starts, the
same number of steps.

    python examples/decays_side_by_side.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from lrfinder import find_lr
from lrfinder.schedules import CATALOGUE

STEPS, EVERY, STARTS, TIMES = 500, 25, 3, (0.25, 0.5, 1, 2, 4)
torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
inputs, targets = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
kept_aside = inputs[1000:] + 0.3 * torch.randn(797, 64), targets[1000:]


def noisy(samples):
    """Make a batch whose images are never the same twice."""
    x, y = default_collate(samples)
    return x + 0.3 * torch.randn(x.shape), y


def net():
    return nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))


loader = DataLoader(TensorDataset(inputs[:1000], targets[:1000]), 32, shuffle=True, collate_fn=noisy, drop_last=True)
model = net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
found = find_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, total_steps=STEPS, steps=200)
names = [name for name in CATALOGUE if name != "reduce_on_plateau"]  # it waits for a metric: plateau_by_epoch.py
results = {name: found.recommend(schedule=name) for name in names}
runs = [(name, times) for name in names for times in TIMES for _ in range(STARTS)]
runs += [("cosine", 0.1 / results["cosine"].lr)] * STARTS  # the peak that stands in this file
peaks = torch.tensor([times * results[name].lr for name, times in runs])


def loss_of(weights, x, y):
    """Return the loss of every run."""
    a, b, c, d = weights
    logits = torch.baddbmm(d, torch.relu(torch.baddbmm(b, x.expand(len(runs), -1, -1), a)), c)
    return -logits.log_softmax(-1)[:, range(len(y)), y].mean(-1)


starts = [list(net().parameters()) for _ in range(STARTS)]
stacked = [torch.stack([start[i].detach() for start in starts] * (len(runs) // STARTS)) for i in range(4)]
weights = [w.mT.contiguous() if w.ndim == 3 else w.unsqueeze(1) for w in stacked]
momenta, losses, step = [torch.zeros_like(w) for w in weights], [], 0
while step < STEPS:
    for x, y in loader:
        if step % EVERY == 0:
            losses.append(loss_of(weights, *kept_aside))
        for w in weights:
            w.requires_grad_(True)
        gradients = torch.autograd.grad(loss_of(weights, x, y).sum(), weights)
        factors = {name: result.plan.schedule(step) for name, result in results.items()}
        rates = peaks * torch.tensor([factors[name] for name, _ in runs])
        momenta = [0.9 * m + g for m, g in zip(momenta, gradients, strict=True)]
        weights = [w.detach() - rates[:, None, None] * m for w, m in zip(weights, momenta, strict=True)]
        step += 1
        if step == STEPS:
            break
losses.append(loss_of(weights, *kept_aside))
means = torch.stack(losses).detach().reshape(len(losses), -1, STARTS).mean(-1).nan_to_num(1e9)
curves = means[:, :-1].reshape(len(losses), len(names), len(TIMES))

best = {name: int(curves[-1, i].argmin()) for i, name in enumerate(names)}
lines = {name: curves[:, i, best[name]] for i, name in enumerate(names)}
ranked = sorted(names, key=lambda name: lines[name][-1])
print(f"{'family':<16} {'loss at the end':>15} {'best peak':>10} {'suggested':>10}   loss at {TIMES} times that")
for name in ranked:
    ends = "  ".join(f"{end:.3f}" for end in curves[-1, names.index(name)])
    peak = TIMES[best[name]] * results[name].lr
    print(f"{name:<16} {lines[name][-1]:>15.4f} {peak:>10.2g} {results[name].lr:>10.2g}   {ends}")
suggested = curves[-1, names.index("linear"), TIMES.index(1)]
print(
    f"\nthe suggestion, linear from {results['linear'].lr:.2g}: {suggested:.4f}; a cosine from 0.1: {means[-1, -1]:.4f}"
)

plt.style.use("lrfinder.pictures")
figure, axes = plt.subplots(4, 4, figsize=(10, 8), sharex=True, sharey=True)
for name, ax in zip(ranked, axes.flat, strict=True):
    ax.plot(range(0, STEPS + 1, EVERY), lines[ranked[0]], color="0.7", lw=1.5)
    ax.plot(range(0, STEPS + 1, EVERY), lines[name])
    rates = [results[name].plan.schedule(step) for step in range(STEPS)]
    ax.fill_between(
        range(STEPS), [0.4 * rate for rate in rates], color="C1", alpha=0.25, lw=0, transform=ax.get_xaxis_transform()
    )
    ax.set_title(f"{name}\n{lines[name][-1]:.3f} at {TIMES[best[name]] * results[name].lr:.2g}")
low = min(line[-1].item() for line in lines.values())
axes[0, 0].set(ylim=(0.9 * low, 2 * low))
figure.supxlabel("optimizer step", fontsize="medium")
figure.supylabel(
    "loss on held-out data (blue; grey: the best family), shape of the schedule (orange)", fontsize="medium"
)
folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "decays_side_by_side.png", dpi=80)
