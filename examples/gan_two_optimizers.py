"""Two optimizers and a step of your own: a small GAN on images of digits.

`train_step` does the whole update. Both optimizers are swept at the ratio that their rates have, or one of them alone
(`sweep=1`), the other staying as it is. What the step returns is what the curve shows: here the critic's loss, which
falls as it learns to distinguish real images from made ones.

    python examples/gan_two_optimizers.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder import find_lr

torch.manual_seed(0)
pixels, _ = load_digits(return_X_y=True)
loader = DataLoader(TensorDataset(torch.tensor(pixels, dtype=torch.float32) / 8 - 1), batch_size=64, shuffle=True)

gan = nn.ModuleDict(
    {
        "generator": nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh()),
        "critic": nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)),
    }
)
generator_optimizer = torch.optim.Adam(gan["generator"].parameters(), lr=1e-4, betas=(0.5, 0.999))
critic_optimizer = torch.optim.Adam(gan["critic"].parameters(), lr=4e-4, betas=(0.5, 0.999))


def train_step(gan, batch):
    """Update the critic, then the generator; return the critic's loss before both."""
    (real,) = batch
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


both = [generator_optimizer, critic_optimizer]
for sweep, title in ((None, "both, at their ratio"), (1, "the critic alone")):
    found = find_lr(gan, loader, train_step=train_step, optimizer=both, sweep=sweep)
    print(f"{title}\n\n{found}\n")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
found.plot().figure.savefig(folder / "gan_two_optimizers.png", dpi=120)
