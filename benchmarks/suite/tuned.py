"""Transformers pretrained on War and Peace and tuned to Shakespeare's plays: all weights, or adapters alone."""

from functools import cache, partial

import torch
import torch.nn.functional as F
from tasks import Batches, ce
from torch import nn
from torch.optim import Adam

from suite.base import of_source, on_disk, path_of
from suite.handwriting import Adapted
from suite.letters import NOVEL, PLAYS, windows
from suite.models import Language
from suite.optimizers import adamw, momentum

__all__ = ["TRAININGS"]

CONTEXT, BATCH, STEPS = 32, 16, 400


@cache
def both():
    """Both texts as numbers of one alphabet, the plays first, and how many characters that has."""
    raw = [path_of(file).read_text(encoding="utf-8") for file in (PLAYS, NOVEL)]
    known = {character: i for i, character in enumerate(sorted(set("".join(raw))))}
    return [torch.tensor([known[character] for character in text]) for text in raw], len(known)


def plays():
    """The codes of Shakespeare's plays."""
    return both()[0][0]


def novel():
    """The codes of War and Peace."""
    return both()[0][1]


def fresh(post):
    """A transformer over the characters of both texts."""
    return Language(both()[1], CONTEXT, post=post)


@cache
def _pretrained(post):
    """Weights after some steps on the novel; the same at every call."""
    split = windows(novel, CONTEXT)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = fresh(post)
        optimizer = Adam(net.parameters(), lr=2e-3)
        decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
        for _, (inputs, targets) in zip(
            range(STEPS), Batches(split.inputs, split.targets, BATCH, seed=0), strict=False
        ):
            optimizer.zero_grad()
            F.cross_entropy(net(inputs), targets).backward()
            optimizer.step()
            decay.step()
    return net.state_dict()


def pretrained(post=False):
    """A transformer that knows the novel."""
    net = fresh(post)
    net.load_state_dict(_pretrained(post))
    return net


def adapted():
    """The same, frozen, with an adapter beside each linear layer of its blocks."""
    net = pretrained().requires_grad_(False)
    for block in net.body:
        for owner in [each for each in block.modules() if not isinstance(each, Adapted)]:
            for name, layer in list(owner.named_children()):
                if isinstance(layer, nn.Linear):
                    setattr(owner, name, Adapted(layer))
    return net


def absent():
    """Why these cannot be run, or None."""
    return on_disk(PLAYS) or on_disk(NOVEL)


shakespeare = of_source("tiny Shakespeare", "shakespeare", absent)
data, post_norm = partial(windows, plays, CONTEXT), partial(pretrained, post=True)

TRAININGS = [
    shakespeare("gpt-tuned-adamw", "fine-tuned net", data, pretrained, adamw, ce, BATCH, 600, (1e-4, 0.1)),
    shakespeare(
        "gpt-post-tuned-momentum",
        "fine-tuned net",
        data,
        partial(pretrained, post=True),
        momentum,
        ce,
        BATCH,
        600,
        (1e-3, 1),
    ),
    shakespeare("gpt-adapters-adamw", "adapters", data, adapted, adamw, ce, BATCH, 600, (1e-4, 0.1), clip=1.0),
]
