"""From features to K numbers for each action. `linear(inputs, outputs, bias)` makes the layers: plain or noisy."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

Linear = Callable[[int, int, bool], nn.Module]


class Plain(nn.Module):
    """Hidden layers with ReLU, then a linear output [B, actions, K].

    With `shared_bias` one bias [K] serves all actions (the tuned Double DQN of van Hasselt et al. 2016).
    `straight`: nothing but torch's linear layers, as agents/nets/chain.py wants them.
    """

    def __init__(self, linear: Linear, features: int, units: list[int], actions: int, size: int, shared_bias: bool):
        super().__init__()
        widths = [features, *units]
        self.hidden = nn.ModuleList(linear(a, b, True) for a, b in pairwise(widths))
        self.output = linear(widths[-1], actions * size, not shared_bias)
        self.shared_bias = nn.Parameter(torch.zeros(size)) if shared_bias else None
        self.shape = (actions, size)
        self.straight = not shared_bias and all(isinstance(layer, nn.Linear) for layer in self.layers)

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.hidden, self.output]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.hidden:
            x = F.relu(layer(x))
        y = self.output(x).view(-1, *self.shape)
        return y if self.shared_bias is None else y + self.shared_bias


class Dueling(nn.Module):
    """Q = V + A - mean_a A, for each of the K numbers (Wang et al. 2016, eq. 9; Hessel et al. 2018 for K > 1).

    `layers` alternates the streams by depth, so that from the output -1 is A's and -2 V's last layer.
    """

    straight = False

    def __init__(self, linear: Linear, features: int, units: list[int], actions: int, size: int, shared_bias: bool):
        super().__init__()
        self.value = Plain(linear, features, units, 1, size, False)
        self.advantage = Plain(linear, features, units, actions, size, shared_bias)

    @property
    def layers(self) -> list[nn.Module]:
        pairs = zip(self.value.layers, self.advantage.layers, strict=True)
        return [layer for pair in pairs for layer in pair]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.mean(1, keepdim=True)
