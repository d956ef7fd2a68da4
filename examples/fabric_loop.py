"""Lightning Fabric: find the rate on objects that Fabric has set up, and train with it.

python examples/fabric_loop.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import attach, tune_loop
from lrfinder.integrations.fabric import fabric_loop
from lrfinder.schedules import Cosine, Warmup

pixels, digits = map(torch.tensor, load_digits(return_X_y=True))
pixels, epochs = pixels.float() / 16, 20


def set_up(fabric):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    loader = DataLoader(TensorDataset(pixels[:1400], digits[:1400]), batch_size=32, shuffle=True)
    return *fabric.setup(model, torch.optim.AdamW(model.parameters())), fabric.setup_dataloaders(loader)


def train(fabric, model, optimizer, loader, scheduler):
    """Train; return the loss on the images kept aside."""
    for _ in range(epochs):
        for inputs, target in loader:
            loss = F.cross_entropy(model(inputs), target)
            fabric.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
    with torch.no_grad():
        return F.cross_entropy(model(pixels[1400:]), digits[1400:]).item()


if __name__ == "__main__":
    fabric = Fabric(accelerator="cpu", devices=1)
    model, optimizer, loader = set_up(fabric)
    found = tune_loop(fabric_loop(fabric, model, optimizer, loader, F.cross_entropy), epochs=epochs)
    print(found)
    plan = found.plan
    tuned = train(fabric, model, optimizer, loader, found.attach(optimizer))
    model, optimizer, loader = set_up(fabric)
    cosine = Warmup(Cosine(plan.total_steps - plan.warmup), plan.warmup)
    usual = train(fabric, model, optimizer, loader, attach(optimizer, cosine, lr=1e-3))
    print(f"\nheld-out loss {tuned:.3f} as found, {usual:.3f} at AdamW's 1e-3 with the same warm-up and a cosine")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    found.plot().figure.savefig(folder / "fabric_loop.png", dpi=120)
