"""NAdamW, the optimizer of AlgoPerf's baselines: torch has Nesterov's Adam with another correction of its bias."""

import torch
from torch.optim import Optimizer

__all__ = ["NAdamW"]


class NAdamW(Optimizer):
    """Adam that looks one step ahead, with decoupled weight decay: Table 1 of https://arxiv.org/abs/1910.05446.

    With m and v the means of gradients g and of their squares, a step is lr / (1 - b1^t) times b1 m + (1 - b1) g, over
    sqrt(v / (1 - b2^t)) + eps.

    Args:
        params: What is trained.
        lr: Size of an entry of a step.
        betas: How much of the means of gradients and of their squares is kept.
        eps: Added to the root.
        weight_decay: Share of the weights that a step takes off, times `lr`.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        """Make one step."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.sub_(self._change(p, group))

    def _change(self, p, group):
        state, (first, second) = self.state[p], group["betas"]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
        state["step"] += 1
        mean = state["mean"].lerp_(p.grad, 1 - first)
        square = state["square"].mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
        root = (square / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
        ahead = torch.lerp(p.grad, mean, first)
        return ahead.mul_(group["lr"] / (1 - first ** state["step"])).div_(root)
