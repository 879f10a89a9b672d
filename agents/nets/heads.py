"""From features to K numbers for each action."""

import torch
from torch import nn


class Plain(nn.Module):
    """One linear layer."""

    def __init__(self, features: int, actions: int, size: int):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(features, actions * size)])
        self._shape = (actions, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, features] -> [B, A, K]."""
        return self.layers[0](x).view(-1, *self._shape)
