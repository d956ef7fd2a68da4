"""A schedule of your own: any function of the step, with the peak that suits it.

Here the rate falls to a third over the first half of the training, and linearly to zero over the second. It is compared
with the recommended schedule, whose peak comes from the same measurement, and with a cosine from the 0.1 of this file.

    python examples/custom_schedule.py [FOLDER FOR THE PICTURE]
"""

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
inputs, targets = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
loader = DataLoader(TensorDataset(inputs[:1400], targets[:1400]), batch_size=32, shuffle=True)
epochs, warmup = 12, 20
total_steps = epochs * len(loader)
body = total_steps - warmup  # a warm-up lies inside the training


def fast_then_slow(step):
    """Return the factor of the peak: 1 at step 0, a third in the middle, 0 at the end and after it."""
    done = min(1.0, step / body)
    return 1 - 4 / 3 * done if done < 0.5 else 2 / 3 * (1 - done)


def fresh():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(schedule, lr):
    """Train from the same start; return the mean loss of every epoch, and the loss on the images kept aside."""
    model, optimizer = fresh()
    scheduler, losses = attach(optimizer, schedule, lr=lr), []
    for _ in range(epochs):
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    with torch.no_grad():
        held_out = F.cross_entropy(model(inputs[1400:]), targets[1400:]).item()
    return torch.tensor(losses).reshape(epochs, -1).mean(1), held_out


model, optimizer = fresh()
mine = Warmup(fast_then_slow, warmup)
found = find_lr(
    model, loader, loss_fn=F.cross_entropy, optimizer=optimizer, total_steps=total_steps, schedule=mine, steps=200
)
print(found)
plans = {"a function of the step": found.plan, "recommended": found.recommend(schedule="recommended").plan}
ways = {name: (plan.schedule, plan.lr) for name, plan in plans.items()}
ways["cosine, as in the file"] = (Warmup(Cosine(body), warmup), 0.1)

plt.style.use("lrfinder.pictures")
figure, (rates, losses) = plt.subplots(1, 2, figsize=(9, 3.6))
for name, (schedule, lr) in ways.items():
    means, held_out = train(schedule, lr)
    print(f"held-out loss {held_out:.3f} by {name}, peak {lr:.2g}")
    rates.plot([lr * schedule(step) for step in range(total_steps)], label=f"{name}, peak {lr:.2g}")
    losses.plot(range(1, epochs + 1), means, "o-", ms=3, label=name)
if held_out < 0.31:
    print("a cosine from the 0.1 of this file is as good: lrfinder gains nothing here")
rates.set(xlabel="optimizer step", ylabel="learning rate", title="Each schedule at its own peak")
losses.set(xlabel="epoch", ylabel="training loss, mean of the epoch", yscale="log", title="The loss with each")
rates.legend()
folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "custom_schedule.png")
