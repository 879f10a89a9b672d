"""From observations to features."""

import torch
from torch import nn
from torch.nn import functional as F

from agents.nets.chain import Chain
from agents.nets.heads import Norm
from agents.nets.layers import ACTIVATIONS, Conv2d
from agents.spec.network import Network as NetworkSpec

WIDE = 32  # pixels: from this side on channels-last convolutions are the faster ones; below it gathered patches,
# since library convolutions of small images spend most of their time on set-up


class Convolutional(nn.Module):
    """Convolutions with an activation after each, flattened (Mnih et al. 2015; Young & Tian 2019).

    `straight`: at most one, and that one of gathered patches and with ReLU, as agents/nets/chain.py wants it.
    """

    def __init__(self, spec: NetworkSpec, shape: tuple[int, int, int], norm: Norm):
        super().__init__()
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        small = shape[-1] < WIDE
        for channels, kernel, stride in spec.convolutions:
            self.layers.append(Conv2d(shape, channels, kernel, stride))
            self.norms.append(norm(channels))
            shape = self.layers[-1].output_shape
        self._activation = ACTIVATIONS[spec.activations.convolutions]
        self._gathered = Chain(self.layers[:1], 1.0, self.layers[0].output_shape) if small and self.layers else None
        plain = self._activation is F.relu and all(isinstance(each, nn.Identity) for each in self.norms)
        self.straight = plain and small and len(self.layers) <= 1
        self.size = shape[0] * shape[1] * shape[2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] float -> [B, size]."""
        if x.shape[-1] >= WIDE:
            x = x.contiguous(memory_format=torch.channels_last)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            gathers = self._gathered if layer is self.layers[0] and not x.requires_grad else None
            x = self._activation(norm((gathers or layer)(x)))
        return x.flatten(1)
