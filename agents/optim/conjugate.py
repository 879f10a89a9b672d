"""Natural gradients without a matrix: products with a policy's Fisher matrix, and conjugate gradients.

TRPO (Schulman et al. 2015, arXiv:1502.05477, appendix C).
"""

from collections.abc import Callable, Sequence

import torch

Metric = Callable[[torch.Tensor], torch.Tensor]  # [N, A] -> [N, A], row by row


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


def softmax_metric(logits: torch.Tensor) -> Metric:
    """u [N, A] -> (diag p_s - p_s p_s^T) u_s: the Fisher matrix of a softmax policy by its logits [N, A]."""
    p = logits.detach().softmax(-1)
    return lambda u: p * (u - (p * u).sum(-1, keepdim=True))


def normal_metric(log_std: torch.Tensor) -> Metric:
    """u [N, 2 A] -> u_s times (1 / sigma^2, 2): that of normal actions by means and log standard deviations [A]."""
    weights = torch.cat([(-2 * log_std.detach()).exp(), torch.full_like(log_std, 2.0)])
    return lambda u: u * weights


class Fisher:
    """v [K] -> (F + damping I) v, with F = mean_s J_s^T M_s J_s at one policy, exact over actions.

    J_s is the Jacobian of the policy's outputs at state s by the parameters, M_s (`metric`) the Fisher matrix by these
    outputs. `outputs` [N, A] come from one forward pass, which stays in use: J^T u is a backward pass, and J v the
    gradient of <J^T u, v> by u, the same for every u.
    """

    def __init__(self, outputs: torch.Tensor, metric: Metric, parameters: Sequence[torch.Tensor], damping: float):
        assert outputs.ndim == 2, outputs.shape
        self.outputs, self.metric, self.parameters, self.damping = outputs, metric, list(parameters), damping
        self.u = torch.zeros_like(outputs, requires_grad=True)
        self.pulled = self._pull(self.u, create_graph=True)  # J^T u

    def _pull(self, by_outputs: torch.Tensor, create_graph: bool = False) -> torch.Tensor:
        return flat(
            torch.autograd.grad(self.outputs, self.parameters, by_outputs, retain_graph=True, create_graph=create_graph)
        )

    def __call__(self, v: torch.Tensor) -> torch.Tensor:
        (jv,) = torch.autograd.grad(self.pulled, self.u, v, retain_graph=True)
        return self._pull(self.metric(jv) / len(self.outputs)) + self.damping * v
