"""From features to a policy and a state value."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

from agents.nets.heads import Activation, Linear, Norm


class PolicyValue(NamedTuple):
    logits: torch.Tensor  # [B, A], unnormalised log probabilities
    value: torch.Tensor  # [B]


class ActorCritic(nn.Module):
    """Shared hidden layers, then one linear output for the policy and one for the value (Mnih et al. 2016).

    `layers` ends with value, policy: from the output -1 is the policy's and -2 the value's layer. `size` and
    `shared_bias` are those of value heads and say nothing here.
    """

    def __init__(
        self,
        linear: Linear,
        norm: Norm,
        features: int,
        units: list[int],
        activation: Activation,
        actions: int,
        size: int,
        shared_bias: bool,
    ):
        super().__init__()
        widths = [features, *units]
        self.hidden = nn.ModuleList(linear(a, b, True) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(norm(width) for width in units)
        self.value = linear(widths[-1], 1, True)
        self.policy = linear(widths[-1], actions, True)
        self._activation = activation

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.hidden, self.value, self.policy]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What both output layers see [B, units]."""
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = self._activation(norm(layer(x)))
        return x

    def forward(self, x: torch.Tensor) -> PolicyValue:
        x = self.features(x)
        return PolicyValue(self.policy(x), self.value(x).squeeze(-1))
