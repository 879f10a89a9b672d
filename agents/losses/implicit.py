"""IQN: the quantile function of the return at levels that are drawn (Dabney et al. 2018, arXiv:1806.06923); torch only.

tau is a quantile level here, never the temperature of losses/munchausen.py.
"""

import torch

from agents.losses.quantile import quantile_regression
from agents.losses.value import Samples


class Implicit:
    """Returns at levels tau ~ U(0, 1): `samples` N of the action that learns, `target_samples` N' of the one to
    bootstrap from, `acting_samples` K of those whose mean is an action value, each drawn anew.

    Methods as in `Value` (losses/value.py).
    """

    size = 1  # number per action at one level

    def __init__(self, samples: int, target_samples: int, acting_samples: int, kappa: float):
        self.samples, self._kappa = Samples(samples, target_samples, acting_samples), kappa

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """Returns at any number of levels [..., N] -> their mean [...]: the action value."""
        return raw.mean(-1)

    def loss(
        self,
        raw_tm1: torch.Tensor,
        r_t: torch.Tensor,
        discount_t: torch.Tensor,
        raw_t: torch.Tensor,
        tau: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """sum_i mean_j |tau_i - 1{u_ij < 0}| Huber(u_ij) / kappa, u_ij = r + discount Z_j - Z_i (eq. 2 and 3).

        raw_tm1 [B, N] at the levels tau [B, N], raw_t [B, N'] -> loss [B], priority [B]: the loss. The sum over the
        predicted levels makes gradients grow with N.
        """
        assert raw_tm1.ndim == raw_t.ndim == 2 and tau.shape == raw_tm1.shape, (raw_tm1.shape, raw_t.shape, tau.shape)
        assert r_t.shape == discount_t.shape == raw_tm1.shape[:1], (r_t.shape, discount_t.shape, raw_tm1.shape)
        target = r_t[:, None] + discount_t[:, None] * raw_t
        loss = quantile_regression(raw_tm1, target, tau, self._kappa) / self._kappa
        return loss, loss.detach()
