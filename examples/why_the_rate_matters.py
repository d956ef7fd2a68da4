"""Why the learning rate matters: one loss over two weights, three descents from the same start.

The loss is a wide bowl with a few narrow dents, and the gradient is noisy, like that of a mini-batch. A rate that is
too low settles in the first dent. A rate that is too high jumps over the dents and over the optimum, from one side of
the bowl to the other. A rate that begins high, so that no dent holds it, and then decays, ends at the optimum. The
script draws a picture and an animation.

    python examples/why_the_rate_matters.py [FOLDER FOR THE PICTURES]
"""

import sys
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from matplotlib.animation import PillowWriter

from lrfinder import attach
from lrfinder.schedules import Constant, Linear

STEPS = 30
START = (-2.7, 1.5)
DENTS = torch.tensor([[-1.8, 1.1], [-1.8, 0.3], [-2.2, -1.0], [-1.1, -1.2], [0.0, -1.2], [1.7, -0.3], [0.8, 1.1]])


def loss_at(point):
    """Return the loss at points whose last dimension holds the two weights."""
    bowl = (1 + point[..., 0] ** 2 + 1.3 * point[..., 1] ** 2).sqrt()
    away = (point.unsqueeze(-2) - DENTS).square().sum(-1)
    return bowl - 0.5 * torch.exp(-away / (2 * 0.2**2)).sum(-1)


def descend(lr, schedule):
    """Return the points that gradient descent passes through, and the loss at each."""
    point, noise = torch.tensor(START, requires_grad=True), torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD([point], lr=lr)
    scheduler = attach(optimizer, schedule)
    path = [point.detach().clone()]
    for _ in range(STEPS):
        loss = loss_at(point)
        optimizer.zero_grad()
        loss.backward()
        point.grad += 0.3 * torch.randn(2, generator=noise)  # a mini-batch's gradient is noisy
        optimizer.step()
        scheduler.step()
        path.append(point.detach().clone())
    points = torch.stack(path)
    return points, loss_at(points)


descents = {
    "too low: 0.08, held": descend(0.08, Constant()),
    "right: from 0.5 linearly to zero": descend(0.5, Linear(STEPS)),
    "too high: 1.9, held": descend(1.9, Constant()),
}
for name, (_, losses) in descents.items():
    print(f"{name:<36} loss {losses[0]:.3f} -> {losses[-1]:.3f}")

plt.style.use("lrfinder.pictures")
grid = torch.stack(torch.meshgrid(torch.linspace(-3, 3, 301), torch.linspace(-2, 2, 201), indexing="xy"), -1)
shades = (8 * loss_at(grid)).round().numpy()  # few shades keep the animation small
figure, axes = plt.subplots(2, 3, figsize=(10, 4.6), sharex="row", sharey="row", height_ratios=(3, 2))
drawn = []
for (name, (points, losses)), (above, below), colour in zip(descents.items(), axes.T, ("C5", "C2", "C1"), strict=True):
    above.imshow(
        shades, cmap="Greys_r", alpha=0.7, extent=(-3, 3, -2, 2), origin="lower", aspect="auto", interpolation="nearest"
    )
    above.set(xlim=(-3, 3), ylim=(-2, 2))
    above.plot(0, 0, "k+", ms=9)
    above.set(title=name, xlabel="first weight")
    below.axhline(1.0, color="k", lw=0.8, ls=":")
    below.set(xlabel="step", xlim=(0, STEPS), ylim=(0.8, 3.8))
    (path,) = above.plot(*points.T, "o-", ms=3, lw=1, color=colour)
    (last,) = above.plot(*points[-1:].T, "o", ms=9, color=colour, mec="white")
    (curve,) = below.plot(losses, color=colour)
    drawn.append((path, last, curve, points, losses))
axes[0, 0].set_ylabel("second weight")
axes[1, 0].set_ylabel("loss")
folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "why_the_rate_matters.png")


def show(step):
    """Draw the descents up to a step."""
    for path, last, curve, points, losses in drawn:
        path.set_data(*points[: step + 1].T)
        last.set_data(*points[step : step + 1].T)
        curve.set_data(range(step + 1), losses[: step + 1])


figure.set_layout_engine("none")  # a new layout for each frame would take long
writer = PillowWriter(fps=5)
with writer.saving(figure, folder / "why_the_rate_matters.gif", dpi=60):
    for step in [*range(STEPS + 1), STEPS, STEPS]:
        show(step)
        writer.grab_frame()
