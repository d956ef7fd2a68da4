"""AutoLR beside Lightning's own callbacks that change the training under way."""

import pytest
import torch
import torch.nn.functional as F
from fits import QUIET, pl
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_callbacks import AutoLR

callbacks = pl.callbacks


class Net(pl.LightningModule):
    """A backbone and a head, and the attributes that Lightning's finders set."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head = nn.Sequential(nn.Linear(6, 16), nn.ReLU()), nn.Linear(16, 3)
        self.batch_size, self.lr = 8, 1e-3

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.head(self.backbone(batch[0])), batch[1])
        self.log("loss", loss)
        return loss

    def train_dataloader(self):
        inputs = torch.randn(512, 6, generator=torch.Generator().manual_seed(0))
        return DataLoader(TensorDataset(inputs, inputs[:, :3].argmax(1)), self.batch_size, shuffle=True)

    def configure_optimizers(self):
        return torch.optim.AdamW((p for p in self.parameters() if p.requires_grad), self.lr)


def fit(tmp_path, *others, **options):
    """The callback, the module and the Trainer of a fit beside other callbacks."""
    torch.manual_seed(0)
    auto, module = AutoLR(verbose=False, schedule="cosine"), Net()
    trainer = pl.Trainer(
        **{"max_epochs": 3, **QUIET, **options}, default_root_dir=tmp_path, logger=False, callbacks=[*others, auto]
    )
    trainer.fit(module)
    return auto, module, trainer


def test_groups_that_thaw_later_follow_the_schedule(tmp_path):
    """BackboneFinetuning adds its group in mid-training; all end at the schedule's end."""
    auto, _, trainer = fit(tmp_path, callbacks.BackboneFinetuning(unfreeze_backbone_at_epoch=1))

    assert auto.plan.total_steps == 3 * 64
    assert [group["lr"] for group in trainer.optimizers[0].param_groups] == [pytest.approx(0.0, abs=1e-12)] * 2


def test_the_batch_size_is_found_first(tmp_path):
    """Beside BatchSizeFinder the plan is made for the steps of the batch size that was found."""
    finder = callbacks.BatchSizeFinder(max_trials=2, steps_per_trial=1, init_val=8)

    auto, module, _ = fit(tmp_path, finder)

    assert module.batch_size == 16
    assert auto.plan.total_steps == 3 * 512 // 16


def test_another_finder_does_no_harm(tmp_path):
    """Beside Lightning's own finder the rate and the schedule are those of AutoLR."""
    auto, _, trainer = fit(tmp_path, callbacks.LearningRateFinder(num_training_steps=10), max_epochs=1)

    assert trainer.lr_scheduler_configs[0].scheduler.base_lrs == [pytest.approx(auto.result.lr)]
    assert trainer.global_step == auto.plan.total_steps == 64


def test_a_training_that_is_stopped_early_was_searched(tmp_path):
    """Beside EarlyStopping the search runs, and the callback's count is that of the training alone."""
    stopper = callbacks.EarlyStopping("loss", patience=0, mode="max", check_on_train_epoch_end=True)

    auto, _, trainer = fit(tmp_path, stopper, max_epochs=5)

    assert auto.result.lr is not None
    assert stopper.stopped_epoch == trainer.current_epoch - 1 == 1
