"""From features to K numbers for each action.

`linear(inputs, outputs, bias)` makes the layers, plain or noisy; `norm(width)` what follows each hidden one.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

Linear = Callable[[int, int, bool], nn.Module]
Activation = Callable[[torch.Tensor], torch.Tensor]
Norm = Callable[[int], nn.Module]


class Plain(nn.Module):
    """Hidden layers with an activation after each, then a linear output [B, actions, K].

    With `shared_bias` one bias [K] serves all actions (the tuned Double DQN of van Hasselt et al. 2016).
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
        self.output = linear(widths[-1], actions * size, not shared_bias)
        self.shared_bias = nn.Parameter(torch.zeros(size)) if shared_bias else None
        self._activation, self._shape = activation, (actions, size)

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.hidden, self.output]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the output layer sees [B, units]."""
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = self._activation(norm(layer(x)))
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.output(self.features(x)).view(-1, *self._shape)
        return y if self.shared_bias is None else y + self.shared_bias


class Dueling(nn.Module):
    """Q = V + A - mean_a A, for each of the K numbers (Wang et al. 2016, eq. 9; Hessel et al. 2018 for K > 1).

    `layers` alternates the streams by depth, so that from the output -1 is A's and -2 V's last layer.
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
        self.value = Plain(linear, norm, features, units, activation, 1, size, False)
        self.advantage = Plain(linear, norm, features, units, activation, actions, size, shared_bias)

    @property
    def layers(self) -> list[nn.Module]:
        pairs = zip(self.value.layers, self.advantage.layers, strict=True)
        return [layer for pair in pairs for layer in pair]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the output layers of V and A see, side by side [B, 2 * units]."""
        return torch.cat((self.value.features(x), self.advantage.features(x)), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.mean(1, keepdim=True)
