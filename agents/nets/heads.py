"""From features to K numbers for each action, by hidden layers and an output.

`linear(inputs, outputs, bias)` makes the layers, plain or noisy; `norm(width)` what follows each hidden one;
`hidden()` new hidden layers, whose result is what a head's `features` are: what its output sees. `layers` are a head's
linear layers from input to output. Heads take features [B, F]; that of nets/implicit.py also the levels to predict at.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

Linear = Callable[[int, int, bool], nn.Module]
Activation = Callable[[torch.Tensor], torch.Tensor]
Norm = Callable[[int], nn.Module]


class Hidden(nn.Module):
    """Fully connected layers with a norm and an activation after each: [B, features] -> [B, size]."""

    def __init__(self, linear: Linear, norm: Norm, features: int, units: list[int], activation: Activation):
        super().__init__()
        widths = [features, *units]
        self.layers = nn.ModuleList(linear(a, b, True) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(norm(width) for width in units)
        self.inputs, self.size, self.activation = widths[0], widths[-1], activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = self.activation(norm(layer(x)))
        return x


class Plain(nn.Module):
    """A linear output: features [B, F] -> [B, actions, K], K = size.

    With `shared_bias` one bias [K] serves all actions (the tuned Double DQN of van Hasselt et al. 2016,
    arXiv:1509.06461).
    """

    def __init__(self, hidden: Callable[[], Hidden], linear: Linear, actions: int, size: int, shared_bias: bool):
        super().__init__()
        self.features = hidden()
        self.output = linear(self.features.size, actions * size, not shared_bias)
        self.shared_bias = nn.Parameter(torch.zeros(size)) if shared_bias else None
        self._shape = (actions, size)

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.features.layers, self.output]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.output(self.features(x)).view(-1, *self._shape)
        return y if self.shared_bias is None else y + self.shared_bias


class Dueling(nn.Module):
    """Q = V + A - mean_a A, for each of the K numbers: features [B, F] -> [B, actions, K].

    Wang et al. 2016, eq. 9 (arXiv:1511.06581); Hessel et al. 2018 for K > 1 (arXiv:1710.02298).

    `layers` alternates the streams by depth, so that from the output -1 is A's and -2 V's last layer.
    """

    def __init__(self, hidden: Callable[[], Hidden], linear: Linear, actions: int, size: int, shared_bias: bool):
        super().__init__()
        self.value = Plain(hidden, linear, 1, size, False)
        self.advantage = Plain(hidden, linear, actions, size, shared_bias)

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
