"""From a state to an image: the raw numbers, one for each pixel, that an image's loss reads."""

from collections.abc import Callable

import torch
from torch import nn

from agents.nets.heads import Hidden
from agents.nets.layers import Linear
from agents.nets.normalisation import none

Activation = Callable[[torch.Tensor], torch.Tensor]


def head(features: int, units: list[int], outputs: int, activation: Activation) -> nn.Sequential:
    """Hidden layers and a linear output: [..., features] -> [..., outputs]."""
    hidden = Hidden(Linear, none, features, units, activation)
    return nn.Sequential(hidden, Linear(hidden.size, outputs))


class Dense(nn.Module):
    """Fully connected: [N, features] -> [N, *shape]. For images so small that there is little to share."""

    def __init__(self, features: int, shape: tuple[int, int, int], activation: Activation, units: list[int]):
        super().__init__()
        self.shape = shape
        self.head = head(features, units, shape[0] * shape[1] * shape[2], activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x).unflatten(-1, self.shape)


class Transposed(nn.Module):
    """A linear layer to `channels` of 1 x 1, transposed convolutions, each but the last with its activation.

    [N, features] -> [N, *shape]; Hafner et al. 2019 (arXiv:1811.04551). `convolutions`: [channels, kernel, stride];
    `last`: kernel and stride of the one that makes the image (agents/spec sees to it that its side is `shape`'s).
    """

    def __init__(
        self,
        features: int,
        shape: tuple[int, int, int],
        activation: Activation,
        channels: int,
        convolutions: list[tuple[int, int, int]],
        last: tuple[int, int],
    ):
        super().__init__()
        self.enter, self.activation = Linear(features, channels), activation
        layers = []
        for out, kernel, stride in [*convolutions, (shape[0], *last)]:
            layers.append(nn.ConvTranspose2d(channels, out, kernel, stride))
            channels = out
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)[..., None, None].contiguous(memory_format=torch.channels_last)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)
