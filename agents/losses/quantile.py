"""QR-DQN: quantiles of the return (Dabney et al. 2018, arXiv:1710.10044); torch only."""

import torch

from agents.losses.value import Samples


def quantile_huber(u: torch.Tensor, tau: torch.Tensor, kappa: float) -> torch.Tensor:
    """rho(u) = |tau - 1{u < 0}| L(u), L the Huber loss of width kappa, |u| at 0 (Dabney et al. 2018, eq. 9-10).

    Not divided by kappa (IQN's paper, arXiv:1806.06923, and dopamine divide). u, tau broadcast -> their shape.
    """
    size = u.abs()
    huber = size if kappa == 0 else torch.where(size <= kappa, 0.5 * u * u, kappa * (size - 0.5 * kappa))
    return (tau - (u < 0).to(u.dtype)).abs() * huber


def quantile_regression(z: torch.Tensor, target: torch.Tensor, tau: torch.Tensor, kappa: float) -> torch.Tensor:
    """sum_i mean_j rho(target_j - z_i) at the levels tau_i (Dabney et al. 2018, eq. 10).

    z [B, N], target [B, N'], tau [N] or [B, N] -> [B].
    """
    assert z.ndim == target.ndim == 2 and len(z) == len(target), (z.shape, target.shape)
    assert tau.shape in (z.shape, z.shape[1:]), (tau.shape, z.shape)
    u = target[:, None, :] - z[:, :, None]  # [B, predicted, target]
    return quantile_huber(u, tau[..., None], kappa).mean(-1).sum(-1)


class Quantile:
    """`quantiles` returns at the midpoints tau_i = (i + 0.5) / N; their mean is the action value.

    Methods as in `Value` (losses/value.py), K = quantiles.
    """

    samples = Samples()

    def __init__(self, quantiles: int, kappa: float):
        self.size, self._kappa = quantiles, kappa

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """Quantiles [..., N] -> their mean [...]."""
        return raw.mean(-1)

    def loss(
        self, raw_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, raw_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed over predicted quantiles, mean over target ones. raw_* [B, N] -> loss [B], priority [B]: the loss."""
        assert raw_tm1.ndim == 2 and raw_t.shape == raw_tm1.shape, (raw_tm1.shape, raw_t.shape)
        assert r_t.shape == discount_t.shape == raw_tm1.shape[:1], (r_t.shape, discount_t.shape, raw_tm1.shape)
        target = r_t[:, None] + discount_t[:, None] * raw_t  # [B, N]
        tau = (torch.arange(self.size, device=raw_tm1.device) + 0.5) / self.size
        loss = quantile_regression(raw_tm1, target, tau, self._kappa)
        return loss, loss.detach()
