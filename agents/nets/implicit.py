"""IQN's network: features multiplied with an embedding of a quantile level (Dabney et al. 2018, arXiv:1806.06923)."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from agents.nets.heads import Hidden, Linear, Plain


def cosines(tau: torch.Tensor, first: int, count: int) -> torch.Tensor:
    """cos(pi i tau) for i = first … first + count - 1 (eq. 4): tau [...] -> [..., count]."""
    return torch.cos(math.pi * tau[..., None] * torch.arange(first, first + count, device=tau.device))


class Implicit(nn.Module):
    """Z_tau(x, a) = f(psi(x) * phi(tau))_a, phi(tau) = ReLU(linear(cosines of tau)), f a plain head.

    Features psi(x) [B, F] and levels tau [B, N] -> [B, actions, N]. The paper's eq. 4 counts i from 0 (`first`); with
    it the first cosine is a constant.
    """

    def __init__(
        self,
        hidden: Callable[[], Hidden],
        linear: Linear,
        actions: int,
        size: int,
        shared_bias: bool,
        cosines: int,
        first: int,
    ):
        super().__init__()
        self.plain = Plain(hidden, linear, actions, size, shared_bias)
        self.embedding = linear(cosines, self.plain.features.inputs, True)
        self._cosines = (first, cosines)

    @property
    def layers(self) -> list[nn.Module]:
        return [self.embedding, *self.plain.layers]

    def forward(self, x: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
        phi = F.relu(self.embedding(cosines(tau.flatten(), *self._cosines))).unflatten(0, tau.shape)
        z = self.plain((x[:, None] * phi).flatten(0, 1))  # [B * N, actions, 1]
        return z.view(*tau.shape, -1).transpose(1, 2)
