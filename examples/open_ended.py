"""A training without a known length: train at a flat rate until it is enough, then begin the cooldown.

You decide when it is enough: by a budget, a clock, a metric. Here it is when the loss on held-out data has not improved
by a hundredth for five epochs. At a flat rate the loss goes up and down from epoch to epoch; the cooldown ends about as
low as the best of these epochs.

    python examples/open_ended.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from lrfinder import attach, find_lr

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
inputs, targets = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
inputs[1000:] += 0.3 * torch.randn(797, 64)  # held-out images are as noisy as those for training


def noisy(samples):
    """Make a batch whose images are never the same twice."""
    x, y = default_collate(samples)
    return x + 0.3 * torch.randn(x.shape), y


loader = DataLoader(TensorDataset(inputs[:1000], targets[:1000]), 32, shuffle=True, collate_fn=noisy)


def fresh():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(lr):
    """Train at a flat rate until it is enough, then cool down; return rates, held-out losses, and the flat epochs."""
    model, optimizer = fresh()
    scheduler, rates, kept_aside = attach(optimizer, found.plan.schedule, lr=lr), [], []

    def train_an_epoch():
        for x, y in loader:
            rates.append(optimizer.param_groups[0]["lr"])
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        with torch.no_grad():
            kept_aside.append(F.cross_entropy(model(inputs[1000:]), targets[1000:]).item())

    best, since = float("inf"), 0
    while since < 5 and len(kept_aside) < 60:
        train_an_epoch()
        best, since = (kept_aside[-1], 0) if kept_aside[-1] < 0.99 * best else (best, since + 1)
    flat = len(kept_aside)
    cooldown = max(2, flat // 4)  # a fifth of the whole
    scheduler.begin_cooldown(cooldown * len(loader))
    for _ in range(cooldown):
        train_an_epoch()
    return rates, kept_aside, flat


model, optimizer = fresh()

found = find_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, open_ended=True, steps=200)
print(found)

rates, kept_aside, flat = train(found.lr)
flat_end = kept_aside[flat - 5 : flat]
print(f"\nloss on held-out data, in the last five of {flat} flat epochs: {min(flat_end):.3f} to {max(flat_end):.3f}")
print(f"after {len(kept_aside) - flat} epochs of cooldown: {kept_aside[-1]:.3f}")
_, usual, flat_of_usual = train(0.1)
flat_and_down = f"{flat_of_usual} flat epochs and {len(usual) - flat_of_usual} of cooldown"
print(f"at the 0.1 of this file: {usual[-1]:.3f} after {flat_and_down}")

plt.style.use("lrfinder.pictures")
figure, (above, below) = plt.subplots(2, 1, figsize=(7.5, 4.8), sharex=True)
above.plot(range(1, len(kept_aside) + 1), kept_aside, "o-", ms=3)
above.set(ylabel="loss on held-out data", yscale="log", title="Flat until it is enough, then down to zero")
below.plot([i / len(loader) for i in range(len(rates))], rates, color="C1")
below.set(xlabel="epoch", ylabel="learning rate")
for ax in (above, below):
    ax.axvline(flat, color="C7", ls=":", lw=1, label="begin_cooldown")
above.legend()
folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "open_ended.png")
