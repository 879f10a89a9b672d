"""From observations to features."""

import torch
from torch import nn

from agents.nets.heads import Norm
from agents.nets.layers import ACTIVATIONS, Conv2d
from agents.spec.network import Network as NetworkSpec

WIDE = 32  # pixels: from this side on channels-last convolutions are the faster ones, below it gathered patches


class Convolutional(nn.Module):
    """Convolutions with an activation after each, flattened: [B, *shape] -> [B, size].

    Mnih et al. 2015; Young & Tian 2019 (arXiv:1903.03176). ValueError where a kernel does not fit in.
    """

    def __init__(self, spec: NetworkSpec, shape: tuple[int, int, int], norm: Norm):
        super().__init__()
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        for channels, kernel, stride in spec.convolutions:
            gather = not self.layers and shape[-1] < WIDE
            self.layers.append(Conv2d(shape, channels, kernel, stride, gather))
            self.norms.append(norm(channels))
            shape = self.layers[-1].output_shape
        self.activation = ACTIVATIONS[spec.activations.convolutions]
        self.size = shape[0] * shape[1] * shape[2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] float -> [B, size]."""
        if x.shape[-1] >= WIDE:
            x = x.contiguous(memory_format=torch.channels_last)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = self.activation(norm(layer(x)))
        return x.flatten(1)
