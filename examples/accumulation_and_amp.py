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
from lrfinder.schedules import Cosine, Warmup

pixels, digits = map(torch.tensor, load_digits(return_X_y=True))
images = pixels.float().reshape(-1, 1, 8, 8) / 16
loader = DataLoader(TensorDataset(images[:1400], digits[:1400]), batch_size=16, shuffle=True)
accumulate, epochs = 4, 12
total_steps = epochs * -(-len(loader) // accumulate)  # optimizer steps, not batches


def fresh():
    torch.manual_seed(0)
    model = DigitsCNN()
    return model, torch.optim.AdamW(model.parameters())


def train(model, optimizer, scheduler):
    """Train; return the loss on the images kept aside."""
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
    model.eval()
    with torch.no_grad():
        return F.cross_entropy(model(images[1400:]), digits[1400:]).item()


model, optimizer = fresh()
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

tuned = train(model, optimizer, found.attach(optimizer))
model, optimizer = fresh()
warmup = found.plan.warmup
usual = train(model, optimizer, attach(optimizer, Warmup(Cosine(total_steps - warmup), warmup), lr=1e-3))
print(f"\nheld-out loss {tuned:.3f} as found, {usual:.3f} at AdamW's 1e-3 with the same warm-up and a cosine")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
found.plot().figure.savefig(folder / "accumulation_and_amp.png", dpi=120)
