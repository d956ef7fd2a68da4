"""Two threads that train together: the smallest group with collectives of its own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch


class Pair:
    """One of two members, as a framework's object with `reduce` and `any`.

    Args:
        rank: Which of the two.
        table: What both have put down, shared.
        barrier: Where they wait for each other.
    """

    def __init__(self, rank, table, barrier):
        self.rank, self.table, self.barrier = rank, table, barrier

    def _exchange(self, value):
        self.table[self.rank] = value
        self.barrier.wait(10)
        both = list(self.table)
        self.barrier.wait(10)
        return both

    def reduce(self, value):
        return torch.stack(self._exchange(value)).mean()

    def any(self, flag):
        return any(self._exchange(flag))


def together(work):
    """What a function of a member returns on each of the two."""
    table, barrier = [None, None], Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda rank: work(Pair(rank, table, barrier)), range(2)))
