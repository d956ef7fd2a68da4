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

torch.manual_seed(0)
pixels, digits = map(torch.tensor, load_digits(return_X_y=True))
data = TensorDataset(pixels.float() / 16, digits)
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))

if __name__ == "__main__":
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    model, optimizer, loader = accelerator.prepare(
        model, torch.optim.AdamW(model.parameters()), DataLoader(data, batch_size=16, shuffle=True)
    )
    found = range_test(accelerate_loop(accelerator, model, optimizer, loader, F.cross_entropy), epochs=5)
    print(found)
    scheduler = attach_prepared(accelerator, optimizer, found.plan.schedule, lr=found.lr)
    for _ in range(5):
        for inputs, target in loader:
            with accelerator.accumulate(model):
                loss = F.cross_entropy(model(inputs), target)
                accelerator.backward(loss)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
    print(f"trained to a loss of {loss.item():.3f}, the last step at {scheduler.get_last_lr()[0]:.1e}")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    found.plot().figure.savefig(folder / "accelerate_loop.png", dpi=120)
