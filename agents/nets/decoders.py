"""From a state to an image: the raw numbers, one for each pixel, that an image's loss reads."""

import torch
from torch import nn
from torch.nn import functional as F

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
        first, *between, last = self.layers
        y = self.activation(of_one_pixel(first, x.flatten(0, -2)))
        for layer in between:
            y = self.activation(layer(y))
        return by_phases(last, y).unflatten(0, x.shape[:-1])


def of_one_pixel(layer: nn.ConvTranspose2d, x: torch.Tensor) -> torch.Tensor:
    """`layer` on images of one pixel, [N, C] -> [N, out, kernel, kernel]: one matrix product, far quicker as such."""
    spread = (x @ layer.weight.flatten(1)).unflatten(1, layer.weight.shape[1:])
    return (spread + layer.bias[:, None, None]).contiguous(memory_format=torch.channels_last)


def by_phases(layer: nn.ConvTranspose2d, x: torch.Tensor) -> torch.Tensor:
    """`layer` on [N, C, n, n] as a plain convolution: s x s images of it, one for each remainder of a row and a column
    by the stride s, laid into each other. Half the time where few channels come out."""
    stride, (kernel, _) = layer.stride[0], layer.kernel_size
    taps = -(-kernel // stride)  # of each phase
    weight = F.pad(layer.weight, (0, taps * stride - kernel, 0, taps * stride - kernel))
    weight = weight.unflatten(2, (taps, stride)).unflatten(4, (taps, stride))  # [C, out, taps, s, taps, s]
    phases = weight.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2)
    x = x.contiguous(memory_format=torch.channels_last)
    y = F.conv2d(x, phases, layer.bias.repeat_interleave(stride**2), padding=taps - 1)
    side = stride * (x.shape[-1] - 1) + kernel
    return F.pixel_shuffle(y, stride)[..., :side, :side]
