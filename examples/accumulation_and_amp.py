"""Gradient accumulation, clipping and autocast: one point of the curve per optimizer step, as in the real training.

python examples/accumulation_and_amp.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import attach, find_lr
from lrfinder.cli.demo import DigitsCNN

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
loader = DataLoader(TensorDataset(images, torch.tensor(digits)), batch_size=16, shuffle=True)
model = DigitsCNN()
optimizer = torch.optim.AdamW(model.parameters())
accumulate, epochs = 4, 6
total_steps = epochs * -(-len(loader) // accumulate)  # optimizer steps, not batches

found = find_lr(
    model,
    loader,
    loss_fn=F.cross_entropy,
    optimizer=optimizer,
    total_steps=total_steps,
    accumulate=accumulate,
    clip_grad_norm=1.0,
    autocast=torch.bfloat16,
)
print(found)

scheduler = attach(optimizer, found.plan.schedule, lr=found.lr)
for _ in range(epochs):
    for i, (x, y) in enumerate(loader, start=1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(x), y)
        (loss / accumulate).backward()
        if i % accumulate == 0 or i == len(loader):
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
print(f"\nloss of the last micro-batch: {loss.item():.3f}")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
found.plot().figure.savefig(folder / "accumulation_and_amp.png", dpi=120)
