"""Two optimizers and a step of your own: a small GAN on images of digits.

`train_step` does the whole update. Both optimizers are swept at the ratio that their rates have, or one of them alone
(`sweep=1`), the other staying as it is. What the step returns is what the curve shows: here the critic's loss, which
falls as it learns to distinguish real images from made ones. How good the made images are it does not show, so a GAN is
trained with each answer, and with the rates of this file: the energy distance to real images is printed, 0 at best.

    python examples/gan_two_optimizers.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import attach, find_lr
from lrfinder.schedules import Cosine, Warmup

pixels, _ = load_digits(return_X_y=True)
images = torch.tensor(pixels, dtype=torch.float32) / 8 - 1
loader = DataLoader(TensorDataset(images[:1400]), batch_size=64, shuffle=True)
EPOCHS = 40


def fresh():
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh())
    critic = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    return (
        nn.ModuleDict({"generator": generator, "critic": critic}),
        torch.optim.Adam(generator.parameters(), lr=1e-4, betas=(0.5, 0.999)),
        torch.optim.Adam(critic.parameters(), lr=4e-4, betas=(0.5, 0.999)),
    )


def update(gan, generator_optimizer, critic_optimizer, real):
    """Update the critic, then the generator; return the critic's loss before both."""
    made = gan["generator"](torch.randn(len(real), 16))
    on_real, on_made = gan["critic"](real), gan["critic"](made.detach())
    critic_loss = F.softplus(-on_real).mean() + F.softplus(on_made).mean()
    critic_optimizer.zero_grad()
    critic_loss.backward()
    critic_optimizer.step()

    generator_loss = F.softplus(-gan["critic"](made)).mean()
    generator_optimizer.zero_grad()
    generator_loss.backward()
    generator_optimizer.step()
    return critic_loss.item()


def distance(gan, optimizers, schedulers):
    """Train; return the energy distance of made images to those kept aside."""
    for _ in range(EPOCHS):
        for (real,) in loader:
            update(gan, *optimizers, real)
            for scheduler in schedulers:
                scheduler.step()
    with torch.no_grad():
        made, real = gan["generator"](torch.randn(1000, 16)), images[1400:]
    return float(2 * torch.cdist(made, real).mean() - torch.cdist(made, made).mean() - torch.cdist(real, real).mean())


for sweep, title in ((None, "both, at their ratio"), (1, "the critic alone")):
    gan, *both = fresh()

    def train_step(gan, batch):
        return update(gan, *both, batch[0])  # noqa: B023

    found = find_lr(gan, loader, train_step=train_step, optimizer=both, sweep=sweep, epochs=EPOCHS)
    print(f"{title}\n\n{found}\n")
    swept = both if sweep is None else [both[sweep]]
    print(f"energy distance {distance(gan, both, found.attach(swept)):.3f} as found\n")

gan, *both = fresh()
plan = found.plan
cosine = Warmup(Cosine(plan.total_steps - plan.warmup), plan.warmup)
print(f"energy distance {distance(gan, both, []):.3f} with the rates of this file, constant")
gan, *both = fresh()
print(f"energy distance {distance(gan, both, attach(both, cosine)):.3f} with these, a warm-up and a cosine")
print("lrfinder loses with the critic alone: a critic that always wins teaches the generator nothing")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
found.plot().figure.savefig(folder / "gan_two_optimizers.png", dpi=120)
