"""Hugging Face's Trainer: a callback finds the rate before the first step, for the Trainer's own schedule.

A second training, without the callback, has the same schedule from AdamW's usual 1e-3.

    python examples/hugging_face_trainer.py [FOLDER FOR THE PICTURE]
"""

import sys
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from transformers import ResNetConfig, ResNetForImageClassification, Trainer, TrainingArguments

from lrfinder.integrations.transformers import AutoLRCallback

pixels, digits = map(torch.tensor, load_digits(return_X_y=True))
images = (pixels.float() / 8 - 1).reshape(-1, 1, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)
samples = [{"pixel_values": image, "labels": digit} for image, digit in zip(images, digits, strict=True)]

# From a config, so that nothing is downloaded; a pretrained model is passed the same way, with finetune=True below.
config = ResNetConfig(
    num_channels=1, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", num_labels=10
)


def held_out_loss(callbacks):
    """Train; return the loss on the images kept aside."""
    torch.manual_seed(0)
    arguments = TrainingArguments(
        tempfile.mkdtemp(),
        num_train_epochs=6,
        per_device_train_batch_size=32,
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        warmup_steps=20,
        logging_steps=47,
        disable_tqdm=True,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
    )
    trainer = Trainer(
        ResNetForImageClassification(config),
        arguments,
        train_dataset=samples[:1400],
        eval_dataset=samples[1400:],
        callbacks=callbacks,
    )
    trainer.train()
    return trainer.evaluate()["eval_loss"]


if __name__ == "__main__":
    auto = AutoLRCallback()
    tuned, usual = held_out_loss([auto]), held_out_loss([])
    print(
        f"held-out loss {tuned:.3f} at {auto.plan.lr:.2g} as found, {usual:.3f} at AdamW's 1e-3 with the same schedule"
    )
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    auto.result.plot().figure.savefig(folder / "hugging_face_trainer.png", dpi=120)
