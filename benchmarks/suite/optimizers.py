"""Optimizers that trainings of the suite use: torch's with their usual settings, a tiny Lion and a tiny Muon."""

from functools import partial

import torch
from torch.optim import SGD, AdamW, Optimizer

__all__ = ["Lion", "Muon", "adamw", "decayed", "momentum", "nesterov"]

momentum = partial(SGD, momentum=0.9)
nesterov = partial(SGD, momentum=0.9, nesterov=True)
decayed = partial(SGD, momentum=0.9, nesterov=True, weight_decay=5e-4)
adamw = partial(AdamW, weight_decay=0.1)


def _gradients(closure):
    with torch.enable_grad():
        return closure and closure()


class Lion(Optimizer):
    """The sign of a mean of gradients, with decoupled weight decay (https://arxiv.org/abs/2302.06675).

    Args:
        params: What is trained.
        lr: Size of every entry of a step.
        betas: How much of the mean enters the sign, and how much of it is kept.
        weight_decay: Share of the weights that a step takes off, times `lr`.
    """

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        """Make one step, on the gradients that the closure leaves where there is one; returns its loss."""
        loss = _gradients(closure)
        for group in self.param_groups:
            now, kept = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(torch.lerp(p.grad, mean, now).sign_(), alpha=-group["lr"])
                mean.lerp_(p.grad, 1 - kept)
        return loss


class Muon(Optimizer):
    """Orthogonalised momentum for matrices, Adam for everything else, both at one rate.

    A matrix's step has the size of Adam's (https://arxiv.org/abs/2502.16982), so that one rate fits both.

    Args:
        params: What is trained.
        lr: Rate of both.
        momentum: Of the matrices.
        betas: Of Adam.
    """

    def __init__(self, params, lr=1e-3, momentum=0.95, betas=(0.9, 0.95)):
        super().__init__(params, {"lr": lr, "momentum": momentum, "betas": betas})

    @torch.no_grad()
    def step(self, closure=None):
        """Make one step, on the gradients that the closure leaves where there is one; returns its loss."""
        loss = _gradients(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    change = self._orthogonal(p, group) if p.ndim == 2 else self._adam(p, group)
                    p.add_(change, alpha=-group["lr"])
        return loss

    def _orthogonal(self, p, group):
        mean = self.state[p].setdefault("mean", torch.zeros_like(p))
        mean.lerp_(p.grad, 1 - group["momentum"])
        return orthogonalised(p.grad.lerp(mean, group["momentum"])) * (0.2 * max(p.shape) ** 0.5)

    def _adam(self, p, group):
        state, (first, second) = self.state[p], group["betas"]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
        state["step"] += 1
        state["mean"].lerp_(p.grad, 1 - first)
        state["square"].mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
        root = (state["square"] / (1 - second ** state["step"])).sqrt_().add_(1e-8)
        return state["mean"] / (1 - first ** state["step"]) / root


def orthogonalised(matrix, iterations=5):
    """The matrix with its singular values brought near 1, by the Newton-Schulz polynomial of Muon."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x
