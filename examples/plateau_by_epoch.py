"""Decay on a plateau, checked once per epoch: for a training whose length nobody knows.

The rate is halved when the loss on held-out data has not improved for more than two epochs, and the training ends when
the rate has become too small to matter. The peak is found for exactly this schedule.

    python examples/plateau_by_epoch.py [FOLDER FOR THE PICTURE]
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
from lrfinder.schedules import ReduceOnPlateau

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


model, optimizer = fresh()
halve = ReduceOnPlateau(0.5, patience=2)
found = find_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, schedule=halve, epochs=30, steps=200)
print(found)


def train(lr):
    """Train until the rate is a hundredth of the peak; return the rates, and the held-out losses of the epochs."""
    model, optimizer = fresh()
    scheduler, rates, kept_aside = attach(optimizer, found.plan.schedule, lr=lr), [], []
    while len(kept_aside) < 80 and optimizer.param_groups[0]["lr"] > lr / 100:
        for x, y in loader:
            rates.append(optimizer.param_groups[0]["lr"])
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()  # every step, for the warm-up if the plan has one
        with torch.no_grad():
            kept_aside.append(F.cross_entropy(model(inputs[1000:]), targets[1000:]).item())
        scheduler.step(kept_aside[-1])  # every epoch: it compares the loss with the best one
    print(
        f"from {lr:.2g}: {len(kept_aside)} epochs, {scheduler.feedback.cuts} cuts; held-out loss {kept_aside[-1]:.4f}"
    )
    return rates, kept_aside


rates, kept_aside = train(found.lr)
epochs = len(kept_aside)
_, usual = train(0.1)  # as this file has it
if usual[-1] < kept_aside[-1]:
    print(
        "lrfinder loses here: the 0.1 of this file ends lower, in more epochs"
        if len(usual) > epochs
        else "lrfinder loses here"
    )

plt.style.use("lrfinder.pictures")
figure, (above, below) = plt.subplots(2, 1, figsize=(7.5, 4.8), sharex=True)
above.plot(range(1, epochs + 1), kept_aside, "o-", ms=3)
above.set(ylabel="loss on held-out data", yscale="log", title="Halved when more than two epochs bring no improvement")
below.step([i / len(loader) for i in range(len(rates))], rates, color="C1", where="post")
below.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "plateau_by_epoch.png")
