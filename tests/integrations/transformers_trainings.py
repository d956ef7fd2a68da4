"""Trainings by transformers on small models made from a config, and what they leave in a form that compares."""

import random
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.utils.data import IterableDataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainingArguments,
)
from twins import plain

SHORT = {"steps": 30, "lr_min": 1e-5, "verbose": False}
"""The options of a search that takes a moment."""

TIMES = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "eval_runtime")
TIMES += ("eval_samples_per_second", "eval_steps_per_second", "total_flos", "train_loss", "loss_per_token")


def sentences(count=56, seed=0):
    """Token sequences that count upwards, and how many of their labels are to be learned differs much."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 16, (count,), generator=generator).tolist()
    starts = torch.randint(0, 32, (count,), generator=generator).tolist()
    ids = [(start + torch.arange(16)) % 32 for start in starts]
    labels = [torch.where(torch.arange(16) < n, one, -100) for n, one in zip(lengths, ids, strict=True)]
    return [{"input_ids": one, "labels": own} for one, own in zip(ids, labels, strict=True)]


def classes(count=56, seed=0):
    """Token sequences whose first token says their class."""
    ids = torch.randint(0, 30, (count, 8), generator=torch.Generator().manual_seed(seed))
    return [{"input_ids": one, "labels": one[0] % 3} for one in ids]


class Stream(IterableDataset):
    """Samples of unknown number."""

    def __iter__(self):
        return iter(sentences())


def llama(dropout=0.1):
    """A language model, which divides its loss by the number of tokens in all micro-batches."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=32, max_position_embeddings=32, attention_dropout=dropout, **sizes))


def bert(dropout=0.1):
    """A classifier with dropout, whose loss is the mean over a micro-batch."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    drops = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    return BertForSequenceClassification(
        BertConfig(vocab_size=32, max_position_embeddings=16, num_labels=3, **sizes, **drops)
    )


def adapters():
    """A language model of which LoRA trains little."""
    from peft import LoraConfig, get_peft_model

    model = llama()
    return get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], lora_dropout=0.1))


class Counting(Trainer):
    """A Trainer that keeps a log of its own beside that of its parent, as those of trl do."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.calls, self.metrics = 0, {"train": {"losses": []}, "eval": {"losses": []}}

    def compute_loss(self, model, inputs, return_outputs=False, **options):
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **options)
        self.calls += 1
        self.metrics["train" if model.training else "eval"]["losses"].append(float(loss.detach()))
        return (loss, outputs) if return_outputs else loss


@dataclass
class Trace:
    """What a training leaves behind."""

    weights: dict
    optimizer: object
    scheduler: object
    rows: list
    counts: tuple
    streams: tuple
    trainer: Trainer = field(compare=False, repr=False)


def train(folder, callbacks=(), model=llama, data=sentences, kind=Trainer, resume=None, given=None, **options):
    """Train from seed 0 and return the trace; `given` goes to the Trainer, the other options to its arguments."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    settings = {"num_train_epochs": 2, "per_device_train_batch_size": 8, "logging_steps": 1, "save_strategy": "no"}
    quiet = {"report_to": [], "use_cpu": True, "disable_tqdm": True, "dataloader_pin_memory": False}
    args = TrainingArguments(str(folder), **{**settings, **quiet, **options})
    trainer = kind(model(), args, train_dataset=data(), callbacks=list(callbacks), **(given or {}))
    trainer.train(resume_from_checkpoint=resume)
    return trace_of(trainer)


def trace_of(trainer):
    """What a training has left behind."""
    rows = [{k: v for k, v in row.items() if k not in TIMES} for row in trainer.state.log_history]
    own = plain([getattr(trainer, "calls", 0), getattr(trainer, "metrics", {})])
    return Trace(
        {name: value.tolist() for name, value in trainer.model.state_dict().items()},
        plain(trainer.optimizer.state_dict()),
        plain(trainer.lr_scheduler.state_dict()),
        [row for row in rows if "lr_find_peak" not in row],
        (trainer.state.global_step, trainer.state.epoch, own),
        (random.random(), float(np.random.rand()), float(torch.rand(()))),
        trainer,
    )


def rates(trace):
    """The rates that were logged at every step."""
    return [row["learning_rate"] for row in trace.rows if "learning_rate" in row]


class Mean(nn.Module):
    """A loss of the outputs and the labels, to be passed as `compute_loss_func`."""

    def forward(self, outputs, labels, num_items_in_batch=None):
        loss = nn.functional.cross_entropy(outputs.logits.flatten(0, -2), labels.flatten(), reduction="sum")
        return loss / num_items_in_batch
