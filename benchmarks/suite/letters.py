"""Trainings on text: characters of Shakespeare's plays and of War and Peace, words of WikiText-2."""

from collections import Counter
from functools import cache, partial

import torch
import torch.nn.functional as F
from tasks import ce
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam

from suite.base import Split, of_source, on_disk, path_of
from suite.models import Language, Recurrent
from suite.optimizers import Lion, Muon, adamw, momentum, nesterov

__all__ = ["TRAININGS"]

PLAYS, NOVEL, WIKI = "tinyshakespeare.txt", "war_and_peace.txt", ("wikitext2_test.txt", "wikitext2_valid.txt")
WORDS = 1000
"""So many words are known, the commonest; the others are one."""


@cache
def characters(file):
    """A text as numbers, and how many different ones there are."""
    raw = path_of(file).read_text(encoding="utf-8")
    known = {c: i for i, c in enumerate(sorted(set(raw)))}
    return torch.tensor([known[c] for c in raw]), len(known)


@cache
def words():
    """WikiText-2's shorter parts as numbers of words."""
    raw = " ".join(path_of(file).read_text(encoding="utf-8") for file in WIKI).replace("\n", " <eos> ").split()
    known = {word: i for i, (word, _) in enumerate(Counter(raw).most_common(WORDS - 1), 1)}
    return torch.tensor([known.get(word, 0) for word in raw])


@cache
def windows(codes, context, stride=None, every=True, held=400):
    """Windows of a text: symbols, and those after them (all, or the last only); the last twentieth is held out."""
    codes = codes()
    cut = len(codes) * 19 // 20
    parts = [codes[:cut].unfold(0, context + 1, stride or context), codes[cut:].unfold(0, context + 1, context)]
    chosen = torch.randperm(len(parts[1]), generator=torch.Generator().manual_seed(0))[:held]
    first, last = parts[0], parts[1][chosen]
    pick = slice(1, None) if every else -1
    return Split(first[:, :-1], first[:, pick], last[:, :-1], last[:, pick])


@cache
def middles(reach=3):
    """The words around a word, and the word."""
    codes = words()
    cut = len(codes) * 19 // 20
    first, last = codes[:cut].unfold(0, 2 * reach + 1, 1), codes[cut:].unfold(0, 2 * reach + 1, 10)[:2000]
    around = [i for i in range(2 * reach + 1) if i != reach]
    return Split(first[:, around], first[:, reach], last[:, around], last[:, reach])


def plays():
    """The codes of Shakespeare's plays."""
    return characters(PLAYS)[0]


def novel():
    """The codes of War and Peace."""
    return characters(NOVEL)[0]


class Grams(nn.Module):
    """The next symbol from the last few: embeddings side by side, one hidden layer."""

    def __init__(self, symbols, context, width, embedded=12, activation=nn.ReLU):
        super().__init__()
        self.embed = nn.Embedding(symbols, embedded)
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(embedded * context, width), activation(), nn.Linear(width, symbols)
        )

    def forward(self, codes):
        """Logits."""
        return self.body(self.embed(codes))


class Bag(nn.Module):
    """The mean of the embeddings around a word, and a linear layer."""

    def __init__(self, width=32):
        super().__init__()
        self.embed, self.head = nn.EmbeddingBag(WORDS, width), nn.Linear(width, WORDS)

    def forward(self, codes):
        """Logits of the word in the middle."""
        return self.head(self.embed(codes))


class Causal(nn.Module):
    """Dilated convolutions that see no later symbol, with residual connections."""

    def __init__(self, symbols, width=48):
        super().__init__()
        self.embed, self.head = nn.Embedding(symbols, width), nn.Linear(width, symbols)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 2, dilation=2**i) for i in range(4))

    def forward(self, codes):
        """Logits at every place, classes second."""
        x = self.embed(codes).transpose(1, 2)
        for layer in self.layers:
            x = x + F.relu(layer(F.pad(x, (layer.dilation[0], 0))))
        return self.head(x.transpose(1, 2)).transpose(1, 2)


def smoothed(logits, targets):
    """Cross-entropy with a tenth of every target shared among all."""
    return F.cross_entropy(logits, targets, label_smoothing=0.1)


