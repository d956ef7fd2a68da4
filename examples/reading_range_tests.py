"""Five range tests and how to read them: good, noisy, flat, diverging at once, fine-tuning.

python examples/reading_range_tests.py [FOLDER FOR THE PICTURE]
"""

import re
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from sklearn.datasets import load_diabetes, load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import find_lr
from lrfinder.cli.demo import DigitsCNN

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
images, targets = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16, torch.tensor(digits)
train = TensorDataset(images[:1400], targets[:1400])
table, progression = load_diabetes(return_X_y=True)
features, progression = torch.tensor(table / table.std()), torch.tensor(progression)[:, None]


def search(model, data, batch_size, loss_fn=F.cross_entropy, optimizer=torch.optim.AdamW, **options):
    """Search for a training of 500 steps; return the result."""
    loader = DataLoader(data, batch_size, shuffle=True)
    return find_lr(model, loader, loss_fn=loss_fn, optimizer=optimizer(model.parameters()), total_steps=500, **options)


def mlp(inputs, outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs))


def pretrained():
    """Return a model that is trained on digits."""
    model = DigitsCNN()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(8):
        for x, y in DataLoader(train, 64, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model


patients = TensorDataset(features.float(), progression.float())
mislabelled = TensorDataset(images[:1400], torch.randint(10, (1400,)))
mirrored = TensorDataset(images[:200].flip(3), targets[:200])
val_loader = DataLoader(TensorDataset(images[1400:].flip(3), targets[1400:]), batch_size=100)
results = {
    "good": search(DigitsCNN(), train, 64),
    "noisy: two samples a step": search(mlp(10, 1), patients, 2, F.mse_loss),
    "flat: random labels": search(DigitsCNN(), mislabelled, 16),
    "diverges at once: the sweep begins at 1": search(
        mlp(64, 10), train, 64, optimizer=torch.optim.SGD, lr_min=1.0, lr_max=100.0
    ),
    "fine-tuning: measured on validation batches": search(
        pretrained(), mirrored, 16, val_loader=val_loader, finetune=True, steps=200
    ),
}
for name, found in results.items():
    print(f"{name}\n\n{found}\n\n")

plt.style.use("lrfinder.pictures")
figure = plt.figure(figsize=(11, 7.8))
parts = figure.subfigures(2, 3, hspace=0.04).flat
named = {}
for (name, found), part in zip(results.items(), parts, strict=False):
    curve = found.plot(part)
    for ax in part.axes:
        lines, labels = ax.get_legend_handles_labels()
        named |= {re.sub(r"( at|:)? [\d.e-]+$", "", label): line for line, label in zip(lines, labels, strict=True)}
        ax.get_legend().remove()
    curve.texts[0].remove()
    answer = f"no suggestion ({found.status})" if found.lr is None else f"suggested peak {found.lr:.2g}"
    curve.set_title(f"{name}\n{answer}", color="black", weight="normal", fontsize="medium")
figure.subfigs[-1].legend(named.values(), named.keys(), loc="center", fontsize="medium")
folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "reading_range_tests.png", dpi=110)
