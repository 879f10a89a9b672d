"""From features to a policy and a state value."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from agents.nets.heads import Hidden, Linear
from agents.nets.network import Network


class PolicyValue(NamedTuple):
    """What an actor-critic's network gives, for each row; through time [T, B, A] and [T, B]."""

    logits: torch.Tensor  # [B, A], unnormalised log probabilities
    value: torch.Tensor  # [B]


class ActorCritic(nn.Module):
    """One linear output for the policy and one for the value, of the same hidden layers: [B, F] -> PolicyValue.

    Mnih et al. 2016, arXiv:1602.01783.

    `layers` ends with value, policy: from the output -1 is the policy's and -2 the value's layer. `size` and
    `shared_bias` are those of value heads and say nothing here.
    """

    def __init__(self, hidden: Callable[[], Hidden], linear: Linear, actions: int, size: int, shared_bias: bool):
        super().__init__()
        self.features = hidden()
        self.value = linear(self.features.size, 1, True)
        self.policy = linear(self.features.size, actions, True)

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.features.layers, self.value, self.policy]

    def forward(self, x: torch.Tensor) -> PolicyValue:
        x = self.features(x)
        return PolicyValue(self.policy(x), self.value(x).squeeze(-1))


class PolicyQ(NamedTuple):
    """A policy and action values, for each row; through time both are [T, B, A]."""

    logits: torch.Tensor  # [B, A], unnormalised log probabilities
    q: torch.Tensor  # [B, A]


class ActorQ(nn.Module):
    """One linear output for the policy and one for action values, of the same hidden layers: [B, F] -> PolicyQ.

    Wang et al. 2017, arXiv:1611.01224, section 3.

    `layers` ends with values, policy, as in ActorCritic; `size` and `shared_bias` say nothing here either.
    """

    def __init__(self, hidden: Callable[[], Hidden], linear: Linear, actions: int, size: int, shared_bias: bool):
        super().__init__()
        self.features = hidden()
        self.q = linear(self.features.size, actions, True)
        self.policy = linear(self.features.size, actions, True)

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.features.layers, self.q, self.policy]

    def forward(self, x: torch.Tensor) -> PolicyQ:
        x = self.features(x)
        return PolicyQ(self.policy(x), self.q(x))


class Single(nn.Module):
    """Hidden layers and one linear output: [B, F] -> [B, outputs], or [B] where it is a value."""

    def __init__(self, features: Hidden, output: nn.Module, value: bool):
        super().__init__()
        self.features, self.output, self._value = features, output, value

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.features.layers, self.output]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.output(self.features(x))
        return x.squeeze(-1) if self._value else x


def parted(network: Network) -> tuple[Network, Network]:
    """A policy, [B, C, H, W] -> logits [B, A], and a value, -> [B], that share nothing; the policy keeps the layers.

    `network` has an ActorCritic head and no core; what it computes, both compute until one of them learns.
    """
    twin = copy.deepcopy(network)
    policy = Single(network.head.features, network.head.policy, value=False)
    value = Single(twin.head.features, twin.head.value, value=True)
    return Network(network.torso, None, policy, network.scale), Network(twin.torso, None, value, network.scale)