shakespeare = of_source("tiny Shakespeare", "shakespeare", partial(on_disk, PLAYS))
peace = of_source("War and Peace", "peace", partial(on_disk, NOVEL))
wiki = of_source("WikiText-2", "wiki", partial(on_disk, WIKI[0]))
of_plays, of_novel, of_words = (partial(windows, codes) for codes in (plays, novel, words))
SYMBOLS, LETTERS = 65, 84

TRAININGS = [
    shakespeare(
        "gpt-adamw",
        "transformer",
        partial(of_plays, 32),
        partial(Language, SYMBOLS, 32),
        adamw,
        ce,
        16,
        1500,
        (1e-4, 0.1),
        clip=1.0,
    ),
    shakespeare(
        "gpt-post-adam",
        "transformer",
        partial(of_plays, 32),
        partial(Language, SYMBOLS, 32, post=True),
        Adam,
        ce,
        16,
        1200,
        (1e-4, 0.1),
    ),
    shakespeare(
        "gpt-muon", "transformer", partial(of_plays, 32), partial(Language, SYMBOLS, 32), Muon, ce, 16, 900, (1e-4, 0.1)
    ),
    shakespeare(
        "gpt-sgd-clipped",
        "transformer",
        partial(of_plays, 32),
        partial(Language, SYMBOLS, 32),
        momentum,
        ce,
        16,
        1200,
        (1e-3, 1),
        clip=1.0,
    ),
    shakespeare(
        "lstm-momentum-clipped",
        "recurrent net",
        partial(of_plays, 24),
        partial(Recurrent, SYMBOLS, 64, SYMBOLS, nn.LSTM),
        momentum,
        ce,
        32,
        1000,
        (1e-2, 10),
        clip=1.0,
    ),
    shakespeare(
        "grams-sgd-long",
        "perceptron",
        partial(of_plays, 8, 5, every=False),
        partial(Grams, SYMBOLS, 8, 64),
        SGD,
        ce,
        32,
        8000,
        (1e-2, 10),
    ),
    peace(
        "gru-adam",
        "recurrent net",
        partial(of_novel, 24),
        partial(Recurrent, LETTERS, 64, LETTERS),
        Adam,
        ce,
        32,
        1000,
        (1e-4, 0.1),
        clip=1.0,
    ),
    peace(
        "gpt-lion",
        "transformer",
        partial(of_novel, 32),
        partial(Language, LETTERS, 32),
        partial(Lion, weight_decay=0.1),
        ce,
        16,
        1200,
        (1e-5, 1e-2),
    ),
    peace(
        "gpt-post-momentum",
        "transformer",
        partial(of_novel, 16),
        partial(Language, LETTERS, 16, 32, post=True),
        momentum,
        ce,
        32,
        1200,
        (1e-3, 1),
    ),
    peace(
        "convolutions-nesterov",
        "convolutional net",
        partial(of_novel, 32),
        partial(Causal, LETTERS),
        nesterov,
        ce,
        16,
        1500,
        (1e-3, 1),
    ),
    peace(
        "grams-adagrad-long",
        "perceptron",
        partial(of_novel, 8, 5, every=False),
        partial(Grams, LETTERS, 8, 64),
        Adagrad,
        ce,
        32,
        6000,
        (1e-3, 1),
    ),
    peace(
        "grams-adamw-long",
        "perceptron",
        partial(of_novel, 6, 6, every=False),
        partial(Grams, LETTERS, 6, 48, activation=nn.Tanh),
        AdamW,
        ce,
        64,
        5000,
        (1e-4, 0.1),
    ),
    wiki(
        "grams-adamw-long",
        "perceptron",
        partial(of_words, 4, 1, every=False),
        partial(Grams, WORDS, 4, 48, 24),
        adamw,
        ce,
        32,
        5000,
        (1e-4, 0.1),
    ),
    wiki(
        "gru-nadam",
        "recurrent net",
        partial(of_words, 12),
        partial(Recurrent, WORDS, 48, WORDS),
        NAdam,
        smoothed,
        16,
        900,
        (1e-4, 0.1),
        clip=1.0,
    ),
    wiki(
        "gpt-tied-adamw",
        "transformer",
        partial(of_words, 12),
        partial(Language, WORDS, 12, tied=True),
        adamw,
        ce,
        16,
        900,
        (1e-4, 0.1),
    ),
    wiki("bag-adagrad", "embedding", middles, Bag, Adagrad, ce, 64, 3000, (1e-2, 10)),
]
