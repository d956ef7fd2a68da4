"""A framework with a loop of its own, here in Accelerate's style: two functions make a loop that can be searched.

python examples/accelerate_loop.py [FOLDER FOR THE PICTURE]
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from lrfinder import StepLoop, range_test


def loop_of(accelerator, model, optimizer, loader):
    def forward(batch):
        return F.cross_entropy(model(batch[0]), batch[1])

    def update(micro_batches):
        optimizer.zero_grad()
        loss = forward(micro_batches[0])
        accelerator.backward(loss)
        optimizer.step()
        return None if getattr(optimizer, "step_was_skipped", False) else loss

    return StepLoop(update=update, forward=forward, modules=[model], optimizers=[optimizer], loader=loader)


if __name__ == "__main__":
    torch.manual_seed(0)
    pixels, digits = map(torch.tensor, load_digits(return_X_y=True))
    batches = list(zip((pixels.float() / 16).split(32), digits.split(32), strict=True))
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    # What accelerate.Accelerator() does on one process; on many it sets up torch.distributed, which the loop asks.
    accelerator = SimpleNamespace(prepare=lambda *parts: parts, backward=torch.Tensor.backward)
    prepared = accelerator.prepare(model, torch.optim.AdamW(model.parameters()), batches)
    found = range_test(loop_of(accelerator, *prepared), epochs=10)
    print(found)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    found.plot().figure.savefig(folder / "accelerate_loop.png", dpi=120)
