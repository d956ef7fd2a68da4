"""The rates that an optimizer stands at, and that a scheduler brings it to."""

import torch


def sgd(*rates, tensors=False, **options):
    """An optimizer with one group per rate."""
    made = [torch.tensor(rate) if tensors else rate for rate in rates]
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in made], **options)


def freeze(optimizer, *groups):
    """The optimizer, with the parameters of these groups frozen."""
    for i in groups:
        optimizer.param_groups[i]["params"][0].requires_grad_(False)
    return optimizer


def rates(optimizer):
    """Every group's rate."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def run(optimizer, scheduler, steps):
    """Every group's rate at each of so many steps."""
    used = []
    for _ in range(steps):
        used.append(rates(optimizer))
        optimizer.step()
        scheduler.step()
    return used
