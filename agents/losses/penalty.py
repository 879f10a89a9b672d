"""What is added to the loss to keep a network smooth; torch only.

A penalty prepares the network's input before the forward pass, and makes loss terms of Q(s, a) after it.
"""

from typing import Protocol

import torch


class Penalty(Protocol):
    """What is added to the loss of one forward pass."""

    def watch(self, x: torch.Tensor) -> torch.Tensor:
        """The float input [B, …] of a forward pass, before it -> what the pass is to take, the same numbers."""
        ...

    def terms(self, q: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """q [B]: Q(s, a) computed from x [B, …], which `watch` gave -> name of each term -> scalar, to be added."""
        ...


class Nothing:
    """No penalty."""

    def watch(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def terms(self, q: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}


class Gradient:
    """weight * mean of (|d Q(s, a) / d s| - norm)^2, Euclidean.

    Gulrajani et al. 2017 (arXiv:1704.00028), on Q in place of a critic. `norm` is in units of Q per scaled input.

    The gradient is kept in the graph, so that the term can be differentiated by the parameters.
    """

    def __init__(self, weight: float, norm: float):
        self.weight, self.norm = weight, norm

    def watch(self, x: torch.Tensor) -> torch.Tensor:
        """The float input [B, …] of a forward pass -> the same numbers, followed by autograd."""
        return x.detach().requires_grad_()

    def terms(self, q: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """q [B] computed from x [B, …] -> {"penalty": scalar}."""
        assert q.ndim == 1 and x.ndim >= 2 and len(q) == len(x), (q.shape, x.shape)
        (gradient,) = torch.autograd.grad(q.sum(), x, create_graph=True)
        # At a gradient of exactly 0 (all units off) the norm has no derivative: the constant keeps it finite.
        norm = (gradient.flatten(1).square().sum(1) + 1e-12).sqrt()
        return {"penalty": self.weight * (norm - self.norm).square().mean()}
