"""From features to a policy and a state value."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

from agents.nets.heads import Activation, Linear


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
        self.value = linear(widths[-1], 1, True)
        self.policy = linear(widths[-1], actions, True)
        self._activation = activation

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.hidden, self.value, self.policy]

    def forward(self, x: torch.Tensor) -> PolicyValue:
        for layer in self.hidden:
            x = self._activation(layer(x))
        return PolicyValue(self.policy(x), self.value(x).squeeze(-1))
