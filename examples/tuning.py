"""Tuning: pilots, the whole training in small, for a few percent of its cost.

The whole training follows, and beside it one at AdamW's usual 1e-3 with the same warm-up and a cosine to zero.

    python examples/tuning.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import make_classification
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import attach, tune_lr
from lrfinder.schedules import Cosine, Warmup

EPOCHS = 4

inputs, classes = make_classification(68_000, 40, n_informative=12, n_classes=5, random_state=0)
inputs, classes = torch.tensor(inputs, dtype=torch.float32), torch.tensor(classes)
loader = DataLoader(TensorDataset(inputs[:64_000], classes[:64_000]), batch_size=32, shuffle=True)


def fresh():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 5))
    return model, torch.optim.AdamW(model.parameters())


def train(model, optimizer, scheduler):
    """Train; return the loss on the rows kept aside."""
    for _ in range(EPOCHS):
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
    with torch.no_grad():
        return F.cross_entropy(model(inputs[64_000:]), classes[64_000:]).item()


model, optimizer = fresh()
tuned = tune_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=EPOCHS, budget=0.075)
print(tuned)
held_out = train(model, optimizer, tuned.attach(optimizer))
model, optimizer = fresh()
steps, warmup = tuned.plan.total_steps, tuned.plan.warmup
usual = train(model, optimizer, attach(optimizer, Warmup(Cosine(steps - warmup), warmup), lr=1e-3))
print(f"\nheld-out loss {held_out:.4f} as found, {usual:.4f} at AdamW's 1e-3 with the same warm-up and a cosine")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
tuned.plot().figure.savefig(folder / "tuning.png", dpi=120)
