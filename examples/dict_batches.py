"""Batches that are mappings, and a model that returns its own loss, as Hugging Face's do.

python examples/dict_batches.py [FOLDER FOR THE PICTURE]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn

from lrfinder import find_lr

torch.manual_seed(0)


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
order = torch.randperm(len(features))
batches = [{"features": features[i], "labels": torch.tensor(labels)[i]} for i in order.split(16)]
model = Classifier(features.shape[1])

# No loss_fn: the model's own loss is found in what it returns. No optimizer: AdamW over the trainable parameters.
found = find_lr(model, batches, total_steps=20 * len(batches))
print(found)

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
found.plot().figure.savefig(folder / "dict_batches.png", dpi=120)
