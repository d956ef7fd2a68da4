"""Models that several sources of data share: attention, recurrent nets, residual nets, small U-nets."""

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["Attention", "Encoder", "Language", "Recurrent", "Residual", "UNet", "conv", "identity"]


def identity(channels):
    """No normalisation."""
    return nn.Identity()


def conv(inputs, outputs, norm=nn.BatchNorm2d, stride=1):
    """A convolution, its normalisation and a ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=norm is identity), norm(outputs), nn.ReLU())


class Residual(nn.Module):
    """Three stages of one residual block each, the later two at half the resolution of the one before.

    Args:
        channels: Of the image, then of the first stage; it doubles from stage to stage.
        norm: Makes a normalisation of so many channels.
        stride: Of the first convolution.
        classes: Of the output.
    """

    def __init__(self, channels=(3, 8), norm=nn.BatchNorm2d, stride=1, classes=10):
        super().__init__()
        width = channels[1]
        self.stem = conv(*channels, norm, stride)
        sides = [(width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)]
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(a, b, norm, s), nn.Conv2d(b, b, 3, 1, 1, bias=norm is identity), norm(b))
            for a, b, s in sides
        )
        self.short = nn.ModuleList(nn.Identity() if a == b else nn.Conv2d(a, b, 1, s) for a, b, s in sides)
        self.head = nn.Linear(4 * width, classes)

    def forward(self, images):
        """Logits of the classes."""
        x = self.stem(images)
        for block, short in zip(self.blocks, self.short, strict=True):
            x = F.relu(block(x) + short(x))
        return self.head(x.mean((2, 3)))


class Attention(nn.Module):
    """A transformer block; normalised before each branch, or after each sum.

    Args:
        width: Of a token.
        heads: Of attention.
        causal: Whether a token sees those before it alone.
        post: Whether the sums are normalised, as in the first transformer, instead of the branches' inputs.
    """

    def __init__(self, width, heads=2, causal=True, post=False):
        super().__init__()
        self.heads, self.causal, self.post = heads, causal, post
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        """Tokens as they came in, changed."""
        for norm, branch in zip(self.norms, (self._attend, self.think), strict=True):
            x = norm(x + branch(x)) if self.post else x + branch(norm(x))
        return x

    def _attend(self, x):
        parts = self.mix(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(*parts, is_causal=self.causal)
        return self.out(seen.transpose(1, 2).flatten(2))


def _body(width, depth, causal, post):
    last = nn.Identity() if post else nn.LayerNorm(width)
    return nn.Sequential(*(Attention(width, 2, causal, post) for _ in range(depth)), last)


class Language(nn.Module):
    """A causal transformer over symbols; logits as cross-entropy wants them, classes second.

    Args:
        symbols: How many there are.
        context: Longest input.
        width: Of a token.
        depth: Blocks.
        post: Where they normalise.
        tied: Whether the last layer shares the weights of the first.
    """

    def __init__(self, symbols, context, width=48, depth=2, post=False, tied=False):
        super().__init__()
        self.embed, self.place = nn.Embedding(symbols, width), nn.Parameter(0.02 * torch.randn(context, width))
        self.body, self.head = _body(width, depth, causal=True, post=post), nn.Linear(width, symbols)
        if tied:
            nn.init.normal_(self.embed.weight, std=0.05)
            self.head.weight = self.embed.weight

    def forward(self, codes):
        """Logits at every place."""
        return self.head(self.body(self.embed(codes) + self.place)).transpose(1, 2)


class Encoder(nn.Module):
    """A transformer that reads vectors and answers once.

    Args:
        inputs: Length of a vector.
        places: How many there are.
        outputs: Length of the answer.
        width: Of a token.
        depth: Blocks.
        post: Where they normalise.
    """

    def __init__(self, inputs, places, outputs, width=32, depth=2, post=False):
        super().__init__()
        self.embed, self.place = nn.Linear(inputs, width), nn.Parameter(0.02 * torch.randn(places, width))
        self.body, self.head = _body(width, depth, causal=False, post=post), nn.Linear(width, outputs)

    def forward(self, vectors):
        """One answer for each sequence."""
        return self.head(self.body(self.embed(vectors) + self.place).mean(1))


class Recurrent(nn.Module):
    """A recurrent net over symbols or vectors.

    Args:
        inputs: How many symbols there are, or the length of a vector.
        width: Of the state.
        outputs: Length of an answer.
        cell: `nn.LSTM`, `nn.GRU` or `nn.RNN`.
        symbols: Whether inputs are symbols.
        every: Whether it answers at every place, classes second, or at the last alone.
    """

    def __init__(self, inputs, width, outputs, cell=nn.GRU, symbols=True, every=True):
        super().__init__()
        self.every, self.embed = every, nn.Embedding(inputs, 16) if symbols else nn.Identity()
        self.cell = cell(16 if symbols else inputs, width, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, sequences):
        """Answers from the states."""
        states = self.cell(self.embed(sequences))[0]
        return self.head(states).transpose(1, 2) if self.every else self.head(states[:, -1])


class UNet(nn.Module):
    """Down twice and up again, with the earlier images beside the later ones.

    Args:
        inputs: Channels of an image.
        outputs: Channels of the answer.
        width: Channels at full resolution.
        norm: Makes a normalisation of so many channels.
    """

    def __init__(self, inputs, outputs, width=8, norm=nn.BatchNorm2d):
        super().__init__()
        self.first = conv(inputs, width, norm)
        self.second = conv(width, 2 * width, norm, stride=2)
        self.third = conv(2 * width, 2 * width, norm, stride=2)
        self.up = conv(4 * width, width, norm)
        self.last = nn.Conv2d(2 * width, outputs, 1)

    def forward(self, images):
        """One answer for each pixel."""
        first = self.first(images)
        second = self.second(first)
        up = self.up(torch.cat([second, F.interpolate(self.third(second), scale_factor=2.0)], 1))
        return self.last(torch.cat([first, F.interpolate(up, scale_factor=2.0)], 1))
