"""From a state to an image: the raw numbers, one for each pixel, that an image's loss reads."""

import torch
from torch import nn

from agents.nets.rssm import Activation, Head, OfState, State


class Dense(nn.Module):
    """Fully connected: State [...] -> [..., *shape]. For images so small that there is little to share."""

    def __init__(self, deter: int, width: int, shape: tuple[int, int, int], activation: Activation, units: list[int]):
        super().__init__()
        self.shape = shape
        self.head = Head(deter, width, units, shape[0] * shape[1] * shape[2], activation)

    def forward(self, state: State) -> torch.Tensor:
        return self.head(state).unflatten(-1, self.shape)


class Transposed(nn.Module):
    """A linear layer to `channels` of 1 x 1, transposed convolutions, each but the last with its activation.

    State [...] -> [..., *shape]; Hafner et al. 2019 (arXiv:1811.04551). `convolutions`: [channels, kernel, stride];
    `last`: kernel and stride of the one that makes the image (agents/spec sees to it that its side is `shape`'s).
    """

    def __init__(
        self,
        deter: int,
        width: int,
        shape: tuple[int, int, int],
        activation: Activation,
        channels: int,
        convolutions: list[tuple[int, int, int]],
        last: tuple[int, int],
    ):
        super().__init__()
        self.enter, self.activation = OfState(deter, width, channels), activation
        layers = []
        for out, kernel, stride in [*convolutions, (shape[0], *last)]:
            layers.append(nn.ConvTranspose2d(channels, out, kernel, stride))
            channels = out
        self.layers = nn.ModuleList(layers)

    def forward(self, state: State) -> torch.Tensor:
        x = self.enter(state)
        rows = x.shape[:-1]
        x = x.reshape(-1, x.shape[-1], 1, 1).contiguous(memory_format=torch.channels_last)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x).unflatten(0, rows)
