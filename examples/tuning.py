"""Tuning: pilots, the whole training in small, for a few percent of its cost.

python examples/tuning.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import make_classification
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import tune_lr

EPOCHS = 4

torch.manual_seed(0)
inputs, classes = make_classification(64_000, 40, n_informative=12, n_classes=5, random_state=0)
data = TensorDataset(torch.tensor(inputs, dtype=torch.float32), torch.tensor(classes))
loader = DataLoader(data, batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 5))
optimizer = torch.optim.AdamW(model.parameters())

tuned = tune_lr(model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=EPOCHS, budget=0.075)
print(tuned)

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
tuned.plot().figure.savefig(folder / "tuning.png", dpi=120)
