"""Plain torch: find the peak and the schedule, train with them, look at the picture.

python examples/plain_torch.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import attach, find_lr

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
inputs, targets = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
loader = DataLoader(TensorDataset(inputs[:1400], targets[:1400]), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
epochs = 15

found = find_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, total_steps=epochs * len(loader))
print(found)

scheduler = attach(optimizer, found.plan.schedule, lr=found.lr)
for _ in range(epochs):
    for x, y in loader:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()

with torch.no_grad():
    right = (model(inputs[1400:]).argmax(1) == targets[1400:]).float().mean()
print(f"\naccuracy on {len(targets) - 1400} held-out images: {100 * right:.1f} %")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
found.plot().figure.savefig(folder / "plain_torch.png", dpi=120)
