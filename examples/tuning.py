"""Tuning: for a few percent of a long training its best peak is known better than a search of 100 steps can know it.

The training is rehearsed in small, with its schedule and its epochs, at one peak after another. The picture shows every
rehearsal at its peak, and what the real training is told to use.

    python examples/tuning.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import find_lr, tune_lr

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
inputs, targets = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
loader = DataLoader(TensorDataset(inputs, targets), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
training = {"loss_fn": F.cross_entropy, "optimizer": torch.optim.AdamW(model.parameters()), "total_steps": 10_000}

found = find_lr(model, loader, **training)
tuned = tune_lr(model, loader, **training)  # 5 % of the training; budget=0.1 spends a tenth of it
print(tuned)
for name, result in (("a search", found), ("tuning", tuned)):
    low, high = result.interval
    print(f"\n{name} of {result.cost_steps} steps: {result.lr:.2e}, in {low:.1e} to {high:.1e} with 80 %")

plt.style.use("lrfinder.pictures")
figure, ax = plt.subplots(figsize=(8.5, 4.2))
tuned.plot(ax)
figure.savefig(Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "tuning.png")
