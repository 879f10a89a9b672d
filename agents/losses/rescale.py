"""Rescaling of values (Pohlen et al. 2018, Proposition A.2, arXiv:1805.11593), as R2D2 has it.

Large returns count by about their square root. Elementwise, for tensors of any shape; epsilon is 0 or more.
"""

import torch


def h(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """sign(x) (sqrt(|x| + 1) - 1) + epsilon x, in the form x / (sqrt(|x| + 1) + 1) + epsilon x: no cancellation."""
    return x / (torch.sqrt(x.abs() + 1) + 1) + epsilon * x


def h_inverse(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The x of which h is `x`: sign(x) (r^2 - 1).

    r = (sqrt(1 + 4 epsilon (|x| + 1 + epsilon)) - 1) / (2 epsilon) in the paper; the same root is written here with
    a sum below the line, since in float32 the difference loses three digits around |x| = 1.
    """
    size = x.abs() + 1 + epsilon
    root = 2 * size / (torch.sqrt(1 + 4 * epsilon * size) + 1)
    return x.sign() * (root**2 - 1)
