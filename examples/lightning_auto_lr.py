"""PyTorch Lightning: one callback finds the peak and attaches the schedule; a second training is at 1e-3 with a cosine.

python examples/lightning_auto_lr.py [FOLDER FOR THE PICTURE AND THE LOGS]
"""

import logging
import sys
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_callbacks import AutoLR, DecaySchedule
from lrfinder.schedules import Cosine, Warmup

warnings.filterwarnings("ignore", message=".*does not have many workers|.*LeafSpec")
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
folder = sys.argv[1] if len(sys.argv) > 1 else "."
pixels, digits = load_digits(return_X_y=True)
images, targets = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16, torch.tensor(digits)
train = DataLoader(TensorDataset(images[:1400], targets[:1400]), batch_size=32, shuffle=True)
held_out = DataLoader(TensorDataset(images[1400:], targets[1400:]), batch_size=397)


class Digits(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(576, 10)
        )

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("accuracy", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters())


def accuracy(callbacks):
    torch.manual_seed(0)
    module, logger = Digits(), CSVLogger(folder, name="lightning_auto_lr")
    trainer = pl.Trainer(
        max_epochs=6,
        accelerator="cpu",
        logger=logger,
        log_every_n_steps=10,
        callbacks=[LearningRateMonitor("step"), *callbacks],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, train, held_out)
    return 100 * float(trainer.callback_metrics["accuracy"]), logger.log_dir


auto = AutoLR()
tuned, logs = accuracy([auto])
plan = auto.plan
usual, _ = accuracy([DecaySchedule(Warmup(Cosine(plan.total_steps - plan.warmup), plan.warmup), lr=1e-3)])
print(f"\naccuracy on 397 images kept aside: {tuned:.1f} % with AutoLR,")
print(f"{usual:.1f} % at AdamW's 1e-3 with the same warm-up and a cosine")
print(f"the picture and the result are in {logs} too")
auto.result.plot().figure.savefig(Path(folder) / "lightning_auto_lr.png", dpi=120)
