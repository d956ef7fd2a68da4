"""Trainings by Accelerate and by Fabric, with and without a search before them."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder.integrations.accelerate import accelerate_loop
from lrfinder.integrations.fabric import fabric_loop


def samples(count=104):
    """Three classes that a small net can tell apart."""
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(1))
    return TensorDataset(x, x[:, :3].argmax(1))


def net(dropout=0.2):
    """A net with batch norm and dropout."""
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 3))


adamw = partial(torch.optim.AdamW, lr=1e-2)


@dataclass
class Prepared:
    """A training that a framework has set up: its loop, and a function that trains an epoch and returns its losses."""

    loop: Any
    train: Any
    model: nn.Module
    optimizer: Any
    framework: Any


def by_accelerate(accumulate=1, dropout=0.2, optimizer=adamw, loader=None, **options):
    """A training as Accelerate's documentation writes it, with accumulation and clipping."""
    torch.manual_seed(0)
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate, **options)
    model = net(dropout)
    bare = DataLoader(samples(), 8, shuffle=True, **(loader or {}))
    model, optimizer, loader = accelerator.prepare(model, optimizer(model.parameters()), bare)

    def train(scheduler=None, loader=loader):
        losses = []
        for x, y in loader:
            with accelerator.accumulate(model):
                loss = F.cross_entropy(model(x), y)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                if scheduler is not None:
                    scheduler.step()
                optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    loop = accelerate_loop(accelerator, model, optimizer, loader, F.cross_entropy, clip_grad_norm=0.5)
    return Prepared(loop, train, model, optimizer, accelerator)


def by_fabric(accumulate=1, dropout=0.2, optimizer=adamw, loader=None, **options):
    """A training as Fabric's documentation writes it, with accumulation and clipping."""
    torch.manual_seed(0)
    fabric = Fabric(**{"accelerator": "cpu", "devices": 1, **options})
    fabric.launch()
    model = net(dropout)
    bare = DataLoader(samples(), 8, shuffle=True, **(loader or {}))
    model, optimizer = fabric.setup(model, optimizer(model.parameters()))
    loader = fabric.setup_dataloaders(bare)

    def train(scheduler=None):
        losses = []
        for i, (x, y) in enumerate(loader):
            is_last = (i + 1) % accumulate == 0 or i + 1 == len(loader)
            with fabric.no_backward_sync(model, enabled=not is_last):
                loss = F.cross_entropy(model(x), y)
                fabric.backward(loss / accumulate)
            losses.append(loss.item())
            if is_last:
                fabric.clip_gradients(model, optimizer, max_norm=0.5)
                optimizer.step()
                optimizer.zero_grad()
                if scheduler is not None:
                    scheduler.step()
        return losses

    options = {"accumulate": accumulate, "clip_grad_norm": 0.5}
    loop = fabric_loop(fabric, model, optimizer, loader, F.cross_entropy, **options)
    return Prepared(loop, train, model, optimizer, fabric)


def ddp():
    """Fabric on two processes of the CPU, which torchrun has started."""
    return by_fabric(accumulate=2, devices=2, strategy=DDPStrategy(process_group_backend="gloo"))


FRAMEWORKS = {"accelerate": by_accelerate, "fabric": by_fabric}
