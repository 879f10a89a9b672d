"""Natural gradients without a matrix: products with the Fisher matrix of a softmax policy, and conjugate gradients.

TRPO (Schulman et al. 2015, arXiv:1502.05477, appendix C).
"""

from collections.abc import Callable, Sequence

import torch


def flat(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One vector of them all."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def unflat(vector: torch.Tensor, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """What `flat` took, in the shapes of `like`."""
    parts = vector.split([tensor.numel() for tensor in like])
    return [part.view_as(tensor) for part, tensor in zip(parts, like, strict=True)]


def conjugate_gradients(
    product: Callable[[torch.Tensor], torch.Tensor], b: torch.Tensor, iterations: int, tolerance: float
) -> torch.Tensor:
    """x with M x = b, from x = 0, for a symmetric positive M that `product` multiplies by; b [K] -> [K].

    Ends after `iterations`, or when the residual's squared norm is below `tolerance` (Hestenes & Stiefel 1952).
    """
    x, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    size = residual @ residual
    for _ in range(iterations):
        if bool(size < tolerance):
            break
        along = product(direction)
        stride = size / (direction @ along)
        x += stride * direction
        residual -= stride * along
        before, size = size, residual @ residual
        direction = residual + size / before * direction
    return x


class SoftmaxFisher:
    """v [K] -> (F + damping I) v, with F = mean_s J_s^T (diag p_s - p_s p_s^T) J_s at one policy, exact over actions.

    J_s is the Jacobian of the logits at state s by the parameters. `logits` [N, A] come from one forward pass, which
    stays in use: J^T u is a backward pass, and J v the gradient of <J^T u, v> by u, the same for every u.
    """

    def __init__(self, logits: torch.Tensor, parameters: Sequence[torch.Tensor], damping: float):
        assert logits.ndim == 2, logits.shape
        self.logits, self.parameters, self.damping = logits, list(parameters), damping
        self.p = logits.detach().softmax(-1)
        self.u = torch.zeros_like(logits, requires_grad=True)
        self.pulled = self._pull(self.u, create_graph=True)  # J^T u

    def _pull(self, by_logits: torch.Tensor, create_graph: bool = False) -> torch.Tensor:
        return flat(
            torch.autograd.grad(self.logits, self.parameters, by_logits, retain_graph=True, create_graph=create_graph)
        )

    def __call__(self, v: torch.Tensor) -> torch.Tensor:
        (jv,) = torch.autograd.grad(self.pulled, self.u, v, retain_graph=True)
        by_logits = self.p * (jv - (self.p * jv).sum(-1, keepdim=True)) / len(self.p)
        return self._pull(by_logits) + self.damping * v
