"""C51: a categorical distribution over fixed returns (Bellemare et al. 2017, arXiv:1707.06887); torch only."""

import torch
import torch.nn.functional as F

from agents.losses.value import Samples


def project(
    z_low: float, z_high: float, r_t: torch.Tensor, discount_t: torch.Tensor, p_t: torch.Tensor
) -> torch.Tensor:
    """Phi T: the distribution of r + discount Z on the support of Z (Bellemare et al. 2017, eq. 7, arXiv:1707.06887).

    r_t, discount_t [B], p_t [B, N] on N equidistant returns from z_low to z_high -> [B, N], rows summing to 1.
    Mass that falls between two atoms is shared by its distance; mass beyond the support goes to its ends.
    """
    assert p_t.ndim == 2 and r_t.shape == discount_t.shape == p_t.shape[:1], (r_t.shape, discount_t.shape, p_t.shape)
    atoms = p_t.shape[-1]
    z = torch.linspace(z_low, z_high, atoms, device=p_t.device)
    shifted = (r_t[:, None] + discount_t[:, None] * z).clamp(z_low, z_high)
    # In float32 (z - low) / dz can pass N - 1 by rounding; b on an atom gives all its mass to `lower`.
    b = ((shifted - z_low) * ((atoms - 1) / (z_high - z_low))).clamp(0, atoms - 1)
    lower = b.floor()
    upper_share = b - lower
    lower = lower.long()
    m = torch.zeros_like(p_t)
    m.scatter_add_(1, lower, p_t * (1 - upper_share))
    return m.scatter_add_(1, (lower + 1).clamp(max=atoms - 1), p_t * upper_share)


class Categorical:
    """Softmax over `atoms` equidistant returns from `low` to `high`; its mean is the action value.

    Methods as in `Value` (losses/value.py), K = atoms; `support` [K] are the returns.
    """

    huber, compiled = False, True  # as in `Scalar`
    samples = Samples()

    def __init__(self, low: float, high: float, atoms: int):
        self.size, self._low, self._high = atoms, low, high
        self.support = torch.linspace(low, high, atoms)

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """Logits [..., N] -> sum_i p_i z_i [...]."""
        z = torch.linspace(self._low, self._high, self.size, device=raw.device)
        return raw.softmax(-1) @ z

    def loss(
        self, raw_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, raw_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy with the projected target. raw_* [B, N] logits -> loss [B], priority [B].

        The priority is the cross-entropy, as in the public codes of Rainbow; the paper's KL divergence (Hessel et al.
        2018, arXiv:1710.02298) differs from it by the target's entropy.
        """
        assert raw_tm1.ndim == 2 and raw_t.shape == raw_tm1.shape, (raw_tm1.shape, raw_t.shape)
        assert r_t.shape == discount_t.shape == raw_tm1.shape[:1], (r_t.shape, discount_t.shape, raw_tm1.shape)
        target = project(self._low, self._high, r_t, discount_t, raw_t.softmax(-1))
        loss = -(target * F.log_softmax(raw_tm1, -1)).sum(-1)
        return loss, loss.detach()
