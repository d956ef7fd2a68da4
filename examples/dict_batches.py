"""Batches that are mappings, and a model that returns its own loss, as Hugging Face's do.

The suggestion is for the training loss. With 464 samples it over-fits, and lrfinder loses here: AdamW's usual 1e-3 ends
lower on samples kept aside. With so few, stop early.

    python examples/dict_batches.py [FOLDER FOR THE PICTURE]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn

from lrfinder import attach, find_lr
from lrfinder.schedules import Cosine, Warmup

EPOCHS = 20


@dataclass
class Output:
    """What the model returns: its loss where labels are given, and the logits."""

    loss: Tensor | None
    logits: Tensor


class Classifier(nn.Module):
    """A small net with the calling convention of a transformer library."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 2))

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Output:
        logits = self.body(features)
        return Output(None if labels is None else F.cross_entropy(logits, labels), logits)


table, labels = load_breast_cancer(return_X_y=True)
features = torch.tensor((table - table.mean(0)) / table.std(0), dtype=torch.float32)
order = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))
held_out, *batches = [
    {"features": features[i], "labels": torch.tensor(labels)[i]} for i in order.split([105, *[16] * 29])
]
total_steps = EPOCHS * len(batches)


def fresh():
    torch.manual_seed(0)
    model = Classifier(features.shape[1])
    return model, torch.optim.AdamW(model.parameters())


def train(model, optimizer, scheduler):
    """Train; return the loss on the samples kept aside."""
    for batch in batches * EPOCHS:
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        return model(**held_out).loss.item()


model, optimizer = fresh()
found = find_lr(model, batches, optimizer=optimizer, total_steps=total_steps)  # no loss_fn: the model returns its loss
print(found)
tuned = train(model, optimizer, found.attach(optimizer))
model, optimizer = fresh()
warmup = found.plan.warmup
usual = train(model, optimizer, attach(optimizer, Warmup(Cosine(total_steps - warmup), warmup), lr=1e-3))
print(f"\nheld-out loss {tuned:.3f} as found, {usual:.3f} at AdamW's 1e-3 with the same warm-up and a cosine")
if usual < tuned:
    print("lrfinder loses here: 464 samples are over-fitted, the sooner the higher the rate")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
found.plot().figure.savefig(folder / "dict_batches.png", dpi=120)
