"""One of two processes that search together, run as a script: its sibling is killed or fails in a call of the loss."""

import os
import signal
import sys
import warnings

import torch
import torch.distributed as dist
import torch.nn.functional as F
from twins import state_of, sweep, training

warnings.simplefilter("ignore")


def main(rank, file, how, call):
    """Search; the first process says how that ended, and whether its training is as before."""
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    torch.manual_seed(rank)
    calls = iter(range(10**6))

    def loss_fn(output, target):
        if next(calls) == call and rank == 1:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ArithmeticError("put in by the test")
        return F.cross_entropy(output, target)

    t = training().train(2)
    before = state_of(t)
    try:
        sweep(t, loss_fn=loss_fn, steps=80)
    except BaseException as error:
        words = (str(error), *getattr(error, "__notes__", ()))
        print(type(error).__name__, state_of(t) == before, *words, flush=True)
    os._exit(0)  # the process group cannot be left in good order


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
