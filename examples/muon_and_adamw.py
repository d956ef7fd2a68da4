"""Two optimizers and the ratio between their rates: Muon for matrices, AdamW for everything else.

`tune_lr` finds the peak of both together, then whether another ratio is better. The training afterwards is compared
with the rates that stand in the file along the same schedule, and with AdamW alone at 1e-3 with a cosine.

    python examples/muon_and_adamw.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import attach, tune_lr
from lrfinder.schedules import Cosine, Warmup

pixels, digits = load_digits(return_X_y=True)
inputs, targets = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
EPOCHS = 40


def build():
    """A loader, a model, and its optimizers: matrices of the hidden layers to Muon, the rest to AdamW."""
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(inputs[:1400], targets[:1400]), batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    matrices = [model[0].weight, model[2].weight]
    others = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
    return loader, model, [torch.optim.Muon(matrices, lr=0.02), torch.optim.AdamW(others, lr=1e-3)]


def train(loader, model, optimizers, schedulers):
    """Train to the end; return the loss of the held-out images."""
    for _ in range(EPOCHS):
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            model.zero_grad()
            loss.backward()
            for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
                optimizer.step()
                scheduler.step()
    with torch.no_grad():
        return float(F.cross_entropy(model(inputs[1400:]), targets[1400:]))


loader, model, optimizers = build()
steps = EPOCHS * len(loader)
tuned = tune_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizers, total_steps=steps, groups="each")
print(f"{tuned}\n")
held_out = train(loader, model, optimizers, tuned.attach(optimizers))
print(f"{held_out:.3f} held-out loss, at {tuned.group_lrs}")

loader, model, optimizers = build()
of_this_file = train(loader, model, optimizers, attach(optimizers, tuned.plan.schedule))
words = ", which are good already: lrfinder gains nothing here" if of_this_file < held_out else ""
print(f"{of_this_file:.3f} with the rates of this file{words}")

loader, model, _ = build()
adamw = torch.optim.AdamW(model.parameters(), lr=1e-3)
cosine = Warmup(Cosine(int(0.95 * steps)), steps - int(0.95 * steps))
print(
    f"{train(loader, model, [adamw], [attach(adamw, cosine)]):.3f} with AdamW at 1e-3 for all, a warm-up and a cosine"
)

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
tuned.plot().figure.savefig(folder / "muon_and_adamw.png", dpi=120)
