"""Accelerate: find the rate on prepared objects, train with it and a schedule that counts optimizer steps.

python examples/accelerate_loop.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import range_test
from lrfinder.integrations.accelerate import accelerate_loop, attach_prepared
from lrfinder.schedules import Cosine, Warmup

pixels, digits = map(torch.tensor, load_digits(return_X_y=True))
pixels, epochs = pixels.float() / 16, 8


def prepared(accelerator):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    loader = DataLoader(TensorDataset(pixels[:1400], digits[:1400]), batch_size=16, shuffle=True)
    return accelerator.prepare(model, torch.optim.AdamW(model.parameters()), loader)


def train(accelerator, model, optimizer, loader, schedule, lr):
    """Train; return the loss on the images kept aside."""
    scheduler = attach_prepared(accelerator, optimizer, schedule, lr=lr)
    for _ in range(epochs):
        for inputs, target in loader:
            with accelerator.accumulate(model):
                loss = F.cross_entropy(model(inputs), target)
                accelerator.backward(loss)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
    with torch.no_grad():
        return F.cross_entropy(model(pixels[1400:]), digits[1400:]).item()


if __name__ == "__main__":
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    model, optimizer, loader = prepared(accelerator)
    found = range_test(accelerate_loop(accelerator, model, optimizer, loader, F.cross_entropy), epochs=epochs)
    print(found)
    plan = found.plan
    tuned = train(accelerator, model, optimizer, loader, plan.schedule, plan.lr)
    cosine = Warmup(Cosine(plan.total_steps - plan.warmup), plan.warmup)
    usual = train(accelerator, *prepared(accelerator), cosine, 1e-3)
    print(f"\nheld-out loss {tuned:.3f} as found, {usual:.3f} at AdamW's 1e-3 with the same warm-up and a cosine")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    found.plot().figure.savefig(folder / "accelerate_loop.png", dpi=120)
