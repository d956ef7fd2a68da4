"""A sharpness-aware optimizer as it is usually written: it shares the groups of the optimizer inside it."""

import torch


class Sharp(torch.optim.Optimizer):
    """Moves the weights uphill by the gradient that is there, and steps the inner one by that of the new place."""

    def __init__(self, params, base=torch.optim.SGD, **options):
        super().__init__(params, {"rho": 0.05, **options})
        self.base_optimizer = base(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in held]).norm()
        for p in held:
            self.state[p]["from"] = p.clone()
            p.add_(0.05 * p.grad / (norm + 1e-12))
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for p, state in self.state.items():
            p.copy_(state["from"])
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    def step(self, closure):
        self.first_step(zero_grad=True)
        torch.enable_grad()(closure)()
        self.second_step()
