"""Fine-tuning: a frozen layer, a body at a tenth of the head's rate, and the loss measured on held-out data.

A small CNN that reads digits learns mirror writing from 200 images. The groups keep their ratio in the search and in
the schedule. `finetune=True` plans for weights that are worth keeping: at ten times the rate the net learns hardly
more, and forgets what it knew.

    python examples/fine_tuning.py [FOLDER FOR THE PICTURE]
"""

import copy
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import attach, find_lr
from lrfinder.schedules import Cosine, Warmup

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
images, targets = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16, torch.tensor(digits)
mirrored = images.flip(3)
model = nn.Sequential(
    nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()),
    nn.Sequential(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
    nn.Linear(288, 10),
)


def train(model, optimizer, loader, epochs, scheduler=None):
    """Train; return the accuracy on held-out upright and mirrored images after every epoch, in percent."""
    accuracies = []
    for _ in range(epochs):
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
        with torch.no_grad():
            right = [model(x[1400:]).argmax(1) == targets[1400:] for x in (images, mirrored)]
        accuracies.append([100 * r.float().mean().item() for r in right])
    return accuracies


upright = DataLoader(TensorDataset(images[:900], targets[:900]), batch_size=32, shuffle=True)
train(model, torch.optim.AdamW(model.parameters(), lr=3e-3), upright, epochs=10)

first, body, head = model
first.requires_grad_(False)  # frozen: neither swept nor scaled, and not copied where it is most of the model


def grouped(model):
    """Return an optimizer with the head as the reference group and the body at a tenth of its rate."""
    _, body, head = model
    return torch.optim.AdamW([{"params": head.parameters(), "lr": 1e-3}, {"params": body.parameters(), "lr": 1e-4}])


few = DataLoader(TensorDataset(mirrored[900:1100], targets[900:1100]), batch_size=16, shuffle=True)
val_loader = DataLoader(TensorDataset(mirrored[1100:1400], targets[1100:1400]), batch_size=100)
epochs = 24
found = find_lr(
    model,
    few,
    loss_fn=F.cross_entropy,
    optimizer=grouped(model),
    val_loader=val_loader,
    epochs=epochs,
    finetune=True,
    steps=200,
)
print(found)

plan, accuracies = found.plan, {}
cosine = Warmup(Cosine(plan.total_steps - plan.warmup), plan.warmup)
ways = {
    "as found": (plan.schedule, plan.lr),
    "ten times that": (plan.schedule, 10 * plan.lr),
    "usual 1e-3, cosine": (cosine, 1e-3),
}
for name, (schedule, lr) in ways.items():
    tuned = copy.deepcopy(model)
    optimizer = grouped(tuned)
    scheduler = attach(optimizer, schedule, lr=lr)
    accuracies[name] = train(tuned, optimizer, few, epochs, scheduler)
    knew, new = accuracies[name][-1]
    print(f"{name}: accuracy {new:.1f} % on mirrored images, {knew:.1f} % on upright ones")

plt.style.use("lrfinder.pictures")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
steps = range(found.plan.total_steps)
for label, ratio in (("head", 1.0), ("body, a tenth of it", 0.1)):
    left.plot(steps, [ratio * found.lr * found.plan.schedule(step) for step in steps], label=label)
for (name, rows), colour in zip(accuracies.items(), ("C0", "C1", "C2"), strict=True):
    knew, new = zip(*rows, strict=True)
    right.plot(range(1, epochs + 1), new, color=colour, label=f"mirrored, {name}")
    right.plot(range(1, epochs + 1), knew, color=colour, ls="--", label=f"upright, {name}")
left.set(xlabel="optimizer step", ylabel="learning rate", yscale="log", title="The groups keep their ratio")
right.set(xlabel="epoch", ylabel="accuracy (%)", ylim=(30, 100), title="What it learns, and what it forgets")
left.legend()
right.legend(ncols=2, loc="upper left")
folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "fine_tuning.png")
