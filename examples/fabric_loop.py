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

torch.manual_seed(0)
pixels, digits = map(torch.tensor, load_digits(return_X_y=True))
data = TensorDataset(pixels.float() / 16, digits)
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))

if __name__ == "__main__":
    fabric = Fabric(accelerator="cpu", devices=1)
    model, optimizer = fabric.setup(model, torch.optim.AdamW(model.parameters()))
    loader = fabric.setup_dataloaders(DataLoader(data, batch_size=32, shuffle=True))
    found = tune_loop(fabric_loop(fabric, model, optimizer, loader, F.cross_entropy), epochs=20)
    print(found)
    scheduler = attach(optimizer, found.plan.schedule, lr=found.lr)
    for _ in range(20):
        for inputs, target in loader:
            loss = F.cross_entropy(model(inputs), target)
            fabric.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
    print(f"trained to a loss of {loss.item():.3f}, the last step at {scheduler.get_last_lr()[0]:.1e}")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    found.plot().figure.savefig(folder / "fabric_loop.png", dpi=120)
