"""How a process computes: by how many threads, and with what numbers."""

import torch


def settle(threads: int) -> None:
    """`threads` for torch from here on; numbers below 1e-38 (denormal ones) count as 0 in this thread and its children.

    The averages of weights whose gradients have become 0 fade through such numbers, on which some processors take a
    hundred times as long.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
